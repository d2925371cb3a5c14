// Exact decimals: https://hl7.org/fhir/R4/search.html#number and https://hl7.org/fhir/R4/datatypes.html#decimal

import { isRawJson } from '../json.ts';

/** Value = units × 10^-scale. */
interface Decimal {
  units: bigint;
  scale: number;
}

/** Bounds that keep PostgreSQL's numeric (131,072 digits) and our arithmetic safe; FHIR asks for 18 digits. */
const DECIMAL_CHARACTERS_MAX = 100;
const DECIMAL_EXPONENT_MAX = 200;

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/;

/** What a decimal within these bounds has in plain notation, at most. */
const PLAIN_CHARACTERS_MAX = DECIMAL_CHARACTERS_MAX + DECIMAL_EXPONENT_MAX + 2;

function parse(text: string, charactersMax = DECIMAL_CHARACTERS_MAX): Decimal | undefined {
  if (text.length > charactersMax) return undefined;
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const exponent = match[4] === undefined ? 0 : Number(match[4]);
  if (Math.abs(exponent) > DECIMAL_EXPONENT_MAX) return undefined;
  const decimals = match[3] ?? '';
  const units = BigInt(`${match[2]}${decimals}`);
  return { units: match[1] === '-' ? -units : units, scale: decimals.length - exponent };
}

/** Plain notation, without an exponent. */
function format({ units, scale }: Decimal): string {
  if (scale <= 0) return String(units * 10n ** BigInt(-scale));
  const sign = units < 0n ? '-' : '';
  const text = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  return `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

/** Whether the text is a decimal within the bounds: 100 characters, exponent ±200. */
export const isDecimal = (text: string): boolean => parse(text) !== undefined;

const ANY_DECIMAL = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Why the text is no decimal for us, to be said after it. */
export const decimalFault = (text: string): string =>
  ANY_DECIMAL.test(text)
    ? `is beyond the numbers that can be searched for: ${DECIMAL_CHARACTERS_MAX} characters and exponents of ±${DECIMAL_EXPONENT_MAX} at most`
    : 'is no number';

/**
 * The digits of a JSON number, or of a `JSON.rawJSON` object that kept them; undefined for anything else and for numbers
 * out of bounds.
 */
export function decimalOf(value: unknown): string | undefined {
  if (typeof value === 'number') {
    const text = String(value);
    const size = Math.abs(value);
    // In between, String() writes no exponent and at most 24 characters.
    return (size >= 1e-6 && size < 1e21) || isDecimal(text) ? text : undefined;
  }
  return isRawJson(value) && isDecimal(value.rawJSON) ? value.rawJSON : undefined;
}

/**
 * The range that the digits of a search value imply, `lo` inclusive, `hi` exclusive: 100 is [99.5, 100.5), 100.00 is
 * [99.995, 100.005). Half a unit of the last digit written, so 1e2 (one significant digit) is [50, 150); the
 * specification's table prints [95, 105) there, against its own rule of significant digits.
 */
export function numberRange(text: string): { lo: string; hi: string } | undefined {
  const decimal = parse(text);
  if (decimal === undefined) return undefined;
  const scale = decimal.scale + 1;
  const units = decimal.units * 10n;
  return { lo: format({ units: units - 5n, scale }), hi: format({ units: units + 5n, scale }) };
}

/** What the prefix `ap` covers, both ends inclusive: 10 % of the value either side, which is in plain notation. */
export function approximateRange(text: string): { lo: string; hi: string } | undefined {
  const decimal = parse(text, PLAIN_CHARACTERS_MAX);
  if (decimal === undefined) return undefined;
  const tenth = decimal.units < 0n ? -decimal.units : decimal.units;
  const scale = decimal.scale + 1;
  return {
    lo: format({ units: decimal.units * 10n - tenth, scale }),
    hi: format({ units: decimal.units * 10n + tenth, scale }),
  };
}

/** The value in plain notation: `5.40e-3` is `0.00540`. Undefined if it is no decimal. */
export function plainDecimal(text: string): string | undefined {
  const decimal = parse(text);
  return decimal && format(decimal);
}

/** 0.digits × 10^exponent; the first digit is none of 0, and zero has no digits. */
interface Magnitude {
  sign: -1 | 0 | 1;
  digits: string;
  exponent: number;
}

const UNBOUNDED = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

function magnitude(text: string): Magnitude {
  const [, sign, whole, decimals = '', exponent = '0'] = UNBOUNDED.exec(text) ?? [];
  if (whole === undefined) throw new RangeError('not a decimal');
  const digits = (whole + decimals).replace(/^0+/, '');
  if (digits === '') return { sign: 0, digits, exponent: 0 };
  return { sign: sign === '-' ? -1 : 1, digits, exponent: Number(exponent) + digits.length - decimals.length };
}

/** The order of what both are without their signs. */
function compareSizes(a: Magnitude, b: Magnitude): number {
  if (a.exponent !== b.exponent) return a.exponent < b.exponent ? -1 : 1;
  const length = Math.max(a.digits.length, b.digits.length);
  const [x, y] = [a, b].map(({ digits }) => digits.padEnd(length, '0')) as [string, string];
  return x < y ? -1 : x > y ? 1 : 0;
}

/**
 * Negative, 0 or positive as `a` is below, equal to or above `b`; exact, of any decimals: those of documents and of PostgreSQL
 * are not within the bounds of searches.
 */
export function compareDecimals(a: string, b: string): number {
  // Decimals of up to 15 characters keep their order and difference as doubles, unless an exponent goes beyond these.
  if (a.length <= 15 && b.length <= 15) {
    const difference = Number(a) - Number(b);
    if (difference === 0 ? !/e/i.test(a + b) : Number.isFinite(difference)) return difference;
  }
  const x = magnitude(a);
  const y = magnitude(b);
  if (x.sign !== y.sign) return x.sign - y.sign;
  return x.sign < 0 ? compareSizes(y, x) : compareSizes(x, y);
}

/** `origin + factor × sample`, exact: how SampledData scales its samples. Undefined if one of them is no decimal. */
export function scaledSample(sample: string, factor: string, origin: string): string | undefined {
  const s = parse(sample);
  const f = parse(factor);
  const o = parse(origin);
  if (!s || !f || !o) return undefined;
  const productScale = s.scale + f.scale;
  const scale = Math.max(productScale, o.scale);
  const units = s.units * f.units * 10n ** BigInt(scale - productScale) + o.units * 10n ** BigInt(scale - o.scale);
  return format({ units, scale });
}
