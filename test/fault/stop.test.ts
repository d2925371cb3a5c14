// Start and stop as their user meets them: what is under way ends, nothing has to be recovered, and all is found again.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { createMllpClient } from '#hl7-engine';
import { waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import { acknowledgmentCode } from './load.ts';
import { dataFolder, refusedStart, runServer, type ServerProcess, signal, startProcess } from './server-process.ts';
import { controlId, oruMessage } from './workload.ts';

const postgresLog = (dataDir: string) => readFile(path.join(dataDir, 'postgres/postgres.log'), 'utf8');

/** The folder is free, PostgreSQL gone, and its last word was an orderly one. */
async function assertCleanEnd(dataDir: string): Promise<void> {
  assert.deepEqual(await readdir(dataDir), ['postgres']);
  assert.equal((await readdir(path.join(dataDir, 'postgres/data'))).includes('postmaster.pid'), false);
  assert.match((await postgresLog(dataDir)).trimEnd(), /database system is shut down$/);
  assert.doesNotMatch(await postgresLog(dataDir), /not properly shut down/);
}

function refuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
    socket.once('connect', () => socket.destroy());
  });
}

/** A create whose headers the server has taken and whose body is still to come. */
async function halfSentCreate(server: ServerProcess, id: string) {
  const body = JSON.stringify({ resourceType: 'Patient', id });
  const headers = {
    'Content-Type': 'application/fhir+json',
    'Content-Length': Buffer.byteLength(body),
    Expect: '100-continue',
  };
  const sending = request(`${server.fhirBaseUrl}/Patient/${id}`, { method: 'PUT', headers });
  const answered = new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    sending.once('response', async (response) => resolve({ status: response.statusCode, text: await text(response) }));
    sending.once('error', reject);
  });
  await new Promise<void>((resolve, reject) => {
    sending.once('continue', resolve).once('error', reject);
    sending.flushHeaders();
  });
  return {
    finish() {
      sending.end(body);
      return answered;
    },
  };
}

test('starts and stops on one data folder', async (t: TestContext) => {
  const dataDir = await dataFolder(t);

  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    await t.test(`${name}: the request under way is answered`, async (t) => {
      const server = await startProcess(t, { DATA_DIR: dataDir });
      const port = Number(new URL(server.rootUrl).port);
      const create = await halfSentCreate(server, `half-${name}`);
      const client = createMllpClient({ host: '127.0.0.1', port: server.mllpPort, timeoutMs: 30_000 });
      server.child.kill(name);
      await waitFor(() => refuses(port), 'the HTTP port to be closed');
      const answer = await create.finish();
      assert.equal(answer.status, 201, answer.text);
      assert.deepEqual(await server.ended, { code: 0, signal: null });
      await client.close();
      await assertCleanEnd(dataDir);
    });
  }

  await t.test('a second start finds everything', async (t) => {
    const server = await startProcess(t, { DATA_DIR: dataDir });
    const get = createClient(server.fhirBaseUrl);
    for (const id of ['half-SIGTERM', 'half-SIGINT']) assert.equal((await get('GET', `Patient/${id}`)).status, 200);
    assert.deepEqual(await signal(server, 'SIGTERM'), { code: 0, signal: null });
    await assertCleanEnd(dataDir);
  });

  await t.test('HL7 messages that arrived before a SIGTERM are answered after it', async (t) => {
    const server = await startProcess(t, { DATA_DIR: dataDir });
    const client = createMllpClient({ host: '127.0.0.1', port: server.mllpPort, timeoutMs: 30_000 });
    const numbers = [1, 2, 3, 4, 5];
    const [first, ...rest] = numbers.map((number) => client.send(oruMessage(number)));
    // They travel in one piece: when the first is answered all have been read.
    const acks = [await first!];
    server.child.kill('SIGTERM');
    acks.push(...(await Promise.all(rest)));
    assert.deepEqual(
      acks.map((ack, index) => acknowledgmentCode(ack, controlId(numbers[index]!))),
      numbers.map(() => 'AA'),
    );
    assert.deepEqual(await server.ended, { code: 0, signal: null });
    await client.close();
    await assertCleanEnd(dataDir);
  });

  await t.test('Ctrl-C under npm start, which reaches the whole process group, is one orderly stop', async (t) => {
    const server = await startProcess(t, { DATA_DIR: dataDir }, ['npm', 'start'], true);
    process.kill(-server.child.pid!, 'SIGINT');
    await server.ended;
    assert.match(server.output(), /shutting down/);
    await assertCleanEnd(dataDir);
  });

  await t.test('a second server on the same folder is refused, and the first goes on', async (t) => {
    const server = await startProcess(t, { DATA_DIR: dataDir });
    const { code, output } = await refusedStart(t, { DATA_DIR: dataDir });
    assert.equal(code, 1);
    const holder = `Another server (process ${server.child.pid}) uses the data folder ${dataDir} (DATA_DIR): stop it, or give this one another folder`;
    assert.equal(output, `Cerebra could not start: ${holder}\n`);
    assert.equal((await fetch(`${server.rootUrl}/readyz`)).status, 200);
    assert.deepEqual(await signal(server, 'SIGTERM'), { code: 0, signal: null });
    await assertCleanEnd(dataDir);
  });
});

test('a signal during the first start: it ends in order, without serving', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const program = runServer(t, { DATA_DIR: dataDir });
  await waitFor(() => program.output().includes('migration applied'), 'the first migration');
  assert.deepEqual(await signal(program, 'SIGINT'), { code: 0, signal: null });
  assert.doesNotMatch(program.output(), /Cerebra is ready/);
  await assertCleanEnd(dataDir);
});
