// Contained resources in the index values of their containers.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDefinitions } from '../definitions.ts';
import { containedIn, containedParam, containedTypes, createExtractor } from './contained.ts';
import { familyPartsKey } from './family-parts.ts';
import { parameters } from './search-testing.ts';

const { resourceTypes } = await loadDefinitions();

const extract = createExtractor(parameters, { baseUrl: 'http://here' });
const medication = { resourceType: 'Medication', id: 'm1', code: { coding: [{ system: 'http://c', code: 'abc' }] } };
const request = {
  resourceType: 'MedicationRequest',
  status: 'active',
  intent: 'order',
  subject: { reference: 'Patient/1' },
  contained: [medication, { resourceType: 'Organization', id: 'o', name: 'Maker' }],
  medicationReference: { reference: '#m1' },
};

describe('keys', () => {
  test('of contained parameters, of others and of markers never meet', () => {
    const keys = new Map<number, string>();
    for (const type of resourceTypes) {
      const params = parameters.list(type);
      const note = (key: number, name: string): void => {
        assert.equal(keys.get(key) ?? name, name);
        keys.set(key, name);
      };
      for (const param of [...params, ...params.map(containedParam), containedTypes(type)]) {
        const name = `${param.contained ? 'contained ' : ''}${param.resourceType}.${param.code}`;
        note(param.key, name);
        if (param.type === 'string') note(familyPartsKey(param), `${name} (parts)`);
      }
    }
    assert.ok(keys.size > 5000);
  });

  test('are the same each time', () => {
    const code = parameters.get('Medication', 'code')!;
    assert.equal(containedParam(code), containedParam(code));
    assert.notEqual(containedParam(code).key, code.key);
  });
});

describe('values', () => {
  test("stand beside the container's own, under parameters of their own", () => {
    const values = extract(request);
    const code = containedParam(parameters.get('Medication', 'code')!);
    assert.deepEqual(
      values.filter(({ param }) => param === code).map((value) => ({ ...value, param: undefined })),
      [{ kind: 'token', param: undefined, system: 'http://c', code: 'abc' }],
    );
    const marker = containedTypes('MedicationRequest');
    assert.deepEqual(
      values.filter(({ param }) => param === marker).map((value) => value.kind === 'token' && value.code),
      ['Medication', 'Organization'],
    );
    const own = extract({ ...request, contained: undefined } as never);
    assert.deepEqual(
      values.filter(({ param }) => !param.contained),
      own,
    );
  });

  test('of what is no resource there are none', () => {
    for (const contained of [null, 5, 'x', {}, [], [null], [5], [{}], [{ resourceType: 7 }]]) {
      assert.deepEqual(containedIn({ resourceType: 'Patient', contained } as never), []);
      const values = extract({ resourceType: 'Basic', contained } as never);
      assert.deepEqual(values, []);
    }
    const unknown = extract({ resourceType: 'Basic', contained: [{ resourceType: 'Nonsense' }] } as never);
    assert.deepEqual(
      unknown.map((value) => value.kind === 'token' && value.code),
      ['Nonsense'],
    );
  });
});
