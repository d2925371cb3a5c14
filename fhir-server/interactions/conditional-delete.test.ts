// https://hl7.org/fhir/R4/http.html#cdelete between others' changes
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Db, Tx } from '#platform';
import { testDatabase } from '#platform/testing';
import { readCurrent } from '../store/read.ts';
import { storeDelete, storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import { runEntry } from './batch.ts';
import type { Core } from './core.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const put = (id: string, family: string) =>
  storeUpdate(core.store, { resourceType: 'Patient', id, name: [{ family }] }, id, undefined, everything);

/** The core of a caller in whose transactions `work` is done, `times` times, between the search and the lock. */
function interrupted(times: number, work: () => Promise<unknown>): Core {
  let left = times;
  // What is sent behind the lock waits with it.
  let done: Promise<unknown> = Promise.resolve();
  const query =
    (tx: Tx): Tx['query'] =>
    async (statement, values) => {
      if (statement.name?.startsWith('lock_Patient') && left-- > 0) done = work();
      await done;
      return tx.query(statement, values);
    };
  const between: Db = { ...db, tx: (run) => db.tx((tx) => run({ ...tx, query: query(tx) })) };
  return { ...core, store: { ...core.store, db: between } };
}

const remove = (by: Core, family: string) =>
  runEntry(by, { method: 'DELETE', url: `Patient?family=${family}` }, 0, everything);

const isThere = async (id: string) => (await readCurrent(db, 'Patient', id, everything))?.deleted === false;

test('what stops matching before it is locked stays', async () => {
  await put('renamed', 'First');
  await put('same', 'First');
  const result = await remove(
    interrupted(1, () => put('renamed', 'Other')),
    'first',
  );
  assert.equal(result.status, 204);
  assert.deepEqual([await isThere('renamed'), await isThere('same')], [true, false]);
});

test('what changes and still matches goes', async () => {
  await put('touched', 'Second');
  await remove(
    interrupted(2, () => put('touched', 'Second')),
    'second',
  );
  assert.equal(await isThere('touched'), false);
});

test('what others delete first is passed over', async () => {
  await put('x', 'Third');
  await put('y', 'Third');
  const result = await remove(
    interrupted(1, () => storeDelete(core.store, 'Patient', 'x', undefined, everything)),
    'third',
  );
  assert.equal(result.status, 204);
  assert.deepEqual([await isThere('x'), await isThere('y')], [false, false]);
});

test('what never rests goes too, as long as it matches', async () => {
  await put('busy', 'Fourth');
  const result = await remove(
    interrupted(100, () => put('busy', 'Fourth')),
    'fourth',
  );
  assert.deepEqual([result.status, result.op, await isThere('busy')], [204, 'delete', false]);
});

test('of several that never rest those that match when they are locked go', async () => {
  for (const id of ['r1', 'r2', 'r3']) await put(id, 'Fifth');
  const others = ['Fifth', 'Other', 'Fifth'];
  const work = async () => {
    for (const [i, family] of others.entries()) await put(`r${i + 1}`, family);
  };
  const result = await remove(interrupted(100, work), 'fifth');
  assert.equal(result.deletions, 2);
  assert.deepEqual([await isThere('r1'), await isThere('r2'), await isThere('r3')], [false, true, false]);
});

test('many at once delete each once', async () => {
  await Promise.all(Array.from({ length: 20 }, (_, i) => put(`m${i}`, 'Many')));
  const results = await Promise.all(Array.from({ length: 6 }, () => remove(core, 'many')));
  assert.deepEqual(
    results.map(({ status }) => status),
    Array(6).fill(204),
  );
  for (let i = 0; i < 20; i++) assert.equal(await isThere(`m${i}`), false);
});

test('many more than the limit are told by the limit, and stay', async () => {
  const limited: Core = { ...core, limits: { ...core.limits, conditionalDeleteMax: 3 } };
  for (let i = 0; i < 6; i++) await put(`over${i}`, 'Over');
  await assert.rejects(remove(limited, 'over'), {
    status: 412,
    issues: [
      {
        severity: 'error',
        code: 'multiple-matches',
        diagnostics:
          'The criteria match more than 3 resources, the most that one conditional delete removes (CONDITIONAL_DELETE_MAX): make them more exact',
        expression: ['Bundle.entry[0].request.url'],
      },
    ],
  });
  for (let i = 0; i < 6; i++) assert.equal(await isThere(`over${i}`), true);
});

test('_count, which other servers take as a limit, is refused: nothing goes', async () => {
  await put('one', 'Counted');
  await put('two', 'Counted');
  const url = 'Patient?family=counted&_count=1';
  await assert.rejects(runEntry(core, { method: 'DELETE', url }, 0, everything), {
    status: 400,
    issues: [
      {
        severity: 'error',
        code: 'not-supported',
        diagnostics:
          'A conditional delete removes all that match, or none where they are too many (CONDITIONAL_DELETE_MAX): _count is no limit to it',
        expression: ['Bundle.entry[0].request.url'],
      },
    ],
  });
  assert.deepEqual([await isThere('one'), await isThere('two')], [true, true]);
});

test('the store is sound afterwards', () => assertStoreSound({ db }));
