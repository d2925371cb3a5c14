import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { createMetrics, isCerebraError, systemClock } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import type { HandleMessage } from '../seams.ts';
import { listening } from '../testing/mllp.ts';
import { type Traffic, trafficMetrics } from '../transport/traffic.ts';
import { createMllpClient, sendMllp } from './client.ts';
import { createFrameDecoder, frame, unframed } from './frame.ts';
import { createMllpServer, type MllpServer, type MllpServerOptions } from './server.ts';

const testTraffic = (): Traffic => trafficMetrics(createMetrics(), systemClock)('mllp', 'test');

interface Decoded {
  frames: string[];
  garbage: number;
  oversize: string[];
}

function decode(chunks: Buffer[], contentBytesMax = 1000): Decoded {
  const decoded: Decoded = { frames: [], garbage: 0, oversize: [] };
  const decoder = createFrameDecoder(contentBytesMax, {
    frame: (content) => decoded.frames.push(content.toString('latin1')),
    garbage: (byteCount) => {
      decoded.garbage += byteCount;
    },
    oversize: (head) => decoded.oversize.push(head.toString('latin1')),
  });
  for (const chunk of chunks) decoder.push(chunk);
  decoder.endTrailer();
  return decoded;
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

test('frames are the same whatever the chunking', () => {
  const stream = bytes('noise\x0bMSH|one\x1c\r\x0bMSH|two\x1c\x0bMSH|a\x1cb\x1c\r\r\n\x0bcut\x0bMSH|three\x1c\r');
  const expected = { frames: ['MSH|one', 'MSH|two', 'MSH|a\x1cb', 'MSH|three'], garbage: 5 + 2 + 4, oversize: [] };
  for (let size = 1; size <= stream.length; size++) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size));
    assert.deepEqual(decode(chunks), expected, `chunks of ${size}`);
  }
});

test('bytes that are one frame are taken out of it, others left as they are', () => {
  for (const end of ['\x1c', '\x1c\r', '\x1c\n', '\x1c\r\n', '\x1c\r\r\n']) {
    assert.equal(unframed(bytes(`\x0bMSH|a\x1cb${end}`)).toString('latin1'), 'MSH|a\x1cb');
  }
  assert.equal(unframed(bytes('\x0bMSH|a\r')).toString('latin1'), 'MSH|a\r');
  assert.equal(unframed(bytes('MSH|a\x1c\r')).toString('latin1'), 'MSH|a\x1c\r');
  assert.equal(unframed(bytes('')).length, 0);
});

test('a frame beyond the limit is cut off, and nothing is read after it', () => {
  const decoded = decode([bytes('\x0bMSH|'), bytes('x'.repeat(2000)), bytes('\x1c\r\x0bMSH|next\x1c\r')], 10);
  assert.deepEqual(decoded, { frames: [], garbage: 0, oversize: [`MSH|${'x'.repeat(6)}`] });
  assert.deepEqual(decode([bytes('\x0b1234567890\x1c\r')], 10).frames, ['1234567890']);
});

async function serve(
  t: TestContext,
  overrides: Partial<MllpServerOptions> = {},
): Promise<{ server: MllpServer; port: number }> {
  const server = createMllpServer({
    ...listening,
    log: testLog(),
    traffic: testTraffic(),
    handle: answerWith(async (content) => bytes(`ack of ${content.toString('latin1')}`)),
    refuse: async (head, _source, { acknowledgment }) => bytes(`${acknowledgment} ${head.length}`),
    ...overrides,
  });
  const { port } = await server.start();
  t.after(() => server.stop());
  return { server, port };
}

/** Handles a message by one answer to it. */
const answerWith =
  (answer: (content: Buffer) => Promise<Buffer>): HandleMessage =>
  async (raw, _source, send) =>
    send(await answer(raw));

/** A bare socket that gathers what it gets. */
async function dial(t: TestContext, port: number): Promise<{ socket: Socket; received(): string }> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return { socket, received: () => text };
}

test('answers come in order, one connection at a time, several at once', async (t) => {
  const running = new Map<string, number>();
  let most = 0;
  const { port } = await serve(t, {
    handle: answerWith(async (content) => {
      const [connection = ''] = content.toString().split(' ');
      running.set(connection, (running.get(connection) ?? 0) + 1);
      assert.equal(running.get(connection), 1, 'two messages of one connection at once');
      most = Math.max(
        most,
        [...running.values()].reduce((sum, count) => sum + count),
      );
      // The first one holds on until another connection has come.
      await waitFor(() => running.size > 1, 'two connections');
      await new Promise((resolve) => setImmediate(resolve));
      running.set(connection, 0);
      return content;
    }),
  });
  const clients = Array.from({ length: 8 }, () => createMllpClient({ host: '127.0.0.1', port, timeoutMs: 30_000 }));
  t.after(() => Promise.all(clients.map((client) => client.close())));
  await Promise.all(
    clients.map(async (client, number) => {
      const sent = Array.from({ length: 50 }, (_, index) => `c${number} ${index}`);
      const answers = await Promise.all(sent.map((text) => client.send(text)));
      assert.deepEqual(answers.map(String), sent);
    }),
  );
  assert.ok(most > 1, 'connections are served side by side');
});

test('a socket is paused while enough messages wait', async (t) => {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const handled: string[] = [];
  const { port } = await serve(t, {
    waitingFramesMax: 2,
    handle: answerWith(async (content) => {
      handled.push(content.toString());
      await gate;
      return content;
    }),
  });
  const { socket, received } = await dial(t, port);
  // More than all socket buffers on the way hold: it can only be written whole when the server reads on.
  const large = 'x'.repeat(900_000);
  let flushed = false;
  for (let index = 0; index < 30; index++) socket.write(frame(bytes(`${index} ${large}`)));
  socket.write('', () => {
    flushed = true;
  });
  await waitFor(() => handled.length === 1, 'the first message');
  assert.equal(flushed, false);
  release();
  await waitFor(() => received().split('\x1c').length - 1 === 30, 'all answers');
  assert.deepEqual(
    handled.map((text) => Number(text.split(' ')[0])),
    Array.from({ length: 30 }, (_, index) => index),
  );
});

test('a sender that leaves out the carriage return, and one that closes its side first, get their answers', async (t) => {
  const { port } = await serve(t);
  const without = await dial(t, port);
  without.socket.write('\x0bMSH|1\x1c');
  await waitFor(() => without.received() === '\x0back of MSH|1\x1c\r', 'the answer');
  const half = await dial(t, port);
  half.socket.end('\x0bMSH|2\x1c\r');
  await waitFor(() => half.received() === '\x0back of MSH|2\x1c\r', 'the answer');
});

test('a message beyond the limit is answered, and the connection closed', async (t) => {
  const { port } = await serve(t, { messageBytesMax: 1000 });
  const { socket, received } = await dial(t, port);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(`\x0bMSH|${'x'.repeat(5000)}`);
  await closed;
  assert.equal(received(), '\x0bAR 1000\x1c\r');
});

test('garbage is counted and harms nothing', async (t) => {
  const traffic = testTraffic();
  const { port } = await serve(t, { traffic });
  const { socket, received } = await dial(t, port);
  socket.write('keep alive? GET /\r\n\x0bMSH|1\x1c\r');
  await waitFor(() => received() === '\x0back of MSH|1\x1c\r', 'the answer');
  assert.equal(traffic.counts().garbageBytes, 19);
});

test('an idle connection is closed', async (t) => {
  const { port } = await serve(t, { idleTimeoutMs: 50 });
  const { socket } = await dial(t, port);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write('\x0bnever ends');
  await closed;
});

test('an idle connection is closed also after a message that was long in work', async (t) => {
  const release = Promise.withResolvers<void>();
  const traffic = testTraffic();
  let started = false;
  const { port } = await serve(t, {
    traffic,
    // The message is read by then, also where the process stands still for a second.
    idleTimeoutMs: 1_500,
    handle: answerWith(async (content) => {
      started = true;
      await release.promise;
      return content;
    }),
  });
  const { socket, received } = await dial(t, port);
  socket.write('\x0bMSH|1\x1c\r');
  await waitFor(() => started, 'the message to be in work');
  // Silent from later on: when it is closed the time of the first has passed as well.
  const later = await dial(t, port);
  await new Promise((resolve) => later.socket.once('close', resolve));
  await waitFor(() => traffic.counts().connections === 1, 'the later one to be gone');
  release.resolve();
  await waitFor(() => traffic.counts().connections === 0, 'the first to be closed');
  await waitFor(() => received() === '\x0bMSH|1\x1c\r', 'its answer');
});

test('1,000 idle connections, and one that talks; connection 1,002 is refused', async (t) => {
  const traffic = testTraffic();
  const { port } = await serve(t, { connectionsMax: 1001, traffic });
  const sockets = Array.from({ length: 1000 }, () => connect(port, '127.0.0.1'));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  await waitFor(() => traffic.counts().connections === 1000, '1,000 connections');
  const talking = createMllpClient({ host: '127.0.0.1', port, timeoutMs: 30_000 });
  t.after(() => talking.close());
  assert.equal(String(await talking.send('MSH|1')), 'ack of MSH|1');
  await assert.rejects(sendMllp('127.0.0.1', port, 'MSH|2', { timeoutMs: 30_000 }), (error) =>
    isCerebraError(error, 'unavailable'),
  );
});

test('stop answers what is in work and then closes', async (t) => {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let started = false;
  const { server, port } = await serve(t, {
    handle: answerWith(async (content) => {
      started = true;
      await gate;
      return content;
    }),
  });
  const client = createMllpClient({ host: '127.0.0.1', port, timeoutMs: 30_000 });
  const answer = client.send('MSH|1');
  await waitFor(() => started, 'the message to be in work');
  const stopped = server.stop();
  release();
  assert.equal(String(await answer), 'MSH|1');
  await client.close();
  await stopped;
});

test('a handler that throws closes the connection without an answer', async (t) => {
  const { port } = await serve(t, { handle: () => Promise.reject(new Error('broken')) });
  await assert.rejects(sendMllp('127.0.0.1', port, 'MSH|1', { timeoutMs: 30_000 }), (error) =>
    isCerebraError(error, 'unavailable'),
  );
});

test('a client without an answer gives up', async (t) => {
  let release = (): void => {};
  const gate = new Promise<Buffer>((resolve) => {
    release = () => resolve(bytes('late'));
  });
  const { port } = await serve(t, { handle: answerWith(() => gate) });
  await assert.rejects(sendMllp('127.0.0.1', port, 'MSH|1', { timeoutMs: 50 }), (error) =>
    isCerebraError(error, 'timeout'),
  );
  release();
});
