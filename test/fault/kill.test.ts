// kill -9 of the server, and of its PostgreSQL, under load: nothing that was acknowledged is lost, nothing is half there.
import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkKept, checkSearches } from './checks.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { runLoad, sendAgain } from './load.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { checkNotified, setScene } from './scene.ts';
import { dataFolder, embeddedDb, postmasterPid, type ServerProcess, startProcess } from './server-process.ts';

/** Acknowledgements after which the server is killed, counted from the start of each round. */
const killMoments = [97, 211, 389];
/** So that every kind of work is under way. */
const eachKindMin = 8;

/** Re-sends what was not acknowledged, and of what was every seventh; then reads everything back. */
async function check(dataDir: string, server: ServerProcess, ledger: Ledger, receiver: Receiver): Promise<void> {
  const again = (kind: 'message' | 'reading') =>
    ledger.sent(kind).filter((number) => number % 7 === 0 || !ledger.acknowledged(kind).has(number));
  const codes = await sendAgain(server, { message: again('message'), reading: again('reading') });
  assert.deepEqual(
    codes.filter((code) => code !== 'AA'),
    [],
  );
  await checkKept(dataDir, ledger);
  await checkSearches(server.fhirBaseUrl, ledger);
  await checkNotified(receiver, ledger.acknowledged('create').values());
}

/** Runs the load until `hit` has struck and, if the server lives on, as much again was acknowledged. */
async function loadUntil(server: ServerProcess, ledger: Ledger, moment: number, hit: () => unknown, goesOn: boolean) {
  const stop = new AbortController();
  let struck: Promise<void> | undefined;
  ledger.whenMore(eachKindMin, moment, () => {
    struck = (async () => {
      await hit();
      if (goesOn) ledger.whenMore(eachKindMin, moment, () => stop.abort());
    })();
    struck.catch(() => stop.abort());
  });
  await runLoad(server, ledger, stop.signal);
  await struck;
}

/** The refusals that say "try again". */
const transient = new Set(['create: 503 transient', 'change: 503 transient', 'bundle: 503 transient', 'message: AE']);

test('kill -9 under load', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const receiver = await startReceiver(t);
  const ledger = createLedger();
  const start = () => startProcess(t, { DATA_DIR: dataDir });
  let server = await start();
  await setScene(server, receiver);

  await t.test('of the server, three times', async () => {
    for (const moment of killMoments) {
      await loadUntil(server, ledger, moment, () => server.child.kill('SIGKILL'), false);
      assert.deepEqual(await server.ended, { code: null, signal: 'SIGKILL' });
      server = await start();
      await check(dataDir, server, ledger, receiver);
    }
    // Until the cut came every answer was an acknowledgement.
    const refusals = [...ledger.refusals().keys()].filter((answer) => !answer.endsWith('connection lost'));
    assert.deepEqual(refusals, []);
  });

  await t.test('of PostgreSQL, which the server starts again', async () => {
    ledger.forgetRefusals();
    const postmaster = await postmasterPid(dataDir);
    // One session's crash makes PostgreSQL cut all others and recover; the postmaster's ends it.
    for (const pidOf of [() => sessionPid(dataDir), () => postmaster!]) {
      await loadUntil(server, ledger, 150, async () => process.kill(await pidOf(), 'SIGKILL'), true);
      await check(dataDir, server, ledger, receiver);
    }
    assert.notEqual(await postmasterPid(dataDir), postmaster);
    const refusals = [...ledger.refusals().keys()].filter((answer) => !transient.has(answer));
    assert.deepEqual(refusals, []);
    assert.equal((await fetch(`${server.rootUrl}/readyz`)).status, 200);
  });

  await t.test('of a PostgreSQL that cannot be started again: the server ends and says why', async () => {
    await appendFile(path.join(dataDir, 'postgres/data/postgresql.auto.conf'), "\nno_such_setting = 'x'\n");
    process.kill((await postmasterPid(dataDir))!, 'SIGKILL');
    assert.deepEqual(await server.ended, { code: 1, signal: null });
    assert.match(server.output(), /Cerebra stopped: Embedded PostgreSQL stays down: .*no_such_setting/s);
  });
});

/** Of one session of the server's pool. */
async function sessionPid(dataDir: string): Promise<number> {
  const db = await embeddedDb(dataDir);
  const rows = await db.query<{ pid: number }>({
    text: `select pid from pg_stat_activity where application_name = 'cerebra' limit 1`,
  });
  await db.close();
  return rows[0]!.pid;
}
