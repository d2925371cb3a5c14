import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rawJson } from '../json.ts';
import { parseDateRange } from './dates.ts';
import {
  approximateRange,
  compareDecimals,
  decimalOf,
  isDecimal,
  numberRange,
  plainDecimal,
  scaledSample,
} from './decimals.ts';
import { escapeValue, splitPrefix, splitUnescaped, unescapeValue } from './escapes.ts';
import { foldString } from './fold.ts';

const utc = (text: string): number => Date.parse(text);

describe('parseDateRange', () => {
  const cases: [string, string, string][] = [
    ['2013', '2013-01-01T00:00:00.000Z', '2013-12-31T23:59:59.999Z'],
    ['2000-04', '2000-04-01T00:00:00.000Z', '2000-04-30T23:59:59.999Z'],
    ['2012-02', '2012-02-01T00:00:00.000Z', '2012-02-29T23:59:59.999Z'],
    ['2013-01-14', '2013-01-14T00:00:00.000Z', '2013-01-14T23:59:59.999Z'],
    ['2013-01-14T10:00', '2013-01-14T10:00:00.000Z', '2013-01-14T10:00:59.999Z'],
    ['2013-01-14T10:00:07Z', '2013-01-14T10:00:07.000Z', '2013-01-14T10:00:07.999Z'],
    ['2013-01-14T10:00:07.5Z', '2013-01-14T10:00:07.500Z', '2013-01-14T10:00:07.599Z'],
    ['2013-01-14T10:00:07.25Z', '2013-01-14T10:00:07.250Z', '2013-01-14T10:00:07.259Z'],
    ['2013-01-14T10:00:07.123Z', '2013-01-14T10:00:07.123Z', '2013-01-14T10:00:07.123Z'],
    ['2013-01-14T10:00:07.123456789Z', '2013-01-14T10:00:07.123Z', '2013-01-14T10:00:07.123Z'],
    ['2013-01-14T10:00:00+05:30', '2013-01-14T04:30:00.000Z', '2013-01-14T04:30:00.999Z'],
    ['2013-01-14T23:30:00-08:00', '2013-01-15T07:30:00.000Z', '2013-01-15T07:30:00.999Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z', '2017-01-01T00:00:00.999Z'],
    ['1582-10-15', '1582-10-15T00:00:00.000Z', '1582-10-15T23:59:59.999Z'],
    ['9999', '9999-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z'],
  ];
  for (const [text, lo, hi] of cases) {
    test(text, () => assert.deepEqual(parseDateRange(text), { lo: utc(lo), hi: utc(hi) }));
  }

  test('the + of an offset may have been decoded to a space', () => {
    assert.deepEqual(parseDateRange('2013-01-14T10:00:00 05:30'), parseDateRange('2013-01-14T10:00:00+05:30'));
  });

  test('years below 100 are not 19xx', () => {
    assert.deepEqual(parseDateRange('0001'), { lo: utc('0001-01-01T00:00:00Z'), hi: utc('0001-12-31T23:59:59.999Z') });
  });

  test('agrees with Date on every day of 1895 to 2105', () => {
    for (let ms = utc('1895-01-01T00:00:00Z'); ms < utc('2105-01-01T00:00:00Z'); ms += 86_400_000) {
      const text = new Date(ms).toISOString().slice(0, 10);
      assert.equal(parseDateRange(text)?.lo, ms, text);
    }
  });

  const malformed = [
    '',
    '0000',
    '13',
    '2013-1',
    '2013-13',
    '2013-00',
    '2013-02-29',
    '1900-02-29',
    '2013-04-31',
    '2013-01-14T',
    '2013-01-14T10',
    '2013-01-14T24:00',
    '2013-01-14T10:60',
    '2013-01-14T10:00:61',
    '2013-01-14T10:00:00.',
    '2013-01-14T10:00:00.Z',
    '2013-01-14T10:00:00ZZ',
    '2013-01-14T10:00:00+5:30',
    '2013-01-14T10:00:00+15:00',
    '2013-01-14T10:00:00+05:60',
    '2013-01-14 10:00:00',
    '2013/01/14',
    '2013-01-14x',
    '20130114',
    '-2013',
    '２０１３',
    `2013-01-14T10:00:00.${'1'.repeat(100_000)}x`,
  ];
  for (const text of malformed) {
    test(`malformed: ${text.slice(0, 30)}`, () => assert.equal(parseDateRange(text), undefined));
  }
});

describe('decimals', () => {
  const ranges: [string, string, string][] = [
    ['100', '99.5', '100.5'],
    ['100.00', '99.995', '100.005'],
    ['1e2', '50', '150'],
    ['1.0e2', '95', '105'],
    ['1.00e2', '99.5', '100.5'],
    ['5.4', '5.35', '5.45'],
    ['5.40e-3', '0.005395', '0.005405'],
    ['0', '-0.5', '0.5'],
    ['-2.0', '-2.05', '-1.95'],
    ['+7', '6.5', '7.5'],
    ['007', '6.5', '7.5'],
    ['0.1000000000000000055', '0.10000000000000000545', '0.10000000000000000555'],
    ['12345678901234567890', '12345678901234567889.5', '12345678901234567890.5'],
  ];
  for (const [text, lo, hi] of ranges) {
    test(`${text} is [${lo}, ${hi})`, () => assert.deepEqual(numberRange(text), { lo, hi }));
  }

  test('approximately: 10 % either side', () => {
    assert.deepEqual(approximateRange('5.4'), { lo: '4.86', hi: '5.94' });
    assert.deepEqual(approximateRange('-100'), { lo: '-110.0', hi: '-90.0' });
    assert.deepEqual(approximateRange('0'), { lo: '0.0', hi: '0.0' });
    assert.equal(approximateRange('x'), undefined);
  });

  test('what is no decimal, or beyond the limits', () => {
    const wrong = [
      '',
      ' 1',
      '1 ',
      '.5',
      '5.',
      '1e',
      'e5',
      '1e9999999',
      '1e201',
      '--1',
      '0x10',
      'NaN',
      'Infinity',
      '1,5',
      '١',
    ];
    for (const text of [...wrong, '9'.repeat(101), '1'.repeat(1_000_000)]) {
      assert.equal(isDecimal(text), false, text.slice(0, 20));
      assert.equal(numberRange(text), undefined);
      assert.equal(plainDecimal(text), undefined);
    }
  });

  test('plain notation keeps the digits', () => {
    assert.equal(plainDecimal('5.40e-3'), '0.00540');
    assert.equal(plainDecimal('-1.5E+2'), '-150');
    assert.equal(plainDecimal('1.00'), '1.00');
  });

  test('the digits of a JSON number', () => {
    assert.equal(decimalOf(1.5), '1.5');
    assert.equal(decimalOf(rawJson('1.00')), '1.00');
    assert.equal(decimalOf(1e21), '1e+21');
    assert.equal(decimalOf(0.1 + 0.2), '0.30000000000000004');
    for (const value of [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      1e300,
      1e-300,
      '1',
      null,
      undefined,
      {},
      rawJson('1e999'),
    ]) {
      assert.equal(decimalOf(value), undefined);
    }
  });

  test('comparison is exact', () => {
    assert.equal(Math.sign(compareDecimals('0.1', '0.10')), 0);
    assert.equal(Math.sign(compareDecimals('1e2', '99.9')), 1);
    assert.equal(Math.sign(compareDecimals('0.10000000000000000545', '0.10000000000000000544')), 1);
    assert.equal(Math.sign(compareDecimals('12345678901234567889.5', '12345678901234567890')), -1);
    assert.equal(Math.sign(compareDecimals('-1e-200', '0')), -1);
    assert.equal(Math.sign(compareDecimals('1.00000000000000000000', '1')), 0);
  });

  test('comparison knows no bounds', () => {
    const digits = '7'.repeat(150_000);
    const cases: [a: string, b: string, sign: number][] = [
      ['1e150', `1${'0'.repeat(150)}`, 0],
      [`1${'0'.repeat(150)}`, `1${'0'.repeat(149)}1`, -1],
      ['1e999', '1e999', 0],
      ['2e999', '1e999', 1],
      ['-2e999', '-1e999', -1],
      ['1e-999', '2e-999', -1],
      ['1e-999', '0', 1],
      ['0e999', '-0.000', 0],
      ['-1e99999999', '1e-99999999', -1],
      ['0.001e1002', '1e999', 0],
      [digits, `${digits}.000`, 0],
      [digits, `${digits}.001`, -1],
    ];
    for (const [a, b, sign] of cases) {
      assert.equal(Math.sign(compareDecimals(a, b)), sign, `${a.slice(0, 20)} ${b.slice(0, 20)}`);
      assert.equal(Math.sign(compareDecimals(b, a)), sign === 0 ? 0 : -sign, `${b.slice(0, 20)} ${a.slice(0, 20)}`);
    }
    assert.throws(() => compareDecimals('1e5x', '1'), RangeError);
  });

  test('SampledData scaling is exact', () => {
    assert.equal(scaledSample('3', '0.1', '0.2'), '0.5');
    assert.equal(scaledSample('-7', '1.5', '2048'), '2037.5');
    assert.equal(scaledSample('E', '1', '0'), undefined);
  });
});

describe('escapes and prefixes', () => {
  test('splitting', () => {
    assert.deepEqual(splitUnescaped('a,b', ','), ['a', 'b']);
    assert.deepEqual(splitUnescaped('a\\,b', ','), ['a\\,b']);
    assert.deepEqual(splitUnescaped('a\\\\,b', ','), ['a\\\\', 'b']);
    assert.deepEqual(splitUnescaped(',', ','), ['', '']);
    assert.deepEqual(splitUnescaped('x\\|y|z', '|'), ['x\\|y', 'z']);
  });

  test('unescaping', () => {
    assert.equal(unescapeValue('a\\,b\\|c\\$d\\\\e'), 'a,b|c$d\\e');
    for (const illegal of ['xx\\xx', 'a\\', '\\\\\\']) assert.equal(unescapeValue(illegal), undefined);
    assert.equal(unescapeValue(escapeValue('a,b|c$d\\e')), 'a,b|c$d\\e');
  });

  test('prefixes', () => {
    assert.deepEqual(splitPrefix('ge2013'), { prefix: 'ge', rest: '2013' });
    assert.deepEqual(splitPrefix('2013'), { prefix: 'eq', rest: '2013' });
    assert.deepEqual(splitPrefix('xx2013'), { prefix: 'eq', rest: 'xx2013' });
  });
});

describe('foldString', () => {
  const cases: [string, string][] = [
    ['Eve', 'eve'],
    ['José Núñez', 'jose nunez'],
    ['Jose\u0301', 'jose'],
    ["O'Brien", 'obrien'],
    ['Anne-Marie', 'anne marie'],
    ['  St.\t John \n', 'st john'],
    ['Smith,John', 'smith john'],
    ['ﬁnal', 'final'],
    ['ΣΊΣΥΦΟΣ', 'σισυφοσ'],
    ['Weiß', 'weiss'],
    ['WEIẞ', 'weiss'],
    ['Sørensen Łukasz', 'sorensen lukasz'],
    ['Ægir Œuvre', 'aegir oeuvre'],
    ['Đorđević', 'dordevic'],
    ['Þór Guðmundsson', 'thor gudmundsson'],
    ['Għajn Ŧ', 'ghajn t'],
    ['Işık', 'isik'],
    ['東京', '東京'],
    ['...', ''],
    ['a\u200Bb', 'ab'],
    ['100%', '100'],
    ['\uD800', '\uD800'],
  ];
  for (const [text, folded] of cases) test(JSON.stringify(text), () => assert.equal(foldString(text), folded));

  test('folding twice changes nothing', () => {
    for (const [text] of cases) assert.equal(foldString(foldString(text)), foldString(text));
  });

  test('Turkish capital İ finds its small letter', () => assert.equal(foldString('İzmir'), foldString('izmir')));
});
