// A message that is tried until it goes: HL7 v2.9 chapter 2.9.3.
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Db, systemClock } from '#platform';
import { beforeClose, testDatabase, testLog, waitFor } from '#platform/testing';
import { createJournal } from './journal/journal.ts';
import { fixedZone } from './mapping/datetime.ts';
import { Refusal } from './message/refusal.ts';
import { createProcessor, type Processor } from './process.ts';
import type { RoutePlan } from './seams.ts';
import { msa, oru, rows } from './testing/engine-rig.ts';
import { createMemoryWriter } from './testing/memory-writer.ts';

const planOf = (routeId: string, validate: RoutePlan['validate'] = () => []): RoutePlan => ({
  routeId,
  routeVersion: 1,
  ack: 'auto',
  transform: (message) => message,
  validate,
  mapping: { zone: fixedZone('Z'), identifierSystems: {} },
  stores: false,
  keepsType: true,
  outbound: () => [],
  onError: 'refuse',
});

/** A server whose one route is what `plan` yields at the moment. */
function serverOf(db: Db, plan: () => RoutePlan): Processor {
  const server = createProcessor({
    db,
    journal: createJournal(db),
    writer: createMemoryWriter(db),
    scope: { kind: 'everything' },
    routes: { plan },
    outbound: { enqueue: async () => {}, wake: () => {} },
    log: testLog(),
    clock: systemClock,
    onStage: () => {},
    onOutcome: () => {},
  });
  beforeClose(db, async () => server.stop());
  return server;
}

/** The codes that the sender is told; it asks for both acknowledgments. */
function send({ handle }: Processor): string[] {
  const told: string[] = [];
  const message = oru().toString().replace('|P|2.5.1', '|P|2.5.1|||AL|AL');
  void handle(Buffer.from(message), { kind: 'mllp', name: 'default' }, async (ack) => void told.push(msa(ack)));
  return told;
}

const both = ['MSA|CA|M1', 'MSA|AA|M1'];

test('what waits for its route goes by the route as it has been mended', async (t) => {
  const db = await testDatabase(t);
  let tried = 0;
  let plan = planOf('former', () => {
    tried++;
    throw new Refusal('AE', '207', 'There is no profile', { transient: true });
  });
  const server = serverOf(db, () => plan);
  const told = send(server);
  await waitFor(() => tried > 1, 'attempts');
  plan = planOf('mended');
  await waitFor(() => told.length === 2, 'both acknowledgments');
  assert.deepEqual(told, both);
  assert.deepEqual(await db.query({ text: 'select state, route_id from hl7_message' }), [
    { state: 'stored', route_id: 'mended' },
  ]);
});

test('what waits here and was processed by another server is answered, and its connection goes on', async (t) => {
  const db = await testDatabase(t);
  let tried = 0;
  const failing = planOf('failing', () => {
    tried++;
    throw new Refusal('AE', '207', 'There is no profile', { transient: true });
  });
  const server = serverOf(db, () => failing);
  const told = send(server);
  await waitFor(() => tried > 1, 'attempts');
  assert.equal(await serverOf(db, () => planOf('other')).recover(), 1);
  await waitFor(() => told.length === 2, 'both acknowledgments');
  assert.deepEqual(told, both);
  assert.deepEqual(
    (await rows(db)).map(({ attempts }) => attempts),
    [1],
  );
});
