import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { readConfig } from '#platform';
import { closeServer, hasReusePort, listen, takePort } from './listening.ts';

const answerOf = async (port: number, agent: Agent): Promise<{ connection: string | undefined; text: string }> => {
  const [response] = (await once(get({ port, host: '127.0.0.1', agent }), 'response')) as [IncomingMessage];
  response.setEncoding('utf8');
  const text = (await Array.fromAsync(response)).join('');
  return { connection: response.headers.connection, text };
};

test('an answer during the stop says that its connection ends, one before it does not', async (t) => {
  const server = await listen(readConfig({ PORT: '0' }));
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const { port } = server.address() as AddressInfo;
  const { promise: asked, resolve: ask } = Promise.withResolvers<ServerResponse>();
  server.removeAllListeners('request');
  server.once('request', (_request, response) => response.end('before'));
  assert.deepEqual(await answerOf(port, agent), { connection: 'keep-alive', text: 'before' });

  server.on('request', (_request, response) => ask(response));
  const answer = answerOf(port, agent);
  const held = await asked;
  const closed = closeServer(server, 60_000);
  held.end('meanwhile');
  assert.deepEqual(await answer, { connection: 'close', text: 'meanwhile' });
  await closed;
});

test('a request that is sent on an open connection when the stop begins is answered', async (t) => {
  const server = await listen(readConfig({ PORT: '0' }));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const { port } = server.address() as AddressInfo;
  server.removeAllListeners('request');
  server.on('request', (_request, response) => response.end('answer'));
  assert.equal((await answerOf(port, agent)).text, 'answer');
  const answer = answerOf(port, agent);
  const closed = closeServer(server, 60_000);
  // It has been sent, and the process stands still for longer than the stop waits.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const untilMs = performance.now() + 200;
  while (performance.now() < untilMs);
  assert.deepEqual(await answer, { connection: 'close', text: 'answer' });
  await closed;
});

test('any free port is nobody else’s until those who share it listen; one that is named and taken is refused', {
  skip: hasReusePort ? false : 'ports are not shared here',
}, async (t) => {
  const { port, give } = await takePort({ PORT: 0, HOST: '127.0.0.1' });
  const named = readConfig({ PORT: String(port) });
  await assert.rejects(listen(named), { code: 'EADDRINUSE' });
  const workers = [await listen(named, true), await listen(named, true)];
  t.after(() => Promise.all(workers.map((worker) => closeServer(worker, 0))));
  await give();
  await assert.rejects(takePort({ PORT: port, HOST: '127.0.0.1' }), { code: 'EADDRINUSE' });
});
