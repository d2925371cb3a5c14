// When something was, by its clinical time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import { timeOf } from './happening.ts';

const updatedMs = Date.UTC(2026, 0, 2);

test('of a period its end, of a timing its last event; the change where there is none, or one ahead', () => {
  const at = (of: object) => timeOf({ resourceType: 'Observation', ...of } as Resource, updatedMs);
  const noon = Date.UTC(2026, 0, 1, 12);
  const [before, last] = ['2026-01-01T08:00:00Z', '2026-01-01T12:00:00Z'];
  for (const one of [
    { effectiveDateTime: last },
    { effectiveInstant: '2026-01-01T13:00:00+01:00' },
    { effectivePeriod: { start: before, end: last } },
    { effectivePeriod: { start: last } },
    { effectiveTiming: { event: [before, last] } },
  ]) {
    assert.equal(at(one), noon, JSON.stringify(one));
  }
  for (const one of [
    {},
    { effectiveTiming: { repeat: { count: 2 } } },
    { effectiveDateTime: '2026-01-02T00:06:00Z' },
  ]) {
    assert.equal(at(one), updatedMs, JSON.stringify(one));
  }
});
