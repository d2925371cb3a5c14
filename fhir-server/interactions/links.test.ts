// What a transaction works on is a copy of what was sent, whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson, stringify } from '#fhir-model';
import { cloneJson } from './links.ts';

test('a copy has all members, whatever they are called, and shares none', () => {
  const text =
    '{"resourceType":"Basic","__proto__":{"a":[{"__proto__":1.50}]},"constructor":[null,true,"x"],"toString":{"n":2.0}}';
  const given = parseJson(text).exact;
  const copy = cloneJson(given) as { constructor: unknown; toString: object };
  assert.equal(stringify(copy as never), text);
  (copy.constructor as unknown[]).push('more');
  Object.assign(copy.toString, { n: 3 });
  assert.equal(stringify(given), text);
});
