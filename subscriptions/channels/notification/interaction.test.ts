import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uuidv7 } from '#platform';
import { interactionOf } from './interaction.ts';

const updatedMs = Date.parse('2026-11-21T16:13:43.921Z');
const made = (id: string, version: number, op: 'create' | 'update' | 'delete' | 'none') => {
  const { method, url, status } = interactionOf({ type: 'Patient', id, version, op, updatedMs });
  return `${method} ${url} ${status}`;
};

test('only what the server gave an id was posted: what a client named, or brought back, was put', () => {
  const id = uuidv7(updatedMs - 5);
  assert.equal(made(id, 1, 'create'), 'POST Patient 201');
  assert.equal(made(id, 2, 'update'), `PUT Patient/${id} 200`);
  assert.equal(made(id, 3, 'create'), `PUT Patient/${id} 201`);
  assert.equal(made('p1', 1, 'create'), 'PUT Patient/p1 201');
  assert.equal(made('p1', 3, 'create'), 'PUT Patient/p1 201');
  assert.equal(made('p1', 4, 'delete'), 'DELETE Patient/p1 204');
  assert.equal(made('p1', 4, 'none'), 'GET Patient/p1 200');
  // Of another server, from which it was taken over a day later, and of a client whose clock is ahead.
  for (const away of [-86_400_000, 3_600_000]) {
    const foreign = uuidv7(updatedMs + away);
    assert.equal(made(foreign, 1, 'create'), `PUT Patient/${foreign} 201`);
  }
});
