// What several servers share is looked at until it is stopped, and no longer.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { following } from './following.ts';

const never = (error: unknown): never => {
  throw error;
};

/** Each look waits until it is let go. */
function held(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const waiting: (() => void)[] = [];
  let looks = 0;
  const look = (): Promise<void> => {
    looks++;
    return new Promise((resolve) => waiting.push(resolve));
  };
  return { look, looks: () => looks, letGo: () => waiting.shift()!() };
}

/** One that has had its first look. */
async function started(t: TestContext) {
  const { look, looks, letGo } = held(t);
  const { start, stop } = following(look, 1_000, never);
  const starting = start();
  await settled();
  letGo();
  await starting;
  return { looks, letGo, stop };
}

/** All that waits for promises that are resolved has gone on. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('it looks again after each interval, and not before the look has ended', async (t) => {
  const { looks, letGo, stop } = await started(t);
  t.mock.timers.tick(999);
  await settled();
  assert.equal(looks(), 1);
  t.mock.timers.tick(1);
  await settled();
  assert.equal(looks(), 2);
  t.mock.timers.tick(5_000);
  await settled();
  assert.equal(looks(), 2);
  letGo();
  await settled();
  t.mock.timers.tick(1_000);
  await settled();
  assert.equal(looks(), 3);
  letGo();
  await stop();
});

test('stopped during its first look, it looks no more', async (t) => {
  const { look, looks, letGo } = held(t);
  const { start, stop } = following(look, 1_000, never);
  const starting = start();
  await settled();
  const stopping = stop();
  letGo();
  await Promise.all([starting, stopping]);
  t.mock.timers.tick(10_000);
  await settled();
  assert.equal(looks(), 1);
});

test('stopped during a later look, it looks no more', async (t) => {
  const { looks, letGo, stop } = await started(t);
  t.mock.timers.tick(1_000);
  await settled();
  const stopping = stop();
  letGo();
  await stopping;
  await settled();
  t.mock.timers.tick(10_000);
  await settled();
  assert.equal(looks(), 2);
});
