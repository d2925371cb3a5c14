import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Claim } from './deliveries.ts';
import { type End, type Hold, prolonging } from './ends.ts';
import { createRecorder } from './record.ts';

/** An `end` that is answered when the test says so. */
function heldEnd() {
  const calls: { number: bigint; count: number; answer: PromiseWithResolvers<Hold> }[] = [];
  const end: End = (_claim, number, _result, { count }) => {
    const answer = Promise.withResolvers<Hold>();
    calls.push({ number, count, answer });
    return answer.promise;
  };
  const asked = () => calls.map(({ number, count }) => [number, count]);
  return { calls, asked, end };
}

const recorderOf = (end: End, unrecordedMax: number, leaseMs = 3_600_000) =>
  createRecorder({ claim: { leasedMs: performance.now() } as Claim, end, leaseMs, unrecordedMax });

test('what ends while a record is written is recorded with the next one', async () => {
  const { calls, asked, end } = heldEnd();
  const recorder = recorderOf(end, 4);
  for (const number of [1n, 2n, 3n]) assert.equal(await recorder.delivered(number, 1), true);
  assert.equal(await recorder.delivered(4n, 1), true);
  assert.deepEqual(asked(), [[1n, 1]]);
  calls[0]!.answer.resolve('held');
  const drained = recorder.drain();
  await new Promise(setImmediate);
  assert.deepEqual(asked(), [
    [1n, 1],
    [4n, 3],
  ]);
  calls[1]!.answer.resolve('held');
  assert.equal(await drained, true);
  // Once all is recorded the next begins anew.
  assert.equal(await recorder.delivered(6n, 2), true);
  assert.deepEqual(asked().at(-1), [6n, 2]);
});

test('no more than the limit is sent before it is recorded', async () => {
  const { calls, end } = heldEnd();
  const recorder = recorderOf(end, 1);
  assert.equal(await recorder.delivered(1n, 1), true);
  let went = false;
  const second = recorder.delivered(2n, 1).then((isHeld) => {
    went = true;
    return isHeld;
  });
  await new Promise(setImmediate);
  assert.equal(went, false);
  calls[0]!.answer.resolve('held');
  await new Promise(setImmediate);
  calls[1]!.answer.resolve('held');
  assert.equal(await second, true);
});

test('a lease that is lost, and one that may be, ends it', async () => {
  const { calls, asked, end } = heldEnd();
  const recorder = recorderOf(end, 8);
  assert.equal(await recorder.delivered(1n, 1), true);
  assert.equal(await recorder.delivered(2n, 1), true);
  calls[0]!.answer.resolve('lost');
  assert.equal(await recorder.drain(), false);
  assert.equal(await recorder.delivered(3n, 1), false);
  assert.deepEqual(asked(), [[1n, 1]], 'nothing is written under a lost lease');

  // Half of the lease is over: nothing more is sent before it has been prolonged.
  const old = heldEnd();
  const late = recorderOf(old.end, 8, -1);
  const delivered = late.delivered(1n, 1);
  old.calls[0]!.answer.resolve('lost');
  assert.equal(await delivered, false);
});

test('a lease lasts from when its end was asked for, and a lost one no longer', async () => {
  const { calls, end } = heldEnd();
  const claim = { leasedMs: 0 } as Claim;
  const ending = prolonging(end);
  const next = { release: false, leaseMs: 1, count: 1 };
  const first = ending(claim, 1n, { outcome: 'delivered' }, next);
  const askedMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 2));
  calls[0]!.answer.resolve('held');
  assert.equal(await first, 'held');
  const { leasedMs } = claim;
  assert.ok(leasedMs > 0 && leasedMs <= askedMs);
  const second = ending(claim, 2n, { outcome: 'delivered' }, next);
  calls[1]!.answer.resolve('lost');
  assert.equal(await second, 'lost');
  assert.equal(claim.leasedMs, leasedMs);
});

test('what the database fails with is thrown, and stays', async () => {
  const { calls, end } = heldEnd();
  const recorder = recorderOf(end, 8);
  await recorder.delivered(1n, 1);
  calls[0]!.answer.reject(new Error('no database'));
  await assert.rejects(recorder.drain(), /no database/);
  await assert.rejects(recorder.delivered(2n, 1), /no database/);
});
