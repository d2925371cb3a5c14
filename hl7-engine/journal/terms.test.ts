import assert from 'node:assert/strict';
import test from 'node:test';
import { readTerms } from './terms.ts';

test('a line that is called like something every object has is no segment with patients', () => {
  const lines = ['MSH|^~\\&|LAB|HOSP', 'PID|1||123', 'constructor', 'toString|1', '__proto__|2'];
  const { words, patients } = readTerms(Buffer.from(lines.join('\r')));
  assert.deepEqual([...patients], ['123']);
  assert.ok(words.has('constructor'));
});
