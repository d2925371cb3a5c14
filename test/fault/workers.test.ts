// `start --workers 2`: all workers answer on one port and wake the dispatcher; one that is killed under load is replaced and
// takes no acknowledged write along; the end of the primary is the end of all.
import assert from 'node:assert/strict';
import http from 'node:http';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { connectDb } from '#platform';
import { beforeDrop, testConnection, testLog, waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import { startReceiver } from './receiver.ts';
import { checkNotified, setScene } from './scene.ts';
import {
  databaseUrl,
  dataFolder,
  embeddedDb,
  isWorker,
  refusedStart,
  runServer,
  type ServerProcess,
  signal,
  startProcess,
  workersOf,
} from './server-process.ts';
import { createBody } from './workload.ts';

interface Answer {
  status: number;
  body: JsonObject;
}

/** On a connection of its own, so that the workers take turns; undefined when it broke. */
function put(base: string, resource: JsonObject): Promise<Answer | undefined> {
  const text = JSON.stringify(resource);
  return new Promise((resolve) => {
    const request = http.request(
      `${base}/Observation/${String(resource.id)}`,
      { method: 'PUT', agent: false, headers: { 'Content-Type': 'application/fhir+json' } },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          body += part;
        });
        response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(body) as JsonObject }));
        response.on('error', () => resolve(undefined));
      },
    );
    request.on('error', () => resolve(undefined));
    request.end(text);
  });
}

/** Puts from..to, eight at a time; yields the ids that were acknowledged. What broke is put again. */
async function putAll(base: string, from: number, to: number, onPut: (done: number) => void): Promise<string[]> {
  const acknowledged: string[] = [];
  let next = from;
  const one = async (): Promise<void> => {
    while (next < to) {
      const number = next++;
      const id = `w-${number}`;
      await waitFor(async () => {
        const answer = await put(base, { ...createBody(number), id });
        if (answer && answer.status < 300) return true;
        assert.ok(!answer || answer.status === 503, JSON.stringify(answer));
        return false;
      }, `${id} to be acknowledged`);
      acknowledged.push(id);
      onPut(acknowledged.length);
    }
  };
  await Promise.all(Array.from({ length: 8 }, one));
  return acknowledged;
}

async function sumOf(server: ServerProcess, line: RegExp): Promise<number> {
  // A worker that has just begun to listen answers 503.
  const reply = await waitFor(async () => {
    const one = await fetch(`${server.rootUrl}/metrics`);
    return one.ok ? one : undefined;
  }, 'the metrics');
  return (await reply.text())
    .split('\n')
    .filter((one) => line.test(one))
    .reduce((sum, one) => sum + Number(one.split(' ').at(-1)), 0);
}

const isGone = async (pid: number): Promise<boolean> => !(await isWorker(pid));

test('two workers', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const receiver = await startReceiver(t);
  const server = await startProcess(t, { DATA_DIR: dataDir, WORKERS: '2', LOG_LEVEL: 'warn' });
  const before = await workersOf(server);
  assert.equal(before.length, 2);
  await setScene(server, receiver);

  const first = await putAll(server.fhirBaseUrl, 0, 60, () => undefined);
  await checkNotified(receiver, first);
  const created = /^cerebra_http_request_duration_seconds_count\{interaction="update",status="201"\}/;
  // With those of the scene: a patient, three devices and the Subscription. A worker that has never answered within a second is left out.
  await waitFor(async () => (await sumOf(server, created)) === 65, 'the metrics of all processes');

  const subscriptions = await fetch(`${server.rootUrl}/admin/subscriptions?state=active`);
  assert.equal(subscriptions.status, 200);
  assert.match(await subscriptions.text(), /fault-subscription/);
  const unknown = await fetch(`${server.rootUrl}/admin/subscriptions/nobody/deliveries`);
  assert.equal(unknown.status, 404);
  const ready = (await (await fetch(`${server.rootUrl}/readyz`)).json()) as JsonObject;
  assert.deepEqual(ready, { status: 'ready', parts: { database: 'ready', mqtt: 'ready' } });

  const second = await putAll(server.fhirBaseUrl, 60, 360, (done) => {
    if (done === 100) process.kill(before[0]!, 'SIGKILL');
  });
  const after = await waitFor(async () => {
    const pids = await workersOf(server);
    return pids.length === 2 && !pids.includes(before[0]!) && pids;
  }, 'another worker');
  assert.ok(after.includes(before[1]!), 'the other one goes on');
  const client = createClient(server.fhirBaseUrl);
  for (const id of second) assert.equal((await client('GET', `Observation/${id}`)).status, 200, id);
  await checkNotified(receiver, [...first, ...second]);
  const db = await embeddedDb(dataDir);
  const rows = await db.query<{ n: bigint }>({ text: `select count(*) as n from r_observation where id like 'w-%'` });
  await db.close();
  assert.equal(Number(rows[0]!.n), 360);

  // What one had counted when it was asked last is counted still when it has ended.
  const total = await sumOf(server, created);
  process.kill(before[1]!, 'SIGKILL');
  const last = await waitFor(async () => {
    const pids = await workersOf(server);
    return pids.length === 2 && !pids.includes(before[1]!) && pids;
  }, 'one more worker');
  assert.ok((await sumOf(server, created)) >= total, `${total} were told`);

  assert.deepEqual(await signal(server, 'SIGTERM'), { code: 0, signal: null });
  for (const pid of last) assert.ok(await isGone(pid), 'no worker is left');
});

/** Of platform/db/migrate.ts: whoever holds it keeps every start waiting, with its workers listening. */
const MIGRATION_LOCK = 0x6372626d;

test('a worker that ends before the database is ready is replaced', async (t: TestContext) => {
  const connection = await testConnection(t);
  const db = connectDb({ ...connection, poolMax: 2, log: testLog() });
  beforeDrop(connection.database, () => db.close());
  const released = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const holding = db.tx(async (tx) => {
    await tx.query({ text: 'select pg_advisory_xact_lock($1)' }, [MIGRATION_LOCK]);
    locked.resolve();
    await released.promise;
  });
  await locked.promise;
  const environment = { DATA_DIR: await dataFolder(t), WORKERS: '2', DATABASE_URL: databaseUrl(connection) };
  const program = runServer(t, environment);
  const waiting = {
    text: `select 1 from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`,
  };
  await waitFor(async () => (await db.query(waiting)).length > 0, 'the start to wait for its migrations');
  const [first] = await workersOf(program);
  process.kill(first!, 'SIGKILL');
  await waitFor(() => isGone(first!), 'the worker to be gone');
  released.resolve();
  await holding;
  await waitFor(() => program.output().includes('\n  Access  '), 'the server to be ready');
  const workers = await workersOf(program);
  assert.equal(workers.length, 2);
  assert.ok(!workers.includes(first!));
  assert.deepEqual(await signal(program, 'SIGTERM'), { code: 0, signal: null });
});

test('workers end with the primary, however it ends', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const server = await startProcess(t, { DATA_DIR: dataDir, WORKERS: '2' });
  const workers = await workersOf(server);
  assert.equal(workers.length, 2);
  server.child.kill('SIGKILL');
  await server.ended;
  for (const pid of workers) await waitFor(() => isGone(pid), `worker ${pid} to end`);
});

test('a port that is taken is told, and nothing is left behind', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const taken = http.createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => taken.close(resolve)));
  const { port } = taken.address() as { port: number };
  const ending = await refusedStart(t, { DATA_DIR: dataDir, WORKERS: '2', PORT: String(port) });
  assert.equal(ending.code, 1, ending.output);
  assert.match(ending.output, new RegExp(`127\\.0\\.0\\.1:${port} \\(PORT\\) is in use`));
});
