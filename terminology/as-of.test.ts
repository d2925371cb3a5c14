import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import { isLaterThan } from './as-of.ts';

const of = (parts: object): Resource => ({ resourceType: 'CodeSystem', ...parts });

test('a definition is later where all of the given date is before it', () => {
  const cases: [definition: object, date: string, later: boolean][] = [
    [{ date: '2020-06-15' }, '2020-06-14', true],
    [{ date: '2020-06-15' }, '2020-06', false],
    [{ date: '2020' }, '2020-01-01', false],
    [{ date: '2019-11-01T09:29:23+11:00' }, '2019-10-31', false],
    [{ date: '2019-11-01T09:29:23+11:00' }, '2019-10-31T22:00:00Z', true],
    [{ version: 'http://snomed.info/sct/900000000000207008/version/20240201' }, '2024-01-31', true],
    [{ version: 'http://snomed.info/sct/900000000000207008/version/20240201' }, '2024-02-01', false],
    [{ version: '2030' }, '2024', false],
    [{ date: 'soon' }, '2024', false],
    [{ date: '2024' }, 'soon', false],
  ];
  for (const [definition, date, later] of cases) {
    assert.equal(isLaterThan(of(definition), date), later, JSON.stringify([definition, date]));
  }
});
