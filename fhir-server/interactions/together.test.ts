// Conditional creates and updates that share a transaction: each has its own outcome, and none waits for a neighbour's lock.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type EntryResult, issuesOf, type Resource, type TransactionEntry } from '#fhir-model';
import { type Db, isCerebraError } from '#platform';
import { random, testDatabase, waitFor } from '#platform/testing';
import { storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import { runEntry } from './batch.ts';
import type { Core } from './core.ts';

let db: Db;
let core: Core;
/** Transactions that were begun. */
let begun = 0;

before(async () => {
  db = await testDatabase();
  const counted: Db = {
    ...db,
    tx: (work, options) => {
      begun++;
      return db.tx(work, options);
    },
  };
  core = await testCore(counted);
});

const patient = (value: string, more: object = {}): Resource => ({
  ...{ resourceType: 'Patient', identifier: [{ system: 'urn:s', value }] },
  ...more,
});

const run = (entry: TransactionEntry): Promise<EntryResult> => runEntry(core, entry, 0, everything);

const create = (value: string, more: object = {}) =>
  run({ method: 'POST', url: 'Patient', ifNoneExist: `identifier=urn:s|${value}`, resource: patient(value, more) });

const update = (value: string, more: object = {}) =>
  run({ method: 'PUT', url: `Patient?identifier=urn:s|${value}`, resource: patient(value, more) });

const outline = ({ status, version, op }: EntryResult) => [status, version, op];

const patientsOf = (value: string) =>
  db.query<{ id: string; version: number }>(
    { text: `select id, version from r_patient where body::jsonb @> $1::jsonb order by id` },
    [JSON.stringify({ identifier: [{ value }] })],
  );

describe('in one transaction', () => {
  test('creates and updates, of new criteria and of such as match', async () => {
    const earlier = await create('t-there');
    begun = 0;
    const results = await Promise.all([
      create('t-1'),
      create('t-2'),
      update('t-3'),
      create('t-there', { active: true }),
      create('t-4'),
    ]);
    assert.deepEqual(results.map(outline), [
      [201, 1, 'create'],
      [201, 1, 'create'],
      [201, 1, 'create'],
      [200, 1, 'none'],
      [201, 1, 'create'],
    ]);
    assert.equal(results[3]!.id, earlier.id);
    assert.equal(new Set(results.map(({ id }) => id)).size, 5);
    assert.equal(begun, 1);
    const again = await Promise.all([update('t-1', { active: true }), update('t-3', { active: false })]);
    assert.deepEqual(again.map(outline), [
      [200, 2, 'update'],
      [200, 2, 'update'],
    ]);
    assert.deepEqual(
      again.map(({ id }) => id),
      [results[0]!.id, results[2]!.id],
    );
    await assertStoreSound(core.store);
  });

  test('16 at once of the same criteria: one creates, fifteen find it', async () => {
    const results = await Promise.all(Array.from({ length: 16 }, () => create('t-same')));
    assert.equal(results.filter(({ status }) => status === 201).length, 1);
    assert.equal(new Set(results.map(({ id }) => id)).size, 1);
    assert.equal((await patientsOf('t-same')).length, 1);
  });

  test('16 at once that update by the same criteria: each success is a version of its own', async () => {
    const results = await Promise.all(
      Array.from({ length: 16 }, (_, n) => update('t-ups', { multipleBirthInteger: n })),
    );
    assert.deepEqual(
      results.map(({ version }) => version).sort((a, b) => a - b),
      Array.from({ length: 16 }, (_, n) => n + 1),
    );
    assert.equal((await patientsOf('t-ups')).length, 1);
    await assertStoreSound(core.store);
  });

  test('one that is at fault gets its own answer, with its own place, and takes none with it', async () => {
    for (const id of ['twin-1', 'twin-2']) {
      await storeUpdate(core.store, { ...patient('t-twin'), id }, id, undefined, everything);
    }
    const [good, bad, other] = await Promise.allSettled([create('f-1'), update('t-twin'), update('f-2')]);
    assert.deepEqual(good.status === 'fulfilled' && outline(good.value), [201, 1, 'create']);
    assert.deepEqual(other.status === 'fulfilled' && outline(other.value), [201, 1, 'create']);
    assert.ok(bad.status === 'rejected' && isCerebraError(bad.reason, 'multiple-matches'));
    assert.deepEqual(issuesOf(bad.reason)[0]!.expression, ['Bundle.entry[0].request.url']);
    assert.equal((await patientsOf('f-1')).length, 1);
  });

  test('two whose criteria match the same resource, one after the other', async () => {
    const both = { resourceType: 'Patient', identifier: [{ value: 'n-1' }, { value: 'n-2' }] };
    const { id } = await run({ method: 'POST', url: 'Patient', resource: both });
    const by = (value: string, active: boolean) =>
      run({ method: 'PUT', url: `Patient?identifier=${value}`, resource: { ...both, active } });
    const results = await Promise.all([by('n-1', true), by('n-2', false)]);
    assert.deepEqual(
      results.map((one) => [one.id, one.status]),
      [
        [id, 200],
        [id, 200],
      ],
    );
    assert.deepEqual(results.map(({ version }) => version).sort(), [2, 3]);
  });
});

test('whoever waits for a lock that somebody holds waits by itself', async () => {
  const { id } = await create('w-held');
  const held = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const other = db.tx(async (tx) => {
    await tx.query({ text: 'select 1 from r_patient where id = $1 for update' }, [id]);
    held.resolve();
    await end.promise;
  });
  await held.promise;
  const waiting = update('w-held', { active: true });
  const others = await Promise.all([create('w-1'), update('w-2')]);
  assert.deepEqual(others.map(outline), [
    [201, 1, 'create'],
    [201, 1, 'create'],
  ]);
  const blocked = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
  await waitFor(async () => (await db.query({ text: blocked })).length === 1, 'the one to wait for the row');
  assert.deepEqual(await patientsOf('w-held'), [{ id, version: 1 }]);
  end.resolve();
  await other;
  assert.deepEqual(outline(await waiting), [200, 2, 'update']);
  await assertStoreSound(core.store);
});

test('a database that is away is told to all, and nothing of them is there', async () => {
  const away = await testCore({
    ...db,
    tx: async () => {
      throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
    },
  });
  const some = ['a-1', 'a-2'].map((value) =>
    runEntry(
      away,
      { method: 'POST', url: 'Patient', ifNoneExist: `identifier=urn:s|${value}`, resource: patient(value) },
      0,
      everything,
    ),
  );
  const outcomes = await Promise.allSettled(some);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  for (const value of ['a-1', 'a-2']) assert.deepEqual(await patientsOf(value), []);
});

test('400 creates and updates of 30 identifiers, many at once, make no duplicate', async () => {
  const next = random(17);
  const work = Array.from({ length: 400 }, () => {
    const value = `d-${next(30)}`;
    return (next(2) === 0 ? create : update)(value, { multipleBirthInteger: next(100) });
  });
  await Promise.all(work);
  for (let n = 0; n < 30; n++) assert.equal((await patientsOf(`d-${n}`)).length, 1, `d-${n}`);
  await assertStoreSound(core.store);
});
