// Starts that cannot succeed say in a sentence what is wrong and which variable changes it, and leave nothing running.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { waitFor } from '#platform/testing';
import { dataFolder, type Environment, postmasterPid, refusedStart, runServer } from './server-process.ts';

async function assertRefused(t: TestContext, environment: Environment, message: string | RegExp): Promise<void> {
  const { code, output } = await refusedStart(t, { LOG_LEVEL: 'silent', ...environment });
  if (typeof message === 'string') assert.equal(output, `Cerebra could not start: ${message}\n`);
  else assert.match(output, message);
  assert.equal(code, 1);
}

/** A listener that takes connections and never says a word, until it is told to cut them all. */
async function silentServer(t: TestContext): Promise<{ port: number; cut(): void }> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    if (isCut) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    cut();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, cut };
}

const secret = 'not-to-be-shown';

test('wrong variables', async (t: TestContext) => {
  await assertRefused(t, { PORT: 'abc' }, 'PORT=abc: allowed is a whole number from 0 to 65535');
  await assertRefused(
    t,
    { HOST: '0.0.0.0' },
    /^Cerebra could not start: HOST=0\.0\.0\.0: .* must be a loopback address/,
  );
  await assertRefused(
    t,
    { DATABASE_URL: `mysql://u:${secret}@h/d` },
    'DATABASE_URL=…: allowed is a URL of postgres:// or postgresql://',
  );
  const DATA_DIR = await dataFolder(t);
  await assertRefused(
    t,
    { DATA_DIR, EGRESS_ALLOW: 'private,10.0.0.0' },
    `EGRESS_ALLOW: '10.0.0.0' is not loopback, private or a range such as 10.1.0.0/16`,
  );
  await assertRefused(
    t,
    { DATA_DIR, HL7_DESTINATIONS: '[{"kind":"file"}]' },
    /^Cerebra could not start: HL7_DESTINATIONS: 0\.name: /,
  );
  await assertRefused(
    t,
    { DATA_DIR, VALIDATION: 'structure,Patent=claimed' },
    `VALIDATION: 'Patent' is not a resource type of FHIR R4`,
  );
  await assertRefused(t, { DATA_DIR, VALIDATION_PROFILES: 'x' }, `VALIDATION_PROFILES: 'x' is not Type=canonical`);
  await assertRefused(
    t,
    { DATA_DIR, VALIDATION_RECORD: 'Patent' },
    `VALIDATION_RECORD: 'Patent' is not a resource type of FHIR R4`,
  );
  await assertRefused(
    t,
    { DATA_DIR, SCORES: 'sofa' },
    `SCORES: there is no score 'sofa'; there are news2, mews, qsofa, pews`,
  );
  const absent = path.join(DATA_DIR, 'none.json');
  await assertRefused(t, { DATA_DIR, SCORES_FILE: absent }, `SCORES_FILE: ${absent} can't be read as JSON`);
  // Told before there is a database: nothing was started, nothing migrated.
  assert.deepEqual(await readdir(path.dirname(DATA_DIR)), []);
});

test('a database that cannot be reached', async (t: TestContext) => {
  const database = (where: string) => ({ DATABASE_URL: `postgres://u:${secret}@${where}` });
  const unreachable = (where: string) => `The database at ${where} (DATABASE_URL) cannot be reached: `;
  await assertRefused(t, database('127.0.0.1:1/x'), `${unreachable('127.0.0.1:1/x')}connect ECONNREFUSED 127.0.0.1:1`);
  await assertRefused(
    t,
    database('nowhere.invalid/x'),
    /The database at nowhere\.invalid:5432\/x \(DATABASE_URL\) cannot be reached: getaddrinfo/,
  );
  const silent = `127.0.0.1:${(await silentServer(t)).port}/x`;
  const environment = { ...database(silent), ACQUIRE_TIMEOUT_MS: '500' };
  await assertRefused(t, environment, new RegExp(`${RegExp.escape(unreachable(silent))}.*timeout`));
});

test('ports in use, a folder that is none; nothing is left behind', async (t: TestContext) => {
  const DATA_DIR = await dataFolder(t);
  const port = String((await silentServer(t)).port);
  for (const name of ['PORT', 'MLLP_PORT', 'MQTT_PORT']) {
    const hint = `stop what listens there, or set ${name} to another port (0 takes any free one)`;
    // And nothing else: what had started has been stopped before the database that it asks.
    await assertRefused(
      t,
      { DATA_DIR, [name]: port, LOG_LEVEL: 'warn' },
      `127.0.0.1:${port} (${name}) is in use: ${hint}`,
    );
  }
  assert.equal(await postmasterPid(DATA_DIR), undefined);
  assert.deepEqual(await readdir(DATA_DIR), ['postgres']);
  const file = path.join(path.dirname(DATA_DIR), 'file');
  await writeFile(file, '');
  const used = `^Cerebra could not start: The data folder ${file} \\(DATA_DIR\\) cannot be used: .*: set DATA_DIR to a folder`;
  await assertRefused(t, { DATA_DIR: file }, new RegExp(used));
});

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('while it starts requests get 503, and a signal ends it', async (t: TestContext) => {
  const port = await freePort();
  const root = `http://127.0.0.1:${port}`;
  const silent = await silentServer(t);
  const { child, ended } = runServer(t, {
    PORT: String(port),
    DATABASE_URL: `postgres://u:${secret}@127.0.0.1:${silent.port}/x`,
    ACQUIRE_TIMEOUT_MS: '120000',
  });
  const metadata = await waitFor(() => fetch(`${root}/fhir/R4/metadata`), 'the port to be open');
  assert.equal(metadata.status, 503);
  assert.equal(metadata.headers.get('Retry-After'), '1');
  const outcome = (await metadata.json()) as { resourceType: string; issue: { code: string }[] };
  assert.equal(outcome.resourceType, 'OperationOutcome');
  assert.equal(outcome.issue[0]?.code, 'transient');
  assert.equal((await fetch(`${root}/healthz`)).status, 200);
  assert.equal((await fetch(`${root}/readyz`)).status, 503);
  child.kill('SIGTERM');
  // A start under way is not cut short: this one ends when its database is not to be had.
  silent.cut();
  const { signal } = await ended;
  assert.equal(signal, null);
});
