import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { random } from '#platform/testing';
import { run } from './machine.ts';
import { compilePattern } from './pattern.ts';
import { assemble } from './program.ts';
import { parsePattern } from './syntax.ts';

const atoms = [
  'a',
  'b',
  '.',
  '[ab]',
  '[^a]',
  '[a-c\\d]',
  '\\w',
  '\\d',
  '\\.',
  '-',
  '\\b',
  '^',
  '$',
  '\\x61',
  'é',
  '\\p{Lu}',
];
const quantifiers = ['*', '+', '?', '{1,3}', '{1,}', '*?', '+?', '{2}', '{0,2}?'];

describe('patterns', () => {
  it('find what ECMAScript’s own engine finds', () => {
    const below = random(7);
    const make = (depth: number): string => {
      const kind = below(8);
      if (depth > 3 || kind < 3) return atoms[below(atoms.length)]!;
      if (kind < 5) return make(depth + 1) + make(depth + 1);
      if (kind === 5) return `(${make(depth + 1)}|${make(depth + 1)})`;
      return kind === 6 ? `(?:${make(depth + 1)})${quantifiers[below(quantifiers.length)]}` : `(${make(depth + 1)})`;
    };
    let matched = 0;
    for (let count = 0; count < 2000; count++) {
      const source = make(0);
      const dotAll = below(2) === 0;
      const ours = compilePattern(source, { dotAll });
      const native = new RegExp(source, dotAll ? 'su' : 'u');
      const program = assemble(parsePattern(source).node, native.flags, 2_000);
      const all = new RegExp(native, `${native.flags}g`);
      for (let index = 0; index < 4; index++) {
        const text = Array.from({ length: below(10) }, () => ['a', 'b', '-', '1', '.', 'é', '😀', '\n'][below(8)]).join(
          '',
        );
        const what = `${native} in ${JSON.stringify(text)}`;
        const expected = native.test(text);
        if (expected) matched++;
        assert.equal(ours.test(text), expected, what);
        // Short texts go to the native engine where it has few ways.
        assert.equal(run(program, text, 0, 0, { left: 100_000 }) !== undefined, expected, what);
        // Replacing goes through the machine, however short the text.
        const hasGroupsInLoops = /\)[*+?{]/.test(source);
        if (!hasGroupsInLoops) assert.equal(ours.replaceAll(text, '<$&>'), text.replace(all, '<$&>'), what);
        assert.equal(ours.replaceAll(text, '!') !== text, expected, what);
      }
    }
    assert.ok(matched > 2000 && matched < 7000, `${matched} of 8000 match`);
  });

  it('ignore case where asked', () => {
    assert.equal(compilePattern('^lab\\d+$', { ignoreCase: true }).test('LAB12'), true);
    assert.equal(compilePattern('^lab\\d+$').test('LAB12'), false);
    assert.equal(compilePattern('^(?:lab|x*y*z*)+$', { ignoreCase: true }).test('LABxYZ'), true);
  });

  it('replace every match, with groups', () => {
    assert.equal(compilePattern('(\\d+)-(\\d+)').replaceAll('1-2, 33-44', '$2/$1 $$ $&'), '2/1 $ 1-2, 44/33 $ 33-44');
    assert.equal(compilePattern('x*').replaceAll('axb', '-'), '-a--b-');
    assert.equal(compilePattern('(a)|(b)').replaceAll('ab', '[$1$2$3]'), '[a$3][b$3]');
    assert.equal(compilePattern('^0+').replaceAll('000120', ''), '120');
    const named = compilePattern('(?<month>\\d{1,2})/(?<day>\\d{1,2})/(?<year>\\d{4})');
    assert.equal(named.replaceAll('11/30/1972', `\${day}-\${month}-$3 \${era}`), `30-11-1972 \${era}`);
  });

  it('take time linear in the text, whatever the pattern', () => {
    const text = `${'a'.repeat(60_000)}b`;
    assert.equal(compilePattern('^(a+)+$').test(text), false);
    assert.equal(compilePattern('(a*)*(a*)*c').test(text), false);
    assert.equal(compilePattern('(a|a|aa)+$').test(text), false);
  });

  it('give up replacing where each match looks far ahead', () => {
    const ahead = compilePattern('a[^b]*b|a', { workMax: 1_000_000 });
    assert.equal(ahead.replaceAll('a'.repeat(300), 'c'), 'c'.repeat(300));
    assert.throws(() => ahead.replaceAll('a'.repeat(3_000), 'c'), /^RangeError: the text takes this pattern too long$/);
    assert.throws(() => compilePattern('(a|b)*c', { workMax: 5_000 }).test('a'.repeat(2_000)), /^RangeError: the text/);
  });

  it('take escapes of any punctuation where asked', () => {
    assert.throws(() => compilePattern('^\\@\\-$'), /^RangeError: .*Invalid escape/);
    const pattern = compilePattern('^\\@\\-\\ [\\-_]\\\\\\.$', { anyEscapes: true });
    assert.equal(pattern.test('@- _\\.'), true);
    assert.equal(pattern.test('@- a\\.'), false);
  });

  it('read two \\u as one character where they are a surrogate pair', () => {
    assert.equal(compilePattern('(\\u0061\\u0062)+$').replaceAll('abab', 'x'), 'x');
    assert.equal(compilePattern('^\\ud83d\\ude00*$').replaceAll('😀😀', 'x'), 'x');
  });

  it('look at 65,536 characters', () => {
    assert.equal(compilePattern('b+').test(`${'a'.repeat(65_535)}b`), true);
    assert.equal(compilePattern('b+').test(`${'a'.repeat(65_536)}b`), false);
    assert.equal(compilePattern('b').replaceAll(`b${'a'.repeat(65_535)}b`, 'c'), `c${'a'.repeat(65_535)}b`);
  });

  it('are refused with what to do where they could take for ever, or are none', () => {
    const refused: [string, RegExp][] = [
      ['(?=a)', /^RangeError: look-around/],
      ['(?<!a)b', /^RangeError: look-around/],
      ['(a)\\1', /^RangeError: a reference to a group/],
      ['(?i:a)', /^RangeError: a group with flags/],
      ['a{3000}', /^RangeError: the pattern is too large/],
      ['(?:(?:(?:){2000}){2000}){2000}', /^RangeError: the pattern is too large/],
      ['(', /^RangeError: .*Unterminated group/],
      ['[z-a]', /^RangeError: .*out of order/],
      ['a'.repeat(501), /^RangeError: a pattern has at most 500 characters/],
      [`${'('.repeat(40)}a${')'.repeat(40)}`, /^RangeError: groups are nested deeper than 30/],
    ];
    for (const [source, message] of refused) assert.throws(() => compilePattern(source), message, source);
  });
});
