// $expunge, without HTTP: what is to go is gone, from history and change feed, and nothing else.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { AccessScope, JsonObject } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase, testLog, waitFor } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { storeDelete, storeUpdate } from '../store/store.ts';
import { everything, nothing, testCore } from '../testing.ts';
import { invoke } from './invoke.ts';
import { createOperations } from './registry.ts';

let db: Db;
let core: Core;

const put = (id: string, family: string, resourceType = 'Patient') =>
  storeUpdate(core.store, { resourceType, id, name: [{ family }] }, id, undefined, everything);
const remove = (id: string) => storeDelete(core.store, 'Patient', id, undefined, everything);

type Place = { type?: string; id?: string; version?: number };
const expunge = (place: Place, pairs: [string, string][], scope: AccessScope = everything, more = {}) =>
  invoke(core, { target: { name: 'expunge', ...place }, method: 'POST', pairs, scope, strict: false, ...more });

async function count(place: Place, ...pairs: [string, string][]): Promise<number> {
  const { resource } = (await expunge(place, pairs)) as { resource: JsonObject };
  const [{ name, valueInteger }] = resource.parameter as [{ name: string; valueInteger: number }];
  assert.equal(name, 'count');
  return valueInteger;
}

const PREVIOUS: [string, string] = ['expungePreviousVersions', 'true'];
const DELETED: [string, string] = ['expungeDeletedResources', 'true'];

/** `id/version`, a tombstone with a minus, of both tables. */
async function stored(): Promise<string[]> {
  const rows = await db.query<{ name: string }>({
    text: `select h.id || '/' || h.version || case when h.op = 'd' then '-' else '' end as name from resource_history h
      union all select r.id || '/' || r.version || '*' from resource r order by name`,
  });
  return rows.map(({ name }) => name);
}

beforeEach(async () => {
  db = await testDatabase();
  core = await testCore(db);
  core.operations = createOperations(core, { log: testLog(), expunge: true });
  for (const family of ['a', 'b', 'c']) await put('live', family);
  for (const family of ['a', 'b']) await put('dead', family);
  await remove('dead');
  await put('back', 'a');
  await remove('back');
  await put('back', 'b');
  await put('doc', 'x', 'Practitioner');
  await put('doc', 'y', 'Practitioner');
});

const whole = [
  'back/1',
  'back/2-',
  'back/3*',
  'dead/1',
  'dead/2',
  'dead/3-',
  'doc/1',
  'doc/2*',
  'live/1',
  'live/2',
  'live/3*',
];
const without = (...gone: string[]) => whole.filter((name) => !gone.includes(name));

describe('$expunge', () => {
  test('previous versions of a resource', async () => {
    assert.deepEqual(await stored(), whole);
    assert.equal(await count({ type: 'Patient', id: 'live' }, PREVIOUS), 2);
    assert.deepEqual(await stored(), without('live/1', 'live/2'));
    assert.equal(await count({ type: 'Patient', id: 'live' }, PREVIOUS), 0);
    assert.equal((await put('live', 'd')).version, 4);
  });

  test('one former version; never the current one', async () => {
    assert.equal(await count({ type: 'Patient', id: 'live', version: 1 }), 1);
    assert.deepEqual(await stored(), without('live/1'));
    await assert.rejects(expunge({ type: 'Patient', id: 'live', version: 3 }, []), { code: 'business-rule' });
    await assert.rejects(expunge({ type: 'Patient', id: 'dead', version: 3 }, []), { code: 'business-rule' });
    await assert.rejects(expunge({ type: 'Patient', id: 'live', version: 2 }, [DELETED, PREVIOUS]), {
      code: 'invalid-parameter',
    });
    assert.deepEqual(await stored(), without('live/1'));
  });

  test('previous versions of what is deleted: the tombstone stays', async () => {
    assert.equal(await count({ type: 'Patient', id: 'dead' }, PREVIOUS), 2);
    assert.deepEqual(await stored(), without('dead/1', 'dead/2'));
    assert.equal((await put('dead', 'again')).version, 4);
  });

  test('a deleted resource: as never used; a live one is left alone', async () => {
    assert.equal(await count({ type: 'Patient', id: 'dead' }, DELETED), 3);
    assert.equal(await count({ type: 'Patient', id: 'live' }, DELETED), 0);
    assert.equal(await count({ type: 'Patient', id: 'back' }, DELETED), 0);
    assert.deepEqual(await stored(), without('dead/1', 'dead/2', 'dead/3-'));
    await assert.rejects(expunge({ type: 'Patient', id: 'dead' }, [DELETED]), { code: 'not-found' });
    assert.equal((await put('dead', 'new')).version, 1);
  });

  test('of a type, of all', async () => {
    assert.equal(await count({ type: 'Patient' }, PREVIOUS), 6);
    assert.deepEqual(await stored(), ['back/3*', 'dead/3-', 'doc/1', 'doc/2*', 'live/3*']);
    assert.equal(await count({}, PREVIOUS, DELETED), 2);
    assert.deepEqual(await stored(), ['back/3*', 'doc/2*', 'live/3*']);
  });

  test('limit: the oldest first, then again', async () => {
    assert.equal(await count({ type: 'Patient' }, PREVIOUS, ['limit', '2']), 2);
    assert.deepEqual(await stored(), without('live/1', 'live/2'));
    assert.equal(await count({ type: 'Patient', id: 'dead' }, DELETED, ['limit', '2']), 2);
    assert.deepEqual(await stored(), without('live/1', 'live/2', 'dead/1', 'dead/2'));
    await assert.rejects(expunge({ type: 'Patient' }, [PREVIOUS, ['limit', '0']]), { code: 'invalid-parameter' });
    await assert.rejects(expunge({ type: 'Patient' }, [PREVIOUS, ['limit', '50001']]), { code: 'invalid-parameter' });
  });

  test('the change feed names nothing that has no body', async () => {
    await count({}, PREVIOUS, DELETED);
    // A transaction of another database of the cluster holds the feed back as long as it runs.
    const changes = await waitFor(async () => {
      const read = await core.store.stream.feed.read(db, { xid: 0n, seq: 0n }, 100);
      return read.changes.length >= 5 && read.changes;
    }, 'the feed to show all changes');
    const shown = changes.map(({ id, version, op, body }) => [`${id}/${version}`, op, body !== '']);
    assert.deepEqual(shown, [
      ['live/3', 'update', true],
      ['dead/3', 'delete', false],
      ['back/2', 'delete', false],
      ['back/3', 'create', true],
      ['doc/2', 'update', true],
    ]);
  });

  test('If-Match is about the current version of the one resource', async () => {
    const of = (id: string, ifMatch: string) => expunge({ type: 'Patient', id }, [PREVIOUS], everything, { ifMatch });
    const failed = { code: 'precondition-failed', message: /current version is 3/ };
    await assert.rejects(of('live', 'W/"2"'), failed);
    await assert.rejects(
      expunge({ type: 'Patient', id: 'live', version: 1 }, [], everything, { ifMatch: '"1"' }),
      failed,
    );
    await assert.rejects(of('dead', 'W/"3"'), { code: 'precondition-failed' });
    await assert.rejects(of('dead', '*'), { code: 'precondition-failed' });
    await assert.rejects(of('live', 'three'), { code: 'invalid' });
    for (const place of [{ type: 'Patient' }, {}]) {
      await assert.rejects(expunge(place, [PREVIOUS], everything, { ifMatch: 'W/"3"' }), { code: 'invalid' });
    }
    assert.deepEqual(await stored(), whole);
    await of('live', 'W/"3"');
    assert.deepEqual(await stored(), without('live/1', 'live/2'));
  });

  test('is refused when switched off, without a wish, out of scope', async () => {
    await assert.rejects(expunge({ type: 'Patient' }, []), { code: 'required' });
    await assert.rejects(expunge({ type: 'Patient' }, [PREVIOUS], nothing), { code: 'forbidden' });
    await assert.rejects(expunge({ type: 'Patient', id: 'none' }, [PREVIOUS]), { code: 'not-found' });
    core.operations = createOperations(core, { log: testLog() });
    await assert.rejects(expunge({ type: 'Patient' }, [PREVIOUS]), { code: 'forbidden', message: /EXPUNGE=on/ });
    assert.deepEqual(await stored(), whole);
  });

  test('two at once, in orders of their own, both succeed', async () => {
    // By time b comes before a: what goes by id and what goes by time meet each other's rows.
    for (const id of ['c', 'b', 'a']) {
      await put(id, 'x');
      await remove(id);
    }
    const [held, free] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const holding = db.tx(async (tx) => {
      await tx.query({ text: "select from h_patient where id = 'b' for update" });
      held.resolve();
      await free.promise;
    });
    await held.promise;
    const waiting = async () => {
      const text = `select count(*) as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      return Number((await db.query<{ n: bigint }>({ text }))[0]!.n);
    };
    const byTime = count({ type: 'Patient' }, PREVIOUS);
    await waitFor(async () => (await waiting()) === 1, 'the first to wait for a row');
    const byId = count({ type: 'Patient' }, DELETED);
    await waitFor(async () => (await waiting()) === 2, 'the second to wait for the first');
    free.resolve();
    await holding;
    // Former versions of six resources, then the tombstones that are left.
    assert.deepEqual([await byTime, await byId], [9, 4]);
    assert.deepEqual(await stored(), ['back/3*', 'doc/1', 'doc/2*', 'live/3*']);
  });
});
