import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { random } from '#platform/testing';
import { compilePattern } from './pattern.ts';

const atoms = ['a', 'b', '.', '[ab]', '[^a]', '\\w', '\\d', '-', '\\b', '^', '$', '\\x61', 'é', '\\p{Lu}'];
const quantifiers = ['*', '+', '?', '{1,3}', '*?', '+?', '{2}', '{0,2}?'];

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
    for (let count = 0; count < 1500; count++) {
      const source = make(0);
      const ours = compilePattern(source);
      const native = new RegExp(source, 'u');
      for (let index = 0; index < 4; index++) {
        const text = Array.from({ length: below(10) }, () => ['a', 'b', '-', '1', 'é', '\n'][below(6)]).join('');
        assert.equal(ours.test(text), native.test(text), `${source} in ${JSON.stringify(text)}`);
        // Replacing goes through the engine of our own, however short the text.
        assert.equal(ours.replaceAll(text, '!') !== text, native.test(text), `${source} in ${JSON.stringify(text)}`);
      }
    }
  });

  it('ignore case where asked', () => {
    assert.equal(compilePattern('^lab\\d+$', true).test('LAB12'), true);
    assert.equal(compilePattern('^lab\\d+$').test('LAB12'), false);
    assert.equal(compilePattern('^(?:lab|x*y*z*)+$', true).test('LABxYZ'), true);
  });

  it('replace every match, with groups', () => {
    assert.equal(compilePattern('(\\d+)-(\\d+)').replaceAll('1-2, 33-44', '$2/$1 $$ $&'), '2/1 $ 1-2, 44/33 $ 33-44');
    assert.equal(compilePattern('x*').replaceAll('axb', '-'), '-a--b-');
    assert.equal(compilePattern('(a)|(b)').replaceAll('ab', '[$1$2$3]'), '[a$3][b$3]');
    assert.equal(compilePattern('^0+').replaceAll('000120', ''), '120');
  });

  it('take time linear in the text, whatever the pattern', () => {
    const text = `${'a'.repeat(60_000)}b`;
    assert.equal(compilePattern('^(a+)+$').test(text), false);
    assert.equal(compilePattern('(a*)*(a*)*c').test(text), false);
    assert.equal(compilePattern('(a|a|aa)+$').test(text), false);
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
