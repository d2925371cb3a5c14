// The search behind Observation/$stats: https://hl7.org/fhir/R4/observation-operation-stats.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDateRange } from '#fhir-model';
import { pairsOf } from './stats-series.ts';

const datesOf = (start: string | undefined, end: string | undefined): string[] => {
  const [lo, hi] = [parseDateRange(start ?? '')?.lo, parseDateRange(end ?? '')?.hi];
  const range = { ...(lo === undefined ? {} : { lo }), ...(hi === undefined ? {} : { hi }) };
  const pairs = pairsOf({ subject: 'Patient/1', codings: [{ code: 'a' }], range, sourcesMax: 0 });
  return pairs.filter(([name]) => name === 'date').map(([, value]) => value);
};

test('a time that has no end, or one long ago, is asked for in years of four digits', () => {
  const last = 'le9999-12-31T23:59:59.999Z';
  assert.deepEqual(datesOf(undefined, undefined), []);
  assert.deepEqual(datesOf('2026-01-31', '9999-12-31'), ['ge2026-01-31T00:00:00.000Z', last]);
  // In UTC it is the year 10000, and 1 BC.
  assert.deepEqual(datesOf('2026-01-31', '9999-12-31T23:59:59-05:00'), ['ge2026-01-31T00:00:00.000Z', last]);
  assert.deepEqual(datesOf('0001-01-01T00:00:00+01:00', undefined), ['ge0001-01-01T00:00:00.000Z']);
});
