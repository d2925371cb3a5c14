import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCerebraError } from './errors.ts';
import { createRoom, newHeld } from './room.ts';

const never = 60_000;

/** Whether it is resolved by now, with everything done that was due. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  const waiting = Symbol();
  await new Promise((resolve) => setImmediate(resolve));
  return (await Promise.race([promise, Promise.resolve(waiting)])) !== waiting;
}

test('gives what there is, then in the order of the calls', async () => {
  const room = createRoom(100, never);
  const [a, b, c, d] = [newHeld(), newHeld(), newHeld(), newHeld()];
  await room.take(a, 60);
  const second = room.take(b, 60);
  const third = room.take(c, 10);
  assert.deepEqual([await isDone(second), await isDone(third)], [false, false], 'a small one does not push in');
  assert.equal(room.tryTake(d, 1), false);
  room.release(a);
  await Promise.all([second, third]);
  assert.deepEqual([a.bytes, b.bytes, c.bytes], [0, 60, 10]);
  assert.equal(room.tryTake(d, 31), false);
  assert.equal(room.tryTake(d, 30), true);
});

test('what turns out smaller gives back the rest', async () => {
  const room = createRoom(100, never);
  const [a, b] = [newHeld(), newHeld()];
  await room.take(a, 100);
  const second = room.take(b, 50);
  room.keep(a, 51);
  assert.equal(await isDone(second), false);
  room.keep(a, 50);
  await second;
  room.keep(a, 70);
  assert.equal(a.bytes, 50, 'nothing is taken by keeping');
});

test('what is larger than the room gets it alone', async () => {
  const room = createRoom(100, never);
  const [a, b, c] = [newHeld(), newHeld(), newHeld()];
  await room.take(a, 1);
  const large = room.take(b, 500);
  assert.equal(await isDone(large), false);
  room.release(a);
  await large;
  const after = room.take(c, 1);
  assert.equal(await isDone(after), false);
  room.release(b);
  await after;
});

test('who is over while waiting holds nothing, and does not stand in the way', async () => {
  const room = createRoom(100, never);
  const [a, b, c] = [newHeld(), newHeld(), newHeld()];
  await room.take(a, 100);
  const gone = room.take(b, 100);
  const next = room.take(c, 100);
  room.release(b);
  room.release(a);
  await Promise.all([gone, next]);
  assert.deepEqual([a.bytes, b.bytes, c.bytes], [0, 0, 100]);
  room.release(a);
  assert.equal(c.bytes, 100, 'given back once');
});

test('who waits too long is refused, and the next comes', async () => {
  const room = createRoom(100, 1);
  const [a, b] = [newHeld(), newHeld()];
  await room.take(a, 100);
  await assert.rejects(
    room.take(b, 100),
    (error) => isCerebraError(error, 'unavailable') && /send this one again/.test(error.message),
  );
  assert.equal(b.bytes, 0);
  room.release(a);
  assert.equal(room.tryTake(newHeld(), 100), true);
});
