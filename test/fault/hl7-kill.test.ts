// kill -9 of the server, and of its PostgreSQL, under 16 MLLP connections in original and enhanced mode: every AA and
// every CA has its effect, once, and every destination gets every message, each patient's in order.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { waitFor } from '#platform/testing';
import { checkStore } from './checks.ts';
import { checkEffects, checkJournal, checkReceived, type Taken, waitMs } from './hl7-checks.ts';
import { type AckModeName, sendAll } from './hl7-sender.ts';
import { firstSendings, sendings } from './hl7-workload.ts';
import { type MllpReceiver, startMllpReceiver } from './mllp-receiver.ts';
import { dataFolder, embeddedDb, postmasterPid, type ServerProcess, startProcess } from './server-process.ts';

const connections = 16;
const modes: AckModeName[] = ['original', 'commit', 'both'];
const modeOf = (connection: number): AckModeName => modes[connection % modes.length]!;
/** Messages between two blows; FAULT_SCALE makes it longer by hand. */
const between = 150 * Number(process.env.FAULT_SCALE ?? 1);

interface Scene {
  dataDir: string;
  environment: Record<string, string>;
  north: MllpReceiver;
  south: MllpReceiver;
}

/** Two routes, two receivers: one gets everything, the other admissions. */
async function sceneOf(t: TestContext): Promise<Scene> {
  const dataDir = await dataFolder(t);
  const folder = path.join(path.dirname(dataDir), 'routes');
  await mkdir(folder);
  const route = (id: string, type: string, queues: string[]) => ({
    ...{ id, name: id, match: { path: 'MSH-9.1', equals: type } },
    destinations: [{ kind: 'fhir' }, ...queues.map((name) => ({ kind: 'queue', name }))],
  });
  const routes = [route('results', 'ORU', ['north']), route('patients', 'ADT', ['north', 'south'])];
  for (const one of routes) await writeFile(path.join(folder, `${one.id}.json`), JSON.stringify(one));
  const [north, south] = [await startMllpReceiver(t), await startMllpReceiver(t)];
  const destination = (name: string, { port }: MllpReceiver) => ({
    ...{ name, kind: 'mllp', host: '127.0.0.1', port, connections: 4, retry: { minMs: 20, maxMs: 200 } },
  });
  const destinations = [destination('north', north), destination('south', south)];
  const environment = {
    ...{ DATA_DIR: dataDir, HL7_ROUTES_DIR: folder, HL7_DESTINATIONS: JSON.stringify(destinations) },
  };
  return { dataDir, environment, north, south };
}

interface Load {
  count(): number;
  /** Resolves when so many more were taken. */
  more(count: number): Promise<void>;
  end(): Promise<Taken[]>;
}

function startLoad(t: TestContext, port: () => number): Load {
  const [stop, giveUp] = [new AbortController(), new AbortController()];
  t.after(() => {
    stop.abort();
    giveUp.abort();
  });
  let count = 0;
  const senders = Array.from({ length: connections }, async (_, connection): Promise<Taken> => {
    const mode = modeOf(connection);
    const options = { port, mode, signal: stop.signal, giveUp: giveUp.signal, onSent: () => void count++ };
    return { connection, mode, count: (await sendAll(sendings(connection, mode), options)).length };
  });
  const failed = Promise.all(senders);
  failed.catch(() => {});
  return {
    count: () => count,
    async more(wanted) {
      const from = count;
      await Promise.race([failed, waitFor(() => count >= from + wanted, `${wanted} more messages`, waitMs)]);
      if (count < from + wanted) await failed;
    },
    async end() {
      stop.abort();
      return failed;
    },
  };
}

async function checkAll(scene: Scene, server: ServerProcess, taken: Taken[]): Promise<void> {
  const sent = taken.flatMap(({ connection, mode, count }) => firstSendings(connection, mode, count));
  await checkJournal(server);
  await checkEffects(server, taken);
  await checkReceived(scene.north, sent, 'north');
  await checkReceived(
    scene.south,
    sent.filter(({ text }) => text.includes('|ADT^')),
    'south',
  );
  const db = await embeddedDb(scene.dataDir);
  await checkStore(db).finally(() => db.close());
}

test('kill -9 of the server under 16 connections', async (t: TestContext) => {
  const scene = await sceneOf(t);
  let server = await startProcess(t, scene.environment);
  const load = startLoad(t, () => server.mllpPort);
  for (let blow = 0; blow < 3; blow++) {
    await load.more(between);
    server.child.kill('SIGKILL');
    assert.deepEqual(await server.ended, { code: null, signal: 'SIGKILL' });
    server = await startProcess(t, scene.environment);
  }
  await load.more(between);
  const taken = await load.end();
  t.diagnostic(`${load.count()} messages`);
  await checkAll(scene, server, taken);
});

test('kill -9 of PostgreSQL under 16 connections: the server goes on by itself', async (t: TestContext) => {
  const scene = await sceneOf(t);
  const server = await startProcess(t, scene.environment);
  const load = startLoad(t, () => server.mllpPort);
  const postmaster = await postmasterPid(scene.dataDir);
  await load.more(between);
  // One session's crash makes PostgreSQL cut all others and recover; the postmaster's ends it.
  for (const blow of ['session', 'postmaster', 'session']) {
    process.kill(blow === 'session' ? await sessionPid(scene.dataDir) : postmaster!, 'SIGKILL');
    await load.more(between);
  }
  const taken = await load.end();
  t.diagnostic(`${load.count()} messages`);
  assert.notEqual(await postmasterPid(scene.dataDir), postmaster);
  await checkAll(scene, server, taken);
  assert.equal((await fetch(`${server.rootUrl}/readyz`)).status, 200);
});

/** Of one session of the server's pool. */
async function sessionPid(dataDir: string): Promise<number> {
  const db = await embeddedDb(dataDir);
  const text = `select pid from pg_stat_activity where application_name = 'cerebra' limit 1`;
  const rows = await db.query<{ pid: number }>({ text }).finally(() => db.close());
  return rows[0]!.pid;
}
