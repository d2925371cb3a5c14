// $reindex and $reindex-status, without HTTP: rows are put right, nothing else is touched, and a run goes on where it was.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AccessScope, JsonObject, OperationAnswer } from '#fhir-model';
import { CerebraError, type Db, type JobData, type Jobs } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { storeCreate, storeDelete, storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything, nothing, testCore } from '../testing.ts';
import { invoke } from './invoke.ts';
import { createOperations } from './registry.ts';
import { continueRun } from './reindex-run.ts';

/** A queue that runs its jobs when told. */
function manualJobs(): Jobs & { runNext(): Promise<boolean>; run(name: string): Promise<void>; added: JobData[] } {
  const handlers = new Map<string, (data: JobData) => Promise<void>>();
  const waiting: [string, JobData][] = [];
  const added: JobData[] = [];
  return {
    added,
    define: (name, handler) => void handlers.set(name, handler),
    add: async (name, data) => {
      waiting.push([name, data]);
      added.push(data);
    },
    every: async () => undefined,
    start: async () => undefined,
    close: async () => undefined,
    run: (name) => handlers.get(name)!({}),
    async runNext() {
      const [name, data] = waiting.shift() ?? [];
      if (name === undefined) return false;
      await handlers.get(name)!(data!);
      return true;
    },
  };
}

async function scene(): Promise<{ db: Db; core: Core; jobs: ReturnType<typeof manualJobs> }> {
  const db = await testDatabase();
  const core = await testCore(db);
  const jobs = manualJobs();
  core.operations = createOperations(core, { log: testLog(), jobs });
  return { db, core, jobs };
}

async function populate(core: Core, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const { id } = await storeCreate(
      core.store,
      {
        resourceType: 'Patient',
        identifier: [{ system: 'urn:i', value: String(i) }],
        name: [{ family: `Family${i}`, given: ['Ann'] }],
        birthDate: '1970-01-01',
        generalPractitioner: [{ reference: `Practitioner/${i}` }],
        text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">word${i}</div>` },
      },
      everything,
    );
    ids.push(id);
  }
  return ids;
}

const call = (core: Core, name: string, pairs: [string, string][], scope: AccessScope = everything) =>
  invoke(core, { target: { name }, method: name === 'reindex' ? 'POST' : 'GET', pairs, scope, strict: false });

const valuesOf = (answer: OperationAnswer): Record<string, unknown> => {
  const { resource } = answer as { resource: JsonObject };
  const parameter = resource.parameter as JsonObject[];
  return Object.fromEntries(
    parameter.map((one) => [one.name, one[Object.keys(one).find((key) => key.startsWith('value'))!]]),
  );
};

const damage = async (db: Db) => {
  for (const table of ['index_date', 'index_string', 'index_reference', 'index_narrative']) {
    await db.query({ text: `delete from ${table} where rid % 2 = 0` });
  }
  await db.query({ text: `update r_patient set tokens = '{1}' where rid % 3 = 0` });
  await db.query(
    { text: 'insert into index_string (rid, param, value) select rid, 7, $1 from r_patient where rid % 5 = 0' },
    ['left over'],
  );
};

const stateSql = { text: 'select id, rid, key, seq, version, updated, body from r_patient order by id' };

describe('$reindex', () => {
  test('tells pages and totals that are kept where it has changed rows', async () => {
    const { db, core, jobs } = await scene();
    await populate(core, 10);
    const epoch = async () => (await db.query<{ n: bigint }>({ text: 'select n from index_epoch' }))[0]!.n;
    const reindex = async () => {
      await call(core, 'reindex', [['type', 'Patient']]);
      while (await jobs.runNext());
    };
    const before = await epoch();
    await reindex();
    assert.equal(await epoch(), before);
    await damage(db);
    await reindex();
    assert.ok((await epoch()) > before);
  });

  test('puts right what is wrong and touches nothing else', async () => {
    const { db, core, jobs } = await scene();
    await populate(core, 450);
    await damage(db);
    const before = await db.query(stateSql);
    const changes = await db.query({ text: 'select count(*) as n from change' });
    const started = await call(core, 'reindex', [['type', 'Patient']]);
    assert.equal(started.status, 202);
    const { job } = valuesOf(started);
    assert.equal(started.location, `${core.baseUrl}/$reindex-status?job=${job}`);
    const waiting = await call(core, 'reindex-status', [['job', String(job)]]);
    assert.equal(waiting.status, 202);
    assert.deepEqual(waiting.headers, { 'X-Progress': 'waiting', 'Retry-After': '1' });
    assert.deepEqual(valuesOf(waiting), { job, status: 'waiting', done: 0, changed: 0 });
    while (await jobs.runNext());
    const done = await call(core, 'reindex-status', [['job', String(job)]]);
    assert.equal(done.status, 200);
    const state = valuesOf(done);
    const damaged = (await db.query<{ rid: bigint }>({ text: 'select rid from r_patient' })).filter(
      ({ rid }) => rid % 2n === 0n || rid % 3n === 0n || rid % 5n === 0n,
    );
    assert.deepEqual([state.status, state.done, state.total], ['done', 450, 450]);
    assert.equal(state.changed, damaged.length);
    assert.deepEqual(await db.query(stateSql), before);
    assert.deepEqual(await db.query({ text: 'select count(*) as n from change' }), changes);
    await assertStoreSound(core.store);
    const again = valuesOf(await call(core, 'reindex', [['type', 'Patient']])).job;
    while (await jobs.runNext());
    const second = valuesOf(await call(core, 'reindex-status', [['job', String(again)]]));
    assert.deepEqual([second.done, second.changed], [450, 0]);
  });

  test('goes through all types, and refuses what is none', async () => {
    const { core, jobs } = await scene();
    await populate(core, 3);
    await storeCreate(core.store, { resourceType: 'Basic', code: { text: 'x' } }, everything);
    const { job } = valuesOf(await call(core, 'reindex', []));
    while (await jobs.runNext());
    const state = valuesOf(await call(core, 'reindex-status', [['job', String(job)]]));
    assert.deepEqual([state.status, state.done, state.total, state.changed], ['done', 4, 4, 0]);
    const wrong = call(core, 'reindex', [['type', 'Patient,Nothing']]);
    await assert.rejects(wrong, {
      code: 'invalid-parameter',
      issues: [
        {
          severity: 'error',
          code: 'value',
          diagnostics: "'Nothing' is not a resource type of FHIR R4",
          expression: ['type'],
        },
      ],
    });
    await assert.rejects(call(core, 'reindex-status', [['job', 'none']]), { code: 'not-found' });
    await assert.rejects(call(core, 'reindex', [], nothing), { code: 'forbidden' });
    await assert.rejects(call(core, 'reindex-status', [['job', 'none']], nothing), { code: 'forbidden' });
  });

  test('is refused without a job queue', async () => {
    const { core } = await scene();
    core.operations = createOperations(core, { log: testLog() });
    await assert.rejects(call(core, 'reindex', []), { code: 'unavailable' });
  });

  test('a run that its worker left half done goes on there; two workers never share one', async () => {
    const { db, core, jobs } = await scene();
    await populate(core, 450);
    await damage(db);
    const { job } = valuesOf(await call(core, 'reindex', [['type', 'Patient']]));
    const rids = await db.query<{ rid: bigint }>({ text: 'select rid from r_patient order by rid' });
    // As a killed worker leaves it: half done, leased.
    await db.query(
      {
        text: `update reindex_run set status = 'running', worker = 'dead', rid = $2, done = 200, total = 450, leased_until = now() + interval '1 hour' where id = $1`,
      },
      [job, rids[199]!.rid],
    );
    assert.equal(await continueRun(core.store, String(job), 'second'), 'held');
    assert.deepEqual((await db.query<{ done: bigint }>({ text: 'select done from reindex_run' }))[0]!.done, 200n);
    await db.query({ text: `update reindex_run set leased_until = now() - interval '1 second'` });
    while (await jobs.runNext());
    const state = valuesOf(await call(core, 'reindex-status', [['job', String(job)]]));
    assert.deepEqual([state.status, state.done, state.total], ['done', 450, 450]);
    const wrong = await db.query({ text: `select rid from r_patient where tokens = '{1}' and rid > $1` }, [
      rids[199]!.rid,
    ]);
    assert.deepEqual(wrong, []);
    const left = await db.query({ text: `select rid from r_patient where tokens = '{1}' and rid <= $1` }, [
      rids[199]!.rid,
    ]);
    assert.equal(left.length, rids.slice(0, 200).filter(({ rid }) => rid % 3n === 0n).length);
    assert.equal(await continueRun(core.store, String(job), 'third'), 'ended');
  });

  test('a run that the queue has lost is found again, one that somebody is at work on is left alone', async () => {
    const { db, core, jobs } = await scene();
    await populate(core, 3);
    const { job } = valuesOf(await call(core, 'reindex', [['type', 'Patient']]));
    await db.query({ text: `update reindex_run set leased_until = now() + interval '1 hour'` });
    jobs.added.length = 0;
    await jobs.run('reindex-sweep');
    assert.deepEqual(jobs.added, []);
    await db.query({ text: 'update reindex_run set leased_until = null' });
    await jobs.run('reindex-sweep');
    assert.deepEqual(jobs.added, [{ id: job }]);
    while (await jobs.runNext());
    await jobs.run('reindex-sweep');
    assert.equal(jobs.added.length, 1);
    assert.equal(valuesOf(await call(core, 'reindex-status', [['job', String(job)]])).status, 'done');
  });

  test('writers at the same time lose nothing', async () => {
    const { db, core, jobs } = await scene();
    const ids = await populate(core, 200);
    await damage(db);
    await call(core, 'reindex', [['type', 'Patient']]);
    const write = async () => {
      for (const [i, id] of ids.entries()) {
        if (i % 3 === 0) await storeDelete(core.store, 'Patient', id, undefined, everything);
        else
          await storeUpdate(
            core.store,
            { resourceType: 'Patient', id, name: [{ family: `New${i}` }] },
            id,
            undefined,
            everything,
          );
      }
    };
    const reindex = async () => {
      for (let round = 0; round < 5; round++) {
        while (await jobs.runNext());
        await call(core, 'reindex', [['type', 'Patient']]);
      }
    };
    await Promise.all([write(), reindex()]);
    await assertStoreSound(core.store);
  });

  test('an error that does not pass ends the run, and says so', async () => {
    const { db, core, jobs } = await scene();
    await populate(core, 3);
    const { job } = valuesOf(await call(core, 'reindex', [['type', 'Patient']]));
    await db.query({ text: 'update r_patient set body = $1' }, ['no json']);
    await assert.rejects(jobs.runNext(), CerebraError);
    const state = await call(core, 'reindex-status', [['job', String(job)]]);
    assert.equal(state.status, 200);
    assert.equal(valuesOf(state).status, 'failed');
    assert.equal(valuesOf(state).error, 'Internal error: the log tells more');
  });
});
