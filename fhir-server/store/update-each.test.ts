// Updates, and creations under chosen ids, that share a statement: each has its own outcome, and none waits for a neighbour's.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { random, testDatabase, waitFor } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import { deleteEach } from './delete-each.ts';
import { resourceKey } from './layout.ts';
import { lockAll } from './locks.ts';
import { readVersion } from './read.ts';
import { prepare, storeDelete, storeUpdate } from './store.ts';
import { insertAtEach, updateEach } from './update-each.ts';
import { latestFormer } from './write-one.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const patient = (id: string, more: object = {}): Resource & { id: string } => ({
  ...{ resourceType: 'Patient', id, identifier: [{ system: 'urn:s', value: id }], birthDate: '1970-01-01' },
  ...more,
});

const put = (resource: Resource & { id: string }, ifVersion?: number) =>
  storeUpdate(core.store, resource, resource.id, ifVersion, everything);

const prepared = (id: string, more: object = {}, at = core.store.clock.now()) =>
  prepare(core.store, patient(id, more), id, at, everything);

const bodyOf = async (id: string, version: number): Promise<Resource> =>
  JSON.parse((await readVersion(db, 'Patient', id, version, everything))!.body) as Resource;

/** Does `work` while another transaction has done `lock`, which then ends. */
async function whileLocked(
  lock: (tx: Parameters<Parameters<Db['tx']>[0]>[0]) => Promise<unknown>,
  work: () => Promise<void>,
) {
  const locked = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const other = db.tx(async (tx) => {
    await lock(tx);
    locked.resolve();
    await done.promise;
  });
  await locked.promise;
  await work().finally(done.resolve);
  await other;
}

describe('updates in one statement', () => {
  test('of each what became of it: written, another version, not there, too early', async () => {
    for (const id of ['e1', 'e2', 'e3', 'e4']) await put(patient(id));
    const request = (id: string, ifVersion?: number, at?: number) => ({
      ...{ one: prepared(id, { active: true }, at), ifVersion, scope: everything },
    });
    const outcomes = await updateEach(db, [
      request('e1'),
      request('e2', 7),
      request('e-none'),
      request('e3', 1),
      request('e4', undefined, 1_000),
    ]);
    const { updated } = (
      await db.query<{ updated: number }>({ text: `select updated from r_patient where id = 'e4'` })
    )[0]!;
    assert.deepEqual(outcomes, [
      { kind: 'done', version: 2 },
      { kind: 'mismatch', found: 1 },
      { kind: 'absent' },
      { kind: 'done', version: 2 },
      { kind: 'raced', afterMs: updated },
    ]);
    assert.equal((await bodyOf('e1', 2)).active, true);
    assert.equal((await bodyOf('e1', 1)).active, undefined);
    await assertStoreSound(core.store);
  });

  test('of two of one id the first is written, the second is left to be written alone', async () => {
    await put(patient('twice'));
    const twice = [1, 2].map((n) => ({
      ...{ one: prepared('twice', { multipleBirthInteger: n }), ifVersion: undefined, scope: everything },
    }));
    assert.deepEqual(await updateEach(db, twice), [{ kind: 'done', version: 2 }, undefined]);
    assert.equal((await bodyOf('twice', 2)).multipleBirthInteger, 1);
  });

  test('what another transaction has locked holds up nobody else', async () => {
    for (const id of ['l1', 'l2', 'l3']) await put(patient(id));
    let held: Promise<{ version: number }>;
    await whileLocked(
      (tx) => tx.query({ text: `select 1 from r_patient where id = 'l2' for update` }),
      async () => {
        held = put(patient('l2', { active: true }));
        const others = await Promise.all([put(patient('l1', { active: true })), put(patient('l3', { active: true }))]);
        assert.deepEqual(
          others.map(({ version }) => version),
          [2, 2],
        );
        assert.equal((await db.query({ text: `select 1 from r_patient where id = 'l2' and version = 1` })).length, 1);
      },
    );
    assert.equal((await held!).version, 2);
    await assertStoreSound(core.store);
  });

  test('resources with rows in different index tables', async () => {
    const many = Array.from({ length: 12 }, (_, n) => {
      const more = [
        {},
        { name: [{ family: `Fam${n}` }] },
        { managingOrganization: { reference: `Organization/o${n}` } },
      ];
      return patient(`m${n}`, { ...more[n % 3], ...(n % 2 ? { birthDate: undefined } : {}) });
    });
    const [first, second] = [many, many.map((one) => ({ ...one, active: true }))];
    assert.deepEqual(
      new Set((await Promise.all(first.map((one) => put(one)))).map(({ version }) => version)),
      new Set([1]),
    );
    assert.deepEqual(
      new Set((await Promise.all(second.map((one) => put(one)))).map(({ version }) => version)),
      new Set([2]),
    );
    const bare = many.map(({ id }) => ({ resourceType: 'Patient', id }));
    assert.deepEqual(
      new Set((await Promise.all(bare.map((one) => put(one)))).map(({ version }) => version)),
      new Set([3]),
    );
    await assertStoreSound(core.store);
  });
});

describe('creations under chosen ids in one statement', () => {
  test('of each what became of it: new, after its tombstone, there already, deleted later than now', async () => {
    await put(patient('c-gone'));
    await storeDelete(core.store, 'Patient', 'c-gone', undefined, everything);
    await put(patient('c-there'));
    await put(patient('c-late'));
    await storeDelete(core.store, 'Patient', 'c-late', undefined, everything);
    const { updated } = (
      await db.query<{ updated: number }>({ text: `select updated from h_patient where id = 'c-late' and op = 'd'` })
    )[0]!;
    const outcomes = await insertAtEach(db, [
      prepared('c-new'),
      prepared('c-gone'),
      prepared('c-there'),
      prepared('c-late', {}, 1_000),
      prepared('c-new'),
    ]);
    assert.deepEqual(outcomes, [
      { kind: 'done', version: 1 },
      { kind: 'done', version: 3 },
      { kind: 'raced', afterMs: 0 },
      { kind: 'raced', afterMs: updated },
      undefined,
    ]);
    assert.equal((await bodyOf('c-gone', 3)).meta?.versionId, '3');
    await assertStoreSound(core.store);
  });

  test('an id that another transaction is creating holds up nobody else', async () => {
    let held: Promise<{ version: number; op: string }>;
    await whileLocked(
      (tx) => lockAll(tx, 'resource', [resourceKey('Patient', 'k2')]),
      async () => {
        held = put(patient('k2'));
        const others = await Promise.all([put(patient('k1')), put(patient('k3'))]);
        assert.deepEqual(
          others.map(({ version, op }) => [version, op]),
          [
            [1, 'create'],
            [1, 'create'],
          ],
        );
        const waits = `select 1 from pg_locks where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())`;
        await waitFor(async () => (await db.query({ text: waits })).length === 1, 'the third one to wait for the lock');
        assert.deepEqual(await db.query({ text: `select id from r_patient where id like 'k%' order by id` }), [
          { id: 'k1' },
          { id: 'k3' },
        ]);
      },
    );
    assert.deepEqual([(await held!).version, (await held!).op], [1, 'create']);
    await assertStoreSound(core.store);
  });

  test('while the whole class of ids is locked all wait, and then all are created', async () => {
    let held: Promise<{ version: number }[]>;
    await whileLocked(
      (tx) => tx.query({ text: 'select pg_advisory_xact_lock($1, 0)' }, [0x43_45_52_03]),
      async () => {
        held = Promise.all(['w1', 'w2', 'w3'].map((id) => put(patient(id))));
        const waits = `select 1 from pg_locks where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())`;
        await waitFor(async () => (await db.query({ text: waits })).length === 3, 'all three to wait');
      },
    );
    assert.deepEqual(
      (await held!).map(({ version }) => version),
      [1, 1, 1],
    );
  });

  test('what an id was before is looked up by the id, whatever PostgreSQL expects of the history', async () => {
    // Few ids with many versions, by which PostgreSQL looked through the history from its end for one that was never there.
    await db.query({
      text: `insert into h_location (seq, updated, version, type, op, id, body)
        select n, now(), n, (select code from resource_type where name = 'Location'), 'u', 'id' || n % 5, '{}'
        from generate_series(1, 20000) n`,
    });
    await db.query({ text: 'analyze h_location' });
    const plan = await db.query<{ 'QUERY PLAN': string }>({ text: `explain ${latestFormer('Location', "'never'")}` });
    const text = plan.map((row) => row['QUERY PLAN']).join('\n');
    assert.match(text, /Index (Only )?Scan Backward using h_location_id_version_idx/);
    assert.match(text, /Index Cond: \(id = 'never'::text\)/);
    assert.doesNotMatch(text, /Filter/);
    await db.query({ text: 'truncate h_location' });
  });
});

describe('deletions in one statement', () => {
  const deletion = (id: string, more: { ifVersion?: number; updatedMs?: number } = {}) => ({
    ...{ type: 'Patient', id, updatedMs: core.store.clock.now(), ifVersion: undefined, scope: everything },
    ...more,
  });

  test('of each what became of it: deleted, another version, not there, too early, behind another', async () => {
    for (const id of ['d1', 'd2', 'd3', 'd4']) await put(patient(id));
    const outcomes = await deleteEach(db, [
      deletion('d1'),
      deletion('d2', { ifVersion: 5 }),
      deletion('d-none'),
      deletion('d3', { ifVersion: 1 }),
      deletion('d4', { updatedMs: 1_000 }),
      deletion('d1'),
    ]);
    const { updated } = (
      await db.query<{ updated: number }>({ text: `select updated from r_patient where id = 'd4'` })
    )[0]!;
    assert.deepEqual(outcomes, [
      { kind: 'done', version: 2 },
      { kind: 'mismatch', found: 1 },
      { kind: 'absent' },
      { kind: 'done', version: 2 },
      { kind: 'raced', afterMs: updated },
      undefined,
    ]);
    assert.deepEqual(
      await db.query({ text: `select id, version, op from h_patient where id in ('d1', 'd3') order by id, version` }),
      [
        { id: 'd1', version: 1, op: 'c' },
        { id: 'd1', version: 2, op: 'd' },
        { id: 'd3', version: 1, op: 'c' },
        { id: 'd3', version: 2, op: 'd' },
      ],
    );
    await assertStoreSound(core.store);
  });

  test('what another transaction has locked holds up nobody else', async () => {
    for (const id of ['x1', 'x2', 'x3']) await put(patient(id));
    const remove = (id: string) => storeDelete(core.store, 'Patient', id, undefined, everything);
    let held: Promise<{ version: number }>;
    await whileLocked(
      (tx) => tx.query({ text: `select 1 from r_patient where id = 'x2' for update` }),
      async () => {
        held = remove('x2');
        const others = await Promise.all([remove('x1'), remove('x3')]);
        assert.deepEqual(
          others.map(({ version }) => version),
          [2, 2],
        );
        assert.equal((await db.query({ text: `select 1 from r_patient where id = 'x2'` })).length, 1);
      },
    );
    assert.equal((await held!).version, 2);
    await assertStoreSound(core.store);
  });
});

test('16 writers of 40 ids, new and old, each id by several at once', async () => {
  const next = random(21);
  const writes = Array.from({ length: 400 }, () => patient(`s${next(40)}`, { multipleBirthInteger: next(1000) }));
  const results = await Promise.all(writes.map((one) => put(one)));
  const versions = Map.groupBy(results, ({ id }) => id);
  for (const [id, all] of versions) {
    assert.deepEqual(
      all.map(({ version }) => version).sort((a, b) => a - b),
      Array.from(all, (_, n) => n + 1),
      id,
    );
  }
  await assertStoreSound(core.store);
});
