// Web sockets of a whole server: with HTTP workers they end in the primary, whatever becomes of the worker that took them;
// after a kill whoever binds again is pinged for what happened meanwhile.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openSocket, type TestSocket, waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import { dataFolder, type ServerProcess, signal, startProcess, workersOf } from './server-process.ts';

const subscription = {
  ...{ resourceType: 'Subscription', id: 'sockets', status: 'requested', reason: 'a test' },
  ...{ criteria: 'Observation?code=ping', channel: { type: 'websocket' } },
};

const socketsOf = ({ fhirBaseUrl }: ServerProcess) => `${fhirBaseUrl.replace('http', 'ws')}/ws`;

async function put(server: ServerProcess, id: string): Promise<void> {
  const resource = { resourceType: 'Observation', id, status: 'final', code: { coding: [{ code: 'ping' }] } };
  const { status, text } = await createClient(server.fhirBaseUrl)('PUT', `Observation/${id}`, resource);
  assert.ok(status < 300, text);
}

async function bind(t: TestContext, server: ServerProcess): Promise<TestSocket> {
  const socket = await openSocket(t, socketsOf(server));
  socket.say('bind sockets');
  assert.equal((await socket.hears(1))[0], 'bound sockets');
  return socket;
}

test('web sockets through two workers, over the end of a worker, and over a kill of all', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const environment = { DATA_DIR: dataDir, WORKERS: '2', LOG_LEVEL: 'warn' };
  const server = await startProcess(t, environment);
  const fhir = createClient(server.fhirBaseUrl);
  assert.equal((await fhir('PUT', 'Subscription/sockets', subscription)).status, 201);
  const isActive = async () => (await fhir('GET', 'Subscription/sockets')).json.status === 'active';
  await waitFor(isActive, 'the Subscription to be active');
  // The system gives each connection to either worker.
  const clients = await Promise.all(Array.from({ length: 20 }, () => bind(t, server)));
  await put(server, 'o1');
  for (const client of clients) assert.deepEqual(await client.hears(2), ['bound sockets', 'ping sockets']);

  const [worker] = await workersOf(server);
  process.kill(worker!, 'SIGKILL');
  const replaced = async () => (await workersOf(server)).filter((pid) => pid !== worker).length === 2;
  await waitFor(replaced, 'another worker');
  await waitFor(
    () =>
      put(server, 'o2').then(
        () => true,
        () => false,
      ),
    'a write',
  );
  for (const client of clients) assert.equal((await client.hears(3)).length >= 3, true);

  server.child.kill('SIGKILL');
  await server.ended;
  for (const client of clients) assert.equal(await client.closed, 1006);
  const again = await startProcess(t, { DATA_DIR: dataDir, LOG_LEVEL: 'warn' });
  await put(again, 'o3');
  const client = await openSocket(t, socketsOf(again));
  client.say('bind sockets');
  assert.deepEqual((await client.hears(2)).slice(0, 2), ['bound sockets', 'ping sockets']);
  assert.deepEqual(await signal(again, 'SIGTERM'), { code: 0, signal: null });
  assert.equal(await client.closed, 1001);
});

test('a stop does not wait for web sockets that workers took', async (t: TestContext) => {
  const server = await startProcess(t, { DATA_DIR: await dataFolder(t), WORKERS: '2', LOG_LEVEL: 'warn' });
  const client = await openSocket(t, socketsOf(server));
  client.say('bind nobody');
  assert.match((await client.hears(1))[0]!, /^error nobody /);
  assert.deepEqual(await signal(server, 'SIGTERM'), { code: 0, signal: null });
  assert.equal(await client.closed, 1001);
  assert.doesNotMatch(server.output(), /did not stop cleanly/);
});
