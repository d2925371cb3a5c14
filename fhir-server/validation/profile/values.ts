// What values are compared with: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_ (the
// same), pattern[x] (at least that), minValue[x] and maxValue[x].
import {
  compareConverted,
  compareDecimals,
  decimalText,
  isNumber,
  type Json,
  type JsonObject,
  parseDateRange,
  UCUM,
} from '#fhir-model';
import { ownValue } from '#platform';
import { isObject, textOf } from '../json.ts';

/** Numbers are the same by value, whatever digits they are written with. */
function sameNumber(one: Json | undefined, other: Json | undefined): boolean {
  return isNumber(one) && isNumber(other) && compareDecimals(decimalText(one), decimalText(other)) === 0;
}

function sameObject(value: JsonObject, fixed: JsonObject): boolean {
  const names = new Set([...Object.keys(value), ...Object.keys(fixed)]);
  for (const name of names) if (!isFixed(value[name], fixed[name])) return false;
  return true;
}

/** fixed[x]: exactly the same, nothing more, arrays in the same order. */
export function isFixed(value: Json | undefined, fixed: Json | undefined): boolean {
  if (value === fixed) return true;
  if (Array.isArray(value) && Array.isArray(fixed))
    return value.length === fixed.length && value.every((item, index) => isFixed(item, fixed[index]));
  if (isObject(value) && isObject(fixed)) return sameObject(value, fixed);
  return sameNumber(value, fixed);
}

/** pattern[x]: all that the pattern has; each item of its arrays matches some item. */
export function fitsPattern(value: Json | undefined, pattern: Json | undefined): boolean {
  if (value === pattern) return true;
  if (Array.isArray(pattern))
    return Array.isArray(value) && pattern.every((item) => value.some((candidate) => fitsPattern(candidate, item)));
  if (isObject(pattern)) {
    if (!isObject(value)) return false;
    for (const name in pattern) if (!fitsPattern(value[name], pattern[name])) return false;
    return true;
  }
  return sameNumber(value, pattern);
}

function compareNumbers(one: Json, other: Json): number | undefined {
  return isNumber(one) && isNumber(other) ? compareDecimals(decimalText(one), decimalText(other)) : undefined;
}

/** Dates that differ only in what one of them doesn't tell can't be compared. */
function compareTexts(one: string, other: string): number | undefined {
  const [left, right] = [rangeOf(one), rangeOf(other)];
  if (left === undefined || right === undefined) return one === other ? 0 : one < other ? -1 : 1;
  if (left.hi < right.lo) return -1;
  if (left.lo > right.hi) return 1;
  return left.lo === right.lo && left.hi === right.hi ? 0 : undefined;
}

function rangeOf(text: string) {
  return /^\d{4}(?:-|$)/.test(text) ? parseDateRange(text) : undefined;
}

/** "You cannot provide 100mg if the minimum value is 10g." */
function compareQuantities(value: JsonObject, limit: JsonObject): number | undefined {
  if (!isNumber(value.value) || !isNumber(limit.value)) return undefined;
  const [unit, other] = [textOf(value.code ?? value.unit), textOf(limit.code ?? limit.unit)];
  if (unit === other && value.system === limit.system) return compareNumbers(value.value, limit.value);
  if (value.system !== UCUM || limit.system !== UCUM || unit === undefined || other === undefined) return undefined;
  return compareConverted(decimalText(value.value), unit, decimalText(limit.value), other);
}

/**
 * Negative, 0 or positive as `value` is less than, equal to or greater than `limit`; undefined where that can't be told,
 * as with Quantities of units that have nothing in common.
 */
export function compareValues(value: Json, limit: Json): number | undefined {
  if (isObject(value) && isObject(limit)) return compareQuantities(value, limit);
  if (typeof value === 'string' && typeof limit === 'string') return compareTexts(value, limit);
  return compareNumbers(value, limit);
}

/** Milliseconds of the UCUM units of time that a relative limit may have; years and months as UCUM means them. */
const durationsMs: Readonly<Record<string, number>> = {
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  wk: 7 * 86_400_000,
  mo: 30.4375 * 86_400_000,
  a: 365.25 * 86_400_000,
};

/**
 * Of a date with a Quantity of time for its limit: that much before now as its minimum, after now as its maximum.
 * `side` is -1 for a minimum, 1 for a maximum. Any other limit is what it is.
 */
export function limitAt(value: Json, limit: Json, side: -1 | 1, nowMs: number): Json {
  if (typeof value !== 'string' || !isObject(limit)) return limit;
  const unit = ownValue(durationsMs, textOf(limit.code));
  if (unit === undefined || !isNumber(limit.value)) return limit;
  return new Date(nowMs + side * unit * Number(decimalText(limit.value))).toISOString();
}
