// Patterns in bounded time: the machine finds what JavaScript's backtracking engine finds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random } from '#platform/testing';
import { TOO_COSTLY } from './items.ts';
import { patternOf } from './pattern.ts';
import { linearTest } from './pattern-nfa.ts';
import { parsePattern } from './pattern-parse.ts';

const below = random(7);
const one = (choices: readonly string[]): string => choices[below(choices.length)] ?? '';

/** Small patterns of all that is read here. */
function pattern(depth: number): string {
  const atom = one(['a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '\\.', '[a-c\\d]', 'c']);
  const inner = depth === 0 || below(3) > 0 ? atom : `(${below(2) === 0 ? '?:' : ''}${pattern(depth - 1)})`;
  const repeated = `${inner}${one(['', '', '*', '+', '?', '{2}', '{1,2}', '{1,}', '*?'])}`;
  const rest = below(3) === 0 ? '' : one(['', '|']) + pattern(Math.max(depth - 1, 0));
  return repeated + (depth === 0 ? '' : rest);
}

test('the machine says what the engine of JavaScript says', () => {
  let matched = 0;
  for (let round = 0; round < 4000; round++) {
    const source = `${one(['', '^'])}${pattern(3)}${one(['', '$'])}`;
    const text = Array.from({ length: below(9) }, () => one(['a', 'b', 'c', '1', '.', 'é', '😀'])).join('');
    const program = parsePattern(source);
    assert.ok(program !== undefined, source);
    const expected = new RegExp(source, 'su').test(text);
    assert.equal(linearTest(program, text), expected, `${source} on ${text}`);
    if (expected) matched++;
  }
  assert.ok(matched > 500 && matched < 3500, `${matched} of 4000 match`);
});

test('what the machine does not read is not tested by it', () => {
  for (const source of ['(?=a)', '(?<!a)', '\\ba', '(a)\\1', '\\p{L}', '[', '(', 'a{2', '(a{1,999}){1,999}']) {
    assert.equal(parsePattern(source), undefined, source);
  }
});

test('catastrophic patterns end, what can end late is told', () => {
  const text = 'a'.repeat(100_000);
  assert.equal(patternOf('^(a+)+$').test(text), true);
  assert.equal(patternOf('^(a+)+$').test(`${text}!`), false);
  assert.equal(patternOf('^(([a-z])+.)+[A-Z]([a-z])+$').test(text), false);
  const never = { message: TOO_COSTLY.message };
  assert.throws(() => patternOf('(?=a)(a+)+$').test(text), never);
  assert.throws(() => patternOf('^(a|b)*$').test(text.repeat(3)), never);
  assert.throws(() => patternOf('(a+)+').replace('aa', 'b'), never);
  assert.equal(patternOf('\\..*').replace('Patient.name.given', ''), 'Patient');
});
