import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { Db, Statement } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import { createFrameDecoder } from '../mllp/frame.ts';
import { message, mllp, rowsOf, sequence, soon, startOutbound } from '../testing/outbound-rig.ts';
import { answer, startReceiver } from '../testing/receiver.ts';

/** What a receiver of this process answers is heard by then, also where the process stands still for a second. */
const answerMs = 3_000;

test('no answer, an answer to another message, one that is no HL7, a broken connection: the same message again, on a new connection', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const faults = [
    () => undefined,
    () => answer('AA', 'OTHER'),
    () => 'no HL7',
    () => answer('XX', 'A0'),
    () => {
      for (const socket of receiver.sockets) socket.destroy();
      return undefined;
    },
  ];
  receiver.respond = ({ controlId }) =>
    faults.shift()?.() ?? (faults.length >= 0 && receiver.received.length > 5 ? answer('AA', controlId) : undefined);
  const rig = await startOutbound(t, db, mllp(receiver.port, { ackTimeoutMs: answerMs }));
  await rig.send(sequence('A', 2).map((id) => message('ris', id, 'PA')));
  await rig.allBecome('delivered');
  assert.deepEqual(
    receiver.received.map(({ controlId }) => controlId),
    ['A0', 'A0', 'A0', 'A0', 'A0', 'A0', 'A1'],
  );
  assert.deepEqual(
    (await rowsOf(db)).map(({ attempts, refusals }) => [attempts, refusals]),
    [
      [6, 0],
      [1, 0],
    ],
  );
  // The connection of the five faults is never used again; A0's last answer and A1's come over one.
  assert.equal(receiver.connectionCount, 6);
  assert.equal(await rig.measured('unexpected_answers_total'), 3);
});

test('an answer that comes late is not taken for that of the next message', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  let late: (() => void) | undefined;
  receiver.respond = ({ controlId, socket }) => {
    if (receiver.received.length > 1) return answer(controlId === 'B0' ? 'AE' : 'AA', controlId);
    late = () => void (socket.destroyed || socket.write(`\x0b${answer('AA', controlId)}\x1c\r`));
    return undefined;
  };
  const rig = await startOutbound(
    t,
    db,
    mllp(receiver.port, { ackTimeoutMs: answerMs, retry: { minMs: 600_000, maxMs: 600_000 } }),
  );
  await rig.send([message('ris', 'A0', 'PA'), message('ris', 'B0', 'PB')]);
  await waitFor(() => receiver.received.length === 2, 'the second message');
  late!();
  await waitFor(async () => (await rowsOf(db)).every(({ attempts }) => attempts === 1), 'both outcomes');
  assert.deepEqual(
    (await rowsOf(db)).map(({ control_id, state, error }) => [control_id, state, error]),
    [
      ['A0', 'queued', `No answer within ${answerMs} ms`],
      ['B0', 'queued', 'Refused with AE'],
    ],
  );
});

test('unansweredMax gives up what a receiver never answers', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  receiver.respond = ({ controlId, socket }) => {
    if (controlId !== 'POISON') return answer('AA', controlId);
    socket.destroy();
    return undefined;
  };
  const rig = await startOutbound(t, db, mllp(receiver.port, { retry: { ...soon, unansweredMax: 4 } }));
  await rig.send([message('ris', 'POISON', 'PA'), message('ris', 'A1', 'PA'), message('ris', 'B0', 'PB')]);
  await waitFor(async () => (await rowsOf(db)).every(({ state }) => state !== 'queued'), 'all to end');
  assert.deepEqual(
    (await rowsOf(db)).map(({ state, attempts }) => [state, attempts]),
    [
      ['dead', 4],
      ['delivered', 1],
      ['delivered', 1],
    ],
  );
});

test('enhanced mode: CA ends it, the application acknowledgment is recorded and acknowledged; a negative one is a dead letter', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  receiver.respond = ({ controlId, socket, text }) => {
    if (text.includes('\rMSA|')) return undefined;
    const code = controlId === 'A1' ? 'AE' : 'AA';
    const after = answer(code, controlId, '|said later').replace('|P|2.5.1', '|P|2.5.1|||AL|NE');
    setImmediate(() => socket.write(`\x0b${after}\x1c\r`));
    return answer('CA', controlId);
  };
  const rig = await startOutbound(t, db, mllp(receiver.port));
  await rig.send(sequence('A', 2).map((id) => message('ris', id, 'PA', '|||AL|AL')));
  const outcome = async () =>
    db.query<{ state: string; error: string | null; said: string | null }>({
      text: `select state, error, convert_from(application_answer, 'UTF8') as said from hl7_outbound order by id`,
    });
  await waitFor(async () => (await outcome()).every(({ said }) => said !== null), 'both acknowledgments');
  assert.deepEqual(
    (await outcome()).map(({ state, error }) => [state, error]),
    [
      ['delivered', null],
      ['dead', 'Refused with AE: said later'],
    ],
  );
  await waitFor(() => receiver.received.length === 4, 'their commit acknowledgments');
  const commits = receiver.received.filter(({ text }) => text.includes('\rMSA|'));
  // Each when its own is recorded.
  assert.deepEqual(commits.map(({ text }) => /MSA\|(\w\w\|\w+)/.exec(text)?.[1]).sort(), ['CA|RA0', 'CA|RA1']);
  assert.equal(receiver.connectionCount, 1);
});

test('a message that is refused after its CA goes first again where failures pause the destination', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  let refuses = true;
  receiver.respond = ({ controlId, socket }) => {
    const after = answer(refuses && controlId === 'A0' ? 'AE' : 'AA', controlId, '|said later');
    setImmediate(() => socket.write(`\x0b${after}\x1c\r`));
    return answer('CA', controlId);
  };
  const rig = await startOutbound(t, db, mllp(receiver.port, { onFailure: 'pause' }));
  const enhanced = (id: string) => message('ris', id, 'PA', '|||AL|AL');
  await rig.send([enhanced('A0')]);
  const status = async () => (await rig.call('GET', '/admin/hl7/destinations/ris')).body;
  await waitFor(async () => (await status()).paused, 'the pause');
  await rig.send([enhanced('A1')]);
  assert.match((await status()).pauseReason, /^Message \d+: Refused with AE: said later$/);
  assert.deepEqual(
    (await rowsOf(db)).map(({ control_id, state, refusals, error }) => [control_id, state, refusals, error]),
    [
      ['A0', 'queued', 1, 'Refused with AE: said later'],
      ['A1', 'queued', 0, null],
    ],
  );
  refuses = false;
  await rig.call('POST', '/admin/hl7/destinations/ris/resume');
  await rig.allBecome('delivered');
  assert.deepEqual(
    receiver.received.map(({ controlId }) => controlId),
    ['A0', 'A0', 'A1'],
  );
  assert.equal(await rig.measured('dead_total'), 0);
});

test('an application acknowledgment is recorded however long the database is away, and acknowledged after that', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  let faults = 2;
  const weak: Db = Object.assign(Object.create(db), {
    queryCount(statement: Statement, values: unknown[]) {
      if (statement.name === 'hl7_outbound_application' && faults-- > 0) return Promise.reject(new Error('away'));
      return db.queryCount(statement, values);
    },
  });
  const recorded: unknown[] = [];
  receiver.respond = async ({ controlId, socket, text }) => {
    if (text.includes('\rMSA|')) {
      recorded.push(await db.query({ text: 'select state, application_answer is not null as kept from hl7_outbound' }));
      return undefined;
    }
    const after = answer('AE', controlId, '|said later').replace('|P|2.5.1', '|P|2.5.1|||AL|NE');
    setImmediate(() => socket.write(`\x0b${after}\x1c\r`));
    return answer('CA', controlId);
  };
  const rig = await startOutbound(t, weak, mllp(receiver.port));
  await rig.send([message('ris', 'A0', 'PA', '|||AL|AL')]);
  await waitFor(() => recorded.length === 1, 'its commit acknowledgment');
  assert.deepEqual(recorded, [[{ state: 'dead', kept: true }]]);
});

test('a receiver set to enhanced mode: what follows its CA to a message of original mode counts', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  receiver.respond = ({ controlId, socket }) => {
    setImmediate(() => socket.write(`\x0b${answer('AR', controlId, '|said later')}\x1c\r`));
    return answer('CA', controlId);
  };
  const rig = await startOutbound(t, db, mllp(receiver.port));
  await rig.send([message('ris', 'A0', 'PA')]);
  await waitFor(async () => (await rowsOf(db))[0]!.state === 'dead', 'the refusal');
  assert.equal((await rowsOf(db))[0]!.error, 'Refused with AR: said later');
});

test('who wants no answer gets none waited for; who wants objections only is heard for the timeout', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  receiver.respond = ({ controlId }) => (controlId === 'BAD' ? answer('CE', controlId) : undefined);
  const rig = await startOutbound(
    t,
    db,
    mllp(receiver.port, { ackTimeoutMs: answerMs, retry: { ...soon, attemptsMax: 1 } }),
  );
  await rig.send([
    message('ris', 'NEVER', 'P1', '|||NE|NE'),
    message('ris', 'ERRORS', 'P2', '|||ER|NE'),
    message('ris', 'BAD', 'P3', '|||ER|NE'),
  ]);
  await waitFor(async () => (await rowsOf(db)).every(({ state }) => state !== 'queued'), 'all to end');
  assert.deepEqual(await rig.states(), { NEVER: 'delivered', ERRORS: 'delivered', BAD: 'dead' });
});

test('a message that wants no answer is not delivered while its receiver does not read it', async (t) => {
  const db = await testDatabase(t);
  let reads = false;
  const sockets = new Set<Socket>();
  const counted = new Set<string>();
  // What was read of a connection counts when it is whole: one that was given up in a message is cut.
  const server = createServer((socket) => {
    sockets.add(socket);
    const decoder = createFrameDecoder(64 * 1024 * 1024, {
      frame: (content) => void counted.add(content.toString('latin1').split('|')[9]!),
      garbage: () => {},
      oversize: () => {},
    });
    socket.on('error', () => {}).on('data', (chunk: Buffer) => decoder.push(chunk));
    if (!reads) socket.pause();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const rig = await startOutbound(t, db, mllp(port, { answer: 'none', ackTimeoutMs: 1_000 }));
  // More than the system keeps for a connection.
  const large = sequence('L', 20).map((id) => {
    const one = message('ris', id, 'P1');
    return { ...one, body: Buffer.concat([one.body, Buffer.from(`NTE|1||${'x'.repeat(2 * 1024 * 1024)}`)]) };
  });
  await rig.send(large);
  const error = 'The receiver did not read it within 1000 ms';
  await waitFor(async () => {
    const rows = await rowsOf(db);
    return rows.some((row) => row.error === error) || rows.every(({ state }) => state === 'delivered');
  }, 'the first that waits');
  assert.ok((await rowsOf(db)).some(({ state }) => state === 'queued'));
  reads = true;
  for (const socket of sockets) socket.resume();
  await rig.allBecome('delivered');
  await waitFor(() => counted.size === 20, 'all of them to be read');
});
