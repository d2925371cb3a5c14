// Matching against plain evaluations of the same question on random values.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { random } from '#platform/testing';
import { found } from './search-testing.ts';

const on = (effectiveDateTime: string): object => ({ resourceType: 'Observation', effectiveDateTime });

describe('a plain evaluation agrees', () => {
  /** From 0 to below 1. */
  function fractions(seed: number): () => number {
    const next = random(seed);
    return () => next(2 ** 32) / 2 ** 32;
  }

  test('on random integers with each prefix', () => {
    const next = fractions(1);
    const plain: Record<string, (v: number, s: number) => boolean> = {
      eq: (v, s) => v === s,
      ne: (v, s) => v !== s,
      gt: (v, s) => v > s,
      lt: (v, s) => v < s,
      ge: (v, s) => v >= s,
      le: (v, s) => v <= s,
      sa: (v, s) => v > s,
      eb: (v, s) => v < s,
      ap: (v, s) => Math.abs(v - s) * 10 <= Math.abs(s),
    };
    for (let i = 0; i < 3000; i++) {
      const start = Array.from({ length: Math.floor(next() * 4) }, () => Math.floor(next() * 60) - 30);
      const wanted = Array.from({ length: 1 + Math.floor(next() * 3) }, () => {
        const prefix = Object.keys(plain)[Math.floor(next() * 9)] as string;
        return { prefix, s: Math.floor(next() * 60) - 30 };
      });
      const search = `variant-start=${wanted.map(({ prefix, s }) => prefix + s).join(',')}`;
      const expected = start.some((v) => wanted.some(({ prefix, s }) => plain[prefix]?.(v, s)));
      const resource = { resourceType: 'MolecularSequence', variant: start.map((value) => ({ start: value })) };
      assert.equal(found(search, resource), expected, `${search} on ${start}`);
    }
  });

  test('on random days and months with each prefix', () => {
    const next = fractions(2);
    const dayMs = 86_400_000;
    const pick = (): { text: string; lo: number; hi: number } => {
      const month = Math.floor(next() * 12);
      const two = (n: number): string => String(n).padStart(2, '0');
      if (next() < 0.3)
        return { text: `2020-${two(month + 1)}`, lo: Date.UTC(2020, month, 1), hi: Date.UTC(2020, month + 1, 1) - 1 };
      const day = 1 + Math.floor(next() * 28);
      const lo = Date.UTC(2020, month, day);
      return { text: `2020-${two(month + 1)}-${two(day)}`, lo, hi: lo + dayMs - 1 };
    };
    type Range = { lo: number; hi: number };
    const within = (v: Range, s: Range): boolean => v.lo >= s.lo && v.hi <= s.hi;
    const plain: Record<string, (v: Range, s: Range) => boolean> = {
      eq: within,
      ne: (v, s) => !within(v, s),
      gt: (v, s) => v.hi > s.hi,
      lt: (v, s) => v.lo < s.lo,
      ge: (v, s) => v.hi >= s.lo,
      le: (v, s) => v.lo <= s.hi,
      sa: (v, s) => v.lo > s.hi,
      eb: (v, s) => v.hi < s.lo,
    };
    for (let i = 0; i < 3000; i++) {
      const value = pick();
      const wanted = pick();
      const prefix = Object.keys(plain)[Math.floor(next() * 8)] as string;
      assert.equal(
        found(`date=${prefix}${wanted.text}`, on(value.text)),
        plain[prefix]?.(value, wanted),
        `${value.text} ${prefix} ${wanted.text}`,
      );
    }
  });

  test('on random codings with :not and systems', () => {
    const next = fractions(3);
    const systems = ['', 'http://a', 'http://b'];
    const code = (): string => 'abc'[Math.floor(next() * 3)] as string;
    for (let i = 0; i < 3000; i++) {
      const coding = Array.from({ length: Math.floor(next() * 3) }, () => ({
        system: systems[Math.floor(next() * 3)] as string,
        code: code(),
      }));
      const form = Math.floor(next() * 3);
      const system = systems[Math.floor(next() * 3)] as string;
      const wanted = code();
      const not = next() < 0.5;
      const text = form === 0 ? wanted : form === 1 ? `${system}|${wanted}` : `${system || 'http://c'}|`;
      const hit = coding.some((each) =>
        form === 0
          ? each.code === wanted
          : form === 1
            ? each.code === wanted && each.system === system
            : each.system === (system || 'http://c'),
      );
      const stored = coding.map((each) => (each.system === '' ? { code: each.code } : each));
      const resource = { resourceType: 'Observation', code: { coding: stored } };
      assert.equal(
        found(`code${not ? ':not' : ''}=${text}`, resource),
        hit !== not,
        `${text} on ${JSON.stringify(stored)}`,
      );
    }
  });
});
