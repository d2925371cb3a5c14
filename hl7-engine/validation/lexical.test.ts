import assert from 'node:assert/strict';
import test from 'node:test';
import { formFault } from './lexical.ts';

test('a number has digits with an optional sign and decimal point, and a megabyte of them is told at once to be none', () => {
  const fault = formFault('NM')!;
  for (const text of ['1', '-1', '+1.', '.5', '01.50']) assert.equal(fault(text), undefined, text);
  const digits = '1'.repeat(1_000_000);
  assert.equal(fault(digits), undefined);
  for (const text of ['', '.', '+', '1.2.3', '1e3', ' 1', `${digits}x`, `${digits}.${digits}x`]) {
    assert.match(fault(text) ?? '', /^not a number/, text.slice(0, 20));
  }
});
