import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { compareDecimals } from './decimals.ts';
import { areCommensurable, compareConverted, convertDecimal } from './units.ts';

test('values in other units of the same dimension', () => {
  const cases: [string, string, string, string][] = [
    ['5', 'g', 'mg', '5000'],
    ['5000', 'mg', 'g', '5'],
    ['37', 'Cel', '[degF]', '98.6'],
    ['-40', '[degF]', 'Cel', '-40'],
    ['32', '[degF]', 'Cel', '0'],
    ['33.8', '[degF]', 'Cel', '1'],
    ['-459.67', '[degF]', 'K', '0'],
    ['0', 'Cel', 'K', '273.15'],
    ['30', 's', 'min', '0.5'],
    ['30', 'g/min', 'mg/s', '500'],
    ['120', 'mm[Hg]', 'kPa', '15.99864'],
    ['5', 'mmol/L', 'umol/mL', '5'],
    ['1', '10*3/uL', '10*9/L', '1'],
    ['70', '/min', '{beats}/min', '70'],
    ['50', '%', '1', '0.5'],
    ...['10*3/mm3', '/nL', '1/nL', '10*3.uL-1', '10*9.L-1', '10*3{cells}/uL', '10*3/ul', '10*12.m-3', '(10*3)/uL'].map(
      (unit): [string, string, string, string] => ['37', unit, '10*9/L', '37'],
    ),
    ['37', '/mm3', '/uL', '37'],
    ['37', '10*-3/fL', '10*12/L', '37'],
    ...['{H.B}/min', '/min{beats}', 'min-1', '1/min'].map((unit): [string, string, string, string] => [
      '70',
      unit,
      '/min',
      '70',
    ]),
  ];
  for (const [value, from, to, expected] of cases) {
    const converted = convertDecimal(value, from, to);
    assert.ok(
      converted !== undefined && compareDecimals(converted, expected) === 0,
      `${value} ${from} is ${converted} ${to}`,
    );
  }
  assert.equal(convertDecimal('5.40', 'mg', 'mg'), '5.40');
});

test('values in different units differ only as far as converted digits tell', () => {
  const compared = (...both: Parameters<typeof compareConverted>) => Math.sign(compareConverted(...both) ?? Number.NaN);
  assert.equal(compared('0', 'Cel', '32', '[degF]'), 0);
  assert.equal(compared('-0.1', 'Cel', '32', '[degF]'), -1);
  assert.equal(compared('939.2142857142857', 'wk', '18', 'a'), 0);
  assert.equal(compared('939.3', 'wk', '18', 'a'), 1);
  assert.equal(compared('1.00000000000000001', 'kg', '1', 'kg'), 1);
  assert.equal(compared('10', 'kg', '1', 'cm'), Number.NaN);
});

test('what measures different things, or nothing that is known', () => {
  for (const [a, b] of [
    ['g', 'mL'],
    ['mmol/L', '/L'],
    ['[IU]/L', 'k[IU]/L'],
    ['[pH]', '1'],
    ['mg', 'milligram'],
    ['mg', 'constructor'],
    ['mg', '__proto__'],
    ['mg', ''],
    ['mg', 'x'.repeat(10_000)],
    ['mg', "mg'; drop table x"],
  ] as const) {
    assert.equal(areCommensurable(a, b), false, `${a} and ${b}`);
    assert.equal(convertDecimal('1', a, b), undefined);
    assert.equal(convertDecimal('1', b, a), undefined);
  }
  assert.equal(areCommensurable('[IU]/L', '[IU]/L'), true);
});

test('nothing of a code that is none is printed', () => {
  const print = mock.method(console, 'log', () => undefined);
  try {
    for (const code of ['a b', 'mg\n{"level":"fatal","msg":"forged"}', 'mg()', '()', 'µg', 'mg\u0000', ' mg']) {
      assert.equal(areCommensurable('mg', code), false, code);
    }
    assert.deepEqual(print.mock.calls, []);
  } finally {
    print.mock.restore();
  }
});
