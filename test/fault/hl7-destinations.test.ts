// Slow and dead destinations: one receiver hangs, one refuses, one closes after receipt, one is not there. Intake and the
// healthy destination go on; what was given up is listed; what waits comes in order when they work again.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import { checkEffects, checkJournal, checkReceived, waitMs } from './hl7-checks.ts';
import { ackModes, dialMllp } from './hl7-sender.ts';
import { firstSendings, type Sending } from './hl7-workload.ts';
import { type MllpReceiver, startMllpReceiver } from './mllp-receiver.ts';
import { dataFolder, type ServerProcess, signal, startProcess } from './server-process.ts';

const connections = 16;
const messagesEach = 20 * Number(process.env.FAULT_SCALE ?? 1);
const queueMax = connections * messagesEach + 30;

const kinds = ['healthy', 'hanging', 'refusing', 'closing', 'limited'] as const;
type Kind = (typeof kinds)[number];

interface Waiting {
  queued: number;
  dead: number;
  paused: boolean;
  inFlight: number;
}

async function admin<T>(server: ServerProcess, method: string, rest: string): Promise<T> {
  const reply = await createClient(server.fhirBaseUrl)(method, `${server.rootUrl}/admin/hl7/destinations/${rest}`);
  assert.equal(reply.status, 200, reply.text);
  return reply.json as unknown as T;
}

async function send(server: ServerProcess, sendings: Sending[]): Promise<string[]> {
  const line = await dialMllp(server.mllpPort);
  const codes: string[] = [];
  for (const { controlId, text } of sendings) codes.push((await line.send(text, controlId)).at(-1)!.code);
  line.close();
  return codes;
}

test('one receiver hangs, one refuses, one closes, one queue is full: intake and the others go on', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const folder = path.join(path.dirname(dataDir), 'routes');
  await mkdir(folder);
  const queue = (name: string) => ({ kind: 'queue', name });
  const routes = [
    { id: 'all', name: 'All', destinations: [{ kind: 'fhir' }, ...kinds.slice(0, 4).map(queue)] },
    {
      ...{ id: 'limited', name: 'Limited', priority: 1, match: { path: 'MSH-3.1', equals: 'FAULT98' } },
      destinations: [{ kind: 'fhir' }, queue('limited')],
    },
  ];
  for (const route of routes) await writeFile(path.join(folder, `${route.id}.json`), JSON.stringify(route));
  const receivers = new Map<Kind, MllpReceiver>();
  for (const kind of kinds) receivers.set(kind, await startMllpReceiver(t));
  const of = (kind: Kind): MllpReceiver => receivers.get(kind)!;
  let works = false;
  const { promise: again, resolve: letGo } = Promise.withResolvers<boolean>();
  of('hanging').onMessage = () => (works ? false : again);
  of('limited').onMessage = () => (works ? false : again);
  of('closing').onMessage = () => !works;
  of('refusing').code = () => (works ? 'AA' : 'AE');
  const destinations = kinds.map((name) => ({
    ...{ name, kind: 'mllp', host: '127.0.0.1', port: of(name).port, connections: 4, ackTimeoutMs: 600_000 },
    retry: { minMs: 20, maxMs: 200, attemptsMax: 2 },
    queueMax: name === 'limited' ? 5 : queueMax,
  }));
  const server = await startProcess(t, {
    ...{ DATA_DIR: dataDir, HL7_ROUTES_DIR: folder, HL7_DESTINATIONS: JSON.stringify(destinations) },
  });

  const taken = Array.from({ length: connections }, (_, connection) => {
    return { connection, mode: 'original' as const, count: messagesEach };
  });
  const sent = taken.map(({ connection, mode, count }) => firstSendings(connection, mode, count));
  // Beside them one whose route leads to a full queue: it alone is told to send again.
  const full = firstSendings(98, 'original', 12);
  const [limited, ...codes] = await Promise.all([
    send(server, full),
    ...sent.map((sendings) => send(server, sendings)),
  ]);
  assert.deepEqual(new Set(codes.flat()), new Set(ackModes.original.last));
  const accepted = limited!.filter((code) => code === 'AA').length;
  assert.deepEqual(limited, [...Array(accepted).fill('AA'), ...Array(full.length - accepted).fill('AE')]);
  assert.ok(accepted >= 5 && accepted < full.length, `${accepted} of ${full.length} found room`);

  const all = sent.flat();
  await checkReceived(of('healthy'), all, 'the healthy one');
  assert.ok(of('hanging').received.length <= 4, 'a message a connection is under way to the one that hangs');
  const hanging = await admin<Waiting>(server, 'GET', 'hanging');
  assert.deepEqual([hanging.queued, hanging.dead], [all.length, 0]);
  const closing = await admin<Waiting>(server, 'GET', 'closing');
  assert.deepEqual([closing.queued, closing.dead], [all.length, 0]);
  await waitFor(
    async () => (await admin<Waiting>(server, 'GET', 'refusing')).dead === all.length,
    'dead letters of what was refused twice',
    waitMs,
  );
  const letters = await admin<{ messages: { controlId: string }[] }>(
    server,
    'GET',
    'refusing/messages?state=dead&limit=1000',
  );
  assert.deepEqual(
    new Set(letters.messages.map(({ controlId }) => controlId)),
    new Set(all.map(({ controlId }) => controlId).slice(0, 1000)),
  );

  works = true;
  of('refusing').received.length = 0;
  letGo(false);
  await admin(server, 'POST', 'refusing/retry');
  await checkReceived(of('hanging'), all, 'the one that hung');
  await checkReceived(of('closing'), all, 'the one that closed');
  await checkReceived(of('refusing'), all, 'the one that refused');
  await checkReceived(of('limited'), full.slice(0, accepted), 'the one with the full queue');
  // What was refused for want of room is sent again, and has its one effect.
  await waitFor(async () => (await admin<Waiting>(server, 'GET', 'limited')).queued === 0, 'room', waitMs);
  for (const one of full.slice(accepted)) {
    await waitFor(async () => (await send(server, [one]))[0] === 'AA', 'room in the queue', waitMs);
  }
  await checkReceived(of('limited'), full, 'the one with the full queue');
  await checkEffects(server, [...taken, { connection: 98, mode: 'original', count: full.length }]);
  await checkJournal(server);
  assert.deepEqual(await signal(server, 'SIGTERM'), { code: 0, signal: null });
});
