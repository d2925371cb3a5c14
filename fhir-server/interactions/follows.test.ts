// What a transaction's versions follow, between others' changes: https://hl7.org/fhir/R4/http.html#concurrency
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import type { Db, Statement, Tx } from '#platform';
import { testDatabase } from '#platform/testing';
import { readCurrent } from '../store/read.ts';
import { storeCreate, storeDelete, storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import type { Core } from './core.ts';
import { transaction } from './transaction.ts';

const context = { scope: everything };
const HOUR_MS = 3_600_000;

let db: Db;
let core: Core;
let nowMs = Date.parse('2026-01-01T12:00:00Z');

before(async () => {
  db = await testDatabase();
  core = await testCore(db, { now: () => nowMs });
});

const patient = (value: string, more: object = {}): Resource => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:f', value }],
  ...more,
});
const put = (id: string, more: object = {}) =>
  storeUpdate(core.store, { ...patient(id), ...more, id }, id, undefined, everything);
const entry = (id: string): TransactionEntry => ({
  ...{ method: 'PUT', url: `Patient/${id}` },
  resource: { ...patient(id, { active: true }), id },
});
const where = (value: string): TransactionEntry => ({
  ...{ method: 'PUT', url: `Patient?identifier=urn:f|${value}` },
  resource: patient(value, { active: true }),
});

test('the time never falls, though the clock does: after an update, and after a deletion', async () => {
  const laterMs = nowMs + HOUR_MS;
  nowMs = laterMs;
  await put('ahead');
  await put('gone');
  await storeDelete(core.store, 'Patient', 'gone', undefined, everything);
  nowMs -= HOUR_MS;
  const [updated] = await transaction(core, [entry('ahead')], context);
  const [revived] = await transaction(core, [entry('gone')], context);
  assert.deepEqual([updated!.version, updated!.updatedMs], [2, laterMs]);
  assert.deepEqual([revived!.version, revived!.updatedMs], [3, laterMs]);
  await assertStoreSound(core.store);
});

describe('between the look-up of criteria and the lock of what they match', () => {
  /** The core of a caller in whose first transaction `work` is done once, after the statement of that name. */
  function interrupted(name: string, work: () => Promise<unknown>): Core {
    let done = false;
    const query =
      (tx: Tx) =>
      async <R>(statement: Statement, values?: unknown[]): Promise<R[]> => {
        const rows = await tx.query<R>(statement, values);
        if (statement.name !== name || done) return rows;
        done = true;
        await work();
        return rows;
      };
    const between: Db = { ...db, tx: (run, options) => db.tx((tx) => run({ ...tx, query: query(tx) }), options) };
    return { ...core, store: { ...core.store, db: between } };
  }

  test('numbers that were taken before another’s change are not those of what follows it', async () => {
    await put('numbered');
    // With an entry of its own id beside it, rows are locked and numbers taken with the look-up.
    const core = interrupted('by_tokens_all_Patient', () => put('numbered', { gender: 'other' }));
    const results = await transaction(core, [entry('beside'), where('numbered')], context);
    assert.deepEqual(
      results.map(({ id, version }) => [id, version]),
      [
        ['beside', 1],
        ['numbered', 3],
      ],
    );
    await assertStoreSound(core.store);
  });

  test('a second match refuses the update of the first', async () => {
    await put('one');
    // Criteria that are known to match are looked up without their lock, so that others can come between.
    await transaction(core, [where('one')], context);
    const caller = interrupted('by_tokens_all_Patient', async () => {
      await put('one', { gender: 'other' });
      await storeCreate(core.store, patient('one'), everything);
    });
    await assert.rejects(transaction(caller, [where('one')], context), { code: 'multiple-matches', status: 412 });
    const { version, body } = (await readCurrent(db, 'Patient', 'one', everything))!;
    assert.deepEqual([version, (JSON.parse(body) as Resource).active], [3, undefined]);
  });
});
