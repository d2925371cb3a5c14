// $graphql against https://hl7.org/fhir/R4/graphql.html: fields, lists, references, searches, flattening, errors, limits.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type AccessScope, parseJson, type Resource } from '#fhir-model';
import { testDatabase, testLog } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { storeUpdate } from '../store/store.ts';
import { everything, nothing, testCore } from '../testing.ts';
import { invoke } from './invoke.ts';
import { createOperations } from './registry.ts';

let core: Core;

const put = (resource: Resource & { id: string }) =>
  storeUpdate(core.store, resource, resource.id, undefined, everything);

interface Reply {
  status: number;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the answer of any query
  json: any;
}

interface Ask {
  type?: string;
  id?: string;
  variables?: object;
  operationName?: string;
  scope?: AccessScope;
}

/** A query posted as JSON. */
async function ask(
  query: string,
  { type, id, variables, operationName, scope = everything }: Ask = {},
): Promise<Reply> {
  const body = { type: 'application/json', text: JSON.stringify({ query, variables, operationName }) };
  const target = { name: 'graphql', ...(type ? { type } : {}), ...(id ? { id } : {}) };
  const answer = await invoke(core, { target, method: 'POST', pairs: [], body, scope, strict: true });
  const text = (answer as { json: string }).json;
  return { status: answer.status ?? 200, text, json: JSON.parse(text) };
}

const ofPatient = (query: string, more: Ask = {}) => ask(query, { type: 'Patient', id: 'p1', ...more });

async function assertData(reply: Promise<Reply>, data: unknown): Promise<void> {
  const { status, json } = await reply;
  assert.deepEqual([status, json], [200, { data }]);
}

/** One error with that status, issue code and part of its message, and where it stands if that is given. */
async function assertError(
  reply: Promise<Reply>,
  status: number,
  code: string,
  message: RegExp,
  at?: [number, number],
) {
  const { status: found, json } = await reply;
  assert.equal(found, status, JSON.stringify(json));
  assert.equal(json.data, null);
  const [error] = json.errors;
  assert.match(error.message, message);
  const { resourceType, issue } = error.extensions.resource;
  assert.deepEqual([resourceType, issue[0].code, issue[0].diagnostics], ['OperationOutcome', code, error.message]);
  if (at) assert.deepEqual(error.locations, [{ line: at[0], column: at[1] }]);
}

const condition = (id: string, subject: string, code: string): Resource & { id: string } => ({
  resourceType: 'Condition',
  id,
  subject: { reference: subject },
  code: { text: code },
  recordedDate: `2020-01-${id.slice(-2).padStart(2, '0')}`,
});

const patient: Resource & { id: string } = {
  resourceType: 'Patient',
  id: 'p1',
  active: true,
  identifier: [{ system: 'urn:test:mrn', value: '12345' }],
  name: [
    { use: 'official', family: 'Alpha', given: ['Anna', 'Beta'] },
    { use: 'usual', given: ['Ann'] },
    { use: 'maiden', family: 'Gamma', given: ['Anna', 'Beta'] },
  ],
  telecom: [
    { system: 'phone', value: '1', use: 'home' },
    { system: 'email', value: 'a@test.example', use: 'work' },
  ],
  birthDate: '1980-01-02',
  _birthDate: { extension: [{ url: 'urn:test:time', valueDateTime: '1980-01-02T03:04:05Z' }] },
  contained: [{ resourceType: 'Organization', id: 'o', name: 'Inside', partOf: { reference: 'Organization/o1' } }],
  managingOrganization: { reference: '#o' },
  generalPractitioner: [{ reference: 'Practitioner/d1' }, { reference: 'Organization/o1' }],
};

before(async () => {
  core = await testCore(await testDatabase());
  core.operations = createOperations(core, { log: testLog() });
  await put({ resourceType: 'Organization', id: 'o1', name: 'Outside' });
  await put({ resourceType: 'Practitioner', id: 'd1', name: [{ family: 'Delta' }], gender: 'female' });
  await put(patient);
  await put({ resourceType: 'Patient', id: 'p2', name: [{ family: 'Omega' }], gender: 'male' });
  await put({
    resourceType: 'Observation',
    id: 'v1',
    status: 'final',
    code: { text: 'weight' },
    subject: { reference: 'Patient/p1' },
    valueQuantity: { value: JSON.parse('0') as number, unit: 'kg' },
    component: [
      { code: { text: 'a' }, valueQuantity: parseJson('{"value":1.50}').exact as Resource },
      { code: { text: 'b' }, valueString: 'text' },
    ],
  });
  await put({
    resourceType: 'Observation',
    id: 'v2',
    status: 'final',
    code: { text: 'group' },
    subject: { reference: 'Group/g1' },
    focus: [{ reference: 'Patient/none' }],
  });
  await put({ resourceType: 'Group', id: 'g1', type: 'person', actual: true, name: 'All' });
  for (const n of ['c01', 'c02', 'c03', 'c04', 'c05']) await put(condition(n, 'Patient/p1', `code ${n}`));
  await put(condition('c06', 'Patient/p2', 'other'));
});

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

describe('references', () => {
  test('read resources, contained ones, and what those refer to', () =>
    assertData(
      ofPatient('{ managingOrganization { reference resource { __typename name partOf { resource { name } } } } }'),
      {
        managingOrganization: {
          reference: '#o',
          resource: { __typename: 'Organization', name: 'Inside', partOf: { resource: { name: 'Outside' } } },
        },
      },
    ));

  test('by type: fragments, and the argument', async () => {
    const wanted = {
      generalPractitioner: [{ resource: { name: [{ family: 'Delta' }] } }, { resource: { title: 'Outside' } }],
    };
    await assertData(
      ofPatient(
        '{ generalPractitioner { resource { ... on Practitioner { name { family } } ... on Organization { title: name } } } }',
      ),
      wanted,
    );
    await assertData(
      ofPatient(
        '{ generalPractitioner { resource(type: Practitioner) { name { family } } resource(type: Organization) { title: name } } }',
      ),
      wanted,
    );
    await assertData(ofPatient('{ generalPractitioner { reference resource(type: Practitioner) { id } } }'), {
      generalPractitioner: [{ reference: 'Practitioner/d1', resource: { id: 'd1' } }, { reference: 'Organization/o1' }],
    });
  });

  test('a field that only some of the types have', () =>
    assertData(ofPatient('{ generalPractitioner { resource { id gender } } }'), {
      generalPractitioner: [{ resource: { id: 'd1', gender: 'female' } }, { resource: { id: 'o1' } }],
    }));

  test('that lead nowhere are errors unless optional', async () => {
    const at: Ask = { type: 'Observation', id: 'v2' };
    await assertError(
      ask('{ focus { resource { id } } }', at),
      404,
      'not-found',
      /'Patient\/none' can't be resolved; resource\(optional: true\)/,
      [1, 11],
    );
    await assertData(ask('{ focus { reference resource(optional: true) { id } } }', at), {
      focus: [{ reference: 'Patient/none' }],
    });
  });

  test('one statement a type, however many there are', async () => {
    const { db } = core.store;
    let statements = 0;
    const counting: Core = {
      ...core,
      store: {
        ...core.store,
        db: {
          ...db,
          query: (statement, values) => {
            statements++;
            return db.query(statement, values);
          },
        },
      },
    };
    const [graphql] = createOperations(counting, { log: testLog() }).filter(({ name }) => name === 'graphql');
    const query = '{ ConditionList(_sort: "_id") { subject { resource { id } } } }';
    const answer = await graphql!.run({
      input: new Map([['query', [query]]]),
      search: [],
      scope: everything,
      strict: true,
    });
    const { data } = JSON.parse((answer as { json: string }).json);
    assert.equal(data.ConditionList.length, 6);
    assert.deepEqual(data.ConditionList[5], { subject: { resource: { id: 'p2' } } });
    // The search goes through a Queryable with a deadline; the references of six Conditions are the one that is counted.
    assert.equal(statements, 1);
  });
});

describe('searches', () => {
  test('a resource by id, and lists', async () => {
    await assertData(ask('{ Patient(id: p1) { id active } }'), { Patient: { id: 'p1', active: true } });
    await assertData(ask('{ ConditionList(patient: "p1", _sort: "-recorded-date", _count: 2) { id } }'), {
      ConditionList: [{ id: 'c05' }, { id: 'c04' }],
    });
    await assertData(ask('{ PatientList(_id: ["p1", "p2", "p3"], _sort: "_id") { id } }'), {
      PatientList: [{ id: 'p1' }, { id: 'p2' }],
    });
    await assertData(ask('{ PatientList(name: "nobody") { id } }'), { PatientList: [] });
    await assertData(ask('{ PatientList(name: "Omega", gender: male) { name @flatten { family @singleton } } }'), {
      PatientList: [{ family: 'Omega' }],
    });
  });

  test('hyphens become underscores, a comma in a value is one, _filter has the rest', async () => {
    await assertData(ask('{ ConditionList(recorded_date: "2020-01-03") { id } }'), { ConditionList: [{ id: 'c03' }] });
    await assertData(ask('{ PatientList(family: "Alpha,Omega") { id } }'), { PatientList: [] });
    await assertData(ask('{ ConditionList(_filter: "subject.name eq Omega") { id } }'), {
      ConditionList: [{ id: 'c06' }],
    });
  });

  test('fhirpath on the matches', () =>
    assertData(ask(`{ ConditionList(fhirpath: "code.text = 'other'") { id } }`), { ConditionList: [{ id: 'c06' }] }));

  test('reverse references of one resource, and of many with one search', async () => {
    await assertData(ofPatient('{ id ConditionList(_reference: patient, _sort: "recorded-date", _count: 2) { id } }'), {
      id: 'p1',
      ConditionList: [{ id: 'c01' }, { id: 'c02' }],
    });
    await assertData(
      ask('{ PatientList(_sort: "-_id") { id list: ConditionList(_reference: patient, _sort: "_id") { id } } }'),
      {
        PatientList: [
          { id: 'p2', list: [{ id: 'c06' }] },
          { id: 'p1', list: ['c01', 'c02', 'c03', 'c04', 'c05'].map((id) => ({ id })) },
        ],
      },
    );
    await assertError(ofPatient('{ ConditionList { id } }'), 400, 'required', /needs _reference/);
    await assertError(ofPatient('{ ConditionList(_reference: encounter) { id } }'), 400, 'value', /not to Patient/);
    await assertError(ofPatient('{ ConditionList(_reference: code) { id } }'), 400, 'value', /no reference parameter/);
  });

  test('connections: pages forward and back', async () => {
    const fields = '{ count offset pagesize first previous next last edges { mode score resource { id } } }';
    const page = async (args: string) => {
      const { status, json } = await ask(`{ ConditionConnection(${args}) ${fields} }`);
      assert.equal(status, 200, JSON.stringify(json));
      return json.data.ConditionConnection;
    };
    const idsOf = (one: { edges: { mode: string; resource: { id: string } }[] }) =>
      one.edges.map((edge) => edge.resource.id);
    const first = await page('patient: "p1", _sort: "_id", _count: 2');
    assert.deepEqual([first.count, first.offset, first.pagesize, idsOf(first)], [5, 0, 2, ['c01', 'c02']]);
    assert.deepEqual(first.edges[0], { mode: 'match', resource: { id: 'c01' } });
    assert.deepEqual([first.previous, first.last], [undefined, undefined]);
    const second = await page(`_cursor: "${first.next}"`);
    assert.deepEqual([second.offset, idsOf(second)], [2, ['c03', 'c04']]);
    const third = await page(`cursor: "${second.next}"`);
    assert.deepEqual([third.offset, third.next, idsOf(third)], [4, undefined, ['c05']]);
    assert.deepEqual(idsOf(await page(`_cursor: "${third.last}"`)), ['c05']);
    assert.deepEqual(idsOf(await page(`_cursor: "${third.previous}"`)), ['c03', 'c04']);
    assert.deepEqual(idsOf(await page(`_cursor: "${third.first}"`)), ['c01', 'c02']);
    const back = await page(`_cursor: "${(await page(`_cursor: "${third.previous}"`)).previous}"`);
    assert.deepEqual([back.offset, idsOf(back)], [0, ['c01', 'c02']]);
  });

  test('connections within a resource; their cursors are followed at the root', async () => {
    const { json } = await ofPatient(
      '{ ConditionConnection(_reference: subject, _sort: "_id", _count: 4) { count next edges { resource { id } } } }',
    );
    const { count, next, edges } = json.data.ConditionConnection;
    assert.deepEqual([count, edges.length], [5, 4]);
    await assertData(ask(`{ ConditionConnection(_cursor: "${next}") { edges { resource { id } } } }`), {
      ConditionConnection: { edges: [{ resource: { id: 'c05' } }] },
    });
    await assertError(ofPatient(`{ ConditionConnection(_cursor: "${next}") { count } }`), 400, 'value', /at the root/);
    await assertError(
      ask(`{ PatientConnection(_cursor: "${next}") { count } }`),
      400,
      'value',
      /no cursor of a Patient/,
    );
    await assertError(
      ask(`{ ConditionConnection(_cursor: "${next}", code: "x") { count } }`),
      400,
      'value',
      /leave 'code' out/,
    );
    await assertError(ask('{ ConditionConnection(_cursor: "WzFd") { count } }'), 400, 'value', /no cursor/);
  });

  test('a cursor brings no parameters that a query has not', async () => {
    const forged = Buffer.from(JSON.stringify(['Condition', [['_include', 'Condition:subject']], 2, 0, [null], null]));
    await assertError(
      ask(`{ ConditionConnection(_cursor: "${forged.toString('base64url')}") { count } }`),
      400,
      'value',
      /no cursor/,
    );
    const broken = Buffer.from(JSON.stringify(['Condition', [], 2, 0, ['x'], null])).toString('base64url');
    await assertError(ask(`{ ConditionConnection(_cursor: "${broken}") { count } }`), 400, 'value', /cursor/);
  });

  test('at type level only of that type', async () => {
    await assertData(ask('{ Patient(id: "p1") { id } }', { type: 'Patient' }), { Patient: { id: 'p1' } });
    await assertError(ask('{ ConditionList { id } }', { type: 'Patient' }), 400, 'invalid', /is about Patient/);
  });

  test('more matches than a list may have are refused, not cut off', async () => {
    const small = { ...core, limits: { ...core.limits, searchCountMax: 3 } };
    const [graphql] = createOperations(small, { log: testLog() }).filter(({ name }) => name === 'graphql');
    const run = async (query: string) => {
      const answer = await graphql!.run({
        input: new Map([['query', [query]]]),
        search: [],
        scope: everything,
        strict: true,
      });
      const text = (answer as { json: string }).json;
      return { status: answer.status ?? 200, text, json: JSON.parse(text) };
    };
    await assertError(run('{ ConditionList { id } }'), 400, 'too-costly', /more than 3 matches.*ConditionConnection/);
    await assertData(run('{ ConditionList(patient: "p2") { id } }'), { ConditionList: [{ id: 'c06' }] });
    await assertError(
      run('{ PatientList { ConditionList(_reference: patient) { id } } }'),
      400,
      'too-costly',
      /more than 3 matches/,
    );
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

describe('errors', () => {
  test('have their place and all come at once', async () => {
    const { status, json } = await ofPatient(
      '{ nothing\n name { wrong family { x } }\n birthDate { day } id(x: 1)\n identifier }',
    );
    assert.equal(status, 400);
    const found = json.errors.map(({ message, locations }: { message: string; locations: unknown[] }) => [
      message,
      locations[0],
    ]);
    assert.deepEqual(found, [
      ["Patient has no field 'nothing'", { line: 1, column: 3 }],
      ["HumanName has no field 'wrong'", { line: 2, column: 9 }],
      ["'family' has the type string, which has no fields", { line: 2, column: 15 }],
      ["'birthDate' has the type date, which has no fields", { line: 3, column: 2 }],
      ["'id' is a primitive: it has no arguments", { line: 3, column: 20 }],
      ["'identifier' has the type Identifier: say which of its fields are wanted", { line: 4, column: 2 }],
    ]);
  });

  const wrong: [string, string, number, string, RegExp][] = [
    ['syntax', '{ id ', 400, 'invalid', /^Not a GraphQL document at line 1, column 6: Expected Name/],
    ['nothing', '   ', 400, 'invalid', /^Not a GraphQL document.*Unexpected <EOF>/],
    ['no query', 'fragment A on Patient { id }', 400, 'invalid', /has no query/],
    ['mutation', 'mutation { PatientDelete(id: "p1") { id } }', 400, 'not-supported', /A mutation is not offered/],
    ['subscription', 'subscription { x }', 400, 'not-supported', /A subscription is not offered/],
    ['schema', '{ id } type X { y: Int }', 400, 'invalid', /operations and fragments only/],
    ['introspection', '{ __schema { types { name } } }', 501, 'not-supported', /Introspection is not offered/],
    ['unknown fragment', '{ ...A }', 400, 'invalid', /no fragment 'A'/],
    [
      'fragment of itself',
      '{ ...A } fragment A on Patient { link { other { resource { ...A } } } }',
      400,
      'invalid',
      /'A' is part of itself/,
    ],
    [
      'fragment on another type',
      '{ ... on Group { id } }',
      400,
      'invalid',
      /'on Group' can't be true here: this is Patient/,
    ],
    ['unknown directive', '{ id @export }', 400, 'invalid', /no directive @export/],
    ['skip without if', '{ id @skip }', 400, 'invalid', /@skip needs the argument 'if'/],
    ['two fields of a name', '{ a: id a: birthDate }', 400, 'invalid', /'a' stands for two different fields/],
    ['unknown argument', '{ name(period: "x") { use } }', 400, 'invalid', /no argument 'period'/],
    ['argument twice', '{ name(use: a, use: b) { use } }', 400, 'invalid', /'use' is given twice/],
    ['object as argument', '{ name(use: {a: 1}) { use } }', 400, 'value', /takes an object/],
    ['negative offset', '{ name(_offset: -1) { use } }', 400, 'value', /whole number/],
    ['no FHIRPath', '{ name(fhirpath: "a +") { use } }', 400, 'invalid', /'a \+' is not a FHIRPath/],
    ['FHIRPath that fetches', '{ name(fhirpath: "resolve()") { use } }', 400, 'invalid', /resolve\(\) can't be used/],
    [
      'FHIRPath with patterns',
      `{ name(fhirpath: "family.matches('(a+)+$')") { use } }`,
      400,
      'invalid',
      /matches\(\) can't be used/,
    ],
  ];
  for (const [name, query, status, code, message] of wrong) {
    test(name, () => assertError(ofPatient(query), status, code, message));
  }

  test('of searches', async () => {
    await assertError(
      ask('{ PatientList(nme: "x") { id } }'),
      400,
      'not-supported',
      /no search parameter 'nme'.*_filter/,
      [1, 15],
    );
    await assertError(ask('{ PatientList(birthdate: "soon") { id } }'), 400, 'value', /soon/);
    await assertError(ask('{ PatientList(_include: "Patient:link") { id } }'), 400, 'not-supported', /'_include'/);
    await assertError(ask('{ Patient { id } }'), 400, 'required', /needs the argument 'id'/);
    await assertError(ask('{ Patient(id: "none") { id } }'), 404, 'not-found', /Patient\/none is not known/);
    await assertError(ask('{ id }'), 400, 'invalid', /Query has no field 'id'/);
    await assertError(ask('{ id }', { type: 'Patient', id: 'none' }), 404, 'not-found', /Patient\/none/);
  });
});

describe('limits', () => {
  test('depth, fields, nesting, length', async () => {
    const nest = (n: number) => `${'{ link { other { resource '.repeat(n)}{ id }${' } } }'.repeat(n)}`;
    await assertData(ofPatient(nest(6)), {});
    await assertError(ofPatient(nest(7)), 400, 'too-costly', /20 fields deep/);
    await assertError(ofPatient(`${'{a'.repeat(50_000)}`), 400, 'too-costly', /nested brackets/);
    await assertError(ofPatient(`{ ${'id '.repeat(2100)} }`), 400, 'too-costly', /2000 fields/);
    await assertError(ofPatient(`{ id # ${'x'.repeat(100_000)}\n}`), 400, 'too-costly', /100000 characters/);
  });

  test('fragments that double at each step', async () => {
    const steps = Array.from(
      { length: 15 },
      (_, i) =>
        `fragment F${i} on Patient { a${i}: link { other { resource { ...F${i + 1} } } } ...F${i + 1} ...F${i + 1} }`,
    );
    await assertError(
      ofPatient(`{ ...F0 } ${steps.join('\n')} fragment F15 on Patient { id }`),
      400,
      'too-costly',
      /fields/,
    );
  });

  test('values of the answer', async () => {
    const names = Array.from({ length: 700 }, () => ({ given: ['x'] }));
    await put({ resourceType: 'Patient', id: 'wide', name: names });
    const many = Array.from({ length: 300 }, (_, i) => `n${i}: name { given }`).join(' ');
    await assertError(
      ask(`{ ${many} }`, { type: 'Patient', id: 'wide' }),
      400,
      'too-costly',
      /more than 200000 values/,
    );
  });

  test('searches', async () => {
    const many = Array.from({ length: 101 }, (_, i) => `n${i}: PatientList(_id: "p1") { id }`).join(' ');
    await assertError(ask(`{ ${many} }`), 400, 'too-costly', /100 searches/);
  });
});

test('who may see nothing gets nothing', async () => {
  await assertError(ofPatient('{ id }', { scope: nothing }), 404, 'not-found', /Patient\/p1 is not known/);
  await assertError(ask('{ Patient(id: "p1") { id } }', { scope: nothing }), 404, 'not-found', /is not known/);
  await assertData(
    ask('{ PatientList { id } PatientConnection { count edges { resource { id } } } }', { scope: nothing }),
    {
      PatientList: [],
      PatientConnection: { count: 0, edges: [] },
    },
  );
});
