import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDefinitions } from '#fhir-model';
import { isCerebraError } from '#platform';
import { createPolicy, type PolicyOptions } from './policy.ts';

const definitions = await loadDefinitions();
const policy = (options: PolicyOptions) => createPolicy(definitions, options);
const levels = (levels: string | undefined, ...types: string[]) => types.map((type) => policy({ levels }).level(type));

describe('VALIDATION', () => {
  test('claims are checked unless told otherwise; a type’s own level goes first', () => {
    assert.deepEqual(levels(undefined, 'Patient', 'Bundle'), ['claimed', 'claimed']);
    assert.deepEqual(levels('structure', 'Patient'), ['structure']);
    assert.deepEqual(levels('Basic=off, structure ,Patient=claimed', 'Basic', 'Group', 'Patient'), [
      'off',
      'structure',
      'claimed',
    ]);
  });

  test('off keeps what the server lives on', () => {
    assert.deepEqual(levels('off', 'Patient', 'Bundle', 'Parameters', 'SearchParameter', 'Subscription'), [
      'off',
      ...['structure', 'structure', 'structure', 'structure'],
    ]);
    const { off } = policy({ levels: 'off' });
    assert.equal(off.size, definitions.resourceTypes.length - 4);
  });
});

test('VALIDATION_PROFILES: several of a type all hold', () => {
  const { required } = policy({ profiles: 'Patient=http://a|1.0 , Group=http://b,Patient=http://c' });
  assert.deepEqual(
    [required('Patient'), required('Group'), required('Basic')],
    [['http://a|1.0', 'http://c'], ['http://b'], []],
  );
});

test('VALIDATION_RECORD: by type, by profile with or without version, or all', () => {
  const records = (record: string, type: string, profile: string) => policy({ record }).records(type, profile);
  assert.deepEqual(
    [
      records('Patient', 'Patient', 'http://a'),
      records('Patient', 'Group', 'http://a'),
      records('all', 'Group', 'http://a'),
    ],
    [true, false, true],
  );
  assert.deepEqual(
    [
      records('http://a', 'Group', 'http://a|1'),
      records('http://a|1', 'Group', 'http://a|1'),
      records('http://a|1', 'Group', 'http://a'),
    ],
    [true, true, false],
  );
  assert.equal(policy({}).records('Patient', 'http://a'), false);
});

test('what is wrong is named with its variable', () => {
  const fault = (options: PolicyOptions): string => {
    try {
      policy(options);
      return 'none';
    } catch (error) {
      assert.ok(isCerebraError(error, 'config'));
      return error.message;
    }
  };
  assert.equal(fault({ levels: 'full' }), "VALIDATION: 'full' is none of off, structure, claimed");
  assert.equal(fault({ levels: 'Pasient=off' }), "VALIDATION: 'Pasient' is not a resource type of FHIR R4");
  assert.match(fault({ levels: 'Bundle=off' }), /^VALIDATION: Bundle can't be off/);
  assert.equal(fault({ profiles: 'http://a' }), "VALIDATION_PROFILES: 'http://a' is not Type=canonical");
  assert.equal(fault({ profiles: 'X=http://a' }), "VALIDATION_PROFILES: 'X' is not a resource type of FHIR R4");
  assert.equal(fault({ record: 'X' }), "VALIDATION_RECORD: 'X' is not a resource type of FHIR R4");
});
