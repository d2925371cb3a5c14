// Mutations: https://hl7.org/fhir/R4/graphql.html#mutations
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { parseJson } from '#fhir-model';
import { readCurrent } from '../store/read.ts';
import { createNarrowScope, everything, nothing } from '../testing.ts';
import { invoke } from './invoke.ts';
import { type Ask, ask, assertData, assertError, begin, core, ofPatient, put, type Reply } from './testing/graphql.ts';

before(begin);

// biome-ignore lint/suspicious/noExplicitAny: any resource
async function stored(type: string, id: string): Promise<any> {
  const found = await readCurrent(core.store.db, type, id, everything);
  return found && !found.deleted ? JSON.parse(found.body) : undefined;
}

async function created(query: string, more: Ask = {}): Promise<{ id: string; data: Record<string, unknown> }> {
  const { status, json, text } = await ask(query, more);
  assert.equal(status, 200, text);
  const [first] = Object.values(json.data) as { id: string }[];
  return { id: first!.id, data: json.data };
}

/** The call as it comes over HTTP. */
async function call(text: string, more: { method?: 'GET'; ifMatch?: string } = {}): Promise<Reply> {
  const { method = 'POST', ifMatch } = more;
  const body = { body: { type: 'application/graphql', text } };
  const answer = await invoke(core, {
    ...{ target: { name: 'graphql' }, method, scope: everything, strict: true },
    ...(method === 'GET' ? { pairs: [['query', text]] } : { pairs: [], ...body }),
    ...(ifMatch === undefined ? {} : { ifMatch }),
  });
  const found = (answer as { json: string }).json;
  return { status: answer.status ?? 200, text: found, json: JSON.parse(found) };
}

describe('a create', () => {
  test('of an object in the query: names as text, one value as a list of one, nulls left out', async () => {
    const { id } =
      await created(`mutation { PatientCreate(res: { id: "mine", gender: female, active: true, birthDate: null,
      name: { family: "Rho", given: "Kim" }, telecom: [{ system: phone, value: "1", rank: 2 }] }) { id } }`);
    assert.notEqual(id, 'mine');
    const { meta, ...rest } = await stored('Patient', id);
    assert.equal(meta.versionId, '1');
    assert.deepEqual(rest, {
      ...{ resourceType: 'Patient', id, active: true, gender: 'female' },
      ...{ name: [{ family: 'Rho', given: ['Kim'] }], telecom: [{ system: 'phone', value: '1', rank: 2 }] },
    });
  });

  test('of variables: a resource, or parts of it', async () => {
    const name = [
      { family: 'Sigma', given: [null, 'B'], _given: [{ extension: [{ url: 'u:x', valueCode: 'c' }] }, null] },
    ];
    const whole = await created('mutation M($res: PatientInput!) { PatientCreate(res: $res) { id name { family } } }', {
      variables: { res: { resourceType: 'Patient', name } },
    });
    assert.deepEqual((await stored('Patient', whole.id)).name, name);
    const part = await created(
      'mutation M($name: [HumanNameInput!], $g: code, $no: date) { PatientCreate(res: {name: $name, gender: $g, birthDate: $no}) { id } }',
      { variables: { name, g: 'male' } },
    );
    const { name: again, gender, birthDate } = await stored('Patient', part.id);
    assert.deepEqual([again, gender, birthDate], [name, 'male', undefined]);
  });

  test('keeps the digits of decimals, written as numbers or as text', async () => {
    const digits = async (query: string, variables = '{}') => {
      const text = `{"query":${JSON.stringify(query)},"variables":${variables}}`;
      const body = { type: 'application/json', text };
      const target = { name: 'graphql' };
      const answer = await invoke(core, { target, method: 'POST', pairs: [], body, scope: everything, strict: true });
      return (answer as { json: string }).json;
    };
    const fields = '{ valueQuantity { value } }';
    const res = (value: string) => `{status: final, code: {text: "x"}, valueQuantity: {value: ${value}}}`;
    const expected = (value: string) => `{"data":{"ObservationCreate":{"valueQuantity":{"value":${value}}}}}`;
    const written = (value: string) => digits(`mutation { ObservationCreate(res: ${res(value)}) ${fields} }`);
    assert.equal(await written('1.50'), expected('1.50'));
    assert.equal(await written('"0.0100"'), expected('0.0100'));
    assert.equal(await written('-1.0E2'), expected('-1.0E2'));
    const sent = (type: string, value: string) =>
      digits(`mutation M($v: ${type}) { ObservationCreate(res: ${res('$v')}) ${fields} }`, `{"v":${value}}`);
    assert.equal(await sent('decimal', '3.140'), expected('3.140'));
    assert.equal(await sent('decimal', '"3.1400"'), expected('3.1400'));
    assert.equal(await sent('Float', '12345678901234567890.10'), expected('12345678901234567890.10'));
  });

  test('of what holds any resource', async () => {
    const { id } = await created(`mutation { PatientCreate(res: { contained: { resourceType: Organization, id: "o",
      alias: "One" }, managingOrganization: { reference: "#o" } }) { id } }`);
    assert.deepEqual((await stored('Patient', id)).contained, [
      { resourceType: 'Organization', id: 'o', alias: ['One'] },
    ]);
  });

  test('is answered with what is asked of it, references and searches too', () =>
    assertData(
      ask(`mutation { one: ConditionCreate(res: { subject: { reference: "Patient/p2" } }) {
        __typename meta { versionId } subject { resource { ... on Patient { name @flatten { family @singleton } } } } } }`),
      { one: { __typename: 'Condition', meta: { versionId: '1' }, subject: { resource: { family: 'Omega' } } } },
    ));
});

describe('updates and deletes', () => {
  test('as REST has them: a new version, one that was not there, one that goes', async () => {
    await assertData(
      ask('mutation { PatientUpdate(id: "u1", res: { active: true }) { id active meta { versionId } } }'),
      {
        PatientUpdate: { id: 'u1', active: true, meta: { versionId: '1' } },
      },
    );
    await assertData(
      ask('mutation M($id: ID!) { PatientUpdate(id: $id, res: { id: $id, active: false }) { meta { versionId } } }', {
        variables: { id: 'u1' },
      }),
      { PatientUpdate: { meta: { versionId: '2' } } },
    );
    await assertData(ask('mutation { PatientDelete(id: "u1") { id } }'), { PatientDelete: null });
    assert.equal(await stored('Patient', 'u1'), undefined);
    await assertData(ask('mutation { PatientDelete(id: "u1") }'), { PatientDelete: null });
  });

  test('run in their order', async () => {
    const query = `mutation { __typename
      a: PatientUpdate(id: "u2", res: { gender: male }) { gender }
      b: PatientUpdate(id: "u2", res: { gender: other }) { gender meta { versionId } }
      c: ConditionUpdate(id: "u2", res: { subject: { reference: "Patient/u2" } }) { subject { resource { ... on Patient { gender } } } }
      d: PatientUpdate(id: "u2", res: { gender: female }) { gender ConditionList(_reference: subject) { id } }
      e: ConditionUpdate(id: "u2", res: { subject: { reference: "Patient/u2" } }) { subject { resource { ... on Patient { gender } } } }
      ConditionDelete(id: "u2")
      f: PatientDelete(id: "u2") { id } }`;
    await assertData(ask(query), {
      ...{ __typename: 'Mutation', a: { gender: 'male' }, b: { gender: 'other', meta: { versionId: '2' } } },
      c: { subject: { resource: { gender: 'other' } } },
      d: { gender: 'female', ConditionList: [{ id: 'u2' }] },
      ...{ e: { subject: { resource: { gender: 'female' } } }, ConditionDelete: null, f: null },
    });
    assert.equal(await stored('Patient', 'u2'), undefined);
  });

  test('heed If-Match of one alone', async () => {
    const update = 'mutation { PatientUpdate(id: "u3", res: { active: true }) { id } }';
    await assertData(call(update), { PatientUpdate: { id: 'u3' } });
    const { status, json } = await call('mutation { PatientDelete(id: "u3") }', { ifMatch: 'W/"7"' });
    assert.deepEqual([status, json.data, json.errors[0].path], [412, { PatientDelete: null }, ['PatientDelete']]);
    assert.match(json.errors[0].message, /the current version is 1/);
    await assertData(call('mutation { PatientDelete(id: "u3") }', { ifMatch: 'W/"1"' }), { PatientDelete: null });
    const two = 'mutation { a: PatientDelete(id: "u3") b: PatientDelete(id: "u4") }';
    await assertError(call(two, { ifMatch: 'W/"1"' }), 400, 'invalid', /one update or delete alone/);
  });
});

describe('a failure', () => {
  const observe =
    'ObservationCreate(res: { status: final, code: { text: "x" }, subject: { reference: "Patient/none" } })';

  test('leaves what came before and after it, and is told with its path', async () => {
    const limited = { ...core, versionRequired: new Set(['Organization']) };
    const { status, json } = await invokeOn(
      limited,
      `mutation {
      a: PatientUpdate(id: "f1", res: { active: true }) { id }
      b: OrganizationUpdate(id: "o1", res: { name: "New" }) { id }
      c: PatientUpdate(id: "f2", res: { active: true }) { id } }`,
    );
    assert.equal(status, 400);
    assert.deepEqual(json.data, { a: { id: 'f1' }, b: null, c: { id: 'f2' } });
    const [error, more] = json.errors;
    assert.deepEqual([error.path, error.locations, more], [['b'], [{ line: 3, column: 7 }], undefined]);
    assert.match(error.message, /changed only with If-Match/);
    assert.equal(error.extensions.resource.issue[0].code, 'required');
    assert.equal((await stored('Organization', 'o1')).name, 'Outside');
    assert.ok(await stored('Patient', 'f2'));
  });

  test('to answer what is asked of the resource says that it is stored', async () => {
    const { status, json } = await ask(`mutation { ${observe} { subject { resource { id } } } }`);
    assert.deepEqual([status, json.data], [404, { ObservationCreate: null }]);
    const [, id] = /^Observation\/(\S+) is stored as version 1, but .*'Patient\/none' can't be resolved/.exec(
      json.errors[0].message,
    )!;
    assert.ok(await stored('Observation', id!));
  });

  test('of the document lets nothing happen', async () => {
    const first = 'a: PatientUpdate(id: "f3", res: { active: true }) { id }';
    const wrong: [string, number, string, RegExp][] = [
      ['b: PatientCreate(res: { nme: "x" }) { id }', 400, 'structure', /nme/],
      ['b: PatientCreate(res: { gender: nobody }) { id }', 400, 'code-invalid', /'nobody' is not one of male/],
      ['b: ObservationCreate(res: { status: final }) { id }', 400, 'required', /Observation.code: required/],
      ['b: PatientCreate(res: { active: true, active: false }) { id }', 400, 'invalid', /'active' is given twice/],
      ['b: PatientCreate(res: { resourceType: Group }) { id }', 400, 'value', /takes a Patient/],
      ['b: PatientCreate(res: "x") { id }', 400, 'value', /as an object/],
      ['b: PatientCreate(resource: {}) { id }', 400, 'required', /the argument res/],
      ['b: PatientCreate(res: {}, id: "x") { id }', 400, 'invalid', /and no 'id'/],
      ['b: PatientCreate(res: { active: $x }) { id }', 400, 'invalid', /'\$x' is not defined/],
      ['b: PatientCreate(res: { active: true })', 400, 'invalid', /say which of its fields/],
      ['b: PatientCreate(res: { active: true }) { nme }', 400, 'invalid', /no field 'nme'/],
      ['b: PatientCreate(res: { active: true }) @flatten { id }', 400, 'invalid', /@flatten/],
      ['b: PatientUpdate(res: { active: true }) { id }', 400, 'required', /id and res/],
      ['b: PatientUpdate(id: "x", res: { id: "y" }) { id }', 400, 'value', /must be the argument 'id'/],
      ['b: PatientUpdate(id: "x/y", res: {}) { id }', 400, 'value', /the id of a resource/],
      ['b: PatientDelete(id: null) { id }', 400, 'value', /the id of a resource/],
      ['b: PatientPatch(id: "x") { id }', 400, 'invalid', /Mutation has no field 'PatientPatch'/],
      ['Patient(id: "p1") { id }', 400, 'invalid', /Mutation has no field 'Patient'/],
      ['b: PatientCreate(res: {active: true}) { name(fhirpath: "resolve()") { use } }', 400, 'invalid', /resolve\(\)/],
    ];
    for (const [field, status, code, message] of wrong) {
      await assertError(ask(`mutation { ${first} ${field} }`), status, code, message);
    }
    assert.equal(await stored('Patient', 'f3'), undefined);
  });

  test('comes for what is deeper, or larger, than a resource sent by itself may be', async () => {
    const deep = (levels: number, inner: string) =>
      `${'{ url: "u:x", extension: '.repeat(levels)}${inner}${'}'.repeat(levels)}`;
    const create = (value: string) =>
      `mutation M($e: ExtensionInput) { a: PatientUpdate(id: "f5", res: { extension: ${value} }) { id } }`;
    await assertError(
      ask(create(deep(50, '{ url: "u:y", valueBoolean: true }'))),
      400,
      'structure',
      /Nested deeper than 100 levels/,
    );
    let e: object = { url: 'u:y', valueBoolean: true };
    for (let i = 0; i < 30; i++) e = { url: 'u:x', extension: [e] };
    await assertError(
      ask(create(deep(25, '$e')), { variables: { e } }),
      400,
      'structure',
      /Nested deeper than 100 levels/,
    );
    const large = { url: 'u:x', valueString: 'x'.repeat(500_000) };
    const often = create(`[${'$e, '.repeat(101)}]`);
    await assertError(ask(often, { variables: { e: large } }), 413, 'too-long', /more than 50000000 characters/);
    assert.equal(await stored('Patient', 'f5'), undefined);
  });

  test('comes for too many of them', async () => {
    const many = Array.from({ length: 101 }, (_, i) => `a${i}: PatientDelete(id: "f4")`).join(' ');
    await assertError(ask(`mutation { ${many} }`), 400, 'too-costly', /100 fields/);
  });
});

async function invokeOn(other: typeof core, text: string): Promise<Reply> {
  const graphql = other.operations.length > 0 ? (await import('./graphql.ts')).graphqlOperation : undefined;
  const { testLog } = await import('#platform/testing');
  const answer = await graphql!(other, { log: testLog() }).run({
    ...{ posted: true as const, input: new Map(), search: [], scope: everything, strict: true },
    body: { type: 'application/graphql', text },
  });
  const found = (answer as { json: string }).json;
  return { status: answer.status ?? 200, text: found, json: parseJson(found).value };
}

describe('where nothing is changed', () => {
  const query = 'mutation { PatientUpdate(id: "w1", res: { active: true }) { id } }';

  test('by a GET, at a resource, for others at a type, without access', async () => {
    await assertError(call(query, { method: 'GET' }), 405, 'not-supported', /in the body of a POST/);
    await assertError(ofPatient(query), 400, 'not-supported', /A mutation is for \[base\]\/\$graphql/);
    await assertError(ask(query, { type: 'Group' }), 400, 'invalid', /is about Group/);
    const { status, json } = await ask(query, { scope: nothing });
    assert.deepEqual([status, json.data], [403, { PatientUpdate: null }]);
    assert.equal(await stored('Patient', 'w1'), undefined);
    await assertData(ask(query, { type: 'Patient' }), { PatientUpdate: { id: 'w1' } });
  });

  test('by a POST without a body, which pages of other origins may send', async () => {
    const pairs: [string, string][] = [['query', query.replace('w1', 'w2')]];
    const target = { name: 'graphql' };
    const answer = await invoke(core, { target, method: 'POST', pairs, scope: everything, strict: true });
    assert.equal(answer.status, 405);
    assert.equal(await stored('Patient', 'w2'), undefined);
  });

  test('by _graphql about another operation’s result', async () => {
    const pairs: [string, string][] = [['_graphql', 'mutation { PatientDelete(id: "w1") }']];
    const target = { name: 'everything', type: 'Patient', id: 'p1' };
    const answer = await invoke(core, { target, method: 'POST', pairs, scope: everything, strict: true });
    assert.equal(answer.status, 400);
    assert.ok(await stored('Patient', 'w1'));
  });

  test('of what the access hides', async () => {
    const scope = createNarrowScope();
    await put({ resourceType: 'Patient', id: 'hidden1', active: true });
    const update = 'PatientUpdate(id: "hidden1", res: { active: false }) { id }';
    const { json } = await ask(`mutation { a: ${update} PatientDelete(id: "hidden1") }`, { scope });
    assert.deepEqual([json.data, json.errors.length], [{ a: null, PatientDelete: null }, 1]);
    const { active, meta } = await stored('Patient', 'hidden1');
    assert.deepEqual([active, meta.versionId], [true, '1']);
    const about = async (id: string) => {
      const res = `{ subject: { reference: "Patient/${id}" } }`;
      const reply = await ask(`mutation { ConditionCreate(res: ${res}) { subject { resource { id } } } }`, { scope });
      return reply.json.errors[0].message.replace(/^Condition\/\S+/, 'Condition').replace(id, 'x');
    };
    assert.equal(await about('hidden1'), await about('nobody1'));
  });

  test('by a query', () => assertError(ask('{ PatientDelete(id: "w1") }'), 400, 'invalid', /Query has no field/));
});
