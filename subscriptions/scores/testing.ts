// What the tests of score tables share.
import assert from 'node:assert/strict';
import { type Score, scoreAt } from './compute.ts';
import type { Reading } from './readings.ts';
import { readScores } from './scores.ts';

export const { tables } = readScores({ names: ['news2', 'mews', 'qsofa', 'pews'] });
export const tableOf = (name: string) => tables.find((one) => one.name === name)!;

export const hour = 3_600_000;
export const at = Date.UTC(2026, 0, 31, 12);

export const reading = (vital: string, value: string | number, atMs = at): Reading => ({
  ...{ patient: 'p', vital, atMs, observation: vital, value: String(value), preliminary: false, encounter: '' },
});

export function score(
  name: string,
  values: Record<string, string | number>,
  ageMonths: number | undefined = 600,
): Score {
  const latest = new Map(Object.entries(values).map(([vital, value]) => [vital, reading(vital, value)]));
  return scoreAt(tableOf(name), { atMs: at, ageMonths, latest });
}

export const pointsOf = (one: Score, parameter: string) => one.parts.find(({ name }) => name === parameter)!.points;

/** `from to points` of a chart, each range tried at its ends. */
export function chart(
  name: string,
  parameter: string,
  vital: string,
  ranges: [number, number, number | undefined][],
  more = {},
  months = 600,
) {
  for (const [low, high, points] of ranges) {
    for (const value of [low, high]) {
      const found = pointsOf(score(name, { [vital]: value, ...more }, months), parameter);
      assert.equal(found, points, `${name} ${parameter} of ${value}`);
    }
  }
}
