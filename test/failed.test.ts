import assert from 'node:assert/strict';
import path from 'node:path';
import { type EventData, test } from 'node:test';
import { failureLine } from './failed.ts';

const file = path.resolve('test/some.test.ts');
const lineOf = (error: Error, rest: object = {}) =>
  failureLine({ name: 'it works', file, details: { error }, ...rest } as unknown as EventData.TestFail);
const failure = (message: string, more: object) => Object.assign(new Error(message), more);

test('a test that failed is told with its file and what was wrong, in one line', () => {
  const error = failure('wrapped', { failureType: 'testCodeFailure', cause: new Error('expected\n\n  1') });
  assert.equal(lineOf(error), 'FAILED test/some.test.ts › it works: expected 1');
  assert.equal(lineOf(failure('1'.repeat(1_000), {}))?.length, 'FAILED test/some.test.ts › it works: '.length + 500);
  assert.equal(lineOf(failure('1 subtest failed', { failureType: 'subtestsFailed' })), undefined);
  assert.equal(lineOf(error, { todo: true }), undefined);
});

test('a file whose process ended is told with how it did', () => {
  const ended = (exitCode: number | null, signal: string | null, name = file) =>
    lineOf(failure('test failed', { failureType: 'testCodeFailure', exitCode, signal }), { name });
  assert.equal(ended(null, 'SIGKILL'), 'FAILED test/some.test.ts: test failed (SIGKILL)');
  assert.equal(ended(134, null, 'test/some.test.ts'), 'FAILED test/some.test.ts: test failed (exit code 134)');
});
