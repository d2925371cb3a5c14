import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { quietFlag } from './heap.ts';

test('V8 knows the flag that says how long memory is kept; an unknown one it would only complain about', () => {
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  assert.match(known, new RegExp(`^  ${quietFlag} \\(`, 'm'));
});
