// A message of two patients (a merge) keeps its place in the order of both, others do not wait for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase, waitFor } from '#platform/testing';
import type { OutboundMessage } from '../seams.ts';
import { besideLateCommit, message, mllp, rowsOf, startOutbound } from '../testing/outbound-rig.ts';
import { answer, startReceiver } from '../testing/receiver.ts';
import { createLanes, loadable } from './lanes.ts';
import type { Queued } from './queue.ts';

const merge = (controlId: string, into: string, gone: string): OutboundMessage => ({
  ...message('ris', controlId, into),
  otherPartitions: [gone],
});

test('a merge goes after what waits of either patient, and before what comes after it of either', async (t) => {
  const db = await testDatabase(t);
  const receiver = await startReceiver(t);
  const events: string[] = [];
  const gates = new Map(['A0', 'MERGE'].map((id) => [id, Promise.withResolvers<void>()]));
  receiver.respond = async ({ controlId }) => {
    events.push(`${controlId} comes`);
    await gates.get(controlId)?.promise;
    events.push(`${controlId} is answered`);
    return answer('AA', controlId);
  };
  const rig = await startOutbound(t, db, mllp(receiver.port, { connections: 4 }));
  const delivered = (id: string) =>
    waitFor(
      async () => (await rowsOf(db)).some(({ control_id, state }) => control_id === id && state === 'delivered'),
      `${id} to be delivered`,
    );
  await rig.send([message('ris', 'A0', 'PA')]);
  await waitFor(() => events.includes('A0 comes'), 'A0');
  await rig.send([merge('MERGE', 'PB', 'PA'), message('ris', 'A1', 'PA'), message('ris', 'B1', 'PB')]);
  await rig.send([message('ris', 'C0', 'PC')]);
  await delivered('C0');
  gates.get('A0')!.resolve();
  await waitFor(() => events.includes('MERGE comes'), 'the merge');
  await rig.send([message('ris', 'C1', 'PC')]);
  await delivered('C1');
  gates.get('MERGE')!.resolve();
  await rig.allBecome('delivered');
  const [first, ...later] = events.filter((event) => !event.startsWith('C'));
  assert.equal(first, 'A0 comes');
  assert.deepEqual(later.slice(0, 3), ['A0 is answered', 'MERGE comes', 'MERGE is answered']);
  assert.deepEqual(later.slice(3).toSorted(), ['A1 comes', 'A1 is answered', 'B1 comes', 'B1 is answered']);
});

test('a merge does not overtake a transaction of the merged patient that commits late', async (t) => {
  assert.deepEqual(await besideLateCommit(t, merge('LATE', 'P3', 'P1')), ['OTHER', 'EARLY', 'LATE']);
});

const row = (id: number, lane: number, other_lanes: number[] | null = null): Queued => ({
  ...{ id: BigInt(id), lane, other_lanes, control_id: `M${id}`, body: Buffer.alloc(0) },
  ...{ queued_at: 0, attempts: 0, refusals: 0 },
});
const ids = (rows: readonly { id: bigint }[] | undefined) => rows?.map(({ id }) => Number(id));

test('a row of several lanes is loaded when all of them are empty, and closes them for what comes after it', () => {
  const rows = [row(1, 7), row(2, 8, [7]), row(3, 7), row(4, 8), row(5, 9), row(6, 9)];
  assert.deepEqual(ids(loadable(rows, [])), [1, 5, 6]);
  assert.deepEqual(ids(loadable(rows.slice(1), [7])), [5, 6], 'closed in 8 as well, which is empty');
  assert.deepEqual(ids(loadable(rows.slice(1), [])), [2, 5, 6]);
});

test('lanes: a message of several lanes has them all until it has ended', () => {
  const lanes = createLanes();
  lanes.add([row(2, 8, [7])]);
  assert.deepEqual([...lanes.keys()], [8, 7]);
  lanes.putBack(lanes.take(0, 1)!, 0);
  assert.equal(lanes.has(7), true);
  const taken = lanes.take(0, 1)!;
  lanes.forget();
  assert.deepEqual([...lanes.keys()], [8, 7], 'nothing else of either may be sent meanwhile');
  lanes.putBack(taken, 0);
  assert.deepEqual([...lanes.keys()], []);
  lanes.add([row(2, 8, [7])]);
  lanes.forget();
  assert.deepEqual([...lanes.keys()], []);
  lanes.add([row(2, 8, [7])]);
  lanes.take(0, 1);
  lanes.done(8);
  assert.deepEqual([lanes.has(7), lanes.has(8)], [false, false]);
});
