// When an order is to be done: out as TQ1 and as TQ of old, and read again.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { mapLines, onlyResource } from '../testing/mapped.ts';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

async function sent(version: string, more: JsonObject): Promise<string[]> {
  const graph = createGraph();
  graph.add({ resourceType: 'Patient', id: '1', identifier: [{ system: 'urn:id:HOSP', value: '1' }] });
  const focus = graph.add({
    ...{ resourceType: 'ServiceRequest', id: 's', status: 'active', intent: 'order', code: { text: 'K' } },
    ...{ subject: { reference: 'Patient/1' }, ...more },
  } as Resource);
  const target = { ...buildTarget({}), version };
  const request = { wanted: wantedMessage('OML'), focus, graph, target, controlId: '1', nowMs: 0 };
  return (await buildFrom(request)).message.raw.toString('utf8').split('\r');
}

const withoutSegmentId = (line: string): string => line.split('|').slice(2).join('|');
const repeat = (given: JsonObject): JsonObject => ({ occurrenceTiming: { repeat: given } });
const every = (frequency: number, period: number, periodUnit: string, more: JsonObject = {}): JsonObject =>
  repeat({ frequency, period, periodUnit, ...more });

const cases: [what: string, more: JsonObject, tq1: string, tq: string][] = [
  ['six hours', every(1, 6, 'h'), '|Q6H', '^Q6H'],
  ['an hour and a half', every(1, 1.5, 'h'), '|Q90M', '^Q90M'],
  ['months', every(1, 2, 'mo'), '|Q2L', '^Q2L'],
  ['three times a day', every(3, 1, 'd'), '|TID', '^TID'],
  ['five times a day', every(5, 1, 'd'), '|5ID', '^5ID'],
  ['days of the week', every(2, 1, 'wk', { dayOfWeek: ['fri', 'mon'] }), '|QJ15', '^QJ15'],
  ['days without a period', repeat({ dayOfWeek: ['sun'] }), '|QJ7', '^QJ7'],
  ['a meal', repeat({ when: ['AC'] }), '|AC', '^AC'],
  ['an offset', repeat({ when: ['PC'], offset: 30 }), '|PC||30^min', '^PC'],
  ['what no code says', every(3, 8, 'h'), '|||||||||3 times every 8 h', '^^^^^^^3 times every 8 h'],
  [
    'a range',
    every(1, 4, 'h', { periodMax: 6, when: ['NIGHT'] }),
    '|||||||||1 time every 4 to 6 h, when NIGHT',
    '^^^^^^^1 time every 4 to 6 h, when NIGHT',
  ],
  ['a count', every(1, 1, 'd', { count: 4 }), '|Q1D|||||||||||4', '^Q1D^^^^^^^^^^4'],
  [
    'times of the day, for some days',
    repeat({ timeOfDay: ['08:00:00', '20:00:00'], boundsDuration: { value: 5, unit: 'd', code: 'd' } }),
    '||080000~200000||5^d',
    '^&0800,2000^D5',
  ],
  [
    'its length',
    every(1, 1, 'd', { duration: 20, durationUnit: 'min' }),
    '|Q1D||||||||||20^min',
    '^Q1D^^^^^^^^^20&min',
  ],
  ['as needed', { asNeededBoolean: true }, '|PRN', '^PRN'],
  [
    'as needed, at most so often, for a reason',
    { ...every(1, 4, 'h'), asNeededCodeableConcept: { text: 'pain' } },
    '|PRNQ4H|||||||pain',
    '^PRNQ4H^^^^^pain',
  ],
  ['not as needed', { asNeededBoolean: false, priority: 'stat' }, '|||||||S', '^^^^^S'],
  ['a quantity', { quantityQuantity: { value: 2, unit: 'tube' } }, '2^tube', '2&tube'],
  ['a word', { occurrenceTiming: { code: { text: 'Q6H' } } }, '|Q6H', '^Q6H'],
  [
    'words',
    { occurrenceTiming: { code: { text: 'when it rains' } } },
    '|||||||||when it rains',
    '^^^^^^^when it rains',
  ],
];

for (const [what, more, tq1, tq] of cases) {
  test(`${what}, out`, async () => {
    const [line = ''] = (await sent('2.5.1', more)).filter((one) => one.startsWith('TQ1'));
    assert.equal(withoutSegmentId(line), tq1);
    const old = (await sent('2.4', more)).find((one) => one.startsWith('ORC'))!.split('|');
    assert.equal(old[7] ?? '', tq);
  });
}

test('each moment that the order names is asked for', async () => {
  const more = { occurrenceTiming: { event: ['2026-03-01T08:00:00Z', '2026-03-02T08:00:00Z'] } };
  assert.deepEqual(
    (await sent('2.5.1', more)).filter((line) => line.startsWith('TQ1')),
    ['TQ1|1||||||20260301080000+0000|||||S', 'TQ1|2||||||20260302080000+0000'],
  );
  const old = (await sent('2.4', more)).find((line) => line.startsWith('ORC'))!.split('|');
  assert.equal(old[7], '^^^20260301080000+0000~^^^20260302080000+0000');
});

test('what was written is read as it was meant', async () => {
  const more = {
    ...every(5, 1, 'd', { count: 10, boundsDuration: { value: 2, unit: 'd', code: 'd' } }),
    asNeededBoolean: true,
  };
  for (const version of ['2.4', '2.5.1']) {
    const { occurrenceTiming, asNeededBoolean } = onlyResource(
      mapLines(...(await sent(version, more))),
      'ServiceRequest',
    );
    const { boundsDuration: _bounds, ...rest } = (occurrenceTiming as { repeat: JsonObject }).repeat;
    assert.deepEqual([rest, asNeededBoolean], [{ frequency: 5, period: 1, periodUnit: 'd', count: 10 }, true]);
  }
});
