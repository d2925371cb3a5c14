import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CerebraError, errorCodes, isCerebraError } from './errors.ts';

it('carries status and issue of its code', () => {
  const cause = new Error('why');
  const error = new CerebraError('deleted', 'Patient/1 is deleted', { expression: ['Patient.id'], cause });
  assert.equal(error.status, 410);
  assert.equal(error.cause, cause);
  assert.deepEqual(error.issues, [
    { severity: 'error', code: 'deleted', diagnostics: 'Patient/1 is deleted', expression: ['Patient.id'] },
  ]);
});

it('takes issues as they are given', () => {
  const issues = [{ severity: 'fatal' as const, code: 'structure', diagnostics: 'x' }];
  assert.deepEqual(new CerebraError('structure', 'x', { issues }).issues, issues);
});

it('has no issue expression when none is given', () => {
  assert.equal('expression' in new CerebraError('internal', 'x').issues[0]!, false);
});

it('is told from other errors', () => {
  assert.equal(isCerebraError(new CerebraError('timeout', 'x')), true);
  assert.equal(isCerebraError(new CerebraError('timeout', 'x'), 'timeout'), true);
  assert.equal(isCerebraError(new CerebraError('timeout', 'x'), 'internal'), false);
  assert.equal(isCerebraError(new Error('x')), false);
});

it('lists only error statuses', () => {
  for (const { status } of Object.values(errorCodes)) assert.ok(status >= 400 && status < 600);
});
