// What $graphql refuses: https://hl7.org/fhir/R4/graphql.html#errors
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { ask, askAt, assertData, assertError, begin, core, ofPatient, put } from './testing/graphql.ts';

before(begin);

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

  test('of a field of the answer have the path to it', async () => {
    const gone = { reference: 'Patient/none' };
    await put({ resourceType: 'Task', id: 't1', status: 'draft', intent: 'order', for: { reference: 'Patient/p1' } });
    await put({
      resourceType: 'Task',
      id: 't2',
      status: 'draft',
      intent: 'order',
      for: { reference: 'Patient/p1' },
      relevantHistory: [{ display: 'none' }],
      focus: gone,
    });
    const pathOf = async (query: string): Promise<unknown> => {
      const { status, json } = await ask(query);
      assert.ok(status >= 400 && json.data === null && json.errors[0].locations, JSON.stringify(json));
      return json.errors[0].path;
    };
    const cases: [string, unknown][] = [
      ['{ a: Patient(id: "none") { id } }', ['a']],
      ['{ all: TaskList(_sort: "_id") { id focus { what: resource { id } } } }', ['all', 1, 'focus', 'what']],
      ['{ TaskList(_sort: "-_id") @first { focus { resource { id } } } }', ['TaskList', 'focus', 'resource']],
      [
        '{ TaskConnection(_sort: "_id") { edges { resource { focus { resource { id } } } } } }',
        ['TaskConnection', 'edges', 1, 'resource', 'focus', 'resource'],
      ],
      [
        '{ Patient(id: "p1") { TaskList(_reference: patient, _sort: "_id") { focus { resource { id } } } } }',
        ['Patient', 'TaskList', 1, 'focus', 'resource'],
      ],
      [`{ Patient(id: "p1") { n: name(fhirpath: "given > 'a'") { use } } }`, ['Patient', 'n']],
      [`{ p: PatientList(fhirpath: "name.given > 'a'") { id } }`, ['p']],
      ['{ all: TaskList(_sort: "_id") @flatten { focus { resource { id } } } }', undefined],
      ['{ nothing }', undefined],
    ];
    for (const [query, path] of cases) assert.deepEqual([query, await pathOf(query)], [query, path]);
  });

  const wrong: [string, string, number, string, RegExp][] = [
    ['syntax', '{ id ', 400, 'invalid', /^Not a GraphQL document at line 1, column 6: Expected Name/],
    ['nothing', '   ', 400, 'invalid', /^Not a GraphQL document.*Unexpected <EOF>/],
    ['no query', 'fragment A on Patient { id }', 400, 'invalid', /has no query/],
    [
      'mutation of one resource',
      'mutation { PatientDelete(id: "p1") }',
      400,
      'not-supported',
      /A mutation is for \[base\]/,
    ],
    ['subscription', 'subscription { x }', 400, 'not-supported', /A subscription is not offered/],
    ['schema', '{ id } type X { y: Int }', 400, 'invalid', /operations and fragments only/],
    [
      'unknown type',
      'query Q($x: Nothing) { name(use: $x) { use } }',
      400,
      'invalid',
      /no type 'Nothing' of variables/,
    ],
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
    ['object as argument', '{ name(use: {a: 1}) { use } }', 400, 'value', /takes no object/],
    ['null as filter', '{ name(use: null) { use } }', 400, 'value', /'use' takes a value/],
    ['null among filters', '{ name(use: [usual, null]) { use } }', 400, 'value', /'use' takes a value/],
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

  test('expressions that are long, or make collections larger', async () => {
    const filtered = (id: string, path: string) =>
      ask(`{ name(fhirpath: "${path}") { use } }`, { type: 'Patient', id });
    await put({ resourceType: 'Patient', id: 'many', name: Array.from({ length: 1000 }, () => ({ use: 'old' })) });
    await assertData(filtered('many', "use = 'usual' or use = 'temp'"), {});
    const long = Array.from({ length: 60 }, () => "use = 'x'").join(' or ');
    await assertError(filtered('many', long), 400, 'too-costly', /more than 20000 elements to evaluate/);
    const codes = "use in ('temp' | 'nickname' | 'anonymous' | 'old' | 'maiden')";
    await assertData(filtered('p1', codes), { name: [{ use: 'maiden' }] });
    const listed = `use in (${Array.from({ length: 100 }, () => "'x'").join(' | ')})`;
    await assertError(filtered('many', listed), 400, 'too-costly', /more than 20000 elements to evaluate/);
    const given = Array.from({ length: 5000 }, (_, i) => `g${i}`);
    await put({ resourceType: 'Patient', id: 'named', name: [{ given }] });
    await assertData(filtered('named', 'given.empty()'), {});
    const both = filtered('named', '(given | given).empty()');
    await assertError(both, 400, 'too-costly', /more than 20000 elements to evaluate/);
    const anyOf = (count: number) => Array.from({ length: count }, () => "$this = 'x'").join(' or ');
    await assertData(filtered('named', `given.where(${anyOf(1)}).exists()`), {});
    const criteria = filtered('named', `given.where(${anyOf(60)}).exists()`);
    await assertError(criteria, 400, 'too-costly', /more than 2000000 parts of FHIRPaths to evaluate/);
    const grown = (times: number) => filtered('p1', `use${".select('a' | 'b')".repeat(times)}.count() = 8`);
    await assertData(grown(3), { name: [{ use: 'official' }, { use: 'usual' }, { use: 'maiden' }] });
    await assertError(grown(4), 400, 'too-costly', /may have 3 operators \|/);
    const indexed = Array.from({ length: 13 }, (_, i) => `n${i}: name(fhirpath: "a${i}${'[0]'.repeat(300)}") { use }`);
    await assertError(ofPatient(`{ ${indexed.join(' ')} }`), 400, 'too-costly', /may have 200000 characters/);
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

  test('expressions on what is large, and filters of long lists', async () => {
    const contained = [{ resourceType: 'Binary', id: 'b', contentType: 'text/plain', data: 'AAAA'.repeat(500_000) }];
    await put({ resourceType: 'Patient', id: 'large', contained });
    const at = { type: 'Patient', id: 'large' };
    const paths = (count: number) =>
      Array.from({ length: count }, (_, i) => `n${i}: contained(fhirpath: "id = 'x'") { id }`).join(' ');
    await assertData(ask(`{ ${paths(40)} }`, at), {});
    await assertError(ask(`{ ${paths(41)} }`, at), 400, 'too-costly', /more than 20000 elements to evaluate/);
    await put({ resourceType: 'Patient', id: 'long', name: Array.from({ length: 6000 }, () => ({ use: 'usual' })) });
    const filters = Array.from({ length: 900 }, (_, i) => `n${i}: name(use: old) { use }`).join(' ');
    await assertError(
      ask(`{ ${filters} }`, { type: 'Patient', id: 'long' }),
      400,
      'too-costly',
      /more than 5000000 places/,
    );
  });

  test('resources read: 64 million characters, also of one type', async () => {
    const scans = Array.from({ length: 6 }, (_, i) => `scan${i}`);
    for (const id of scans) {
      await put({ resourceType: 'Binary', id, contentType: 'text/plain', data: 'AAAA'.repeat(3_000_000) });
    }
    const listing = (count: number) =>
      put({
        ...{ resourceType: 'List', id: 'scans', status: 'current', mode: 'working' },
        entry: scans.slice(0, count).map((id) => ({ item: { reference: `Binary/${id}` } })),
      });
    const query = '{ List(id: "scans") { entry { item { resource { id } } } } }';
    await listing(5);
    const entry = scans.slice(0, 5).map((id) => ({ item: { resource: { id } } }));
    assert.deepEqual((await ask(query)).json.data, { List: { entry } });
    await listing(6);
    await assertError(ask(query), 400, 'too-costly', /more than 67108864 characters/);
  });

  test('the time of reading versions, one after the other', async () => {
    const subject = { reference: 'Patient/p1/_history/1' };
    await put({ resourceType: 'Basic', id: 'old', code: { text: 'x' }, subject });
    const query = '{ Basic(id: "old") { subject { resource { id } } } }';
    assert.deepEqual((await askAt(core, query)).json.data, { Basic: { subject: { resource: { id: 'p1' } } } });
    // Begun, and the first resource read, in time.
    const times = [0, 0];
    const clock = { ...core.store.clock, now: () => times.shift() ?? core.limits.searchTimeoutMs + 1 };
    const late = askAt({ ...core, store: { ...core.store, clock } }, query);
    await assertError(late, 400, 'too-costly', /^The query was stopped after \d+ ms/);
    assert.deepEqual(times, []);
  });

  test('searches', async () => {
    const many = Array.from({ length: 101 }, (_, i) => `n${i}: PatientList(_id: "p1") { id }`).join(' ');
    await assertError(ask(`{ ${many} }`), 400, 'too-costly', /100 searches/);
  });
});
