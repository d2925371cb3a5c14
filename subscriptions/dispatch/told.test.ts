import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lostEvents } from './told.ts';

/** What is told of events 1 to 12 of which these were found. */
const lost = (found: number[], isAll?: boolean, last = 12n) =>
  lostEvents(
    found.map((number) => ({ number: BigInt(number) })),
    { first: 1n, last },
    isAll,
  );

test('what is no longer kept is named, also between and after events that are kept since they could not be told', () => {
  const all = Array.from({ length: 12 }, (_, i) => i + 1);
  assert.equal(lost(all, true), undefined);
  assert.equal(lost([], true, 0n), undefined);
  assert.equal(lost([]), 'Events 1 to 12 are no longer kept');
  assert.equal(lost([2, 3]), 'Event 1 is no longer kept');
  assert.equal(lost([4, 5]), 'Events 1 to 3 are no longer kept');
  assert.equal(lost([1, 11, 12], true), 'Events 2 to 10 are no longer kept');
  assert.equal(lost([1, 3], true), 'Events 2, 4 to 12 are no longer kept');
  // More than one answer holds: what comes after the last one is not known to be lost.
  assert.equal(lost([1, 2, 4], false), 'Event 3 is no longer kept');
  const even = Array.from({ length: 30 }, (_, i) => 2 * i + 2);
  assert.match(String(lost(even, false)), /^Events 1, 3, .*, 39 and others are no longer kept$/);
});
