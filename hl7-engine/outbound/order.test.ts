import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFloor } from './floor.ts';
import { createHostGate } from './host-gate.ts';
import { createLanes } from './lanes.ts';
import type { Queued } from './queue.ts';

const row = (id: number, lane: number): Queued => ({
  ...{ id: BigInt(id), lane, other_lanes: null, control_id: `M${id}`, body: Buffer.alloc(0) },
  ...{ queued_at: 0, attempts: 0, refusals: 0 },
});
const ids = (rows: Queued[] | undefined): number[] | undefined => rows?.map(({ id }) => Number(id));

test('lanes: the oldest head goes first, a lane has one under way', () => {
  const lanes = createLanes();
  lanes.add([row(1, 7), row(2, 7), row(3, 8)]);
  assert.equal(lanes.ready(0), 2);
  assert.deepEqual(ids(lanes.take(0, 1)), [1]);
  assert.deepEqual(ids(lanes.take(0, 1)), [3]);
  assert.equal(lanes.take(0, 1), undefined);
  lanes.done(8);
  assert.equal(lanes.has(8), false, 'an empty lane is read anew');
  lanes.done(7);
  assert.deepEqual(ids(lanes.take(0, 1)), [2]);
});

test('lanes: what is put back keeps its place and waits for its time, others do not', () => {
  const lanes = createLanes();
  lanes.add([row(1, 7), row(2, 7), row(3, 8)]);
  lanes.putBack(lanes.take(0, 1)!, 500);
  assert.deepEqual(ids(lanes.take(0, 1)), [3]);
  assert.equal(lanes.take(499, 1), undefined);
  assert.equal(lanes.dueMs(0), 500);
  assert.deepEqual(ids(lanes.take(500, 2)), [1, 2]);
});

test('lanes: what was forgotten while it was under way is not put back: it is read anew', () => {
  const lanes = createLanes();
  lanes.add([row(1, 7), row(2, 7), row(3, 8)]);
  const taken = lanes.take(0, 1)!;
  lanes.forget();
  assert.deepEqual([...lanes.keys()], [7], 'nothing else of that lane may be sent meanwhile');
  lanes.putBack(taken, 0);
  assert.deepEqual([...lanes.keys()], []);
  lanes.add([row(2, 7)]);
  lanes.putBack(lanes.take(0, 1)!, 0);
  assert.deepEqual(ids(lanes.take(0, 9)), [2]);
});

const rows = (...seen: number[]) => seen.map((id) => ({ id: BigInt(id), lane: 0, other_lanes: null }));
const ended = (xmin: number, xmax: number) => ({ xmin: BigInt(xmin), xmax: BigInt(xmax) });

test('the floor rises only past ids whose transactions have all ended', () => {
  const floor = createFloor();
  floor.saw({ rows: rows(5, 6), ended: ended(100, 103) });
  assert.equal(floor.id(), 0n, '4 may belong to a transaction that runs');
  floor.saw({ rows: rows(6, 9), ended: ended(101, 105) });
  assert.equal(floor.id(), 0n, 'ids up to 6 belong to transactions below 105; 101 still runs');
  floor.saw({ rows: rows(9), ended: ended(104, 110) });
  assert.equal(floor.id(), 0n);
  // 4 was committed late by 104; it is seen in the first glance in which that has ended.
  floor.saw({ rows: rows(4, 9), ended: ended(105, 111) });
  assert.equal(floor.id(), 4n);
  floor.saw({ rows: rows(9), ended: ended(120, 120) });
  assert.equal(floor.id(), 9n);
  floor.saw({ rows: [], ended: ended(130, 130) });
  floor.saw({ rows: [], ended: ended(131, 131) });
  assert.equal(floor.id(), 10n);
  floor.reset();
  assert.equal(floor.id(), 0n);
});

test('the floor does not move by glances without a snapshot', () => {
  const floor = createFloor();
  for (let glance = 0; glance < 5; glance++) floor.saw({ rows: rows(5, 6), ended: undefined });
  assert.equal(floor.id(), 0n);
});

test('the gate lets so many in to a host, and tells who waits', () => {
  const gate = createHostGate(2);
  let told = 0;
  const onFree = () => told++;
  assert.deepEqual(
    ['a', 'a', 'a', 'b'].map((host) => gate.enter(host, onFree)),
    [true, true, false, true],
  );
  gate.leave('b');
  assert.equal(told, 0);
  gate.leave('a');
  assert.equal(told, 1);
  assert.equal(gate.enter('a', onFree), true);
});
