// Custom search parameters while others write: whoever does not know them yet, a $reindex under way, a load.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search } from '../interactions/search.ts';
import { transaction } from '../interactions/transaction.ts';
import { createRig, ndjson } from '../load/testing/rig.ts';
import { continueRun, createRun, findRun } from '../operations/reindex-run.ts';
import { createWriter } from '../ports.ts';
import { reindexChunk } from '../store/reindex.ts';
import { prepare, storeCreate, storeDelete, storeUpdate } from '../store/store.ts';
import { insertOne } from '../store/write-one.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import { completeType, holdEpoch, isStale } from './published.ts';

const marked = (id: string, mark: string): Resource & { id: string } => ({
  resourceType: 'Patient',
  id,
  extension: [{ url: 'urn:mark', valueString: mark }],
});

const definition = (code: string, url = 'urn:mark'): Resource => ({
  resourceType: 'SearchParameter',
  ...{ id: code, url: `http://example.org/${code}`, name: 'Mark', status: 'active', description: 'A mark' },
  ...{ code, base: ['Patient'], type: 'string', expression: `Patient.extension('${url}').value` },
});

/** A server: a process of its own as far as search parameters go. */
const server = (db: Db): Promise<Core> => testCore(db);

async function define(core: Core, resource: Resource): Promise<void> {
  await storeUpdate(core.store, resource, resource.id!, undefined, everything);
  await core.store.registry.settled;
}

const isIndexed = async (core: Core, code: string): Promise<boolean> => {
  await core.store.registry.refresh();
  return core.store.registry.isIndexed(core.parameters.get('Patient', code)!);
};

async function found(core: Core, query: string): Promise<string[]> {
  await core.store.registry.refresh();
  const pairs = [...new URLSearchParams(query)] as [string, string][];
  const parsed = { ...parseQuery(core, 'Patient', pairs, true), count: 1000 };
  const { resources } = await search(core, parsed, { db: core.store.db, scope: everything });
  return resources.map(({ id }) => id).sort();
}

/** Runs it to its end, in one go. */
async function reindex(core: Core, id: string): Promise<void> {
  await createRun(core.store.db, id, ['Patient'], Date.now());
  while ((await continueRun(core.store, id, core.store.newId())) === 'left');
  assert.equal((await findRun(core.store.db, id))!.status, 'done');
}

describe('a server that does not know a parameter yet', () => {
  const writes: [string, (core: Core) => Promise<unknown>][] = [
    ['create', (core) => storeCreate(core.store, marked('x', 'one'), everything)],
    ['update as create', (core) => storeUpdate(core.store, marked('new', 'one'), 'new', undefined, everything)],
    ['update', (core) => storeUpdate(core.store, marked('there', 'one'), 'there', undefined, everything)],
    [
      'transaction',
      (core) => {
        const entry = (method: 'PUT' | 'POST', url: string) => ({ method, url, resource: marked('there', 'one') });
        return transaction(core, [entry('PUT', 'Patient/there'), entry('POST', 'Patient')], { scope: everything });
      },
    ],
    ['create if absent', (core) => createWriter(core).createIfAbsent([marked('y', 'one')], { scope: everything })],
    [
      'creations that share a statement',
      (core) => Promise.all(['a', 'b', 'c'].map((id) => storeCreate(core.store, marked(id, 'one'), everything))),
    ],
  ];
  for (const [name, write] of writes) {
    test(`${name}: is refused and indexes by it`, async (t) => {
      const db = await testDatabase(t);
      const [knowing, other] = [await server(db), await server(db)];
      await storeUpdate(other.store, marked('there', 'zero'), 'there', undefined, everything);
      await define(knowing, definition('mark'));
      assert.equal(other.parameters.get('Patient', 'mark'), undefined);
      await write(other);
      assert.equal(other.store.registry.epoch, 1);
      const { key } = other.parameters.get('Patient', 'mark')!;
      const [row] = await db.query<{ indexed: bigint; stored: bigint }>(
        {
          text: `select (select count(distinct rid) from index_string where param = $1 and value = 'one') as indexed,
            (select count(*) from r_patient where strpos(body, '"one"') > 0) as stored`,
        },
        [key],
      );
      assert.ok(row!.stored > 0n);
      assert.equal(row!.indexed, row!.stored);
    });
  }

  test('a deletion needs to know nothing', async (t) => {
    const db = await testDatabase(t);
    const [knowing, other] = [await server(db), await server(db)];
    await storeUpdate(other.store, marked('there', 'zero'), 'there', undefined, everything);
    await define(knowing, definition('mark'));
    assert.equal((await storeDelete(other.store, 'Patient', 'there', undefined, everything)).version, 2);
    assert.equal(other.store.registry.epoch, 0);
  });

  test('what was prepared before is refused by the database', async (t) => {
    const db = await testDatabase(t);
    const core = await server(db);
    const before = prepare(core.store, marked('x', 'one'), 'x', Date.now(), everything);
    await define(core, definition('mark'));
    await assert.rejects(insertOne(db, before), isStale);
    await insertOne(db, prepare(core.store, marked('x', 'one'), 'x', Date.now(), everything));
    // There was no Patient: nothing has to be indexed afterwards.
    assert.deepEqual(await found(core, 'mark=one'), ['x']);
  });
});

test('a parameter comes into force after the writes under way, and counts what they wrote', async (t) => {
  const db = await testDatabase(t);
  const [core, other] = [await server(db), await server(db)];
  const waiting = {
    text: `select count(*)::int as n from pg_locks where not granted and mode = 'ShareRowExclusiveLock'
      and database = (select oid from pg_database where datname = current_database())`,
  };
  let defined: Promise<void> | undefined;
  const within = async () => {
    defined = define(other, definition('mark'));
    await waitFor(async () => (await db.query<{ n: number }>(waiting))[0]!.n > 0, 'the definition to wait');
    assert.equal(other.parameters.get('Patient', 'mark'), undefined);
  };
  await createWriter(core).createIfAbsent([marked('x', 'one')], { scope: everything, within });
  await defined;
  assert.equal(await isIndexed(other, 'mark'), false);
});

/** After a rebuild all rows are those of a fresh indexing. */
async function complete(core: Core): Promise<Core['store']> {
  await reindex(core, core.store.newId());
  return core.store;
}

test('writes, definitions and rebuilds at the same time leave no hole', async (t) => {
  const db = await testDatabase(t);
  const servers = [await server(db), await server(db), await server(db)] as const;
  let running = true;
  let number = 0;
  const write = async (core: Core): Promise<void> => {
    while (running) {
      const i = number++;
      const id = `p${i % 60}`;
      if (i % 3 === 0) await storeCreate(core.store, marked('', 'one'), everything);
      else if (i % 7 === 0) await storeDelete(core.store, 'Patient', id, undefined, everything);
      else await storeUpdate(core.store, marked(id, i % 2 ? 'one' : 'two'), id, undefined, everything);
    }
  };
  const writers = servers.map(write);
  const all = await Promise.allSettled([
    (async () => {
      for (let round = 0; round < 4; round++) {
        await define(servers[round % 3]!, definition('mark', round % 2 ? 'urn:other' : 'urn:mark'));
        await define(servers[(round + 1) % 3]!, definition(`extra${round}`));
        await reindex(servers[(round + 2) % 3]!, servers[0].store.newId());
      }
    })(),
  ]);
  await waitFor(() => number > 100, 'a hundred writes');
  running = false;
  await Promise.all(writers);
  for (const one of all) if (one.status === 'rejected') throw one.reason;
  // The last rebuild has ended while they wrote: what they wrote after it is right too.
  for (const core of servers)
    for (const code of ['mark', 'extra0', 'extra3']) assert.ok(await isIndexed(core, code), code);
  await assertStoreSound(servers[0].store);
  assert.ok((await found(servers[1], 'extra3=one')).length > 0);
});

describe('a rebuild', () => {
  const populate = async (core: Core, count: number): Promise<void> => {
    const names = Array.from({ length: count }, (_, i) => marked(`p${i}`, `m${i}`));
    await createWriter(core).createIfAbsent(names, { scope: everything });
  };

  test('under which the parameter is defined anew does not complete it', async (t) => {
    const db = await testDatabase(t);
    const [core, other] = [await server(db), await server(db)];
    await populate(core, 500);
    await define(core, definition('mark'));
    await createRun(db, 'run', ['Patient'], Date.now());
    // Killed after its first chunk: the lease has ended.
    await interrupt(core, 'run');
    await define(other, definition('mark', 'urn:other'));
    await define(other, definition('later'));
    while ((await continueRun(core.store, 'run', 'second')) === 'left');
    assert.equal((await findRun(db, 'run'))!.status, 'done');
    assert.equal(await isIndexed(core, 'mark'), false);
    assert.equal(await isIndexed(core, 'later'), false);
    await reindex(core, 'again');
    assert.equal(await isIndexed(core, 'mark'), true);
    assert.deepEqual(await found(core, 'later=m499'), ['p499']);
    assert.deepEqual(await found(core, 'mark=m499'), []);
    await assertStoreSound(core.store);
  });

  test('that was broken off goes on and completes it', async (t) => {
    const db = await testDatabase(t);
    const core = await server(db);
    await populate(core, 500);
    await define(core, definition('mark'));
    await createRun(db, 'run', ['Patient'], Date.now());
    await interrupt(core, 'run');
    assert.equal(await isIndexed(core, 'mark'), false);
    const place = (await findRun(db, 'run'))!;
    assert.deepEqual([Number(place.done), place.epoch], [200, 1]);
    while ((await continueRun((await server(db)).store, 'run', 'second')) === 'left');
    assert.equal(await isIndexed(core, 'mark'), true);
    assert.deepEqual(await found(core, 'mark=m0'), ['p0']);
  });

  test('that ends while the parameter is defined anew waits for that, or that for it, not both', async (t) => {
    const db = await testDatabase(t);
    const [core, other] = [await server(db), await server(db)];
    await populate(core, 1);
    await define(core, definition('mark'));
    const waiting = {
      text: `select count(*)::int as n from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()`,
    };
    let defined: Promise<void> | undefined;
    await db.tx(async (tx) => {
      const epoch = await holdEpoch(tx, true);
      defined = define(other, definition('mark', 'urn:other'));
      await waitFor(async () => (await db.query<{ n: number }>(waiting))[0]!.n === 1, 'the definition to wait');
      await completeType(tx, 'Patient', epoch, 'run');
    });
    await defined;
    assert.match(other.parameters.get('Patient', 'mark')!.expression, /urn:other/);
    assert.equal(await isIndexed(core, 'mark'), false);
  });

  test('and writes that wait for it leave nothing of the version before', async (t) => {
    const db = await testDatabase(t);
    const core = await server(db);
    await populate(core, 2);
    await define(core, definition('mark'));
    const waiting = {
      text: `select count(*)::int as n from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()`,
    };
    let writes: Promise<unknown> | undefined;
    await reindexChunk(core.store, 'Patient', { after: 0n, until: 2n ** 62n }, async () => {
      // The rows are written and not committed: what writes now has a snapshot without them.
      writes = Promise.all([
        storeUpdate(core.store, marked('p0', 'new'), 'p0', undefined, everything),
        storeDelete(core.store, 'Patient', 'p1', undefined, everything),
      ]);
      await waitFor(async () => (await db.query<{ n: number }>(waiting))[0]!.n === 2, 'both to wait for the rows');
    });
    await writes;
    await assertStoreSound(core.store);
  });

  /** One chunk, then nothing more: as if the process had been killed. */
  async function interrupt(core: Core, id: string): Promise<void> {
    const { db } = core.store;
    let transactions = 0;
    const dying: Db = {
      ...db,
      tx: (work) => (++transactions > 1 ? Promise.reject(new Error('killed')) : db.tx(work)),
      query: (statement, values) =>
        transactions > 1 ? Promise.reject(new Error('killed')) : db.query(statement, values),
    };
    const outcome = await continueRun({ ...core.store, db: dying }, id, 'first').catch((error: Error) => error.message);
    // Where the one chunk takes 2 s its time is over before it is killed, and the run is where it would be then.
    assert.ok(outcome === 'killed' || outcome === 'left', outcome);
    await db.query({ text: 'update reindex_run set leased_until = null where id = $1' }, [id]);
  }
});

describe('a load', () => {
  test('indexes by what it has brought itself, and by what is defined meanwhile', async (t: TestContext) => {
    const rig = await createRig(t);
    const patients = Array.from({ length: 1200 }, (_, i) => marked(`p${i}`, `m\\"\n${i}`));
    await rig.file('a.ndjson', ndjson([definition('mark')]));
    await rig.file('b.ndjson', ndjson(patients.slice(0, 600)));
    await rig.file('c.ndjson', ndjson(patients.slice(600)));
    const other = await server(rig.db);
    let defined: Promise<void> | undefined;
    const { summary, faults } = await rig.load([rig.folder], {
      threads: 2,
      onProgress: ({ counts }) => {
        if (counts.created > 300) defined ??= define(other, definition('later'));
      },
    });
    await defined;
    assert.deepEqual([faults, summary.counts.created], [[], 1201]);
    assert.equal(await isIndexed(rig.core, 'mark'), true);
    assert.equal(await isIndexed(rig.core, 'later'), false);
    await assertStoreSound(await complete(rig.core));
    assert.deepEqual(await found(rig.core, 'mark=m%5C%5C%22%0A1199'), ['p1199']);
  });

  test('refuses a SearchParameter that can’t be had', async (t: TestContext) => {
    const rig = await createRig(t);
    await rig.file('a.ndjson', ndjson([{ ...definition('mark'), expression: 'Patient.nmae' }]));
    const { faults, expressions } = await rig.load([rig.folder]);
    assert.match(faults[0]!, /^a\.ndjson:1: The expression can't be used on Patient: Patient has no element 'nmae'$/);
    assert.deepEqual(expressions, [[['SearchParameter.expression']]]);
  });
});

test('of two that were defined at once the one that was created first counts', async (t) => {
  const db = await testDatabase(t);
  const [one, two] = [await server(db), await server(db)];
  const both = [
    { ...definition('first'), code: 'mark' },
    { ...definition('second', 'urn:other'), code: 'mark' },
  ];
  // Each is fine as far as its server knows.
  await storeUpdate(one.store, both[0]!, 'first', undefined, everything);
  await storeUpdate(two.store, both[1]!, 'second', undefined, everything);
  await Promise.all([one.store.registry.settled, two.store.registry.settled]);
  await two.store.registry.refresh();
  const published = two.store.registry.snapshot.parameters;
  assert.deepEqual(
    published.map(({ code, parameter }) => [code, parameter]),
    [['mark', 'first']],
  );
  await storeDelete(one.store, 'SearchParameter', 'first', undefined, everything);
  await one.store.registry.settled;
  await two.store.registry.refresh();
  assert.deepEqual(
    two.store.registry.snapshot.parameters.map(({ parameter }) => parameter),
    ['second'],
  );
});

test('what a server stored and did not live to put in force, another one does', async (t) => {
  const db = await testDatabase(t);
  const core = await server(db);
  await insertOne(db, prepare(core.store, definition('mark'), 'mark', Date.now(), everything));
  assert.equal(core.parameters.get('Patient', 'mark'), undefined);
  await core.store.registry.refresh();
  await core.store.registry.settled;
  assert.equal(core.parameters.get('Patient', 'mark')!.url, 'http://example.org/mark');
  assert.equal((await server(db)).parameters.get('Patient', 'mark')!.url, 'http://example.org/mark');
});
