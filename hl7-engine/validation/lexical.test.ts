import assert from 'node:assert/strict';
import test from 'node:test';
import { formFault, valueFault } from './lexical.ts';

test('a number has digits with an optional sign and decimal point, and a megabyte of them is told at once to be none', () => {
  const fault = formFault('NM')!;
  for (const text of ['1', '-1', '+1.', '.5', '01.50']) assert.equal(fault(text), undefined, text);
  const digits = '1'.repeat(1_000_000);
  assert.equal(fault(digits), undefined);
  for (const text of ['', '.', '+', '1.2.3', '1e3', ' 1', `${digits}x`, `${digits}.${digits}x`]) {
    assert.match(fault(text) ?? '', /^not a number/, text.slice(0, 20));
  }
});

test('a time may have an offset whatever its precision, and is one of the calendar and the clock', () => {
  const fault = valueFault('DTM')!;
  for (const text of [
    '2026-0500',
    '202601-0500',
    '202601+0530',
    '20260131-0500',
    '2026013108-0500',
    '202601310805+0100',
  ])
    assert.equal(fault(text), undefined, text);
  for (const text of ['2026+1500', '202601+0560', '202613-0500', '20260231-0500', '2026013124-0500'])
    assert.match(fault(text) ?? '', /^no day/, text);
});
