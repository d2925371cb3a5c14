// One exchange over HTTP: what an answer is taken for, and with which certificate it is asked for.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { createEgress } from '#platform';
import { createTestAuthority } from '#platform/testing';
import { answer } from '../testing/receiver.ts';
import type { Channel } from './channel.ts';
import { checkDestinations } from './destination.ts';
import { createHttpChannel } from './http.ts';

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

function channelTo(t: TestContext, url: string, more: object = {}): Channel {
  const [destination] = checkDestinations([{ name: 'web', kind: 'http', url, ...more }]);
  assert.ok(destination?.kind === 'http');
  const channel = createHttpChannel({ destination, clock: { now: () => 0 }, egress: createEgress(['loopback']) });
  t.after(() => channel.close());
  return channel;
}

const sendTo = (channel: Channel, controlId = 'A') =>
  channel.send([{ id: 1n, controlId, body: Buffer.from('MSH|'), queuedMs: 0 }], new AbortController().signal);

const after =
  (respond: (response: ServerResponse) => void): RequestListener =>
  (request, response) => {
    request.resume().on('end', () => respond(response));
  };

test('an answer that breaks off or does not end is none: what is missing may have been a refusal', async (t) => {
  const refusal = answer('AE', 'A');
  const begun = Buffer.from(refusal.slice(0, refusal.indexOf('MSA|') + 4));
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(200).write(begun, () => response.destroy()),
    (response) => response.writeHead(200, { 'Content-Length': refusal.length }).write(begun, () => response.destroy()),
    (response) => response.writeHead(200).write(begun),
  ];
  // The connection is there by then, also where the process stands still for a second.
  const timeoutMs = 2_000;
  let at = 0;
  const port = await listening(t, createServer(after((response) => answers[at]!(response))));
  for (; at < answers.length; at++) {
    const isBroken = at < 2;
    const channel = channelTo(t, `http://127.0.0.1:${port}/`, isBroken ? {} : { timeoutMs });
    const { kind, ...more } = await sendTo(channel);
    assert.equal(kind, 'unanswered');
    assert.equal('error' in more && more.error, isBroken ? 'The answer broke off' : `No answer within ${timeoutMs} ms`);
  }
});

test('an answer that is too long to be kept is one all the same', async (t) => {
  const long = `${answer('AA', 'A')}\rZZZ|${'x'.repeat(200_000)}`;
  const port = await listening(t, createServer(after((response) => response.end(long))));
  const attempt = await sendTo(channelTo(t, `http://127.0.0.1:${port}/`));
  assert.ok(attempt.kind === 'delivered');
  assert.equal(attempt.answer?.length, 64 * 1024);
});

test('a renewed client certificate is that of the next connection', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cerebra-http-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const authority = createTestAuthority('authority');
  const files = { cert: path.join(folder, 'client.crt'), key: path.join(folder, 'client.key') };
  const renew = (name: string): void => {
    const { cert, key } = authority.issue(name);
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key);
  };
  const seen: unknown[] = [];
  const settings = { ...authority.issue('receiver'), ca: authority.cert, requestCert: true, rejectUnauthorized: true };
  const server = createSecureServer(settings, (request, response) => {
    seen.push((request.socket as TLSSocket).getPeerCertificate().subject.CN);
    request.resume().on('end', () => response.setHeader('Connection', 'close').end(answer('AA', 'A')));
  });
  const port = await listening(t, server);
  const channel = channelTo(t, `https://localhost:${port}/`, { tls: { ca: authority.cert, ...files } });
  for (const name of ['first', 'second']) {
    renew(name);
    assert.equal((await sendTo(channel)).kind, 'delivered');
  }
  rmSync(files.key);
  assert.deepEqual(await sendTo(channel), {
    kind: 'unreachable',
    error: `The certificate file ${files.key} cannot be read`,
  });
  renew('third');
  assert.equal((await sendTo(channel)).kind, 'delivered');
  assert.deepEqual(seen, ['first', 'second', 'third']);
});

test('a kept connection that its receiver has closed meanwhile costs no attempt', async (t) => {
  const server = createServer();
  const taken: string[] = [];
  server.on('request', (request, response) => {
    const socket = request.socket as typeof request.socket & { served?: true };
    // As it is where the end of the connection and the next request meet on the way.
    if (socket.served) return void socket.destroy();
    socket.served = true;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      taken.push(Buffer.concat(chunks).toString());
      response.end();
    });
  });
  const channel = channelTo(t, `http://127.0.0.1:${await listening(t, server)}/`);
  for (let count = 1; count <= 3; count++) {
    assert.deepEqual(await sendTo(channel), { kind: 'delivered', answer: null });
    assert.equal(taken.length, count);
  }
});

test('a receiver that breaks off each time is not asked for ever', async (t) => {
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    if (requests === 1) response.end();
    else request.socket.destroy();
  });
  // A kept connection stays, however long its next message takes.
  server.keepAliveTimeout = 0;
  const channel = channelTo(t, `http://127.0.0.1:${await listening(t, server)}/`);
  assert.equal((await sendTo(channel)).kind, 'delivered');
  assert.equal((await sendTo(channel)).kind, 'unanswered');
  assert.equal(requests, 3, 'the kept connection, then a new one');
});

test('an acknowledgment in XML whose text is not of the set that it names is one all the same', async (t) => {
  const xml = (encoding: string, more = ''): string =>
    `<ACK xmlns="urn:hl7-org:v2xml"><MSH><MSH.1>|</MSH.1><MSH.2>${encoding}</MSH.2><MSH.18>8859/1</MSH.18></MSH>` +
    `<MSA><MSA.1>AE</MSA.1><MSA.2>A</MSA.2><MSA.3>Łuczak</MSA.3></MSA>${more}</ACK>`;
  let body = xml('^~\\&amp;');
  const port = await listening(t, createServer(after((response) => response.end(body))));
  const channel = channelTo(t, `http://127.0.0.1:${port}/hl7`);
  const error = 'Refused with AE: Łuczak';
  assert.deepEqual(await sendTo(channel), { kind: 'refused', error, answer: Buffer.from(body) });
  // Parts that MSH-2 has no delimiter for: no message at all, so the status decides.
  body = xml('^', '<ERR><ERR.2><ERL.1><HD.1>a</HD.1><HD.2>b</HD.2></ERL.1></ERR.2></ERR>');
  assert.deepEqual(await sendTo(channel), { kind: 'delivered', answer: Buffer.from(body) });
});
