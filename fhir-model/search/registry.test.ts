import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDefinitions } from '../definitions.ts';
import { paramKey } from './param-key.ts';
import { createSearchParameters, withExtensionValues } from './registry.ts';

const definitions = await loadDefinitions();
const parameters = createSearchParameters(definitions.searchParameters, definitions.resourceTypes);
const bound = createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions);

describe('registry of R4', () => {
  test('146 types, each with the parameters of every resource', () => {
    assert.equal(definitions.resourceTypes.length, 146);
    for (const type of definitions.resourceTypes) {
      for (const code of ['_id', '_lastUpdated', '_profile', '_security', '_source', '_tag']) {
        assert.equal(parameters.get(type, code)?.resourceType, type, `${type}.${code}`);
      }
    }
  });

  test('parameters without an expression are left out', () => {
    assert.equal(parameters.get('Patient', '_query'), undefined);
  });

  test('none of R4 needs the fhirpath engine', () => {
    assert.deepEqual(parameters.outsideSubset(), []);
  });

  test('a shared parameter is narrowed to the type at hand', () => {
    const code = parameters.get('Observation', 'code');
    assert.equal(code?.expression, 'Observation.code');
    assert.equal(code?.url, 'http://hl7.org/fhir/SearchParameter/clinical-code');
    assert.equal(code?.type, 'token');
    assert.equal(parameters.get('Condition', 'code')?.expression, 'Condition.code');
    assert.equal(parameters.get('InsurancePlan', 'name')?.expression, 'name | alias');
    assert.equal(parameters.get('Patient', '_id')?.expression, 'Resource.id');
  });

  test('targets: the types, and empty for any', () => {
    assert.deepEqual(parameters.get('Patient', 'general-practitioner')?.target, [
      'Practitioner',
      'Organization',
      'PractitionerRole',
    ]);
    assert.deepEqual(parameters.get('Composition', 'subject')?.target, []);
  });

  test('codes know the system their binding implies, with definitions', () => {
    const system = (type: string, code: string) => bound.get(type, code)?.codeSystem;
    assert.equal(system('Patient', 'gender'), 'http://hl7.org/fhir/administrative-gender');
    assert.equal(system('Observation', 'status'), 'http://hl7.org/fhir/observation-status');
    assert.equal(system('Observation', 'code'), undefined);
    assert.equal(system('Patient', 'identifier'), undefined);
    assert.equal(system('Patient', 'active'), undefined);
    assert.equal(system('Patient', '_id'), undefined);
    assert.equal(parameters.get('Patient', 'gender')?.codeSystem, undefined);
  });

  test('the list is sorted, has no code twice and agrees with get', () => {
    for (const type of definitions.resourceTypes) {
      const codes = parameters.list(type).map((param) => param.code);
      assert.deepEqual(codes, [...new Set(codes)].sort());
      for (const param of parameters.list(type)) assert.equal(parameters.get(type, param.code), param);
    }
  });

  test('names of Object.prototype are no parameters and no types', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      assert.equal(parameters.get('Patient', name), undefined);
      assert.equal(parameters.get(name, '_id'), undefined);
      assert.deepEqual(parameters.list(name), []);
    }
  });

  test('keys are stable: index rows carry them', () => {
    assert.equal(parameters.get('Patient', 'name')?.key, paramKey('Patient', 'name'));
    assert.deepEqual(
      [paramKey('Patient', 'name'), paramKey('Observation', 'code'), paramKey('Encounter', '_id')],
      [591958698, 760864872, -1014823910],
    );
    for (const type of definitions.resourceTypes) {
      for (const { key } of parameters.list(type)) assert.equal(key, key | 0);
    }
  });
});

describe('registry of other parameters', () => {
  const raw = (code: string, base: string[], expression: string, type = 'token') => ({
    url: `http://x/${code}`,
    code,
    base,
    expression,
    type,
  });

  test('what lies outside the subset is listed', () => {
    const own = createSearchParameters([raw('odd', ['Patient'], 'Patient.name.first().family', 'string')], ['Patient']);
    assert.deepEqual(
      own.outsideSubset().map((param) => param.code),
      ['odd'],
    );
  });

  test('malformed definitions and unknown types are left out', () => {
    const wrong = [
      {},
      { code: 'a' },
      raw('b', ['Nope'], 'Nope.b'),
      raw('c', ['Patient'], 'Observation.c'),
      raw('d', ['Patient'], 'Patient.d', 'wild'),
    ];
    assert.deepEqual(createSearchParameters(wrong, ['Patient']).list('Patient'), []);
  });

  test('two parameters with one key are refused', () => {
    const seen = new Map<number, string>();
    let pair: [string, string] | undefined;
    for (let i = 0; pair === undefined; i++) {
      const code = `p${i}`;
      const key = paramKey('Patient', code);
      const other = seen.get(key);
      if (other !== undefined) pair = [other, code];
      seen.set(key, code);
    }
    const both = pair.map((code) => raw(code, ['Patient'], 'Patient.x'));
    assert.throws(() => createSearchParameters(both, ['Patient']), {
      code: 'config',
      message: new RegExp(`Patient\\.${pair[0]} and Patient\\.${pair[1]}`),
    });
  });
});

test('a parameter whose url is the name of what every object has is of its own type', () => {
  for (const url of ['constructor', '__proto__', 'urn:x']) {
    const own = { url, code: 'own', base: ['Patient'], type: 'token', expression: 'Patient.gender' };
    const { type, expression, special } = createSearchParameters([own], ['Patient']).get('Patient', 'own') ?? {};
    assert.deepEqual([type, expression, special], ['token', 'Patient.gender', undefined], url);
  }
});

describe('withExtensionValues', () => {
  const cases: [string, string][] = [
    ["Patient.extension('urn:x')", "Patient.extension('urn:x').value"],
    ["extension('urn:x')", "extension('urn:x').value"],
    ["Patient.extension.where(url = 'urn:x')", "Patient.extension.where(url = 'urn:x').value"],
    ["Patient.extension('urn:x').extension('y').first()", "Patient.extension('urn:x').extension('y').first().value"],
    ["Patient.birthDate.extension('urn:x')", "Patient.birthDate.extension('urn:x').value"],
    ["Patient.modifierExtension('urn:x') | Patient.name", "Patient.modifierExtension('urn:x').value | Patient.name"],
    [
      "Patient.extension('a')|Patient.extension('b|.extension')",
      "Patient.extension('a').value | Patient.extension('b|.extension').value",
    ],
  ];
  for (const [given, expected] of cases) test(given, () => assert.equal(withExtensionValues(given), expected));

  const kept = [
    "Patient.extension('urn:x').value",
    "Patient.extension('urn:x').exists()",
    "Patient.extension('urn:x').where(resolve() is Patient)",
    "Patient.name.where(use = 'extension')",
    "Patient.name.where(use = 'a.extension | b').family",
  ];
  for (const expression of kept) test(expression, () => assert.equal(withExtensionValues(expression), expression));
});
