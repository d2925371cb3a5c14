import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CerebraError } from '#platform';
import { noneExistQuery } from './none-exist.ts';

const query = (text: string) => noneExistQuery('Patient', text, 'If-None-Exist');

test('criteria come bare, after a question mark, after the type and after its URL', () => {
  for (const text of ['', '?', 'Patient?', '/Patient?', 'Patient/?', 'http://h.example/fhir/R4/Patient?']) {
    assert.equal(query(`${text}identifier=urn:s|1`), 'identifier=urn:s|1');
  }
});

test('a question mark in a value stays', () => {
  for (const text of ['identifier=http://h.example/ids?of=x|1', 'name=a&identifier=urn:s|what?']) {
    assert.equal(query(text), text);
    assert.equal(query(`Patient?${text}`), text);
  }
});

test('criteria of another type are refused', () => {
  for (const text of ['Observation?identifier=1', 'http://h.example/fhir/R4/Person?identifier=1']) {
    assert.throws(
      () => query(text),
      (error) => error instanceof CerebraError && error.code === 'invalid' && /of the same type/.test(error.message),
    );
  }
});
