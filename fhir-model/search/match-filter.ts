// The tests of _filter that no modifier or prefix stands for, in memory: https://hl7.org/fhir/R4/search_filter.html#ops
import { compareDecimals, numberRange, plainDecimal } from './decimals.ts';
import { foldString } from './fold.ts';
import type { FilterTest, IndexValue, SearchValue } from './types.ts';

/** As PostgreSQL compares under collation C: by UTF-8 bytes, which is by code points. */
const compareText = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

function matchesString(test: FilterTest, value: string, wanted: string): boolean {
  if (test === 'ew') return value.endsWith(wanted);
  const order = compareText(value, wanted);
  switch (test) {
    case 'eq':
      return order === 0;
    case 'ne':
      return order !== 0;
    case 'gt':
      return order > 0;
    case 'lt':
      return order < 0;
    case 'ge':
      return order >= 0;
    case 'le':
      return order <= 0;
    default:
      return false;
  }
}

function includesNumber(value: string, wanted: string): boolean {
  const range = numberRange(plainDecimal(value) ?? value);
  return range !== undefined && compareDecimals(range.lo, wanted) <= 0 && compareDecimals(wanted, range.hi) < 0;
}

/** A number that may be a range is one with ends; undefined ones are open. */
function includesInRange(low: string | undefined, high: string | undefined, wanted: string): boolean {
  if (low !== undefined && low === high) return includesNumber(low, wanted);
  const isAbove = low === undefined || compareDecimals(low, wanted) <= 0;
  return isAbove && (high === undefined || compareDecimals(wanted, high) <= 0);
}

/** Whether the value meets the test with that one of its alternatives. */
export function matchesFilterTest(test: FilterTest, value: IndexValue, wanted: SearchValue): boolean {
  if (value.kind === 'string' && wanted.kind === 'string') {
    return matchesString(test, foldString(value.value), foldString(wanted.value));
  }
  if (value.kind === 'date' && wanted.kind === 'date') {
    return test === 'po'
      ? value.lo <= wanted.hi && value.hi >= wanted.lo
      : test === 'co' && value.lo <= wanted.lo && value.hi >= wanted.hi;
  }
  if (wanted.kind !== 'number' || test !== 'co') return false;
  if (value.kind === 'quantity') return includesInRange(value.low, value.high, wanted.value);
  return value.kind === 'number' && includesNumber(value.value, wanted.value);
}
