// A load that is killed again and again: what is stored is sound at each moment, and in the end all is there once.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Resource } from '#fhir-model';
import { type Connection, connectDb, type Db } from '#platform';
import { beforeDrop, testConnection, testLog, waitFor } from '#platform/testing';
import { assertStoreSound } from '../testing.ts';
import { ndjson, observation, patient } from './testing/rig.ts';

const child = path.join(import.meta.dirname, 'testing/child.ts');

function start(connection: Connection, folder: string) {
  const started = spawn(process.execPath, [child, JSON.stringify(connection), folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return { started, ended: once(started, 'exit') as Promise<[number | null, NodeJS.Signals | null]> };
}

const countOf = async (db: Db): Promise<number> =>
  Number((await db.query<{ n: bigint }>({ text: 'select count(*) as n from resource' }))[0]!.n);

/** 20 resources in a transaction, most without any id. */
function bundle(n: number): string {
  const urn = `urn:uuid:00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  const of = (resource: Resource, fullUrl?: string) => ({
    ...(fullUrl === undefined ? {} : { fullUrl }),
    ...{ resource, request: { method: 'POST', url: resource.resourceType } },
  });
  const entry = [of(patient(undefined), urn), ...Array.from({ length: 19 }, () => of(observation(undefined, urn)))];
  return JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry });
}

async function writeInput(folder: string): Promise<number> {
  const lines = Array.from({ length: 3_000 }, (_, i) =>
    observation(i % 3 === 0 ? `o${i}` : undefined, `Patient/p${i}`),
  );
  await writeFile(path.join(folder, 'Observation.ndjson'), ndjson(lines));
  const packed = Array.from({ length: 1_000 }, (_, i) => patient(i % 2 === 0 ? `p${i}` : undefined, `Fixture${i}`));
  await writeFile(path.join(folder, 'Patient.ndjson.gz'), gzipSync(ndjson(packed)));
  for (let n = 0; n < 50; n++) await writeFile(path.join(folder, `bundle${n}.json`), bundle(n));
  return lines.length + packed.length + 1_000;
}

/** What a load does last, to call its Bundles finished, waits for whoever holds this lock: until then it is under way. */
const gate = [
  `create function gate() returns trigger language plpgsql as $$ begin
      perform pg_advisory_xact_lock_shared(1);
      return new;
    end $$`,
  `create trigger gate before update on load_file for each row
     when (new.path like '%.json') execute function gate()`,
];
const closeGate = { text: 'select pg_advisory_xact_lock(1)' };
const atWork = {
  text: `select 1 from pg_stat_activity where application_name = 'load' and datname = current_database()`,
};

/** Starts a load and kills it when so many resources are there. */
async function killAt(db: Db, count: number, begin: () => ReturnType<typeof start>): Promise<void> {
  await db.tx(async (tx) => {
    await tx.query(closeGate);
    const { started, ended } = begin();
    await waitFor(async () => (await countOf(db)) >= count, `${count} to be loaded`);
    started.kill('SIGKILL');
    assert.deepEqual(await ended, [null, 'SIGKILL']);
  });
  // What has reached it PostgreSQL carries out, though nobody waits for it any more.
  await waitFor(async () => (await db.query(atWork)).length === 0, 'PostgreSQL to see that it is gone');
}

test('kill -9 loses nothing and repeats nothing', async (t: TestContext) => {
  const connection = await testConnection(t);
  const db = connectDb({ ...connection, poolMax: 2, log: testLog() });
  beforeDrop(connection.database, () => db.close());
  for (const text of gate) await db.query({ text });
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-load-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const wanted = await writeInput(folder);
  for (const share of [0.1, 0.3, 0.6]) {
    await killAt(db, wanted * share, () => start(connection, folder));
    await assertStoreSound({ db });
  }
  assert.deepEqual(await start(connection, folder).ended, [0, null]);
  assert.equal(await countOf(db), wanted);
  const subjects = await db.query<{ n: bigint }>({
    text: `select count(distinct body::jsonb->'subject'->>'reference') as n from r_observation
      where body::jsonb->'subject'->>'reference' not like 'Patient/p%'`,
  });
  assert.equal(Number(subjects[0]!.n), 50);
  assert.deepEqual(await db.query({ text: 'select * from load_range' }), []);
  await assertStoreSound({ db });
});
