import assert from 'node:assert/strict';
import test from 'node:test';
import { readTerms } from './terms.ts';

test('a line that is called like something every object has is no segment with patients', () => {
  const lines = ['MSH|^~\\&|LAB|HOSP', 'PID|1||123', 'constructor', 'toString|1', '__proto__|2'];
  const { words, patients } = readTerms(Buffer.from(lines.join('\r')));
  assert.deepEqual([...patients], ['123']);
  assert.ok(words.has('constructor'));
});

test('escaped bytes are the words that they are in the resources: windows-1252, and characters over several sequences', () => {
  const fields = ['M\\XFC\\ller', 'Jos\\XC3\\\\XA9\\', 'J\\XC3A4\\ger', 'Zo\\XEB\\ \\H\\bold\\N\\', 'a\\F\\b'];
  const { words } = readTerms(Buffer.from(`MSH|^~\\&|A|B|||||ORU^R01|1|P|2.5\rNTE|1||${fields.join(' ')}`));
  for (const word of ['muller', 'jose', 'jager', 'zoe', 'bold', 'a', 'b']) assert.ok(words.has(word), word);
  const greek = readTerms(Buffer.from('MSH|^~\\&|A|B|||||ORU^R01|1|P|2.5||||||8859/7\rNTE|1||\\XE1\\\\XE2E3\\'));
  assert.ok(greek.words.has('\u03b1\u03b2\u03b3'));
});

test('a byte that is no UTF-8 leaves the other words of a message what they are', () => {
  const head = Buffer.from('MSH|^~\\&|A|B|||||ORU^R01|1|P|2.5||||||UNICODE UTF-8\rPID|1||7||Müller^Zoë\rNTE|1||caf');
  const { words } = readTerms(Buffer.concat([head, Buffer.of(0xe9)]));
  for (const word of ['muller', 'zoe', 'cafe']) assert.ok(words.has(word), word);
});
