// Two servers on one database: the same messages to both at the same time, destinations that one of them delivers to,
// routes that both follow; then one is killed in the middle of a batch and the other takes it, or with messages that it has
// taken and not processed yet.
import assert from 'node:assert/strict';
import { devNull } from 'node:os';
import { type TestContext, test } from 'node:test';
import { connectDb, type Db } from '#platform';
import { beforeDrop, emptyConnection, testLog, waitFor } from '#platform/testing';
import { checkStore } from './checks.ts';
import { endThoseAtGate, gateReached, openGate, shutGate } from './gate.ts';
import { allOf, checkEffects, checkJournal, checkReceived, waitMs } from './hl7-checks.ts';
import { type AckModeName, dialMllp } from './hl7-sender.ts';
import { firstSendings, roundMessages, type Sending } from './hl7-workload.ts';
import { startMllpReceiver } from './mllp-receiver.ts';
import { databaseUrl, type ServerProcess, startProcess } from './server-process.ts';

const senders = 8;
const mode: AckModeName = 'original';
const messagesEach = 20 * Number(process.env.FAULT_SCALE ?? 1);

/** Two servers on an empty database, and a way past them. */
async function twoServers(
  t: TestContext,
  environment: Record<string, string> = {},
): Promise<{ db: Db; servers: [ServerProcess, ServerProcess] }> {
  const connection = await emptyConnection(t);
  const db = connectDb({ ...connection, poolMax: 2, log: testLog() });
  beforeDrop(connection.database, () => db.close());
  const all = { DATABASE_URL: databaseUrl(connection), HL7_ROUTES_DIR: devNull, ...environment };
  return { db, servers: [await startProcess(t, all), await startProcess(t, all)] };
}

async function kill({ child, ended }: ServerProcess): Promise<void> {
  child.kill('SIGKILL');
  assert.deepEqual(await ended, { code: null, signal: 'SIGKILL' });
}

async function putRoute(server: ServerProcess, route: object): Promise<void> {
  const body = JSON.stringify({ route, author: 'operator', comment: 'a test' });
  const init = { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body };
  const response = await fetch(`${server.rootUrl}/admin/hl7/routes/all`, init);
  assert.equal(response.status, 201, await response.text());
}

async function versionInForce(server: ServerProcess): Promise<number | undefined> {
  const response = await fetch(`${server.rootUrl}/admin/hl7/routes`);
  const { routes } = (await response.json()) as { routes: { id: string; inForceVersion?: number }[] };
  return routes.find(({ id }) => id === 'all')?.inForceVersion;
}

/** All of a sender's messages in their order, each to both servers at the same moment: both give the same answer. */
async function sendToBoth(servers: ServerProcess[], sendings: Sending[]): Promise<void> {
  const lines = await Promise.all(servers.map(({ mllpPort }) => dialMllp(mllpPort)));
  for (const { controlId, text } of sendings) {
    const answers = await Promise.all(lines.map((line) => line.send(text, controlId, mode)));
    const [one, other] = answers.map(([answer]) => answer!);
    assert.equal(one!.code, 'AA', one!.text);
    assert.equal(one!.text, other!.text, 'one answer');
  }
  for (const line of lines) line.close();
}

test('two servers on one database take HL7 messages', async (t: TestContext) => {
  const receiver = await startMllpReceiver(t);
  const destination = { name: 'north', kind: 'mllp', host: '127.0.0.1', port: receiver.port, connections: 4 };
  const { db, servers } = await twoServers(t, {
    HL7_DESTINATIONS: JSON.stringify([{ ...destination, retry: { minMs: 20, maxMs: 200 } }]),
  });
  const [first, second] = servers;

  // Changed at one of them, in force at both.
  await putRoute(second, {
    id: 'all',
    name: 'All',
    destinations: [{ kind: 'fhir' }, { kind: 'queue', name: 'north' }],
  });
  for (const server of servers) await waitFor(async () => (await versionInForce(server)) === 1, 'the route', waitMs);

  const taken = Array.from({ length: senders }, (_, connection) => ({ connection, mode, count: messagesEach }));
  const sent = taken.map(({ connection, count }) => firstSendings(connection, mode, count));
  await Promise.all(sent.map((sendings) => sendToBoth(servers, sendings)));
  await checkJournal(first);
  await checkEffects(second, taken);
  await checkReceived(receiver, sent.flat(), 'north');
  const rows = await db.query({
    text: 'select count(*)::int as n, count(distinct control_id)::int as d from hl7_outbound',
  });
  assert.deepEqual(rows, [{ n: sent.flat().length, d: sent.flat().length }], 'each message is queued once');

  // A batch of one more sender; its server dies in the middle, and the other one gets it again.
  const last = { connection: senders, mode, count: 5 * messagesEach };
  const messages = firstSendings(last.connection, mode, last.count);
  const batch = `BHS|^~\\&|FAULT|FAULTHOSP\r${messages.map(({ text }) => text).join('')}BTS|${messages.length}\r`;
  const line = await dialMllp(first.mllpPort);
  const inWork = `select count(*)::int as n from hl7_message where sender = $1 and state <> 'received'`;
  // The last of a round, which comes after the others of its patients.
  const { controlId } = messages[8 * roundMessages - 1]!;
  await shutGate(db, 'hl7_message', `new.control_id = '${controlId}' and new.state = 'stored'`);
  const cut = assert.rejects(line.frame(batch), /the connection was lost/);
  await waitFor(
    async () => {
      const [row] = await db.query<{ n: number }>({ text: inWork }, [`FAULT${last.connection}|FAULTHOSP`]);
      return row!.n >= 10;
    },
    'a part of the batch',
    waitMs,
  );
  await gateReached(db);
  await kill(first);
  await cut;
  await endThoseAtGate(db);
  await openGate(db);
  const half = (await allOf(second, 'Provenance')).length - sent.flat().length;
  t.diagnostic(`${half} of ${messages.length} messages of the batch had their effect before the kill`);
  const again = await dialMllp(second.mllpPort);
  const codes = (await again.frame(batch)).split('\r').filter((one) => one.startsWith('MSA|'));
  again.close();
  assert.deepEqual(
    codes,
    messages.map(({ controlId }) => `MSA|AA|${controlId}`),
  );
  await checkJournal(second);
  await checkEffects(second, [...taken, last]);
  await checkReceived(receiver, [...sent.flat(), ...messages], 'north');
  await checkStore(db);
});

test('what a killed server had acknowledged and not processed, the other one takes up', async (t: TestContext) => {
  const { db, servers } = await twoServers(t);
  const [first, second] = servers;
  const taken = Array.from({ length: 4 }, (_, connection) => ({ connection, mode: 'commit' as const, count: 1 }));
  const count = async (text: string): Promise<number> => (await db.query<{ n: number }>({ text }))[0]!.n;
  const received = `select count(*)::int as n from hl7_message where state = 'received'`;
  const waiting = `from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

  // No message can have its effect while this holds.
  await db.tx(async (tx) => {
    await tx.query({ text: 'lock table r_provenance in share mode' });
    for (const { connection, mode } of taken) {
      const [{ controlId, text } = { controlId: '', text: '' }] = firstSendings(connection, mode, 1);
      const line = await dialMllp(first.mllpPort);
      assert.deepEqual(
        (await line.send(text, controlId, mode)).map(({ code }) => code),
        ['CA'],
      );
      line.close();
    }
    await waitFor(async () => (await count(`select count(*)::int as n ${waiting}`)) > 0, 'a transaction', waitMs);
    await kill(first);
    // Of a server that has gone PostgreSQL learns only when it answers, and what it has sent may come to the lock later.
    const end = async () => {
      await db.query({ text: `select pg_terminate_backend(pid) ${waiting}` });
      return (await count(`select count(*)::int as n ${waiting}`)) === 0;
    };
    await waitFor(end, 'its end', waitMs);
  });
  assert.equal(await count(received), taken.length);
  assert.deepEqual(await allOf(second, 'Patient'), []);

  // Their senders, who have their CA, send nothing again: time passes.
  await db.query({ text: `update hl7_message set received_at = received_at - interval '1 minute'` });
  await checkJournal(second);
  await checkEffects(second, taken);
  const attempts = { text: 'select state, attempts from hl7_message' };
  assert.deepEqual(
    await db.query(attempts),
    taken.map(() => ({ state: 'stored', attempts: 1 })),
  );
  await checkStore(db);
});
