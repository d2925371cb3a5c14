// The rules by which answers are compared with what terminology cases expect.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differs } from './tx-compare.ts';

const fits = (expected: unknown, actual: unknown): boolean => differs(expected, actual, 'X') === undefined;

test('fields: all that are expected and no others, but for optional ones', () => {
  assert.equal(fits({ a: 1 }, { a: 1 }), true);
  assert.equal(fits({ a: 1 }, {}), false);
  assert.equal(fits({ a: 1 }, { a: 1, b: 2 }), false);
  assert.equal(fits({ $optionalproperties$: [], a: 1 }, { a: 1 }), true);
  const optional = { '$optional-properties$': ['a', 'c'], a: 1, b: 2 };
  assert.equal(fits(optional, { b: 2 }), true);
  assert.equal(fits(optional, { b: 2, c: 5 }), true);
  assert.equal(fits(optional, { a: 2, b: 2 }), false);
  assert.equal(fits({ a: { $optional$: true, b: 1 } }, {}), true);
  assert.equal(fits({ a: { $optional$: true, b: 1 } }, { a: { b: 2 } }), false);
});

test('items in any order, each once', () => {
  assert.equal(fits([1, 2], [2, 1]), true);
  assert.equal(fits([1, 1], [1, 2]), false);
  assert.equal(fits([1], [1, 1]), false);
  assert.equal(fits([{ $optional$: '!other', a: 1 }, { a: 2 }], [{ a: 2 }]), true);
  assert.equal(fits([{ $optional$: true, a: 1 }], [{ a: 2 }]), false);
  assert.equal(fits([], {}), false);
});

test('texts by their kind', () => {
  const cases: [string, unknown, boolean][] = [
    ['$uuid$', 'urn:uuid:8acdbfdc-e9d2-11ed-a05b-0242ac120003', true],
    ['$uuid$', '8acdbfdc', false],
    ['$instant$', '2024-01-01T00:00:00.000Z', true],
    ['$instant$', '2024-01-01', false],
    ['$id$', 'a-b.c', true],
    ['$id$', 'a b', false],
    ['$$', 'anything', true],
    ['$$', 5, false],
    ['$choice:a|b$', 'b', true],
    ['$choice:a|b$', 'c', false],
    ['$fragments:x|y$', 'y and x', true],
    ['$fragments:x|y$', 'x', false],
    ['$external:1:http://x|1$', "not in 'http://x|1'", true],
    ['$external:1:http://x|1$', 'not in it', false],
    ['$external:3$', 'whatever', true],
    ["the 'x'", 'the x', true],
    ['the x', 'the y', false],
  ];
  for (const [expected, actual, result] of cases) assert.equal(fits(expected, actual), result, `${expected} ${actual}`);
});
