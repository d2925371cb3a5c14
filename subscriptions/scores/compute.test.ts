// The built-in tables for adults against the published charts: every range at both of its ends.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isFor, monthsOf, round, scoreAt } from './compute.ts';
import { at, chart, hour, pointsOf, reading, score, tableOf, tables } from './testing.ts';

const healthy = {
  'respiratory-rate': 16,
  'oxygen-saturation': 98,
  oxygen: 'air',
  'systolic-pressure': 120,
  'heart-rate': 72,
  consciousness: 'alert',
  temperature: 37,
};

describe('NEWS2, charts 1 and 2 of the Royal College of Physicians 2017', () => {
  test('measured parameters', () => {
    chart('news2', 'respiratory-rate', 'respiratory-rate', [
      [0, 8, 3],
      [9, 11, 1],
      [12, 20, 0],
      [21, 24, 2],
      [25, 80, 3],
    ]);
    chart('news2', 'systolic-pressure', 'systolic-pressure', [
      ...([
        [30, 90, 3],
        [91, 100, 2],
        [101, 110, 1],
        [111, 219, 0],
        [220, 300, 3],
      ] as [number, number, number][]),
    ]);
    chart('news2', 'pulse', 'heart-rate', [
      ...([
        [20, 40, 3],
        [41, 50, 1],
        [51, 90, 0],
        [91, 110, 1],
        [111, 130, 2],
        [131, 250, 3],
      ] as [number, number, number][]),
    ]);
    chart('news2', 'temperature', 'temperature', [
      ...([
        [30, 35, 3],
        [35.1, 36, 1],
        [36.1, 38, 0],
        [38.1, 39, 1],
        [39.1, 43, 2],
      ] as [number, number, number][]),
    ]);
  });

  test('saturation on scale 1, and on scale 2 with air and with oxygen', () => {
    const low: [number, number, number][] = [
      [50, 83, 3],
      [84, 85, 2],
      [86, 87, 1],
      [88, 92, 0],
    ];
    const saturation = ['news2', 'oxygen-saturation', 'oxygen-saturation'] as const;
    chart(...saturation, [
      [50, 91, 3],
      [92, 93, 2],
      [94, 95, 1],
      [96, 100, 0],
    ]);
    chart(...saturation, [...low, [93, 100, 0]], { 'spo2-scale': '2', oxygen: 'air' });
    chart(...saturation, [...low, [93, 94, 1], [95, 96, 2], [97, 100, 3]], { 'spo2-scale': '2', oxygen: 'oxygen' });
    chart(...saturation, [...low, [93, 100, undefined]], { 'spo2-scale': '2' });
    chart(...saturation, [[96, 100, 0]], { 'spo2-scale': '1', oxygen: 'oxygen' });
  });

  test('oxygen by its code, its flow or its concentration; consciousness', () => {
    chart('news2', 'oxygen', 'oxygen-flow', [
      [0, 0, 0],
      [0.5, 15, 2],
    ]);
    chart('news2', 'oxygen', 'oxygen-concentration', [
      [21, 21, 0],
      [24, 100, 2],
    ]);
    const consciousness = (value: string) => pointsOf(score('news2', { consciousness: value }), 'consciousness');
    assert.deepEqual(['alert', 'confusion', 'voice', 'pain', 'unresponsive'].map(consciousness), [0, 3, 3, 3, 3]);
    assert.equal(pointsOf(score('news2', { oxygen: 'oxygen' }), 'oxygen'), 2);
  });

  test('levels: 0 to 4 low, one parameter with 3 low-medium, 5 and 6 medium, 7 high', () => {
    const levels = [
      [{}, 0, 'low', []],
      [{ temperature: 38.5, 'heart-rate': 95, 'respiratory-rate': 21 }, 4, 'low', []],
      [{ 'respiratory-rate': 25 }, 3, 'low-medium', ['respiratory-rate']],
      [{ oxygen: 'oxygen', 'heart-rate': 95, 'respiratory-rate': 21 }, 5, 'medium', []],
      [{ oxygen: 'oxygen', 'respiratory-rate': 25 }, 5, 'medium', ['respiratory-rate']],
      [{ oxygen: 'oxygen', 'heart-rate': 115, 'respiratory-rate': 25 }, 7, 'high', ['respiratory-rate']],
    ] as const;
    for (const [values, total, level, red] of levels) {
      const found = score('news2', { ...healthy, ...values });
      assert.deepEqual([found.total, found.level?.code, found.red], [total, level, red]);
    }
  });
});

test('a missing parameter makes a score incomplete, and what is there is no total', () => {
  for (const vital of Object.keys(healthy)) {
    const { [vital]: _left, ...rest } = healthy as Record<string, string | number>;
    const found = score('news2', { ...rest });
    assert.deepEqual([found.complete, found.level], [false, undefined], vital);
    assert.equal(found.parts.filter(({ points }) => points === undefined).length, 1, vital);
  }
});

test('a reading counts until the end of its window, and not a millisecond longer', () => {
  const latest = new Map([['heart-rate', reading('heart-rate', 72, at - 12 * hour)]]);
  const points = (atMs: number) => pointsOf(scoreAt(tableOf('news2'), { atMs, ageMonths: 600, latest }), 'pulse');
  assert.deepEqual([points(at), points(at + 1)], [0, undefined]);
});

test('MEWS as in Subbe 2001', () => {
  const ranges = (all: [number, number, number][]) => all;
  chart(
    'mews',
    'systolic-pressure',
    'systolic-pressure',
    ranges([
      [40, 70, 3],
      [71, 80, 2],
      [81, 100, 1],
      [101, 199, 0],
      [200, 300, 2],
    ]),
  );
  chart(
    'mews',
    'heart-rate',
    'heart-rate',
    ranges([
      [20, 40, 2],
      [41, 50, 1],
      [51, 100, 0],
      [101, 110, 1],
      [111, 129, 2],
      [130, 250, 3],
    ]),
  );
  chart(
    'mews',
    'respiratory-rate',
    'respiratory-rate',
    ranges([
      [2, 8, 2],
      [9, 14, 0],
      [15, 20, 1],
      [21, 29, 2],
      [30, 80, 3],
    ]),
  );
  chart(
    'mews',
    'temperature',
    'temperature',
    ranges([
      [30, 34.9, 2],
      [35, 38.4, 0],
      [38.5, 43, 2],
    ]),
  );
  const consciousness = (value: string) => pointsOf(score('mews', { consciousness: value }), 'consciousness');
  assert.deepEqual(['alert', 'voice', 'pain', 'unresponsive'].map(consciousness), [0, 1, 2, 3]);
  const ill = { ...healthy, 'systolic-pressure': 100, 'respiratory-rate': 21, temperature: 38.5 };
  assert.deepEqual([score('mews', ill).total, score('mews', ill).level?.code], [5, 'high']);
});

test('qSOFA as in Sepsis-3', () => {
  chart('qsofa', 'respiratory-rate', 'respiratory-rate', [
    [5, 21, 0],
    [22, 60, 1],
  ]);
  chart('qsofa', 'systolic-pressure', 'systolic-pressure', [
    [50, 100, 1],
    [101, 200, 0],
  ]);
  chart('qsofa', 'mentation', 'glasgow-coma-scale', [
    [3, 14, 1],
    [15, 15, 0],
  ]);
  const both = score('qsofa', { 'respiratory-rate': 22, 'systolic-pressure': 100, consciousness: 'alert' });
  assert.deepEqual([both.total, both.level?.code], [2, 'high']);
});

test('that oxygen is given, without how much, leaves the flow that was told before', () => {
  const latest = new Map([
    ['oxygen', reading('oxygen', 'oxygen')],
    ['oxygen-flow', reading('oxygen-flow', 2, at - hour)],
  ]);
  assert.equal(pointsOf(scoreAt(tableOf('pews'), { atMs: at, ageMonths: 24, latest }), 'oxygen'), 2);
});

test('who is scored with what', () => {
  const forAge = (months: number | undefined) => tables.filter((one) => isFor(one, months)).map(({ name }) => name);
  assert.deepEqual(forAge(191), ['pews']);
  assert.deepEqual(forAge(192), ['news2', 'mews', 'qsofa']);
  assert.deepEqual(forAge(undefined), ['news2', 'mews', 'qsofa']);
});

test('months of age', () => {
  const on = (day: string) => Date.parse(`${day}T00:00:00Z`);
  const cases: [string, string, number | undefined][] = [
    ['2026-01-31', '2026-01-31', 0],
    ['2025-12-15', '2026-01-14', 0],
    ['2025-12-15', '2026-01-15', 1],
    ['2010-01-31', '2026-01-30', 191],
    ['2010-01-31', '2026-01-31', 192],
    ['2010', '2026-01-01', 192],
    ['2027-01-01', '2026-01-01', 0],
    ['', '2026-01-01', undefined],
    ['yesterday', '2026-01-01', undefined],
  ];
  for (const [born, day, months] of cases) assert.equal(monthsOf(born, on(day)), months, `${born} on ${day}`);
});

test('rounding is half up in decimal digits', () => {
  const cases: [number, number, number][] = [
    [20.5, 0, 21],
    [20.4999, 0, 20],
    [38.05, 1, 38.1],
    [1.005, 2, 1.01],
    [35.04, 1, 35],
  ];
  for (const [value, decimals, rounded] of cases) assert.equal(round(value, decimals), rounded);
});
