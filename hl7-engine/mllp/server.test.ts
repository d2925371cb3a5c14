// What an MLLP listener keeps out, gives up, and outlives.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { createMetrics, systemClock } from '#platform';
import { createTestAuthority, testLog, waitFor } from '#platform/testing';
import { listening } from '../testing/mllp.ts';
import { createAddressList, isRange, plainAddress } from '../transport/addresses.ts';
import { type Traffic, trafficMetrics } from '../transport/traffic.ts';
import { createGate } from './gate.ts';
import { createInput, type Held } from './input.ts';
import { createMllpServer, type MllpServer, type MllpServerOptions } from './server.ts';

/** From the connection on: what a peer has sent is read by then, also where the process stands still for a second. */
const idleTimeoutMs = 2_000;

interface Serving {
  server: MllpServer;
  port: number;
  traffic: Traffic;
  held: Held;
  /** Beginnings of messages that were refused, with the text. */
  refused: [head: string, text: string][];
}

async function serve(t: TestContext, overrides: Partial<MllpServerOptions> = {}): Promise<Serving> {
  const traffic = trafficMetrics(createMetrics(), systemClock)('mllp', 'test');
  const held: Held = { bytes: 0 };
  const refused: Serving['refused'] = [];
  const server = createMllpServer({
    ...listening,
    log: testLog(),
    traffic,
    held,
    handle: async (raw, source, send) => send(Buffer.from(`${source.peer}: ${raw.length}`)),
    async refuse(head, _source, { acknowledgment, transient, message }) {
      refused.push([head.toString('latin1', 0, 8), message]);
      return Buffer.from(`${acknowledgment}${transient ? ' again' : ''}`);
    },
    ...overrides,
  });
  const { port } = await server.start();
  t.after(() => server.stop());
  return { server, port, traffic, held, refused };
}

interface Dialled {
  socket: Socket;
  received(): string;
  closed: Promise<unknown>;
}

function listen(t: TestContext, socket: Socket): Dialled {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  // Not events.once: it would throw where the connection is reset, which nobody may wait for.
  return { socket, received: () => text, closed: new Promise((resolve) => socket.once('close', resolve)) };
}

const dial = (t: TestContext, port: number): Dialled => listen(t, connect(port, '127.0.0.1'));

test('a frame that does not end in time is refused, however its bytes trickle', async (t) => {
  const { port, traffic, refused } = await serve(t, { frameTimeoutMs: 150 });
  const { socket, received, closed } = dial(t, port);
  socket.write('\x0bMSH|whole\x1c\r\x0bMSH|never');
  const trickle = setInterval(() => socket.write('x'), 5);
  await closed.finally(() => clearInterval(trickle));
  assert.equal(received(), '\x0b127.0.0.1: 9\x1c\r\x0bAE again\x1c\r');
  assert.deepEqual(refused, [['MSH|neve', 'The MLLP frame was not ended within 150 ms']]);
  assert.deepEqual(traffic.counts().frames, { whole: 1, unterminated: 1 });
});

test('UTF-16 that holds the end of a frame is refused, not taken cut; what follows of it is not read', async (t) => {
  const handled: string[] = [];
  const { port, refused, traffic } = await serve(t, {
    async handle(raw, _source, send) {
      handled.push(raw.toString('utf16le'));
      await send(Buffer.from('taken'));
    },
  });
  const framed = (content: Buffer): Buffer => Buffer.concat([Buffer.from([0x0b]), content, Buffer.from([0x1c, 0x0d])]);
  const whole = 'MSH|^~\\&|LAB\rPID|1||7||ДОУ^JANE\r';
  const plain = dial(t, port);
  plain.socket.write(framed(Buffer.from(whole, 'utf16le')));
  await waitFor(() => plain.received() === '\x0btaken\x1c\r', 'the answer');
  const text = 'MSH|^~\\&|LAB\rPID|1||7||ജജ^JANE\rOBX|\u0b02\r';
  const swapped = (value: string): Buffer => Buffer.from(value, 'utf16le').swap16();
  // Without an end of its last segment it can't be told from one that was cut.
  const all = [
    Buffer.from(text, 'utf16le'),
    swapped(text),
    swapped(text.replace('ജജ', '\u1c0d')),
    swapped('\ufeffMSH|a'),
  ];
  for (const content of all) {
    const { socket, received, closed } = dial(t, port);
    socket.write(Buffer.concat([framed(content), framed(Buffer.from(whole))]));
    await waitFor(() => received() === '\x0bAR\x1c\r', 'the refusal');
    socket.end();
    await closed;
  }
  assert.deepEqual(handled, [whole]);
  assert.equal(refused.length, all.length);
  assert.match(refused[0]![1], /UTF-16 .* may be cut\. Send UNICODE UTF-8/);
  assert.deepEqual(traffic.counts().frames, { whole: 1, cut: all.length });
});

test('an HTTP request is refused, whatever its body holds', async (t) => {
  const handled: string[] = [];
  const { port, refused } = await serve(t, {
    async handle(raw, _source, send) {
      handled.push(String(raw));
      await send(Buffer.from('taken'));
    },
  });
  const body = '\x0bMSH|^~\\&|LAB\r\x1c\r';
  const head = 'HTTP/1.1\r\nHost: localhost\r\nOrigin: https://else.example\r\nContent-Type: text/plain\r\n\r\n';
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'];
  for (const method of methods) {
    const { socket, received, closed } = dial(t, port);
    socket.write(`${method} / ${head}${body}${body}`);
    await waitFor(() => received() === '\x0bAR\x1c\r', `the refusal of ${method}`);
    socket.end();
    await closed;
  }
  const { socket, received } = dial(t, port);
  socket.write(`GETTING \r\n${body}`);
  await waitFor(() => received() === '\x0btaken\x1c\r', 'the answer');
  assert.deepEqual(handled, ['MSH|^~\\&|LAB\r']);
  assert.equal(refused.length, methods.length);
  assert.match(refused[0]![1], /not HTTP: over HTTP messages go to POST \/hl7/);
});

test('the time of a frame is its own, and does not run while nothing is read', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const traffic = trafficMetrics(createMetrics(), systemClock)('mllp', 'test');
  const seen: string[] = [];
  let isPaused = false;
  const input = createInput(
    { isPaused: () => isPaused },
    { kind: 'mllp', name: 'test' },
    { bytes: 0 },
    { messageBytesMax: 1000, heldBytesMax: 10_000, frameTimeoutMs: 1000, log: testLog(), traffic },
    {
      frame: (content) => seen.push(String(content)),
      refused: (head, { message }) => seen.push(`${head}: ${message}`),
    },
  );
  const push = (text: string): void => input.push(Buffer.from(text));
  push('\x0ba');
  t.mock.timers.tick(999);
  push('\x1c\r\x0bb');
  t.mock.timers.tick(999);
  push('\x1c\r\x0bc');
  isPaused = true;
  input.watch();
  t.mock.timers.tick(5000);
  isPaused = false;
  input.watch();
  t.mock.timers.tick(500);
  push('cc');
  t.mock.timers.tick(499);
  assert.deepEqual(seen, ['a', 'b']);
  t.mock.timers.tick(1);
  assert.deepEqual(seen, ['a', 'b', 'ccc: The MLLP frame was not ended within 1000 ms']);
});

test('a start without a frame is closed without a word', async (t) => {
  const { port, refused, traffic } = await serve(t, { frameTimeoutMs: 30 });
  const { socket, received, closed } = dial(t, port);
  socket.write('\x0b');
  await closed;
  assert.equal(received(), '');
  assert.deepEqual([refused, traffic.counts().frames], [[], { unterminated: 1 }]);
});

test('a silent peer is closed, within a frame with an answer', async (t) => {
  const { port, refused } = await serve(t, { idleTimeoutMs });
  const silent = dial(t, port);
  const half = dial(t, port);
  half.socket.write('\x0bMSH|half');
  await Promise.all([silent.closed, half.closed]);
  assert.equal(silent.received(), '');
  assert.equal(half.received(), '\x0bAE again\x1c\r');
  assert.deepEqual(refused, [['MSH|half', 'The MLLP frame was not ended']]);
});

test('a peer that does not read its answers is closed, and nothing more of it handled', async (t) => {
  const large = Buffer.alloc(4 * 1024 * 1024);
  let handled = 0;
  const { port, traffic } = await serve(t, {
    idleTimeoutMs,
    async handle(_raw, _source, send) {
      handled++;
      await send(large);
    },
  });
  const { socket } = dial(t, port);
  socket.pause();
  for (let index = 0; index < 40; index++) socket.write('\x0bMSH|1\x1c\r');
  await waitFor(() => handled > 0, 'the first message');
  await waitFor(() => traffic.counts().connections === 0, 'the server to give it up');
  assert.ok(handled < 40, `${handled} of 40 handled`);
});

test('half a message is no message: cut, reset and closed connections', async (t) => {
  const { port, traffic, refused } = await serve(t);
  const cut = dial(t, port);
  cut.socket.end('\x0bMSH|half');
  await cut.closed;
  const reset = dial(t, port);
  reset.socket.write('\x0bMSH|half');
  await waitFor(() => traffic.counts().connectionsTotal === 2, 'the second connection');
  await waitFor(() => reset.socket.bytesWritten === 9, 'the half');
  reset.socket.resetAndDestroy();
  await waitFor(() => traffic.counts().connections === 0, 'both to be gone');
  assert.equal(traffic.counts().frames.whole, undefined);
  assert.ok((traffic.counts().frames.cut ?? 0) >= 1);
  assert.deepEqual(refused, []);
});

test('a message far beyond the limit is not kept, and its sender still gets the answer', async (t) => {
  const { port, held, refused, traffic } = await serve(t, { messageBytesMax: 64 * 1024 });
  // One that goes on sending after the server's side is closed, as blocking senders do.
  const { socket, received, closed } = listen(t, connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  // More than the system keeps, and thrown away (some 3 ms for 64 KiB) long before the server gives up its peer.
  const chunks = 24;
  socket.write('\x0bMSH|');
  let most = 0;
  for (let sent = 0; sent < chunks && !socket.destroyed; sent++) {
    if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), closed]);
    most = Math.max(most, held.bytes);
  }
  await waitFor(() => received() === '\x0bAR\x1c\r', 'the answer');
  assert.equal(socket.bytesWritten, 5 + chunks * chunk.length, 'all of it could be written');
  socket.end();
  await closed;
  assert.ok(most <= 4 * 64 * 1024, `${most} bytes held`);
  assert.deepEqual(refused, [['MSH|xxxx', 'The message is larger than 65536 bytes']]);
  await waitFor(() => traffic.counts().connections === 0, 'the connection to be gone');
  assert.equal(held.bytes, 0);
});

test('unfinished messages of all connections have one limit: who passes it is refused', async (t) => {
  const { port, held, traffic } = await serve(t, { heldBytesMax: 2_500_000, messageBytesMax: 4_000_000 });
  const [first, second, third] = [dial(t, port), dial(t, port), dial(t, port)];
  const start = (size: number): string => `\x0bMSH|${'x'.repeat(size)}`;
  // A buffer that grows by doubling holds twice the bytes at most.
  for (const { socket } of [first, second]) {
    const before = held.bytes;
    socket.write(start(600_000));
    // Then it has room for all of it, and grows no more.
    await waitFor(() => held.bytes - before >= 600_005, 'one of the first two');
  }
  third.socket.write(start(3_000_000));
  await waitFor(() => third.received() === '\x0bAE again\x1c\r', 'the refusal');
  assert.deepEqual(traffic.counts().frames, { crowded: 1 });
  for (const { socket } of [first, second]) socket.write('\x1c\r');
  const answered = '\x0b127.0.0.1: 600004\x1c\r';
  await waitFor(() => [first, second].every(({ received }) => received() === answered), 'the answers');
  await waitFor(() => held.bytes === 0, 'nothing to be held');
});

test('limits on connections: in all, of a peer, in a minute', async (t) => {
  const of = async (limits: Partial<MllpServerOptions>, expected: object): Promise<void> => {
    const { port, traffic } = await serve(t, limits);
    const kept = [dial(t, port), dial(t, port)];
    await waitFor(() => traffic.counts().connections === 2, 'two connections');
    await dial(t, port).closed;
    assert.deepEqual(traffic.counts().connectionsRefused, expected);
    for (const { socket } of kept) assert.equal(socket.destroyed, false);
  };
  await of({ connectionsMax: 2 }, { full: 1 });
  await of({ connectionsPerPeerMax: 2 }, { peer: 1 });
  await of({ connectionsPerMinuteMax: 2 }, { rate: 1 });
});

test('a place that became free is taken again, a minute later one may come again', () => {
  let nowMs = 0;
  const gate = createGate({
    connectionsMax: 3,
    connectionsPerPeerMax: 2,
    connectionsPerMinuteMax: 4,
    nowMs: () => nowMs,
    allow: createAddressList(['10.0.0.0/24', 'fd00::/8']),
  });
  assert.equal(gate.enter('10.0.1.1'), 'address');
  assert.deepEqual(
    [gate.enter('10.0.0.1'), gate.enter('10.0.0.1'), gate.enter('10.0.0.1')],
    [undefined, undefined, 'peer'],
  );
  assert.deepEqual([gate.enter('fd00::1'), gate.enter('fd00::2')], [undefined, 'full']);
  gate.leave('10.0.0.1');
  assert.equal(gate.enter('10.0.0.1'), undefined);
  gate.leave('10.0.0.1');
  assert.equal(gate.enter('10.0.0.1'), 'rate');
  nowMs += 60_000;
  assert.equal(gate.enter('10.0.0.1'), undefined);
});

test('address ranges', () => {
  const list = createAddressList(['10.1.2.0/23', '192.168.1.7', '2001:db8::/32', '::1']);
  const addresses = ['10.1.3.255', '10.1.4.0', '192.168.1.7', '192.168.1.8', '2001:db8:1::1', '2001:db9::', '::1', ''];
  assert.deepEqual(addresses.map(list.has), [true, false, true, false, true, false, true, false]);
  assert.equal(list.has(plainAddress('::ffff:10.1.2.3')), true);
  assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
  const texts = [
    '10.0.0.0/8',
    '10.0.0.1',
    '::/1',
    '0.0.0.0/0',
    '::/0',
    '10.0.0.0/33',
    '10.0.0/8',
    'host',
    '1.2.3.4/',
    '1.2.3.4/8/9',
  ];
  assert.deepEqual(texts.map(isRange), [true, true, true, false, false, false, false, false, false, false]);
});

test('a new certificate is that of the next connection, and cuts none', async (t) => {
  const [first, second] = [createTestAuthority('First'), createTestAuthority('Second')];
  const { server, port } = await serve(t, { tls: { context: first.issue('one'), requestCert: false } });
  const dialTls = async (): Promise<Dialled & { name: string }> => {
    const socket = connectTls({ host: '127.0.0.1', port, ca: [first.cert, second.cert] });
    const dialled = listen(t, socket);
    await once(socket, 'secureConnect');
    return { ...dialled, name: (socket as TLSSocket).getPeerCertificate().subject.CN as string };
  };
  const before = await dialTls();
  server.setTls(second.issue('two'));
  const after = await dialTls();
  assert.deepEqual([before.name, after.name], ['one', 'two']);
  for (const { socket } of [before, after]) socket.write('\x0bMSH|1\x1c\r');
  await waitFor(() => [before, after].every(({ received }) => received() === '\x0b127.0.0.1: 5\x1c\r'), 'both answers');
});

test('a handshake has its time, and does not keep the server from stopping', async (t) => {
  const context = createTestAuthority('Any').issue('server');
  const slow = await serve(t, { tls: { context, requestCert: false }, handshakeTimeoutMs: 50 });
  await dial(t, slow.port).closed;
  await waitFor(() => slow.traffic.counts().connections === 0, 'it to be gone');
  assert.deepEqual(slow.traffic.counts().connectionsRefused, { tls: 1 });
  const stopping = await serve(t, { tls: { context, requestCert: false } });
  const pending = dial(t, stopping.port);
  await waitFor(() => stopping.traffic.counts().connections === 1, 'the connection');
  await stopping.server.stop();
  await pending.closed;
});

test('the peer of mutual TLS is told by address and name', async (t) => {
  const authority = createTestAuthority('Authority');
  const context = { ...authority.issue('server'), ca: authority.cert };
  const { port } = await serve(t, { tls: { context, requestCert: true } });
  const client = listen(t, connectTls({ host: '127.0.0.1', port, ca: authority.cert, ...authority.issue('lab-7') }));
  client.socket.write('\x0bMSH|1\x1c\r');
  await waitFor(() => client.received() === '\x0b127.0.0.1 CN=lab-7: 5\x1c\r', 'the answer');
});

test('a peer that resets its connection while the server stops does not make the stop fail', async (t) => {
  const { server, port, traffic } = await serve(t);
  const { socket } = listen(t, connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
  await waitFor(() => traffic.counts().connections === 1, 'the connection');
  socket.once('end', () => socket.resetAndDestroy());
  await server.stop();
});

test('a connection storm leaves nothing behind', async (t) => {
  const { port, traffic, held } = await serve(t, { connectionsMax: 500 });
  for (let round = 0; round < 10; round++) {
    const many = Array.from({ length: 100 }, () => dial(t, port));
    for (const [index, { socket }] of many.entries()) {
      if (index % 3 === 0) socket.write('\x0bMSH|half');
      socket.once('connect', () => (index % 2 === 0 ? socket.resetAndDestroy() : socket.end()));
    }
    await Promise.all(many.map(({ closed }) => closed));
  }
  await waitFor(() => traffic.counts().connections === 0, 'all to be gone');
  assert.equal(held.bytes, 0);
  const talking = dial(t, port);
  talking.socket.write('\x0bMSH|1\x1c\r');
  await waitFor(() => talking.received() === '\x0b127.0.0.1: 5\x1c\r', 'the answer');
});
