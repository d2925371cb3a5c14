// What is removed for good, and what is not: docs/fhir-operations.md, $expunge
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { AccessScope } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { everything, nothing, testCore } from '../testing.ts';
import { type ExpungeTarget, type ExpungeWork, expungeVersions } from './expunge.ts';
import { resourceKey } from './layout.ts';
import { lockAll } from './locks.ts';
import { storeDelete, storeUpdate } from './store.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const put = (id: string) =>
  storeUpdate(core.store, { resourceType: 'Basic', id, code: { text: 'x' } }, id, undefined, everything);
const remove = (id: string) => storeDelete(core.store, 'Basic', id, undefined, everything);

const whole: ExpungeWork = { previousVersions: true, deletedResources: true, limit: 1000 };
const expunge = (target: ExpungeTarget, work: ExpungeWork = whole, scope: AccessScope = everything): Promise<number> =>
  db.tx((tx) => expungeVersions(tx, target, work, scope));

const versions = async (id: string): Promise<number[]> =>
  (
    await db.query<{ version: number }>({ text: 'select version from h_basic where id = $1 order by version' }, [id])
  ).map(({ version }) => version);

test('the limit is that of both together', async () => {
  // Two versions and a tombstone of what is deleted, three former ones of what is not.
  for (const id of ['gone', 'gone', 'there', 'there', 'there', 'there']) await put(id);
  await remove('gone');
  assert.equal(await expunge({ type: 'Basic' }, { ...whole, limit: 4 }), 4);
  assert.deepEqual([await versions('gone'), await versions('there')], [[], [2, 3]]);
  assert.equal(await expunge({ type: 'Basic' }), 2);
});

test('what lies outside of the scope stays', async () => {
  for (const id of ['kept', 'kept', 'buried']) await put(id);
  await remove('buried');
  for (const target of [{ type: 'Basic' }, { type: 'Basic', id: 'kept' }, { type: 'Basic', id: 'buried' }]) {
    assert.equal(await expunge(target, whole, nothing), 0);
  }
  assert.deepEqual([await versions('kept'), await versions('buried')], [[1], [1, 2]]);
});

test('what somebody brings back meanwhile stays, with its versions', async () => {
  await put('back');
  await remove('back');
  const key = resourceKey('Basic', 'back');
  const [held, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const bringBack = db.tx(async (tx) => {
    await lockAll(tx, 'resource', [key]);
    held.resolve();
    await go.promise;
    await tx.query(
      {
        text: `insert into r_basic (rid, key, seq, updated, version, type, id, tokens, body)
          select nextval('resource_seq'), $1::bigint, currval('resource_seq'), clock_timestamp(), 3, code, 'back', '{}', '{"resourceType":"Basic"}'
          from resource_type where name = 'Basic'`,
      },
      [key],
    );
  });
  await held.promise;
  const work = { ...whole, previousVersions: false };
  const removed = expunge({ type: 'Basic', id: 'back' }, work);
  const waiting = {
    text: `select count(*) as n from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
      where l.locktype = 'advisory' and not l.granted`,
  };
  await waitFor(async () => (await db.query<{ n: bigint }>(waiting))[0]!.n > 0n, 'the expunge to wait for the id');
  go.resolve();
  await bringBack;
  assert.equal(await removed, 0);
  assert.deepEqual(await versions('back'), [1, 2]);
});
