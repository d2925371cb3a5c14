// What $graphql tells of its schema: https://hl7.org/fhir/R4/graphql.html#conformance,
// https://spec.graphql.org/October2021/#sec-Introspection
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import {
  buildClientSchema,
  type GraphQLSchema,
  getIntrospectionQuery,
  type IntrospectionQuery,
  parse,
  validate,
  validateSchema,
} from 'graphql';
import { nothing } from '../testing.ts';
import { ask, assertData, assertError, begin, ofPatient } from './testing/graphql.ts';

before(begin);

/** What tools ask for. */
const everythingOfIt = getIntrospectionQuery({
  ...{ descriptions: true, specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true },
  ...{ inputValueDeprecation: true, oneOf: true },
});

describe('what tools ask for', () => {
  let schema: GraphQLSchema;

  before(async () => {
    const { status, json, text } = await ask(everythingOfIt);
    assert.equal(status, 200, text.slice(0, 300));
    schema = buildClientSchema(json.data as IntrospectionQuery);
  });

  test('is a valid schema', () => {
    assert.deepEqual(
      validateSchema(schema).map(({ message }) => message),
      [],
    );
  });

  const faultsOf = (query: string): string[] => validate(schema, parse(query)).map(({ message }) => message);

  const valid = [
    '{ Patient(id: "example") { id active name { text given family } birthDate _birthDate { extension { valueDateTime } } } }',
    '{ Observation(id: "v1") { __typename valueQuantity { value unit } component { valueQuantity { value } valueString } } }',
    '{ Patient(id: "p1") { name(fhirpath: "family.exists()", _count: 5, _offset: 5) { text } n: name(use: official) { text } } }',
    '{ Patient(id: "p1") { name(use: [usual, old]) { text } e: extension(url: "urn:x") { value: valueString } } }',
    '{ Observation(id: "v1") { subject { reference resource { ... on Patient { birthDate } ... on Group { name } } } } }',
    '{ Observation(id: "v1") { subject { resource(optional: true, type: Patient) { id ... on DomainResource { text { div } } } } } }',
    '{ ConditionList(clinical_status: relapse, patient: example, _count: 1) { id clinicalStatus { text } } }',
    '{ PatientList(_id: [1, 2, "p3"], name: "pet", _sort: "-_id", _filter: "name eq x") { id } }',
    `{ ConditionConnection(clinical_status: active, patient: "example") {
         count offset pagesize edges { mode score resource { id } } first previous next last } }`,
    '{ PatientConnection(_cursor: "x") { edges { resource { resourceType id } } } }',
    '{ Patient(id: "p1") { ConditionList(_reference: patient, code: "x") { id } ObservationConnection(_reference: subject) { count } } }',
    '{ Observation(id: "v1") { ProvenanceList(_reference: target, _filter: "x") { id } } }',
    `{ Patient(id: "p1") { identifier @flatten { system @singleton } name @flatten @first { given @first }
         telecom @slice(path: "use") { value @skip(if: true) @include(if: true) } } }`,
    `query Q($id: ID!, $use: code!, $n: Int = 2, $p: [reference]) {
       Patient(id: $id) { name(use: $use, _count: $n) { ...Name } } ConditionList(patient: $p) { id } }
     fragment Name on HumanName { family }`,
    `mutation M($res: PatientInput!) { PatientCreate(res: $res) { id }
       a: PatientUpdate(id: "p1", res: { resourceType: Patient, name: [{ family: "A" }], contained: [{ resourceType: List }] }) { id }
       PatientDelete(id: "p1") { id } }`,
    '{ Task(id: "t") { input { __typename } } StructureMap(id: "s") { group { input { name } } } }',
    '{ __schema { queryType { name } } __type(name: "Patient") { fields(includeDeprecated: true) { name } } __typename }',
  ];
  for (const query of valid) test(`agrees with ${query.slice(0, 70)}`, () => assert.deepEqual(faultsOf(query), []));

  test('knows what is not there', () => {
    assert.deepEqual(faultsOf('{ Patient(id: "x") { nme } }'), [
      'Cannot query field "nme" on type "Patient". Did you mean "name"?',
    ]);
    assert.deepEqual(faultsOf('{ PatientList(nme: "x") { id } }'), [
      'Unknown argument "nme" on field "Query.PatientList". Did you mean "name"?',
    ]);
    assert.equal(faultsOf('mutation { PatientCreate(res: { nme: 1 }) { id } }').length, 1);
  });

  test('needs less freedom than queries have: unquoted ids, fields of a resource whose type is not said', () => {
    assert.equal(faultsOf('{ Patient(id: example) { id } }').length, 1);
    assert.equal(faultsOf('{ Observation(id: "v1") { subject { resource { birthDate } } } }').length, 1);
  });
});

describe('questions about the schema', () => {
  test('of one type, with fragments, aliases and what else is asked', () =>
    assertData(
      ask(`{ name: __typename PatientList(_id: "p1") { id }
        period: __type(name: "Period") { ...T } none: __type(name: "Nothing") { name } }
        fragment T on __Type { __typename kind name fields { name type { kind name ofType { name } } } possibleTypes { name } }`),
      {
        name: 'Query',
        PatientList: [{ id: 'p1' }],
        period: {
          ...{ __typename: '__Type', kind: 'OBJECT', name: 'Period', possibleTypes: null },
          fields: [
            { name: 'id', type: { kind: 'SCALAR', name: 'String', ofType: null } },
            { name: 'extension', type: { kind: 'LIST', name: null, ofType: { name: 'Extension' } } },
            { name: 'start', type: { kind: 'SCALAR', name: 'dateTime', ofType: null } },
            { name: '_start', type: { kind: 'OBJECT', name: 'Element', ofType: null } },
            { name: 'end', type: { kind: 'SCALAR', name: 'dateTime', ofType: null } },
            { name: '_end', type: { kind: 'OBJECT', name: 'Element', ofType: null } },
          ],
        },
        none: null,
      },
    ));

  test('at a resource: it is the root, and nothing is changed', () =>
    assertData(ofPatient('{ id __schema { queryType { name } mutationType { name } subscriptionType { name } } }'), {
      id: 'p1',
      __schema: { queryType: { name: 'Patient' }, mutationType: null, subscriptionType: null },
    }));

  test('at a type: its own fields', async () => {
    const { json } = await ask('{ __schema { queryType { fields { name } } mutationType { fields { name } } } }', {
      type: 'Patient',
    });
    const names = (type: { fields: { name: string }[] }) => type.fields.map(({ name }) => name);
    const { queryType, mutationType } = json.data.__schema;
    assert.deepEqual(names(queryType), ['Patient', 'PatientList', 'PatientConnection']);
    assert.deepEqual(names(mutationType), ['PatientCreate', 'PatientUpdate', 'PatientDelete']);
  });

  test('tell of no data: who may see nothing may ask', async () => {
    const query = '{ __type(name: "Patient") { name } }';
    await assertData(ask(query, { scope: nothing }), { __type: { name: 'Patient' } });
    await assertError(ofPatient(query, { scope: nothing }), 404, 'not-found', /Patient\/p1 is not known/);
  });

  const wrong: [string, string, RegExp][] = [
    ['below the root', '{ PatientList { __schema { description } } }', /root of a query/],
    ['of a mutation', 'mutation { __schema { description } }', /root of a query/],
    ['without a name', '{ __type { name } }', /the argument name/],
    ['with other arguments', '{ __schema(a: 1) { description } }', /has none/],
    ['with arguments of lists of elements', '{ __schema { types(_count: 1) { name } } }', /includeDeprecated/],
    ['rearranged', '{ __schema @flatten { description } }', /are for elements and resources/],
    ['rearranged below', '{ __schema { types @first { name } } }', /are for elements and resources/],
    ['about unknown fields', '{ __schema { tables { name } } }', /__Schema has no field 'tables'/],
  ];
  for (const [name, query, message] of wrong) {
    test(`${name} are refused`, () => assertError(ask(query), 400, 'invalid', message));
  }

  test('are bounded: lists within each other, and all together', async () => {
    const nested = '{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }';
    await assertError(ask(nested), 400, 'too-costly', /2 lists within each other/);
    const all =
      '__schema { types { name fields { name args { name type { name kind } } type { name kind ofType { name } } } } }';
    const often = Array.from({ length: 12 }, (_, i) => `a${i}: ${all}`).join(' ');
    await assertError(ask(`{ ${often} }`), 400, 'too-costly', /36000000 characters/);
  });

  test('tell of a search parameter that was defined meanwhile', async () => {
    const query = '{ __schema { queryType { fields { name args { name } } } } }';
    const args = async () => {
      const { json } = await ask(query, { type: 'Basic' });
      return json.data.__schema.queryType.fields[1].args.map(({ name }: { name: string }) => name);
    };
    assert.ok(!(await args()).includes('shift_of_day'));
    const parameter = {
      ...{ resourceType: 'SearchParameter', url: 'http://test.example/shift', name: 'shift', status: 'active' },
      ...{ description: 'x', code: 'shift-of-day', base: ['Basic'], type: 'token', expression: 'Basic.code' },
    };
    const { status } = await ask(
      'mutation M($res: SearchParameterInput!) { SearchParameterCreate(res: $res) { id } }',
      {
        variables: { res: parameter },
      },
    );
    assert.equal(status, 200);
    assert.ok((await args()).includes('shift_of_day'));
  });
});
