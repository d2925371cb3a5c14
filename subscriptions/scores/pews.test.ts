// Bedside PEWS against the published table: every range at both of its ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chart, pointsOf, score } from './testing.ts';

test('Bedside PEWS: each age group as in Parshuram 2009', () => {
  const months = [1, 6, 24, 72, 168];
  const charts: [string, string, [number, number, number][][]][] = [
    [
      'heart-rate',
      'heart-rate',
      [
        [
          [40, 80, 4],
          [81, 90, 2],
          [91, 110, 1],
          [111, 149, 0],
          [150, 179, 1],
          [180, 189, 2],
          [190, 250, 4],
        ],
        [
          [40, 70, 4],
          [71, 80, 2],
          [81, 100, 1],
          [101, 149, 0],
          [150, 169, 1],
          [170, 179, 2],
          [180, 250, 4],
        ],
        [
          [40, 60, 4],
          [61, 70, 2],
          [71, 90, 1],
          [91, 119, 0],
          [120, 149, 1],
          [150, 169, 2],
          [170, 250, 4],
        ],
        [
          [40, 50, 4],
          [51, 60, 2],
          [61, 70, 1],
          [71, 109, 0],
          [110, 129, 1],
          [130, 149, 2],
          [150, 250, 4],
        ],
        [
          [20, 40, 4],
          [41, 50, 2],
          [51, 60, 1],
          [61, 99, 0],
          [100, 119, 1],
          [120, 139, 2],
          [140, 250, 4],
        ],
      ],
    ],
    [
      'systolic-pressure',
      'systolic-pressure',
      [
        [
          [20, 45, 4],
          [46, 50, 2],
          [51, 60, 1],
          [61, 79, 0],
          [80, 99, 1],
          [100, 129, 2],
          [130, 250, 4],
        ],
        [
          [20, 60, 4],
          [61, 70, 2],
          [71, 80, 1],
          [81, 99, 0],
          [100, 119, 1],
          [120, 149, 2],
          [150, 250, 4],
        ],
        [
          [20, 65, 4],
          [66, 75, 2],
          [76, 90, 1],
          [91, 109, 0],
          [110, 124, 1],
          [125, 159, 2],
          [160, 250, 4],
        ],
        [
          [20, 70, 4],
          [71, 80, 2],
          [81, 90, 1],
          [91, 119, 0],
          [120, 139, 1],
          [140, 169, 2],
          [170, 250, 4],
        ],
        [
          [20, 75, 4],
          [76, 85, 2],
          [86, 100, 1],
          [101, 129, 0],
          [130, 149, 1],
          [150, 189, 2],
          [190, 250, 4],
        ],
      ],
    ],
    [
      'respiratory-rate',
      'respiratory-rate',
      [
        [
          [0, 15, 4],
          [16, 19, 2],
          [20, 29, 1],
          [30, 60, 0],
          [61, 80, 1],
          [81, 90, 2],
          [91, 150, 4],
        ],
        [
          [0, 15, 4],
          [16, 19, 2],
          [20, 24, 1],
          [25, 50, 0],
          [51, 70, 1],
          [71, 80, 2],
          [81, 150, 4],
        ],
        [
          [0, 12, 4],
          [13, 15, 2],
          [16, 19, 1],
          [20, 40, 0],
          [41, 60, 1],
          [61, 70, 2],
          [71, 150, 4],
        ],
        [
          [0, 10, 4],
          [11, 14, 2],
          [15, 19, 1],
          [20, 30, 0],
          [31, 40, 1],
          [41, 50, 2],
          [51, 150, 4],
        ],
        [
          [0, 9, 4],
          [10, 10, 2],
          [11, 11, 1],
          [12, 16, 0],
          [17, 22, 1],
          [23, 29, 2],
          [30, 150, 4],
        ],
      ],
    ],
  ];
  for (const [parameter, vital, groups] of charts) {
    for (const [i, ranges] of groups.entries()) chart('pews', parameter, vital, ranges, {}, months[i]!);
  }
  chart(
    'pews',
    'capillary-refill',
    'capillary-refill',
    [
      [0, 2.9, 0],
      [3, 10, 4],
    ],
    {},
    24,
  );
  chart(
    'pews',
    'oxygen-saturation',
    'oxygen-saturation',
    [
      [60, 90, 2],
      [91, 94, 1],
      [95, 100, 0],
    ],
    {},
    24,
  );
  chart(
    'pews',
    'oxygen',
    'oxygen-flow',
    [
      [0, 0, 0],
      [0.5, 3.9, 2],
      [4, 15, 4],
    ],
    {},
    24,
  );
  chart(
    'pews',
    'oxygen',
    'oxygen-concentration',
    [
      [21, 21, 0],
      [24, 49.9, 2],
      [50, 100, 4],
    ],
    {},
    24,
  );
  const oxygen = (value: string) => pointsOf(score('pews', { oxygen: value }, 24), 'oxygen');
  assert.deepEqual(['air', 'oxygen'].map(oxygen), [0, undefined]);
  const effort = (value: string) => pointsOf(score('pews', { 'respiratory-effort': value }, 24), 'respiratory-effort');
  assert.deepEqual(['normal', 'mild', 'moderate', 'severe'].map(effort), [0, 1, 2, 4]);
});
