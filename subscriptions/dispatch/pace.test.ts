import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPace } from './pace.ts';

/** Looks as often as the pace allows, for so long. */
function under(pace: ReturnType<typeof createPace>, perSecond: number, forMs: number, fromMs = 0): number {
  let nowMs = fromMs;
  while (nowMs < fromMs + forMs) {
    const gapMs = pace.gapMs();
    nowMs += gapMs;
    pace.found((perSecond * gapMs) / 1_000, nowMs);
  }
  return nowMs;
}

test('up to 500 changes a second are looked at every 10 ms, 1,000 every 20 ms, many more every 50 ms', () => {
  for (const [perSecond, gapMs] of [
    [1, 10],
    [200, 10],
    [500, 10],
    [1_000, 20],
    [2_500, 50],
    [20_000, 50],
  ] as const) {
    const pace = createPace();
    under(pace, perSecond, 10_000);
    assert.equal(Math.round(pace.gapMs()), gapMs, `${perSecond} a second`);
  }
});

test('the pace is that of the start again a few seconds after a load', () => {
  const pace = createPace();
  const endMs = under(pace, 5_000, 10_000);
  assert.equal(pace.gapMs(), 50);
  under(pace, 200, 10_000, endMs);
  assert.equal(pace.gapMs(), 10);
});

test('a bundle of 250 resources by itself changes nothing', () => {
  const pace = createPace();
  const nowMs = under(pace, 10, 1_000);
  pace.found(250, nowMs + 10);
  assert.equal(pace.gapMs(), 10);
});

test('the first look finds what was written while nobody looked, which is no load', () => {
  const pace = createPace();
  pace.found(500, 0);
  assert.equal(pace.gapMs(), 10);
});
