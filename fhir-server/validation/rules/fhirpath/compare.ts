// Equality and order of FHIRPath: https://hl7.org/fhirpath/#equality, https://hl7.org/fhir/R4/fhirpath.html#types
import { compareConverted, compareDecimals, decimalText, isNumber, type JsonObject, UCUM } from '#fhir-model';
import { isObject } from '../../json.ts';
import { bare, CANNOT, type Item, type Items, NONE, typeOf } from './items.ts';
import { compareTemporals, compareTimes } from './temporal.ts';

type Kind = 'string' | 'boolean' | 'number' | 'temporal' | 'time' | 'quantity' | 'complex';

const KINDS: Record<string, Kind> = {
  boolean: 'boolean',
  date: 'temporal',
  dateTime: 'temporal',
  instant: 'temporal',
  time: 'time',
  ...{ Quantity: 'quantity', Age: 'quantity', Count: 'quantity', Distance: 'quantity', Duration: 'quantity' },
  ...{ MoneyQuantity: 'quantity', SimpleQuantity: 'quantity' },
};

function kindOf(value: unknown, type: string | undefined): Kind {
  const named = type === undefined ? undefined : KINDS[type];
  if (named !== undefined) return named;
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'boolean';
  return isNumber(value) ? 'number' : 'complex';
}

/** Digits beyond what a decimal of R4 may have. */
function order(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  try {
    return compareDecimals(decimalText(a as number), decimalText(b as number));
  } catch {
    throw CANNOT;
  }
}

/** Undefined where a value is missing; throws Cannot for units that have nothing in common. */
function compareQuantities(a: JsonObject, b: JsonObject): number | undefined {
  if (!isNumber(a.value) || !isNumber(b.value)) return undefined;
  const [unit, other] = [a.code ?? a.unit, b.code ?? b.unit];
  if (unit === other && a.system === b.system) return order(a.value, b.value);
  if (a.system !== UCUM || b.system !== UCUM || typeof unit !== 'string' || typeof other !== 'string') throw CANNOT;
  const compared = compareConverted(decimalText(a.value), unit, decimalText(b.value), other);
  if (compared === undefined) throw CANNOT;
  return compared;
}

/** Text, the same for equal values: numbers without trailing zeros, names of objects in order. */
export function keyOf(item: Item): string {
  const value = bare(item);
  if (typeof value === 'string') return `"${value}`;
  if (isNumber(value)) return String(Number(decimalText(value)));
  if (Array.isArray(value)) return `[${value.map(keyOf).join()}]`;
  if (!isObject(value)) return String(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${name}:${keyOf(value[name])}`).join()}}`;
}

/** Undefined where dates of different precision leave it open. */
function areEqual(a: Item, b: Item, typeA: string | undefined, typeB: string | undefined): boolean | undefined {
  const [x, y] = [bare(a), bare(b)];
  const [kindA, kindB] = [kindOf(x, typeA ?? typeOf(a)), kindOf(y, typeB ?? typeOf(b))];
  if (kindA !== kindB) return false;
  if ((kindA === 'temporal' || kindA === 'time') && typeof x === 'string' && typeof y === 'string') {
    const difference = kindA === 'time' ? compareTimes(x, y) : compareTemporals(x, y);
    return difference === 'open' ? undefined : difference === 0;
  }
  if (kindA === 'quantity' && isObject(x) && isObject(y)) {
    const difference = compareQuantities(x, y);
    return difference === undefined ? keyOf(x) === keyOf(y) : difference === 0;
  }
  if (kindA === 'number' && isNumber(x) && isNumber(y)) return order(x, y) === 0;
  return typeof x === 'object' ? keyOf(x) === keyOf(y) : x === y;
}

/** `=`: of collections, in order; nothing when one is empty. */
export function equal(a: Items, b: Items, typeA: string | undefined, typeB: string | undefined): boolean | undefined {
  if (a.length === 0 || b.length === 0) return undefined;
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) {
    const same = areEqual(a[at], b[at], typeA, typeB);
    if (same !== true) return same;
  }
  return true;
}

/**
 * Negative, 0 or positive; undefined for nothing to compare. Throws Cannot for kinds that have no common order and for dates
 * whose precision leaves it open.
 */
export function compare(a: Item, b: Item, typeA: string | undefined, typeB: string | undefined): number | undefined {
  const [x, y] = [bare(a), bare(b)];
  if (x === undefined || y === undefined || x === null || y === null) return undefined;
  const kind = kindOf(x, typeA ?? typeOf(a));
  if (kind !== kindOf(y, typeB ?? typeOf(b))) throw CANNOT;
  if (kind === 'number') return order(x, y);
  if (kind === 'quantity' && isObject(x) && isObject(y)) return compareQuantities(x, y);
  if (typeof x !== 'string' || typeof y !== 'string') throw CANNOT;
  if (kind === 'string') return x < y ? -1 : x > y ? 1 : 0;
  const difference = kind === 'time' ? compareTimes(x, y) : compareTemporals(x, y);
  if (difference === undefined || difference === 'open') throw CANNOT;
  return difference;
}

/** Each once, in order. */
export function distinct(items: Items): Items {
  if (items.length < 2) return items;
  const seen = new Map<string, Item>();
  for (const item of items) {
    const key = keyOf(item);
    if (!seen.has(key)) seen.set(key, item);
  }
  return [...seen.values()];
}

export function isDistinct(items: Items): boolean {
  if (items.length < 2) return true;
  const seen = new Set<string>();
  for (const item of items) {
    const key = keyOf(item);
    if (seen.has(key)) return false;
    seen.add(key);
  }
  return true;
}

/** The items of `a`, each once, that `b` has (`keep`) or has not. */
export function among(a: Items, b: Items, keep: boolean): Items {
  if (a.length === 0) return NONE;
  const keys = new Set(b.map(keyOf));
  const found = a.filter((item) => keys.has(keyOf(item)) === keep);
  return keep ? distinct(found) : found;
}
