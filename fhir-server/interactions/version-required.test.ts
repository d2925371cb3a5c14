import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransactionEntry } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { Core } from './core.ts';
import { withVersion } from './version-required.ts';

const core = { versionRequired: new Set(['Patient']) } as unknown as Core;
const given = (entry: Partial<TransactionEntry>): TransactionEntry => ({ method: 'PUT', url: 'Patient/1', ...entry });
const run = (entry: Partial<TransactionEntry>) => withVersion(core, given(entry), 'Patient', 'If-Match');

test('an update without a version may only create', () => {
  assert.deepEqual(run({}), given({ ifNoneMatch: '*' }));
});

test('If-Match: * names no version, and does not become a create', () => {
  for (const method of ['PUT', 'PATCH', 'DELETE'] as const)
    assert.throws(
      () => run({ method, ifMatch: ' * ' }),
      (error) => isCerebraError(error, 'required'),
    );
});

test('conditions that are wrong stay as they are, for who refuses them', () => {
  for (const entry of [{ ifMatch: '' }, { ifMatch: 'W/"1", W/"2"' }, { ifNoneMatch: 'W/"1"' }, { ifNoneMatch: '' }])
    assert.deepEqual(run(entry), given(entry));
});
