// kill -9 of the server and of its PostgreSQL while Subscriptions are told: by criteria, to a topic with several events in a
// notification, and over a web socket with a token. Whoever listens sees every event, numbered without a gap, in order.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { checkListener, hookListener, type Listener, socketListener, writeEvents } from './listeners.ts';
import { dataFolder, embeddedDb, postmasterPid, type ServerProcess, startProcess } from './server-process.ts';

const topic = 'urn:cerebra:topic:new-result';
const code = 'kill';

test('Subscriptions over kill -9', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const start = () => startProcess(t, { DATA_DIR: dataDir, LOG_LEVEL: 'warn', SCORES: 'none' });
  let server: ServerProcess = await start();
  const listeners: Listener[] = [
    await hookListener(t, server, { id: 'criteria', code }),
    await hookListener(t, server, { id: 'topic', topic, maxCount: 7 }),
    await socketListener(t, () => server, { id: 'socket', topic, maxCount: 3 }),
  ];
  const check = async () => {
    const db = await embeddedDb(dataDir);
    try {
      for (const listener of listeners) await checkListener(db, listener, code);
    } finally {
      await db.close();
    }
  };

  await t.test('of the server, twice', async () => {
    let restarting: Promise<void> | undefined;
    const restart = async () => {
      server.child.kill('SIGKILL');
      assert.deepEqual(await server.ended, { code: null, signal: 'SIGKILL' });
      server = await start();
    };
    await writeEvents(() => server, {
      ...{ code, from: 0, to: 240 },
      onWrite: (done) => {
        if (done === 61 || done === 155) restarting = restart();
      },
    });
    await restarting;
    await check();
  });

  await t.test('of a session of PostgreSQL, and of PostgreSQL', async () => {
    const postmaster = (await postmasterPid(dataDir))!;
    let struck: Promise<unknown> = Promise.resolve();
    await writeEvents(() => server, {
      ...{ code, from: 240, to: 440 },
      onWrite: (done) => {
        if (done === 50) struck = dispatchingSession(dataDir).then((pid) => process.kill(pid, 'SIGKILL'));
        if (done === 130) struck = struck.then(() => process.kill(postmaster, 'SIGKILL'));
        // It is told below.
        struck.catch(() => undefined);
      },
    });
    await struck;
    await check();
    assert.notEqual(await postmasterPid(dataDir), postmaster);
  });
});

/** Of the server's pool. */
async function dispatchingSession(dataDir: string): Promise<number> {
  const db = await embeddedDb(dataDir);
  const rows = await db.query<{ pid: number }>({
    text: `select pid from pg_stat_activity where application_name = 'cerebra' order by state_change desc limit 1`,
  });
  await db.close();
  return rows[0]!.pid;
}
