// $graphql on a resource: https://hl7.org/fhir/R4/graphql.html#fields, #list, #flattening
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { ask, assertData, assertError, begin, ofPatient } from './testing/graphql.ts';

before(begin);

describe('fields', () => {
  test('are left out where the resource has none', () =>
    assertData(ofPatient('{ id active gender name { text given family } }'), {
      id: 'p1',
      active: true,
      name: [
        { given: ['Anna', 'Beta'], family: 'Alpha' },
        { given: ['Ann'] },
        { given: ['Anna', 'Beta'], family: 'Gamma' },
      ],
    }));

  test('choices by their JSON names, extensions of primitives, aliases, __typename and resourceType', async () => {
    await assertData(
      ofPatient('{ resourceType __typename born: birthDate _birthDate { extension { at: valueDateTime } } }'),
      {
        resourceType: 'Patient',
        __typename: 'Patient',
        born: '1980-01-02',
        _birthDate: { extension: [{ at: '1980-01-02T03:04:05Z' }] },
      },
    );
    await assertData(
      ask('{ component { __typename code { text } valueQuantity { value } valueString } }', {
        type: 'Observation',
        id: 'v1',
      }),
      {
        component: [
          { __typename: 'ObservationComponent', code: { text: 'a' }, valueQuantity: { value: 1.5 } },
          { __typename: 'ObservationComponent', code: { text: 'b' }, valueString: 'text' },
        ],
      },
    );
  });

  test('decimals keep their digits', async () => {
    const { text } = await ask('{ component { valueQuantity { value } } }', { type: 'Observation', id: 'v1' });
    assert.equal(text, '{"data":{"component":[{"valueQuantity":{"value":1.50}},{}]}}');
  });

  test('the same field twice is one with all that is asked of it', () =>
    assertData(ofPatient('{ identifier { system } identifier { value } }'), {
      identifier: [{ system: 'urn:test:mrn', value: '12345' }],
    }));

  test('an alias may have any name', async () => {
    const { text } = await ofPatient('{ __proto__: id constructor: active }');
    assert.equal(text, '{"data":{"__proto__":"p1","constructor":true}}');
  });
});

describe('lists', () => {
  test('by a child, by several, by one of several values', async () => {
    await assertData(ofPatient('{ name(use: official) { family } }'), { name: [{ family: 'Alpha' }] });
    await assertData(ofPatient('{ name(given: "Beta", family: "Gamma") { use } }'), { name: [{ use: 'maiden' }] });
    await assertData(ofPatient('{ name(use: [usual, maiden]) { use } }'), {
      name: [{ use: 'usual' }, { use: 'maiden' }],
    });
    await assertData(ofPatient('{ name(use: old) { use } }'), {});
  });

  test('by FHIRPath, with $index', async () => {
    await assertData(ofPatient('{ name(fhirpath: "family.exists()") { use } }'), {
      name: [{ use: 'official' }, { use: 'maiden' }],
    });
    await assertData(ofPatient('{ name(fhirpath: "$index > 0 and given.count() = 2") { use } }'), {
      name: [{ use: 'maiden' }],
    });
    await assertData(
      ask('{ component(fhirpath: "value.value > 1.4") { code { text } } }', {
        type: 'Observation',
        id: 'v1',
      }),
      { component: [{ code: { text: 'a' } }] },
    );
  });

  test('_offset and _count apply to what the filter leaves', async () => {
    await assertData(ofPatient('{ name(_count: 1, _offset: 1) { use } }'), { name: [{ use: 'usual' }] });
    await assertData(ofPatient('{ name(given: "Beta", _offset: 1) { use } }'), { name: [{ use: 'maiden' }] });
    await assertData(ofPatient('{ name(_count: 0) { use } }'), {});
  });
});

describe('fragments and variables', () => {
  test('named and inline fragments, @skip and @include', () =>
    assertData(
      ofPatient(
        `query Q($all: Boolean = false, $use: code!) {
          ...Base
          ... on Patient { gender }
          ... on DomainResource @include(if: true) { active }
          ... on Resource { language }
          birthDate @skip(if: true)
          telecom @include(if: $all) { value }
          name(use: $use) { ...Name }
        }
        fragment Base on Patient { id }
        fragment Name on HumanName { family ...Given }
        fragment Given on HumanName { given @skip(if: $all) }`,
        { variables: { use: 'maiden' } },
      ),
      { id: 'p1', active: true, name: [{ family: 'Gamma', given: ['Anna', 'Beta'] }] },
    ));

  test('a field that stands twice, once under a condition, is one', () =>
    assertData(
      ofPatient(
        `query Q($all: Boolean!) { birthDate birthDate @skip(if: false)
          name(use: maiden) { family } name(use: maiden) @include(if: $all) { given } }`,
        { variables: { all: true } },
      ),
      { birthDate: '1980-01-02', name: [{ family: 'Gamma', given: ['Anna', 'Beta'] }] },
    ));

  test('the operation that is named', async () => {
    const two = 'query A { id } query B { active }';
    await assertData(ofPatient(two, { operationName: 'B' }), { active: true });
    await assertError(ofPatient(two), 400, 'invalid', /several operations/);
    await assertError(ofPatient(two, { operationName: 'C' }), 400, 'invalid', /no operation 'C'/);
  });

  test('variables that are missing, undefined or of another type', async () => {
    const query = 'query Q($n: Int!) { name(_count: $n) { use } }';
    await assertData(ofPatient(query, { variables: { n: 1 } }), { name: [{ use: 'official' }] });
    await assertError(ofPatient(query), 400, 'required', /'\$n' needs a value/, [1, 9]);
    await assertError(ofPatient(query, { variables: { n: '1' } }), 400, 'value', /'\$n' is not of its type/);
    await assertError(ofPatient('{ name(_count: $n) { use } }'), 400, 'invalid', /'\$n' is not defined/);
  });
});

describe('flattening', () => {
  test('@flatten, @first, @singleton', async () => {
    await assertData(ofPatient('{ identifier @flatten { system value } active name @flatten { text given family } }'), {
      system: ['urn:test:mrn'],
      value: ['12345'],
      active: true,
      given: ['Anna', 'Beta', 'Ann', 'Anna', 'Beta'],
      family: ['Alpha', 'Gamma'],
    });
    await assertData(ofPatient('{ name @flatten { given @first family } }'), {
      given: ['Anna', 'Ann', 'Anna'],
      family: ['Alpha', 'Gamma'],
    });
    await assertData(
      ofPatient(
        '{ identifier @flatten { system @singleton value @singleton } name @flatten @first { given family @singleton } }',
      ),
      { system: 'urn:test:mrn', value: '12345', given: ['Anna', 'Beta'], family: 'Alpha' },
    );
    await assertData(ofPatient('{ name @first { given @first family } }'), {
      name: { given: 'Anna', family: 'Alpha' },
    });
  });

  test('@slice by an element and by $index', async () => {
    await assertData(ofPatient('{ name @flatten @slice(path: "use") { given family @singleton } }'), {
      'given.official': ['Anna', 'Beta'],
      'family.official': 'Alpha',
      'given.usual': ['Ann'],
      'given.maiden': ['Anna', 'Beta'],
      'family.maiden': 'Gamma',
    });
    await assertData(ofPatient('{ name @flatten @slice(path: "$index") { given @first @singleton } }'), {
      'given.0': 'Anna',
      'given.1': 'Ann',
      'given.2': 'Anna',
    });
    await assertData(ofPatient('{ telecom @slice(path: "use") { value } }'), {
      'telecom.home': [{ value: '1' }],
      'telecom.work': [{ value: 'a@test.example' }],
    });
  });

  test('through references and searches', () =>
    assertData(
      ofPatient(
        '{ generalPractitioner @flatten { resource(type: Practitioner) @flatten { doctor: name @flatten { family } } } ConditionList(_reference: subject, _sort: "_id") @flatten { id } }',
      ),
      { family: ['Delta'], id: ['c01', 'c02', 'c03', 'c04', 'c05'] },
    ));

  test('what does not fit together is an error', async () => {
    await assertError(ofPatient('{ name @flatten { family @singleton } }'), 400, 'invalid', /more than one value/);
    await assertError(
      ofPatient('{ name @flatten { x: family } identifier @flatten { x: system } }'),
      400,
      'invalid',
      /both a string and a uri/,
    );
    await assertError(ofPatient('{ name @first @slice(path: "use") { family } }'), 400, 'invalid', /can't be mixed/);
    await assertError(ofPatient('{ birthDate @flatten }'), 400, 'invalid', /has none/);
  });
});
