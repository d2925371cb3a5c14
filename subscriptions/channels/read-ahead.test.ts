import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessScope, StoredVersion } from '#fhir-model';
import type { Claim, Delivery } from '../dispatch/deliveries.ts';
import { createReadAhead } from './read-ahead.ts';

const scope: AccessScope = { kind: 'everything' };
const deliveriesOf = (ids: string[]): Delivery[] =>
  ids.map((id, at) => ({
    ...{ number: BigInt(at + 1), type: 'Observation', id, version: 1, change_xid: 1n, change_seq: 1n },
    ...{ op: 'create', changed_at: 0, again: false },
  }));

/** A store whose versions go up with each read; `bodies` by id. */
function counted(bodies: Record<string, string> = {}) {
  const asked: string[] = [];
  let nowMs = 0;
  let failing = false;
  const ahead = createReadAhead(
    {
      async read(type, id): Promise<StoredVersion> {
        asked.push(id);
        if (failing) throw new Error('away');
        return { type, id, version: asked.length, updatedMs: 0, body: bodies[id] ?? '{}', deleted: false };
      },
    },
    () => nowMs,
  );
  return {
    ahead,
    asked: () => asked.splice(0).join(' '),
    pass: (ms: number) => {
      nowMs += ms;
    },
    fail: (is: boolean) => {
      failing = is;
    },
  };
}

const idsOf = (count: number) => Array.from({ length: count }, (_, at) => `o${at}`);

test('more and more are read together, each resource of a window once', async () => {
  const { ahead, asked } = counted();
  const deliveries = deliveriesOf(['a', 'b', 'b', 'c', 'd', 'c', 'b', 'e']);
  const claim = {} as Claim;
  ahead.begin(claim, deliveries);
  const reads: [string, number | undefined][] = [];
  for (const one of deliveries) {
    const version = (await ahead.read(claim, one, scope))?.version;
    reads.push([asked(), version]);
  }
  assert.deepEqual(reads, [
    ['a', 1],
    ['b', 1],
    ['', 1],
    ['c d b', 1],
    ['', 2],
    ['', 1],
    ['', 3],
    ['e', 1],
  ]);
});

test('what is no longer fresh, or was read for another scope, is read again, and what follows with it', async () => {
  const { ahead, asked, pass } = counted();
  const deliveries = deliveriesOf(idsOf(8));
  const claim = {} as Claim;
  ahead.begin(claim, deliveries);
  const read = async (at: number, as = scope) => {
    await ahead.read(claim, deliveries[at]!, as);
    return asked();
  };
  assert.deepEqual([await read(0), await read(1), await read(2)], ['o0', 'o1 o2', '']);
  assert.equal(await read(3), 'o3 o4 o5 o6');
  pass(249);
  assert.equal(await read(4), '');
  pass(1);
  assert.equal(await read(5), 'o5');
  assert.equal(await read(6), 'o6 o7');
  assert.equal(await read(7, { kind: 'everything' }), 'o7');
});

test('of long bodies one is held at a time', async () => {
  const { ahead, asked } = counted({ o2: 'x'.repeat(64 * 1024 + 1) });
  const deliveries = deliveriesOf(idsOf(6));
  const claim = {} as Claim;
  ahead.begin(claim, deliveries);
  const reads: string[] = [];
  for (const one of deliveries) {
    await ahead.read(claim, one, scope);
    reads.push(asked());
  }
  assert.deepEqual(reads, ['o0', 'o1 o2', '', 'o3', 'o4 o5', '']);
});

test('a read that fails is thrown to who asks for it, and tried again with the next claim', async () => {
  const { ahead, asked, fail } = counted();
  const deliveries = deliveriesOf(idsOf(4));
  const claim = {} as Claim;
  ahead.begin(claim, deliveries);
  await ahead.read(claim, deliveries[0]!, scope);
  fail(true);
  await assert.rejects(ahead.read(claim, deliveries[1]!, scope), /away/);
  fail(false);
  asked();
  const next = {} as Claim;
  ahead.begin(next, deliveries.slice(1));
  assert.equal((await ahead.read(next, deliveries[1]!, scope))?.id, 'o1');
  assert.equal(asked(), 'o1');
  // Of no batch: read as ever.
  assert.equal((await ahead.read({} as Claim, deliveries[3]!, scope))?.id, 'o3');
});
