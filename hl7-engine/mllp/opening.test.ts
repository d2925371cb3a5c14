// Who comes with another protocol, or with a certificate that is not taken: turned away at once, and told of.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { createLog, createMetrics, systemClock } from '#platform';
import { createTestAuthority, waitFor } from '#platform/testing';
import { listening } from '../testing/mllp.ts';
import { trafficMetrics } from '../transport/traffic.ts';
import { createOpeningCheck } from './opening.ts';
import { createMllpServer, type MllpServerOptions } from './server.ts';

interface Logged {
  msg: string;
  peer?: string;
  reason?: string;
  fault?: string;
  count: number;
}

interface Serving {
  port: number;
  logged: Logged[];
  /** Why beginnings were refused. */
  refused: string[];
}

async function serve(t: TestContext, overrides: Partial<MllpServerOptions> = {}): Promise<Serving> {
  const logged: Logged[] = [];
  const refused: string[] = [];
  let nowMs = 0;
  const server = createMllpServer({
    ...listening,
    log: createLog({ level: 'warn', pretty: false, destination: { write: (line) => logged.push(JSON.parse(line)) } }),
    traffic: trafficMetrics(createMetrics(), systemClock)('mllp', 'test'),
    // So that none is passed over in the log.
    nowMs: () => (nowMs += 60_000),
    handle: async (_raw, _source, send) => send(Buffer.from('taken')),
    async refuse(_head, _source, { message }) {
      refused.push(message);
      return Buffer.from('AR');
    },
    ...overrides,
  });
  const { port } = await server.start();
  t.after(() => server.stop());
  return { port, logged, refused };
}

/** Sends the bytes; yields what came until the connection was closed. */
async function received(t: TestContext, socket: Socket, bytes: string): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  // Not `once`: being cut is what most of them expect.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(bytes, 'latin1');
  await closed;
  return text;
}

test('another protocol is known however it is cut, and only at the beginning', () => {
  const asked = (...chunks: string[]) => {
    const openingOf = createOpeningCheck();
    return chunks.map((chunk) => openingOf(Buffer.from(chunk, 'latin1')));
  };
  const no = undefined;
  assert.deepEqual(asked('P', 'O', 'ST', ' /', 'POST /'), [no, no, no, 'http', no]);
  assert.deepEqual(asked('OPTIONS', ' * HTTP/1.1'), [no, 'http']);
  assert.deepEqual(asked('\r\nPOST / ', 'POST / '), [no, no]);
  assert.deepEqual(asked('', 'POSTAL ', 'GET / '), [no, no, no]);
  assert.deepEqual(asked('\x16\x03\x01\x02\x0b\x01\x00\x01'), ['tls']);
  assert.deepEqual(asked('\x16', '\x03\x03', '\x0a\x0a', '\x01', '\x00'), [no, no, no, 'tls', no]);
  assert.deepEqual(asked('\x0b\x16\x03\x01\x02\x00\x01\x00\x01'), [no]);
});

test('a TLS client on a port without TLS is refused at once, with the reason in the journal', async (t) => {
  const { port, refused } = await serve(t);
  const client = connectTls({ host: '127.0.0.1', port });
  const [error] = await once(client, 'error');
  assert.equal((error as NodeJS.ErrnoException).code, 'ERR_SSL_WRONG_VERSION_NUMBER');
  await waitFor(() => refused.length === 1, 'the refusal');
  assert.match(refused[0]!, /^This port takes HL7 in MLLP frames without TLS: /);
});

test('who is turned away by TLS is told by address and reason; the next one is served', async (t) => {
  const [authority, stranger] = [createTestAuthority('Authority'), createTestAuthority('Stranger')];
  const context = { ...authority.issue('server'), ca: authority.cert };
  const { port, logged } = await serve(t, { tls: { context, requestCert: true } });
  const over = (options: ConnectionOptions) => connectTls({ host: '127.0.0.1', port, ca: authority.cert, ...options });
  const frame = '\x0bMSH|1\x1c\r';
  assert.equal(await received(t, over(stranger.issue('lab-7')), frame), '');
  assert.equal(await received(t, over({ ...stranger.issue('lab-8'), maxVersion: 'TLSv1.2' }), frame), '');
  assert.equal(await received(t, over({}), frame), '');
  assert.match(await received(t, connect(port, '127.0.0.1'), frame), /^(\x15|$)/);
  const peer = '127.0.0.1';
  await waitFor(() => logged.length === 4, 'the log');
  assert.deepEqual(
    logged.map(({ msg, peer: told, reason, fault }) => ({ msg, peer: told, reason, fault })),
    [
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'peer did not return a certificate',
      'wrong version number',
    ].map((fault) => ({ msg: 'MLLP connection refused', peer, reason: 'tls', fault })),
  );
  const good = over(authority.issue('lab-9'));
  good.on('data', () => good.end());
  assert.equal(await received(t, good, frame), '\x0btaken\x1c\r');
});

test('of one reason one in ten seconds is logged, with how many there were', async (t) => {
  const authority = createTestAuthority('Authority');
  let nowMs = 0;
  const { port, logged } = await serve(t, {
    ...{ nowMs: () => nowMs, tls: { context: authority.issue('server'), requestCert: false } },
    connectionsPerMinuteMax: 3,
  });
  const plain = (): Promise<string> => received(t, connect(port, '127.0.0.1'), '\x0bMSH|1\x1c\r');
  for (let count = 0; count < 5; count++) await plain();
  nowMs = 60_000;
  await plain();
  await waitFor(() => logged.length === 3, 'the log');
  assert.deepEqual(
    logged.map(({ reason, count }) => [reason, count]),
    [
      ['tls', 1],
      ['rate', 1],
      ['tls', 3],
    ],
  );
});
