// Quantities in other units of the same dimension: https://hl7.org/fhir/R4/search.html#quantity, https://ucum.org/ucum
import { type LibraryUnit, libraryUnit } from '../ucum-library.ts';
import { compareDecimals, plainDecimal } from './decimals.ts';

/** A unit as its dimension and how it scales; the zero of a temperature scale lies at `zero` kelvin. */
interface Scale {
  dimension: string;
  magnitude: number;
  zero: number;
}

const UNIT_CHARACTERS_MAX = 64;
const SCALES_MAX = 10_000;
const scales = new Map<string, Scale | undefined>();

/** What UCUM says of these in prose: https://ucum.org/ucum#para-45 */
const TEMPERATURES: Record<string, { magnitude: number; zero: number }> = {
  Cel: { magnitude: 1, zero: 273.15 },
  '[degF]': { magnitude: 5 / 9, zero: 459.67 * (5 / 9) },
  '[degRe]': { magnitude: 1.25, zero: 273.15 },
};

/**
 * UCUM's characters: printable ASCII without the space. What the library can't read it prints, so that a line break in the code
 * would begin a line of anybody's own in the log.
 */
const UNIT_CODE = /^(?!.*\(\))[!-~]+$/;

/** It writes `/nL` as `1/nL`, and `10*3/mm3`, `10*9.L-1` and `{H.B}/min` with the first part in parentheses. */
const plainCode = (code: string): string => code.replace(/[()]/g, '').replace(/^1\//, '/');

function unitOf(code: string): LibraryUnit | undefined {
  if (code.length > UNIT_CHARACTERS_MAX || !UNIT_CODE.test(code)) return undefined;
  const unit = libraryUnit(code)?.unit;
  // It knows `milligram`, too, as `mg`.
  return unit && plainCode(String(unit.csCode_)) === plainCode(code) ? unit : undefined;
}

function readScale(code: string): Scale | undefined {
  const temperature = Object.hasOwn(TEMPERATURES, code) ? TEMPERATURES[code] : undefined;
  if (temperature !== undefined) return { dimension: '0,0,0,0,1,0,0', ...temperature };
  const unit = unitOf(code);
  if (unit === undefined || unit.cnv_ !== null || unit.isArbitrary_ || !unit.magnitude_) return undefined;
  const vector = unit.dim_?.dimVec_ ?? [0, 0, 0, 0, 0, 0, 0];
  // A mole counts for a dimension of its own here: in UCUM it is a number, and a pH would be one of cells.
  const dimension = unit.moleExp_ === 0 ? vector.join() : `${vector.join()};${unit.moleExp_}`;
  return { dimension, magnitude: unit.magnitude_, zero: 0 };
}

/** Undefined for what is no UCUM, and for logarithms and arbitrary units, which have no scale in common with others. */
function scaleOf(code: string): Scale | undefined {
  if (scales.has(code)) return scales.get(code);
  const scale = readScale(code);
  if (scales.size >= SCALES_MAX) scales.clear();
  scales.set(code, scale);
  return scale;
}

/** Digits of a converted value: the double behind it has 16, clinical values seldom more than seven. */
const SIGNIFICANT_DIGITS = 12;
/** Of a temperature: where the zeros of two scales cancel out, a double tells no more. 32 [degF] are 0 Cel, not 6e-14. */
const TEMPERATURE_DECIMALS = 10;

function moved(kelvins: number, { zero }: Scale, source: Scale): number {
  return zero === source.zero ? kelvins : Number((kelvins + source.zero - zero).toFixed(TEMPERATURE_DECIMALS));
}

/** Whether values in one of these UCUM units can be told in the other. */
export function areCommensurable(a: string, b: string): boolean {
  if (a === b) return true;
  const scale = scaleOf(a);
  return scale !== undefined && scale.dimension === scaleOf(b)?.dimension;
}

/**
 * A decimal in the UCUM unit `from` as a decimal in `to`, 12 significant digits; undefined when they measure different
 * things. `5` from `g` to `mg` is `5000`.
 */
export function convertDecimal(value: string, from: string, to: string): string | undefined {
  if (from === to) return value;
  const source = scaleOf(from);
  const target = scaleOf(to);
  if (source === undefined || target === undefined || source.dimension !== target.dimension) return undefined;
  const converted = moved(Number(value) * source.magnitude, target, source) / target.magnitude;
  return Number.isFinite(converted) ? plainDecimal(converted.toPrecision(SIGNIFICANT_DIGITS)) : undefined;
}

/**
 * Negative, 0 or positive as a value is below, equal to or above one in another unit, as far as the digits of a converted value
 * tell: 939.2142857142857 wk are 18 a. Undefined when they measure different things.
 */
export function compareConverted(value: string, unit: string, other: string, otherUnit: string): number | undefined {
  const converted = convertDecimal(other, otherUnit, unit);
  if (converted === undefined) return undefined;
  const number = Number(value);
  const isRounded = unit !== otherUnit && Number.isFinite(number);
  return compareDecimals(isRounded ? number.toPrecision(SIGNIFICANT_DIGITS) : value, converted);
}
