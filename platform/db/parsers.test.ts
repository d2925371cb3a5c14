import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTimestamptz, typeParsers } from './parsers.ts';

describe('parseTimestamptz', () => {
  for (const [text, iso] of [
    ['2026-01-31 12:34:56+00', '2026-01-31T12:34:56.000Z'],
    ['2026-01-31 12:34:56.7+00', '2026-01-31T12:34:56.700Z'],
    ['2026-01-31 12:34:56.789999+00', '2026-01-31T12:34:56.789Z'],
    ['2026-01-31 12:34:56.789+05:30', '2026-01-31T07:04:56.789Z'],
    ['2026-01-31 12:34:56-08', '2026-01-31T20:34:56.000Z'],
    ['1890-01-01 00:00:00+00:53:28', '1889-12-31T23:06:32.000Z'],
    ['0044-03-15 12:00:00+00', '0044-03-15T12:00:00.000Z'],
    ['0044-03-15 12:00:00+00 BC', '-000043-03-15T12:00:00.000Z'],
    ['12026-01-31 00:00:00+00', '+012026-01-31T00:00:00.000Z'],
    ['2024-02-29 23:59:59.999+00', '2024-02-29T23:59:59.999Z'],
  ] as const) {
    it(text, () => assert.equal(new Date(parseTimestamptz(text)).toISOString(), iso));
  }

  it('knows infinity', () => {
    assert.equal(parseTimestamptz('infinity'), Number.POSITIVE_INFINITY);
    assert.equal(parseTimestamptz('-infinity'), Number.NEGATIVE_INFINITY);
  });

  it('refuses another form', () => assert.throws(() => parseTimestamptz('31.01.2026'), RangeError));
});

describe('typeParsers', () => {
  it('leaves other types to pg', () => {
    assert.equal(typeParsers.getTypeParser(23)('5'), 5);
    assert.equal(typeParsers.getTypeParser(1700)('1.00'), '1.00');
  });
});
