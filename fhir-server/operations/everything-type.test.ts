// Pages of Patient/$everything go on from type to type: https://hl7.org/fhir/R4/patient-operation-everything.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAGE_BYTES_MAX } from '../store/sql.ts';
import { fitting } from './everything-type.ts';

const rows = (...bodies: (string | null)[]) => bodies.map((body) => ({ body }));

test('a page has room for its number of rows, and for what a statement has read', () => {
  assert.deepEqual(fitting(rows('a', 'é'), 5, 0), { count: 2, bytes: 3 });
  assert.deepEqual(fitting(rows('a', 'b', 'c'), 2, 0), { count: 2, bytes: 2 });
  assert.deepEqual(fitting(rows('a', null, null), 5, 0), { count: 1, bytes: 1 });
  assert.deepEqual(fitting([], 5, 7), { count: 0, bytes: 7 });
});

test('what a type leaves of its bytes is all that the next one has', () => {
  assert.deepEqual(fitting(rows('ab', 'c', 'd'), 5, PAGE_BYTES_MAX), { count: 1, bytes: PAGE_BYTES_MAX + 2 });
  assert.deepEqual(fitting(rows('ab'), 5, PAGE_BYTES_MAX + 1), { count: 0, bytes: PAGE_BYTES_MAX + 1 });
  assert.deepEqual(fitting(rows('ab', 'c'), 1, PAGE_BYTES_MAX), { count: 1, bytes: PAGE_BYTES_MAX + 2 });
});
