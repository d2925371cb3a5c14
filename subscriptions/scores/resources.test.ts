// What a score rests on, as its resources tell.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scoreAt } from './compute.ts';
import { observationOf } from './resources.ts';
import { readScores } from './scores.ts';
import { at, reading, tableOf } from './testing.ts';

const vitals = new Map(readScores({ names: ['news2'] }).vitals.map((one) => [one.name, one]));

function restsOn(scale: string | undefined, preliminary = false) {
  const table = tableOf('news2');
  const latest = new Map([['oxygen-saturation', reading('oxygen-saturation', 90)]]);
  if (scale !== undefined) latest.set('spo2-scale', { ...reading('spo2-scale', scale), preliminary });
  const score = scoreAt(table, { atMs: at, ageMonths: 600, latest });
  const { derivedFrom, status } = observationOf({ table, patient: 'p', atMs: at, score }, vitals);
  return [status, (derivedFrom as { reference: string }[]).map(({ reference }) => reference)];
}

test('a saturation on scale 2 rests on the Observation that charts the scale, too', () => {
  const saturation = 'Observation/oxygen-saturation';
  assert.deepEqual(restsOn(undefined), ['final', [saturation]]);
  assert.deepEqual(restsOn('1'), ['final', [saturation]]);
  assert.deepEqual(restsOn('2'), ['final', [saturation, 'Observation/spo2-scale']]);
  assert.deepEqual(restsOn('2', true), ['preliminary', [saturation, 'Observation/spo2-scale']]);
});
