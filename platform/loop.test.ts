import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLoop, type LoopOptions } from './loop.ts';
import { waitFor } from './testing/index.ts';

/** Pauses that nobody here lives to see the end of: what runs again has been woken. */
const pauses = { idleMsMin: 3_600_000, idleMsMax: 3_600_000, errorMs: 3_600_000 };
const loopOf = (work: LoopOptions['work'], onError: LoopOptions['onError'] = (error) => assert.fail(String(error))) =>
  createLoop({ ...pauses, work, onError });

/** So many microtasks later: each of them lies between the end of a run and its pause at one time or another. */
const afterTurns = (turns: number, then: () => void): void =>
  turns === 0 ? then() : queueMicrotask(() => afterTurns(turns - 1, then));

test('a wake during a run, at its end or just behind it makes another run follow', async () => {
  for (let turns = 0; turns < 8; turns++) {
    let runs = 0;
    const loop = loopOf(async () => {
      if (++runs === 1) afterTurns(turns, loop.wake);
      return false;
    });
    loop.start();
    await waitFor(() => runs === 2, `another run, woken ${turns} microtasks behind the first`);
    await loop.stop();
    assert.equal(runs, 2);
  }
});

test('what fails is tried again after its pause, whoever woke it meanwhile, and at once for a wake behind that', async () => {
  const errors: unknown[] = [];
  let runs = 0;
  const loop = loopOf(
    async () => {
      runs++;
      loop.wake();
      throw new Error('no database');
    },
    (error) => errors.push(error),
  );
  loop.start();
  await waitFor(() => errors.length === 1, 'the fault');
  await new Promise(setImmediate);
  assert.equal(runs, 1);
  loop.wake();
  await waitFor(() => errors.length === 2, 'another attempt');
  await loop.stop();
  loop.wake();
  await new Promise(setImmediate);
  assert.equal(runs, 2);
});
