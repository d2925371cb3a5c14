// The four decision points of the Emergency Severity Index.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Presentation, suggestEsi } from './esi.ts';

const adult = { ageMonths: 480, heartRate: 80, respiratoryRate: 16, oxygenSaturation: 98, consciousness: 'alert' };
const level = (rest: Presentation) => {
  const { level: is, consider } = suggestEsi({ ...adult, resources: 2, ...rest });
  return [is, consider];
};

test('A: who needs a life-saving intervention, does not respond or is short of oxygen', () => {
  const cases: Presentation[] = [
    { lifesaving: true },
    { consciousness: 'unresponsive' },
    { consciousness: 'pain' },
    { oxygenSaturation: 89 },
    { respiratoryRate: 0 },
  ];
  for (const one of cases) assert.deepEqual(level(one), [1, undefined], JSON.stringify(one));
  assert.deepEqual(suggestEsi({ consciousness: 'pain' }), {
    level: 1,
    reasons: ['responds to pain only'],
    missing: [],
  });
});

test('B: high risk, new confusion, lethargy, severe pain, fever of the newborn', () => {
  const cases: Presentation[] = [
    { highRisk: true },
    { consciousness: 'confusion' },
    { consciousness: 'voice' },
    { pain: 7 },
    { ageMonths: 0, heartRate: 140, respiratoryRate: 40, temperature: 38.1 },
  ];
  for (const one of cases) assert.deepEqual(level({ ...one, resources: 0 }), [2, undefined], JSON.stringify(one));
  assert.deepEqual(level({ pain: 6 }), [3, undefined]);
});

test('C: resources; D: danger zones by age are to be considered with two or more', () => {
  assert.deepEqual(
    [0, 1, 2, 5].map((resources) => level({ resources })[0]),
    [5, 4, 3, 3],
  );
  assert.deepEqual(level({ heartRate: 130, resources: 1 }), [4, undefined]);
  const edges: [number, number, number][] = [
    [2, 180, 50],
    [3, 160, 40],
    [35, 160, 40],
    [36, 140, 30],
    [95, 140, 30],
    [96, 100, 20],
  ];
  for (const [ageMonths, heartRate, respiratoryRate] of edges) {
    assert.deepEqual(level({ ageMonths, heartRate, respiratoryRate }), [3, undefined], `${ageMonths}`);
    assert.deepEqual(level({ ageMonths, heartRate: heartRate + 1, respiratoryRate }), [3, 2], `${ageMonths}`);
    assert.deepEqual(level({ ageMonths, heartRate, respiratoryRate: respiratoryRate + 1 }), [3, 2], `${ageMonths}`);
  }
  assert.deepEqual(
    [level({ oxygenSaturation: 92 }), level({ oxygenSaturation: 91 })],
    [
      [3, undefined],
      [3, 2],
    ],
  );
  assert.deepEqual(level({ ageMonths: 2, heartRate: 140, temperature: 38.5 }), [3, 2]);
});

test('a child with high fever for whom less than two resources are expected: 3 is to be considered', () => {
  const child = (known: object) => level({ ageMonths: 12, heartRate: 120, temperature: 39.1, ...known });
  assert.deepEqual(
    [0, 1, 2].map((resources) => child({ resources })),
    [
      [5, 3],
      [4, 3],
      [3, undefined],
    ],
  );
  assert.deepEqual(child({ resources: 0, temperature: 39 }), [5, undefined]);
  const ages = [2, 3, 35, 36].map((ageMonths) => child({ ageMonths, resources: 1 })[1]);
  assert.deepEqual(ages, [2, 3, 3, undefined]);
});

test('without an answer there is no level, and what is missing is told', () => {
  assert.deepEqual(suggestEsi({ ...adult, heartRate: 120 }), {
    consider: 2,
    reasons: ['danger zone: heart rate 120/min is above 100/min'],
    missing: ['how many different resources are expected'],
  });
  assert.deepEqual(suggestEsi({}).missing.length, 6);
});
