// Many writers at once; whatever they do to each other, what is stored is sound.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import { type Db, isCerebraError } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { transaction } from '../interactions/transaction.ts';
import { createReader, createWriter } from '../ports.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import { readVersion } from './read.ts';
import { storeCreate, storeDelete, storeUpdate } from './store.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const observation = (id: string, next: (below: number) => number): Resource & { id: string } => ({
  resourceType: 'Observation',
  id,
  status: next(2) === 0 ? 'final' : 'amended',
  code: { coding: [{ system: 'http://loinc.org', code: `c${next(5)}` }], text: `text ${next(9)}` },
  subject: { reference: `Patient/p${next(3)}` },
  effectiveDateTime: `2024-01-${10 + next(10)}`,
  valueQuantity: { value: next(100), unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' },
});

const put = (resource: Resource & { id: string }): TransactionEntry => ({
  method: 'PUT',
  url: `${resource.resourceType}/${resource.id}`,
  resource,
});

/** Outcomes that losing a race may have. */
const isLostRace = (error: unknown): boolean =>
  isCerebraError(error, 'version-conflict') || isCerebraError(error, 'precondition-failed');

async function unlessLost(work: Promise<unknown>): Promise<'done' | 'lost'> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (isLostRace(error)) return 'lost';
    throw error;
  }
}

const context = { scope: everything };

function oneWrite(ids: readonly string[], next: (below: number) => number): Promise<unknown> {
  const id = ids[next(ids.length)]!;
  const one = observation(id, next);
  switch (next(7)) {
    case 0:
      return storeDelete(core.store, 'Observation', id, undefined, everything);
    case 1:
      return transaction(
        core,
        [put(one), { method: 'POST', url: 'Patient', resource: { resourceType: 'Patient' } }],
        context,
      );
    case 2:
      return transaction(
        core,
        ids.map((each) => put(observation(each, next))),
        context,
      );
    case 3:
      return transaction(
        core,
        [...ids].reverse().map((each) => ({ method: 'DELETE', url: `Observation/${each}` })),
        context,
      );
    case 4:
      return createWriter(core).createIfAbsent([one, observation(`${id}x`, next)], context);
    case 5:
      return storeUpdate(core.store, one, id, 1 + next(4), everything);
    default:
      return storeUpdate(core.store, one, id, undefined, everything);
  }
}

describe('16 writers', { concurrency: false }, () => {
  for (const ids of [['only'], ['a', 'b', 'c']]) {
    test(`mix updates, deletions, re-creations and transactions on ${ids.length} ids`, async () => {
      const writer = async (seed: number) => {
        const next = random(seed);
        let done = 0;
        for (let round = 0; round < 25; round++) if ((await unlessLost(oneWrite(ids, next))) === 'done') done++;
        return done;
      };
      const done = await Promise.all(Array.from({ length: 16 }, (_, seed) => writer(seed + 100 * ids.length)));
      assert.ok(
        done.every((count) => count > 5),
        `each gets something done: ${done}`,
      );
      await assertStoreSound(core.store);
      for (const id of ids) await assertHistory(id);
    });
  }

  test('update one id: each success is a version of its own', async () => {
    const next = random(7);
    const results = await Promise.all(
      Array.from({ length: 160 }, () =>
        storeUpdate(core.store, observation('counter', next), 'counter', undefined, everything),
      ),
    );
    const versions = results.map((result) => result.version).sort((a, b) => a - b);
    assert.deepEqual(
      versions,
      Array.from({ length: 160 }, (_, i) => i + 1),
    );
    await assertStoreSound(core.store);
  });

  test('with If-Match: of 16 on one version one wins', async () => {
    const next = random(8);
    await storeUpdate(core.store, observation('matched', next), 'matched', undefined, everything);
    const outcomes = await Promise.all(
      Array.from({ length: 16 }, () =>
        unlessLost(storeUpdate(core.store, observation('matched', next), 'matched', 1, everything)),
      ),
    );
    assert.equal(outcomes.filter((outcome) => outcome === 'done').length, 1);
  });

  test('create an id at once: one creates, fifteen update', async () => {
    const next = random(9);
    const results = await Promise.all(
      Array.from({ length: 16 }, () =>
        storeUpdate(core.store, observation('fresh', next), 'fresh', undefined, everything),
      ),
    );
    assert.equal(results.filter((result) => result.op === 'create').length, 1);
    assert.deepEqual(
      results.map((result) => result.version).sort((a, b) => a - b),
      Array.from({ length: 16 }, (_, i) => i + 1),
    );
  });
});

/** Every version can be read, and the body says its number. */
async function assertHistory(id: string): Promise<void> {
  const newest = (await createReader(core).read('Observation', id, everything))!;
  for (let version = 1; version <= newest.version; version++) {
    const found = (await readVersion(db, 'Observation', id, version, everything))!;
    assert.equal(found.version, version);
    if (!found.deleted) assert.equal((JSON.parse(found.body) as Resource).meta?.versionId, String(version));
  }
}

describe('bundles that take the same things in different order', () => {
  test('do not deadlock: rows of several types, criteria and ids', async (t) => {
    // PostgreSQL tells of deadlocks up to a second later: those of other tests are not to be counted here.
    const db = await testDatabase(t);
    const core = await testCore(db);
    const before = Number((await db.query<{ n: bigint }>(deadlocks))[0]!.n);
    const next = random(11);
    const types = ['Patient', 'Location', 'Organization'];
    for (const type of types)
      await storeUpdate(core.store, { resourceType: type, id: 'd' }, 'd', undefined, everything);
    const entry = (type: string): TransactionEntry[] => [
      put({ resourceType: type, id: 'd' }),
      {
        method: 'PUT',
        url: `${type}?identifier=i${next(3)}`,
        resource: { resourceType: type, identifier: [{ value: `i${next(3)}` }] },
      },
    ];
    const bundle = () => {
      const [first, ...rest] = next(2) === 0 ? types : [...types].reverse();
      return transaction(core, [...entry(first!), ...rest.flatMap(entry)], context);
    };
    const remove = () =>
      transaction(
        core,
        [...types].reverse().map((type) => ({ method: 'DELETE' as const, url: `${type}/d` })),
        context,
      );
    const work = Array.from({ length: 80 }, (_, i) => unlessLost(i % 5 === 0 ? remove() : bundle()));
    const outcomes = await Promise.allSettled(work);
    const failed = outcomes.filter(
      (one) => one.status === 'rejected' && !isCerebraError(one.reason, 'multiple-matches'),
    );
    assert.deepEqual(failed, []);
    await assertStoreSound(core.store);
    assert.equal(Number((await db.query<{ n: bigint }>(deadlocks))[0]!.n), before);
  });
});

const deadlocks = { text: 'select deadlocks as n from pg_stat_database where datname = current_database()' };

describe('createIfAbsent', () => {
  const writer = () => createWriter(core);

  test('of an id that comes twice in one call the first is created', async () => {
    const twice = [0, 1, 2].map((n) => ({ resourceType: 'Patient', id: 'twice', multipleBirthInteger: n }));
    assert.deepEqual(await writer().createIfAbsent(twice, context), [true, false, false]);
    const found = await createReader(core).read('Patient', 'twice', everything);
    assert.equal((JSON.parse(found!.body) as Resource).multipleBirthInteger, 0);
  });

  test('leaves an id alone that was deleted', async () => {
    await storeUpdate(core.store, { resourceType: 'Patient', id: 'gone' }, 'gone', undefined, everything);
    await storeDelete(core.store, 'Patient', 'gone', undefined, everything);
    assert.deepEqual(await writer().createIfAbsent([{ resourceType: 'Patient', id: 'gone' }], context), [false]);
    assert.equal((await createReader(core).read('Patient', 'gone', everything))!.deleted, true);
    await assertStoreSound(core.store);
  });

  test('16 at once with overlapping ids, in any order: each is created once', async () => {
    const next = random(3);
    const batch = () => Array.from({ length: 60 }, (_, i) => observation(`absent${i}`, next)).sort(() => next(3) - 1);
    const batches = Array.from({ length: 16 }, batch);
    const created = await Promise.all(batches.map((resources) => writer().createIfAbsent(resources, context)));
    assert.equal(created.flat().filter(Boolean).length, 60);
    await assertStoreSound(core.store);
  });

  test('while others create and delete the same ids', async () => {
    const next = random(5);
    const ids = Array.from({ length: 8 }, (_, i) => `flicker${i}`);
    const creator = async () => {
      for (let round = 0; round < 30; round++) {
        await writer().createIfAbsent(
          ids.map((id) => ({ resourceType: 'Location', id })),
          context,
        );
      }
    };
    const flicker = async () => {
      for (let round = 0; round < 60; round++) {
        const id = ids[next(ids.length)]!;
        await unlessLost(storeUpdate(core.store, { resourceType: 'Location', id }, id, undefined, everything));
        await storeDelete(core.store, 'Location', id, undefined, everything);
      }
    };
    await Promise.all([creator(), creator(), creator(), ...Array.from({ length: 8 }, flicker)]);
    await assertStoreSound(core.store);
  });

  test('an invalid resource or id among valid ones stops all', async () => {
    const good = { resourceType: 'Patient', id: 'all-or-none' };
    await assert.rejects(writer().createIfAbsent([good, { resourceType: 'Patient', id: 'no_good' }], context), {
      code: 'invalid',
    });
    await assert.rejects(writer().createIfAbsent([good, { resourceType: 'Patient', id: 'x', gender: 'x' }], context), {
      code: 'structure',
    });
    assert.equal(await createReader(core).read('Patient', 'all-or-none', everything), undefined);
  });
});

describe('within', () => {
  const failing = { scope: everything, within: () => Promise.reject(new Error('from within')) };
  const counts = {
    text: 'select (select count(*) from resource) + (select count(*) from resource_history) + (select count(*) from change) as n',
  };

  test('that fails leaves nothing of a transaction or of createIfAbsent', async () => {
    await storeUpdate(core.store, { resourceType: 'Patient', id: 'kept' }, 'kept', undefined, everything);
    const before = await db.query(counts);
    const patient = { resourceType: 'Patient', id: 'within' };
    const entries: TransactionEntry[] = [
      put(patient),
      put({ resourceType: 'Patient', id: 'kept', active: true }),
      { method: 'POST', url: 'Patient', resource: { resourceType: 'Patient' } },
    ];
    await assert.rejects(transaction(core, entries, failing), /from within/);
    await assert.rejects(transaction(core, [{ method: 'DELETE', url: 'Patient/kept' }], failing), /from within/);
    await assert.rejects(createWriter(core).createIfAbsent([patient], failing), /from within/);
    assert.deepEqual(await db.query(counts), before);
    await assertStoreSound(core.store);
  });

  test('sees what the transaction wrote, and its own writes are committed with it', async () => {
    await db.query({ text: 'create table seen (id text primary key)' });
    const results = await transaction(
      core,
      [{ method: 'POST', url: 'Patient', resource: { resourceType: 'Patient' } }],
      {
        scope: everything,
        within: async (tx, [result]) => {
          await tx.query({ text: 'insert into seen select id from r_patient where id = $1' }, [result!.id]);
        },
      },
    );
    assert.deepEqual(await db.query({ text: 'select id from seen' }), [{ id: results[0]!.id }]);
  });
});

test('a new id each: 200 creations at once', async () => {
  const results = await Promise.all(
    Array.from({ length: 200 }, () =>
      storeCreate(core.store, { resourceType: 'Basic', code: { text: 'x' } }, everything),
    ),
  );
  assert.equal(new Set(results.map((result) => result.id)).size, 200);
  await assertStoreSound(core.store);
});

test('time that stands still or runs backwards: versions still rise in time', async () => {
  let now = 1_700_000_000_000;
  const stepping = await testCore(db, { now: () => (now -= 5) });
  const patient = { resourceType: 'Patient', id: 'clock' };
  for (let i = 0; i < 3; i++) await storeUpdate(stepping.store, patient, 'clock', undefined, everything);
  await transaction(stepping, [put(patient)], context);
  await storeDelete(stepping.store, 'Patient', 'clock', undefined, everything);
  await storeUpdate(stepping.store, patient, 'clock', undefined, everything);
  await transaction(stepping, [{ method: 'DELETE', url: 'Patient/clock' }], context);
  await transaction(stepping, [put(patient)], context);
  await assertStoreSound(core.store);
});
