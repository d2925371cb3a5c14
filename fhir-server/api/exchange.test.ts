import assert from 'node:assert/strict';
import { test } from 'node:test';
import { below } from './exchange.ts';

const base = '/fhir/R4';

test('a target below the base yields its path and its query as they are written', () => {
  assert.deepEqual(below('/fhir/R4', base), { path: '', queryString: '' });
  assert.deepEqual(below('/fhir/R4?_count=1', base), { path: '', queryString: '_count=1' });
  assert.deepEqual(below('/fhir/R4/', base), { path: '/', queryString: '' });
  assert.deepEqual(below('/fhir/R4/Patient/1', base), { path: '/Patient/1', queryString: '' });
  assert.deepEqual(below('/fhir/R4/Patient?', base), { path: '/Patient', queryString: '' });
  assert.deepEqual(below('/fhir/R4/Patient?name=a%20b?c&x=/y', base), {
    path: '/Patient',
    queryString: 'name=a%20b?c&x=/y',
  });
});

test('what is elsewhere, or takes a parser to tell, is left to who has one', () => {
  for (const target of ['', '/', '/fhir', '/fhir/R4B/Patient', '/fhir/R4x?y', '*', '//fhir/R4/Patient']) {
    assert.equal(below(target, base), undefined, target);
  }
  for (const target of [
    'http://127.0.0.1/fhir/R4/Patient',
    '/fhir/R4/Patient#a',
    '/fhir/R4/Patient?a=b#c',
    '/fhir/R4/a b',
  ]) {
    assert.equal(below(target, base), undefined, target);
  }
});
