// What hostile, broken and unlucky senders of HL7 v2 do to a server, and what becomes of the messages of the others.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createMllpClient } from '#hl7-engine';
import type { Db } from '#platform';
import { random, waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import { checkKept } from './checks.ts';
import { endThoseAtGate, gateReached, openGate, shutGate } from './gate.ts';
import { createLedger } from './ledger.ts';
import { acknowledgmentCode, sendAgain } from './load.ts';
import { dataFolder, embeddedDb, type ServerProcess, signal, startProcess } from './server-process.ts';
import { controlId, oruMessage } from './workload.ts';

const idleConnections = 1_000;
const connects = 2_000;
const connectsAtOnce = 100;
const segmentBytes = 64 * 1024 * 1024;
const tricklers = 20;
const filedMessages = 150;

interface Dialled {
  socket: Socket;
  received(): string;
  connected: Promise<unknown>;
  closed: Promise<void>;
}

function dial(t: TestContext, port: number, allowHalfOpen = false): Dialled {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen });
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  // A reset is what some of these are about.
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return { socket, received: () => text, connected: Promise.race([once(socket, 'connect'), closed]), closed };
}

/** A sender that goes on all the time. What it yields ends it when `enough` of its messages were acknowledged, all of them AA. */
function keepTalking(server: ServerProcess, from: number, enough: number) {
  const client = createMllpClient({ host: '127.0.0.1', port: server.mllpPort, timeoutMs: 60_000 });
  let goesOn = true;
  let count = 0;
  const talking = (async () => {
    while (goesOn) {
      const number = from + count;
      assert.equal(acknowledgmentCode(await client.send(oruMessage(number)), controlId(number)), 'AA');
      count++;
    }
  })();
  return async (): Promise<void> => {
    await Promise.race([talking, waitFor(() => count >= enough, `${enough} messages beside all this`)]);
    goesOn = false;
    await talking;
    await client.close();
  };
}

interface Listener {
  name: string;
  kind: string;
  connections: number;
  connectionsTotal: number;
  connectionsRefused: Record<string, number>;
  frames: Record<string, number>;
  garbageBytes: number;
}

async function listenerOf(server: ServerProcess, which = 'default'): Promise<Listener> {
  const { json } = await createClient(server.fhirBaseUrl)('GET', `${server.rootUrl}/admin/hl7/listeners`);
  return (json.listeners as unknown as Listener[]).find(({ name, kind }) => name === which && kind === 'mllp')!;
}

/** Work on the embedded database, past the server. */
async function past<T>(dataDir: string, work: (db: Db) => Promise<T>): Promise<T> {
  const db = await embeddedDb(dataDir);
  return work(db).finally(() => db.close());
}

/** How many messages of an application (MSH-3) are in which state. */
function journalled(dataDir: string, application: string): Promise<{ state: string; count: number }[]> {
  const text = `select state, count(*)::int as count from hl7_message where sender like $1 || '|%' group by state`;
  return past(dataDir, (db) => db.query({ text }, [application]));
}

test('hostile and broken senders, and one that goes on beside them', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  // Only those that trickle find it impatient: what is half sent when the machine stands still for a second is not their fault.
  const listeners = [{ name: 'impatient', port: 0, frameTimeoutMs: 1_000 }];
  const server = await startProcess(t, {
    DATA_DIR: dataDir,
    HL7_LISTENERS: JSON.stringify(listeners),
    MLLP_CONNECTIONS_MAX: String(idleConnections + 200),
  });
  const { mllpPort } = server;
  const impatientPort = Number(/^ +MLLP impatient +port (\d+)/m.exec(server.output())![1]);
  const stop = keepTalking(server, 1_000_000, 50);

  await t.test('1,000 idle connections, 2,000 that come and go', async (t) => {
    const idle = Array.from({ length: idleConnections }, () => dial(t, mllpPort));
    await Promise.all(idle.map(({ connected }) => connected));
    await waitFor(async () => (await listenerOf(server)).connections === idleConnections + 1, 'the idle connections');
    for (let done = 0; done < connects; done += connectsAtOnce) {
      const many = Array.from({ length: connectsAtOnce }, () => dial(t, mllpPort));
      await Promise.all(
        many.map(async ({ socket, connected, closed }, index) => {
          await connected;
          if (index % 2 === 0) socket.write('\x0bMSH|^~\\&|HALF');
          if (index % 4 === 0) socket.resetAndDestroy();
          else socket.end();
          await closed;
        }),
      );
    }
    assert.ok(idle.every(({ socket }) => !socket.destroyed));
    for (const { socket } of idle) socket.end();
    await Promise.all(idle.map(({ closed }) => closed));
    await waitFor(async () => (await listenerOf(server)).connections === 1, 'all to be gone');
    const { connectionsTotal, connectionsRefused } = await listenerOf(server);
    assert.deepEqual([connectionsTotal, connectionsRefused], [idleConnections + connects + 1, {}]);
  });

  await t.test('a segment without end is refused at the limit, its sender gets the answer', async (t) => {
    const { socket, received, closed } = dial(t, mllpPort, true);
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    socket.write('\x0bMSH|^~\\&|BIG|A|B|C|||ORU^R01|BIG1|P|2.5\rOBX|1|TX|||');
    for (let sent = 0; sent < segmentBytes && !socket.destroyed; sent += chunk.length) {
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), closed]);
    }
    await waitFor(() => received().endsWith('\x1c\r'), 'the answer');
    assert.match(received(), /\rMSA\|AR\|BIG1\|The message is larger than 10485760 bytes\r/);
    socket.end();
    await closed;
  });

  await t.test('bytes that trickle, and peers that vanish or never read', async (t) => {
    const slow = Array.from({ length: tricklers }, () => dial(t, impatientPort));
    const trickle = setInterval(() => {
      for (const { socket } of slow) if (socket.writable) socket.write('x');
    }, 20);
    for (const [index, { socket }] of slow.entries()) {
      socket.write(`\x0bMSH|^~\\&|SLOW|A|B|C|||ORU^R01|SLOW${index}|P|2.5\rOBX|`);
    }
    await Promise.all(slow.map(({ closed }) => closed)).finally(() => clearInterval(trickle));
    for (const [index, { received }] of slow.entries()) {
      assert.match(
        received(),
        new RegExp(`\\rMSA\\|AE\\|SLOW${index}\\|The MLLP frame was not ended within 1000 ms\\r`),
      );
    }
    assert.equal((await listenerOf(server, 'impatient')).frames.unterminated, tricklers);
    assert.deepEqual(await journalled(dataDir, 'SLOW'), [{ state: 'failed', count: tricklers }]);
    const deaf = dial(t, mllpPort);
    deaf.socket.pause();
    for (let index = 0; index < 100; index++) deaf.socket.write('\x0bno HL7\x1c\r');
    deaf.socket.resetAndDestroy();
  });

  await t.test('noise, forged headers and abused escapes are each answered or counted', async (t) => {
    const next = random(5);
    const forged = [
      'MSH',
      'MSH|',
      'MSH|^~\\&',
      'MSH||||||||||',
      'MSH|||||||||ORU^R01|X|P|2.5',
      'MSHMSHMSHMSH',
      `MSH|^~\\&|${'A'.repeat(100_000)}|B|C|D|||ORU^R01|X1|P|2.5\r`,
      `MSH|^~\\&|A|B|C|D|||ORU^R01|${'9'.repeat(100_000)}|P|2.5\r`,
      `MSH|^~\\&|A|B|C|D|||ORU^R01|X2|P|2.5|||${'~AL'.repeat(1000)}|\u0000\r`,
      `MSH|^~\\&|A|B|C|D|||ORU^R01|X3|P|2.5\rPID|${'\\'.repeat(100_000)}\r`,
      `MSH|^~\\&|A|B|C|D|||ORU^R01|X4|P|2.5\rPID|||${'\\X'.repeat(50_000)}\\^^^A\r`,
      `MSH|^~\\&|A|B|C|D|||ORU^R01|X5|P|2.5||||||UNICODE UTF-16\rPID|||\xff\xfe\r`,
      'MSH\r\r\r\r\n',
      '\u0000'.repeat(1000),
    ];
    const { socket, received } = dial(t, mllpPort);
    for (const content of forged) socket.write(`noise ${next(1000)}\x0b${content}\x1c\r`, 'latin1');
    await waitFor(() => received().split('\x1c\r').length - 1 === forged.length, 'an answer to each');
    for (const ack of received().split('\x1c\r').slice(0, -1)) assert.match(ack, /\rMSA\|A[ER]\|/);
    assert.ok((await listenerOf(server)).garbageBytes > 6 * forged.length);
  });

  await stop();
  await waitFor(async () => (await listenerOf(server)).connections === 0, 'all to be gone');
  assert.deepEqual(await signal(server, 'SIGTERM'), { code: 0, signal: null });
});

test('kill -9 while a dropped file is read: every message of it once', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const drop = path.join(path.dirname(dataDir), 'drop');
  await mkdir(drop);
  const listeners = [{ kind: 'file', name: 'lab', folder: drop, pollMs: 50, stableMs: 0 }];
  const start = () => startProcess(t, { DATA_DIR: dataDir, HL7_LISTENERS: JSON.stringify(listeners) });
  const ledger = createLedger();
  const numbers = Array.from({ length: filedMessages }, () => ledger.send('message'));
  await writeFile(path.join(drop, 'a.tmp'), numbers.map(oruMessage).join(''));

  let server = await start();
  const shut = (db: Db, moment: number) =>
    shutGate(db, 'hl7_message', `new.control_id = '${controlId(moment)}' and new.state = 'stored'`);
  await past(dataDir, (db) => shut(db, 5));
  await rename(path.join(drop, 'a.tmp'), path.join(drop, 'a.hl7'));
  for (const next of [60, undefined]) {
    await past(dataDir, async (db) => {
      await gateReached(db);
      await signal(server, 'SIGKILL');
      assert.ok((await readdir(drop)).includes('a.hl7'), 'the file is still there');
      await endThoseAtGate(db);
      await openGate(db);
      // The next server begins to read at once.
      if (next !== undefined) await shut(db, next);
    });
    server = await start();
  }
  await waitFor(async () => (await readdir(path.join(drop, 'done'))).includes('a.hl7'), 'the file to be done');
  const acks = await readFile(path.join(drop, 'done', 'a.hl7.ack'), 'latin1');
  assert.deepEqual(
    acks.split('\r').filter((line) => line.startsWith('MSA')),
    numbers.map((number) => `MSA|AA|${controlId(number)}`),
  );
  for (const number of numbers) ledger.acknowledge('message', number);
  // What came by file is the same message over MLLP.
  assert.deepEqual(await sendAgain(server, { message: numbers.slice(0, 10), reading: [] }), Array(10).fill('AA'));
  await checkKept(dataDir, ledger);
});
