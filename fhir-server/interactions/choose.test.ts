// Entries that choose among their matches, and identifiers that lock each by itself: what in-process callers rely on.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Choice, MovedReferences, Resource, TransactionEntry } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { createReader, createWriter } from '../ports.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import type { Core } from './core.ts';
import { transaction } from './transaction.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const context = { scope: everything };

const patient = (numbers: string[], more: object = {}): Resource => ({
  resourceType: 'Patient',
  identifier: numbers.map((value) => ({ system: 'urn:c', value })),
  ...more,
});

const criteria = (numbers: string[]) => `identifier=${numbers.map((value) => `urn:c|${value}`).join('%2C')}`;

const put = (numbers: string[], more: Partial<TransactionEntry> = {}): TransactionEntry => ({
  method: 'PUT',
  url: `Patient?${criteria(numbers)}`,
  resource: patient(numbers),
  ...more,
});

const find = async (number: string): Promise<string[]> =>
  (await createReader(core).search('Patient', criteria([number]), everything)).resources.map(({ id }) => id);

/** Identifiers are united, as feeds do it. */
const unite: NonNullable<TransactionEntry['merge']> = (existing, incoming) => {
  const all = [existing, incoming].flatMap((one) => (one?.identifier ?? []) as { value: string }[]);
  return {
    ...incoming,
    ...existing,
    identifier: [...new Map(all.map((one) => [one.value, one])).values()],
  } as Resource;
};

test('sets of identifiers that overlap exclude each other: one patient', async () => {
  for (let round = 0; round < 10; round++) {
    const [a, b, c] = ['a', 'b', 'c'].map((letter) => `${letter}${round}`) as [string, string, string];
    const sets = [
      [a, b],
      [b, c],
      [c, a],
      [a, b, c],
      [c, b],
      [b, a],
    ];
    await Promise.all(sets.map((numbers) => transaction(core, [put(numbers, { merge: unite })], context)));
    const found = await Promise.all([a, b, c].map(find));
    assert.deepEqual(found, Array(3).fill(found[0]), `round ${round}`);
    assert.equal(found[0]!.length, 1);
  }
});

test('an identifier alone, and with other criteria: one patient', async () => {
  for (let round = 0; round < 20; round++) {
    const number = `alone${round}`;
    const entry = (more: string): TransactionEntry => ({
      ...{ method: 'POST', url: 'Patient', ifNoneExist: criteria([number]) + more, resource: patient([number]) },
    });
    const all = ['', '&identifier:missing=false', '&active:missing=true', ''].map(entry);
    await Promise.all(all.map((one) => transaction(core, [one], context)));
    assert.equal((await find(number)).length, 1, `round ${round}`);
  }
});

test('by different identifiers that the contents have both: one patient', async () => {
  for (let round = 0; round < 24; round++) {
    const numbers = [`mrn,${round}`, `ssn|${round}`];
    const [mrn, ssn] = [`identifier=urn:c|mrn\\,${round}`, `identifier=urn:c|ssn\\|${round}`];
    const all: TransactionEntry[] = [
      { method: 'POST', url: 'Patient', ifNoneExist: mrn, resource: patient(numbers) },
      { method: 'POST', url: 'Patient', ifNoneExist: ssn, resource: patient(numbers.toReversed()) },
      { method: 'PUT', url: `Patient?${mrn}`, resource: patient(numbers) },
    ];
    const results = await Promise.all(all.map((one) => transaction(core, [one], context)));
    assert.equal(new Set(results.map(([result]) => result!.id)).size, 1, `round ${round}`);
  }
});

test('several matches: the one that is chosen, and the error of who can’t choose', async () => {
  const [one, two] = await transaction(core, [put(['x']), put(['y'])], context);
  const seen: string[][] = [];
  const choose = (matches: Resource[]): Choice => {
    seen.push(matches.map(({ id }) => id!).sort());
    return { match: matches.find(({ id }) => id === two!.id) };
  };
  const merge: NonNullable<TransactionEntry['merge']> = (existing) => ({ ...existing!, active: true });
  const [result] = await transaction(core, [put(['x', 'y'], { choose, merge })], context);
  assert.deepEqual([result!.id, result!.op], [two!.id, 'update']);
  assert.deepEqual(seen, [[one!.id, two!.id].sort()]);
  await assert.rejects(transaction(core, [put(['x', 'y'])], context), { code: 'multiple-matches' });
  const fault = new Error('a person has to decide');
  const refuse = () => {
    throw fault;
  };
  await assert.rejects(transaction(core, [put(['x', 'y'], { choose: refuse })], context), fault);
});

test('a number that goes from what is chosen to what another entry creates', async () => {
  const [former] = await transaction(core, [put(['h'])], context);
  const next = put(['h2'], { resource: patient(['h', 'h2']) });
  const from = (handsOver: boolean) =>
    put(['h'], { choose: ([match]) => ({ match, handsOver }), merge: () => patient(['other'], { id: former!.id }) });
  await assert.rejects(transaction(core, [next, from(false)], context), { code: 'invalid' });
  assert.deepEqual(await find('h'), [former!.id]);
  const [created] = await transaction(core, [next, from(true)], context);
  assert.deepEqual([await find('h'), await find('other')], [[created!.id], [former!.id]]);
});

test('a conditional create that chooses finds, and creates where nothing is chosen', async () => {
  const entry = (choice: (matches: Resource[]) => Choice): TransactionEntry => ({
    ...{ method: 'POST', url: 'Patient', ifNoneExist: criteria(['x', 'y']), resource: patient(['x']), choose: choice },
  });
  const [first] = await transaction(core, [entry((matches) => ({ match: matches[0] }))], context);
  assert.deepEqual([first!.status, first!.op], [200, 'none']);
  const [fresh] = await transaction(core, [entry(() => ({}))], context);
  assert.equal(fresh!.op, 'create');
});

test('a reference that is followed, and one that leads in circles', async () => {
  const [target] = await transaction(core, [put(['t'])], context);
  await transaction(core, [put(['s'])], context);
  const choose = (matches: Resource[]): Choice =>
    matches[0]?.id === target!.id ? { match: matches[0] } : { follow: `Patient/${target!.id}` };
  const merge: NonNullable<TransactionEntry['merge']> = (existing) => ({ ...existing!, active: true });
  const [result] = await transaction(core, [put(['s'], { choose, merge })], context);
  assert.equal(result!.id, target!.id);
  const circle = () => ({ follow: `Patient/${target!.id}` });
  await assert.rejects(transaction(core, [put(['s'], { choose: circle })], context), { code: 'multiple-matches' });
});

test('an idle entry writes nothing and stands for another', async () => {
  const fullUrl = 'urn:uuid:00000000-0000-4000-8000-000000000001';
  const idle = 'urn:uuid:00000000-0000-4000-8000-000000000002';
  const list: Resource = {
    resourceType: 'Basic',
    code: { text: 't' },
    subject: { reference: idle },
  };
  const results = await transaction(
    core,
    [
      put(['k'], { fullUrl }),
      put(['nobody'], { fullUrl: idle, choose: () => ({ idle: true, as: fullUrl }) }),
      { method: 'POST', url: 'Basic', resource: list },
    ],
    context,
  );
  assert.deepEqual(
    results.map(({ op }) => op),
    ['create', 'none', 'create'],
  );
  assert.equal(JSON.parse(results[2]!.body).subject.reference, `Patient/${results[0]!.id}`);
  assert.deepEqual(await find('nobody'), []);
});

test('references are moved in the transaction, as many as asked, and only what is about a visit', async () => {
  const writer = createWriter(core);
  const [from, to] = await transaction(core, [put(['from']), put(['to'])], context);
  const encounter = await transaction(
    core,
    [
      {
        method: 'POST',
        url: 'Encounter',
        resource: {
          ...{ resourceType: 'Encounter', status: 'finished', class: { code: 'IMP' } },
          subject: { reference: `Patient/${to!.id}` },
        },
      },
    ],
    context,
  );
  const visit = `Encounter/${encounter[0]!.id}`;
  const observation = (more: object): TransactionEntry => ({
    method: 'POST',
    url: 'Observation',
    resource: {
      ...{ resourceType: 'Observation', status: 'final', code: { text: 't' } },
      ...{ subject: { reference: `Patient/${from!.id}` }, ...more },
    },
  });
  await transaction(
    core,
    [observation({}), observation({}), observation({ encounter: { reference: visit } })],
    context,
  );
  const move = (more: object) =>
    db.tx((tx) => writer.moveReferences(tx, { from: from!.id, to: to!.id, resourcesMax: 10, ...more }, everything));
  const [first, second, third] = [
    await move({ about: visit }),
    await move({ resourcesMax: 1, countLeft: true }),
    await move({}),
  ];
  const of = ({ moved, ...rest }: MovedReferences) => [moved.map(({ version, paths }) => [version, paths]), rest];
  const one = [[2, ['Observation.subject.reference']]];
  assert.deepEqual(
    [of(first), of(second), of(third)],
    [
      [one, { more: false }],
      [one, { more: true, left: 1 }],
      [one, { more: false }],
    ],
  );
  const ofPatient = async ({ id }: { id: string }) =>
    (await createReader(core).search('Observation', `subject=Patient/${id}`, everything)).resources.length;
  assert.equal(await ofPatient(to!), 3);
  // Taken back, but for what has changed since.
  const resources = [...first.moved, ...second.moved, { ...third.moved[0]!, version: 1 }];
  const back = { from: to!.id, to: from!.id, resources };
  const restored = await db.tx((tx) => writer.restoreReferences(tx, back, everything));
  assert.deepEqual(
    restored.map(({ version }) => version),
    [3, 3],
  );
  assert.deepEqual([await ofPatient(to!), await ofPatient(from!)], [1, 2]);
  assert.deepEqual(await db.tx((tx) => writer.restoreReferences(tx, back, everything)), []);
});

test('an entry may be about what is stored under another of its names, and so are references to it', async () => {
  const [owner] = await transaction(core, [put(['alias'])], context);
  const subject = { reference: `Patient/${owner!.id}` };
  const condition = (id: string, more: object = {}): Resource => ({ resourceType: 'Condition', id, subject, ...more });
  const names = (own: string, ...others: string[]): TransactionEntry => ({
    method: 'PUT',
    url: `Condition/${own}`,
    resource: condition(own, { note: [{ text: own }] }),
    alias: {
      ids: () => others,
      fits: (stored) => JSON.stringify(stored.subject) === JSON.stringify(subject),
      instead: () => `${own}.instead`,
    },
    merge: (existing, incoming) => ({ ...existing, ...incoming }),
  });
  const list = (name: string): TransactionEntry => ({
    method: 'POST',
    url: 'List',
    resource: {
      ...{ resourceType: 'List', status: 'current', mode: 'working' },
      entry: [{ item: { reference: `Condition/${name}` } }],
    },
  });
  const written = async (...entries: TransactionEntry[]) =>
    (await transaction(core, entries, context)).map(({ type, id, version, body }) =>
      type === 'List' ? JSON.parse(body).entry[0].item.reference : `${id} ${version}`,
    );
  assert.deepEqual(await written(names('first', 'second'), list('first')), ['first 1', 'Condition/first']);
  assert.deepEqual(await written(names('second', 'third', 'first'), list('second')), ['first 2', 'Condition/first']);
  assert.equal(
    JSON.parse((await createReader(core).read('Condition', 'first', everything))!.body).note[0].text,
    'second',
  );
  // Its own name goes first, and what is somebody else's does not fit.
  assert.deepEqual(await written(names('first', 'second')), ['first 3']);
  const [other] = await transaction(core, [put(['another'])], context);
  const theirs = condition('theirs', { subject: { reference: `Patient/${other!.id}` } });
  await transaction(core, [{ method: 'PUT', url: 'Condition/theirs', resource: theirs }], context);
  assert.deepEqual(await written(names('ours', 'theirs')), ['ours 1']);
  // Nor does it under its own name: it stays as it is.
  assert.deepEqual(await written(names('theirs'), list('theirs')), ['theirs.instead 1', 'Condition/theirs.instead']);
  assert.deepEqual(await written(names('theirs')), ['theirs.instead 2']);
  assert.equal((await createReader(core).read('Condition', 'theirs', everything))!.version, 1);
  // What was deleted is no longer there.
  await transaction(core, [{ method: 'DELETE', url: 'Condition/ours' }], context);
  assert.deepEqual(await written(names('fourth', 'ours')), ['fourth 1']);
  // Two names at the same moment are one resource.
  const both = await Promise.all([written(names('left', 'right')), written(names('right', 'left'))]);
  assert.deepEqual(new Set(both.flat().map((text) => text.slice(-1))), new Set(['1', '2']));
});

test('the store is sound afterwards', () => assertStoreSound({ db }));

test('an entry hears which others write nothing, and leaves them out', async () => {
  await transaction(core, [put(['pruned'])], context);
  const url = (n: number): string => `urn:uuid:00000000-0000-4000-8000-00000000000${n}`;
  const list: Resource = { resourceType: 'List', status: 'current', mode: 'working' };
  const entry = [1, 2].map((n) => ({ item: { reference: url(n) } }));
  const results = await transaction(
    core,
    [
      {
        method: 'POST',
        url: 'Patient',
        ifNoneExist: criteria(['pruned']),
        resource: patient(['pruned']),
        fullUrl: url(1),
      },
      { method: 'POST', url: 'Patient', ifNoneExist: criteria(['new']), resource: patient(['new']), fullUrl: url(2) },
      {
        method: 'POST',
        url: 'List',
        resource: { ...list, entry },
        prune: (resource, idle) => ({ ...resource, entry: entry.filter(({ item }) => !idle.has(item.reference)) }),
      },
    ],
    context,
  );
  const stored = JSON.parse(results[2]!.body) as { entry: unknown };
  assert.deepEqual(stored.entry, [{ item: { reference: `Patient/${results[1]!.id}` } }]);
});
