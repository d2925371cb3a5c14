// Patterns in bounded time; platform/pattern/ compares the machine with JavaScript's engine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TOO_COSTLY, UNREADABLE } from './items.ts';
import { isPattern, patternOf } from './pattern.ts';

const never = { message: TOO_COSTLY.message };

test('catastrophic patterns end, what can end late is told', () => {
  const text = 'a'.repeat(100_000);
  assert.equal(patternOf('^(a+)+$').test(text), true);
  assert.equal(patternOf('^(a+)+$').test(`${text}!`), false);
  assert.equal(patternOf('^(([a-z])+.)+[A-Z]([a-z])+$').test(text), false);
  assert.throws(() => patternOf('(?=a)(a+)+$').test(text), never);
  assert.throws(() => patternOf('^(a|b)*$').test(text.repeat(3)), never);
  assert.throws(() => patternOf('(a{1,99}){1,99}').test('a'), never);
  assert.throws(() => patternOf('a[^b]*b|a').replace(text, 'c'), never);
});

test('matches are replaced, whatever repeats', () => {
  assert.equal(patternOf('\\..*').replace('Patient.name.given', ''), 'Patient');
  assert.equal(patternOf('(a+)+').replace('aab', '<$1>'), '<aa>b');
  assert.equal(
    patternOf('\\b(?<month>\\d{1,2})/(?<day>\\d{1,2})/(?<year>\\d{2,4})\\b').replace(
      '11/30/1972',
      `\${day}-\${month}-\${year}`,
    ),
    '30-11-1972',
  );
});

test('the dot is a line end too, and any punctuation may be escaped', () => {
  assert.equal(patternOf('^a.b$').test('a\nb'), true);
  assert.equal(patternOf('^\\@\\-$').test('@-'), true);
});

test('look-around is for short texts with one open repetition', () => {
  const pattern = patternOf('^(?!ab)a.*');
  assert.equal(pattern.test('acd'), true);
  assert.equal(pattern.test('acd'), true);
  assert.equal(pattern.test('abd'), false);
  assert.equal(pattern.replace('acd', '-'), '-');
  assert.throws(() => pattern.test('a'.repeat(2_001)), never);
});

test('what is no pattern is told', () => {
  assert.throws(() => patternOf('(').test('a'), { message: UNREADABLE.message });
  assert.throws(() => patternOf('[').replace('a', ''), { message: UNREADABLE.message });
  assert.deepEqual(['a+', '\\@', '(?=a)', 'a{2', '[', '(', '\\i'].map(isPattern), [
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});
