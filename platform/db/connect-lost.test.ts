import assert from 'node:assert/strict';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createLog } from '../log.ts';
import { connectDb } from './connect.ts';

const message = (code: string, body: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(code), length, body]);
};
const ready = message('Z', Buffer.from('I'));
const authenticated = message('R', Buffer.alloc(4));
const complete = message('C', Buffer.from('SELECT 0\0'));

/** Simple queries of one write, several where they are sent without waiting. */
function queriesIn(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 1 + bytes.readInt32BE(at + 1)) {
    if (bytes.toString('latin1', at, at + 1) === 'Q') found.push(bytes.subarray(at));
  }
  return found;
}

/** A pool of one connection, and the double of PostgreSQL that it is of. */
async function poolOfDouble(t: TestContext) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let started = false;
    socket.on('data', (bytes) => {
      if (started) socket.write(Buffer.concat(queriesIn(bytes).flatMap(() => [complete, ready])));
      else socket.write(Buffer.concat([authenticated, ready]));
      started = true;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const options = { host: '127.0.0.1', port, user: 'test', password: '', database: 'test', poolMax: 1 };
  const db = connectDb({ ...options, log: createLog({ level: 'silent' }) });
  t.after(() => db.close());
  return { db, sockets };
}

test('a connection that is found lost as a transaction takes it fails that transaction and nothing else', async (t) => {
  const { db, sockets } = await poolOfDouble(t);
  await db.query({ text: 'select 1' });
  // Its plans are too old by now, so that it is written to as soon as it is taken.
  const later = performance.now() + 60_000;
  t.mock.method(performance, 'now', () => later);
  for (const socket of sockets) socket.resetAndDestroy();
  sockets.clear();
  await new Promise(setImmediate);
  await assert.rejects(
    db.tx((tx) => tx.query({ text: 'select 1' })),
    { code: 'unavailable' },
  );
  assert.deepEqual(await db.query({ text: 'select 1' }), []);
});

test('who waits for an answer of a host that has vanished learns of it after seconds', async (t) => {
  const keepAlive = t.mock.method(Socket.prototype, 'setKeepAlive');
  const { db } = await poolOfDouble(t);
  await db.query({ text: 'select 1' });
  assert.deepEqual(
    keepAlive.mock.calls.map((call) => call.arguments),
    [[true, 10_000]],
  );
});
