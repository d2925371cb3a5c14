import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOften } from './often.ts';

test('a name comes often from its so-manieth use on', () => {
  const comesOften = createOften({ namesMax: 2, usesMin: 3 });
  assert.deepEqual(
    ['a', 'b', 'a', 'a', 'b', 'a', 'b'].map((name) => comesOften(name)),
    [false, false, false, true, false, true, true],
  );
});

test('the first names that come often are all that do', () => {
  const comesOften = createOften({ namesMax: 1, usesMin: 2 });
  assert.deepEqual(
    ['a', 'b', 'a', 'b', 'b', 'a'].map((name) => comesOften(name)),
    [false, false, true, false, false, true],
  );
});
