import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CerebraError } from '#platform';
import { issuesOf, operationOutcome } from './operation-outcome.ts';

test('each issue becomes one, without empty members', () => {
  const outcome = operationOutcome([
    {
      severity: 'error',
      code: 'required',
      diagnostics: 'Patient.link.other: required',
      expression: ['Patient.link.other'],
    },
    { severity: 'warning', code: 'value', diagnostics: '', expression: [] },
    { severity: 'error', code: 'invariant', diagnostics: 'pat-1: …', messageId: 'pat-1' },
  ]);
  assert.deepEqual(outcome, {
    resourceType: 'OperationOutcome',
    issue: [
      {
        severity: 'error',
        code: 'required',
        diagnostics: 'Patient.link.other: required',
        expression: ['Patient.link.other'],
      },
      { severity: 'warning', code: 'value' },
      {
        ...{ severity: 'error', code: 'invariant', diagnostics: 'pat-1: …' },
        details: { coding: [{ system: 'urn:cerebra:validation-message', code: 'pat-1' }] },
      },
    ],
  });
});

test('no issue: all OK', () => {
  assert.deepEqual(operationOutcome([]), {
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'information', code: 'informational', diagnostics: 'All OK' }],
  });
});

test('a CerebraError tells its issues, any other error nothing', () => {
  const error = new CerebraError('invalid-parameter', 'No such unit', { expression: ['_count'] });
  assert.deepEqual(issuesOf(error), [
    { severity: 'error', code: 'value', diagnostics: 'No such unit', expression: ['_count'] },
  ]);
  const internal = [{ severity: 'fatal', code: 'exception', diagnostics: 'Internal error' }];
  assert.deepEqual(issuesOf(new Error('password=secret')), internal);
  assert.deepEqual(issuesOf('thrown text'), internal);
});
