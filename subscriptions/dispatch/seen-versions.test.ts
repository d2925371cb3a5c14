// What is remembered of definitions that are gone, and how many of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSeenVersions } from './seen-versions.ts';

test('of what is gone the latest are known, of what is there all', () => {
  const seen = createSeenVersions(2);
  seen.set('there', 7);
  for (const id of ['a', 'b', 'c']) {
    seen.set(id, 1);
    seen.setGone(id, 2);
  }
  assert.deepEqual(
    ['there', 'a', 'b', 'c', 'never'].map((id) => [seen.of(id), seen.has(id)]),
    [
      [7, true],
      [0, false],
      [2, true],
      [2, true],
      [0, false],
    ],
  );
});

test('what is stored anew under the id is no longer gone', () => {
  const seen = createSeenVersions(1);
  seen.setGone('a', 2);
  seen.set('a', 3);
  seen.setGone('b', 2);
  seen.setGone('c', 2);
  assert.deepEqual(['a', 'b', 'c'].map(seen.of), [3, 0, 2]);
  seen.clear();
  assert.deepEqual(['a', 'b', 'c'].map(seen.of), [0, 0, 0]);
});
