// Prefixes as range conditions on index rows: https://hl7.org/fhir/R4/search.html#prefix
import type { SearchValue } from '#fhir-model';
import { instantText } from '../store/index-rows.ts';
import { token } from '../store/tokens.ts';
import type { SqlBuilder } from './sql-text.ts';

type DateValue = SearchValue & { kind: 'date' };
type NumberValue = SearchValue & { kind: 'number' };
type QuantityValue = SearchValue & { kind: 'quantity' };

/** 10 % of the time between now and the value, both ways: what the page suggests for `ap`. */
export function around(value: DateValue, nowMs: number): { lo: number; hi: number } {
  const margin = Math.round(Math.abs(nowMs - value.lo) / 10);
  return { lo: value.lo - margin, hi: value.hi + margin };
}

/**
 * The search value covers [lo, hi], the index row [x.lo, x.hi], both inclusive milliseconds.
 * eq: the row lies within the value; gt/lt: the row reaches beyond it; sa/eb: the row lies wholly beyond it.
 */
function dateCondition(sql: SqlBuilder, value: DateValue, x: string, nowMs: number): string {
  const lo = (ms = value.lo) => `${sql.value(instantText(ms))}::bigint`;
  const hi = (ms = value.hi) => `${sql.value(instantText(ms))}::bigint`;
  switch (value.prefix) {
    case 'eq':
      return `(${x}.lo >= ${lo()} and ${x}.lo <= ${hi()} and ${x}.hi <= ${hi()})`;
    case 'ne':
      return `not (${x}.lo >= ${lo()} and ${x}.hi <= ${hi()})`;
    case 'gt':
      return `${x}.hi > ${hi()}`;
    case 'lt':
      return `${x}.lo < ${lo()}`;
    case 'ge':
      return `${x}.hi >= ${lo()}`;
    case 'le':
      return `${x}.lo <= ${hi()}`;
    case 'sa':
      return `${x}.lo > ${hi()}`;
    case 'eb':
      // The first half follows from the second and is what the index knows.
      return `(${x}.lo < ${lo()} and ${x}.hi < ${lo()})`;
    case 'ap': {
      const wide = around(value, nowMs);
      return `(${x}.lo <= ${hi(wide.hi)} and ${x}.hi >= ${lo(wide.lo)})`;
    }
  }
}

/** Rows that are longer have an index of their own, by their end: migrations/0005_ranges_by_end.sql. */
const LONG_MS = 86_400_000;

/**
 * Where the index on `lo` has the rows that end at `ms` or later: not far before it, unless they are long ones. Undefined
 * for prefixes that bound `lo` themselves.
 */
function dateArms(sql: SqlBuilder, value: DateValue, nowMs: number): ((x: string) => string[]) | undefined {
  const ends: Partial<Record<DateValue['prefix'], number>> = {
    gt: value.hi,
    ge: value.lo,
    ap: around(value, nowMs).lo,
  };
  const end = ends[value.prefix];
  if (end === undefined) return undefined;
  return (x) => [
    `${x}.lo >= ${sql.value(instantText(end - LONG_MS))}::bigint and ${x}.hi <= ${x}.lo + ${LONG_MS}`,
    `${x}.hi >= ${sql.value(instantText(end))}::bigint and ${x}.hi > ${x}.lo + ${LONG_MS}`,
  ];
}

/** The value as written against its own implied range [lo, hi): gt and lt compare with the number itself. */
function numberCondition(sql: SqlBuilder, value: NumberValue, x: string): string {
  const n = (text: string) => `${sql.value(text)}::numeric`;
  switch (value.prefix) {
    case 'eq':
      return `(${x}.value >= ${n(value.lo)} and ${x}.value < ${n(value.hi)})`;
    case 'ne':
      return `not (${x}.value >= ${n(value.lo)} and ${x}.value < ${n(value.hi)})`;
    case 'gt':
    case 'sa':
      return `${x}.value > ${n(value.value)}`;
    case 'lt':
    case 'eb':
      return `${x}.value < ${n(value.value)}`;
    case 'ge':
      return `${x}.value >= ${n(value.value)}`;
    case 'le':
      return `${x}.value <= ${n(value.value)}`;
    case 'ap': {
      const v = n(value.value);
      return `abs(${x}.value - ${v}) <= abs(${v}) * 0.1`;
    }
  }
}

/** A row is a range [low, high]; null ends are open. A plain quantity has low = high. */
function quantityRange(sql: SqlBuilder, value: QuantityValue, x: string): string {
  const n = (text: string) => `${sql.value(text)}::numeric`;
  switch (value.prefix) {
    case 'eq':
      return `(${x}.low >= ${n(value.lo)} and ${x}.low < ${n(value.hi)} and ${x}.high < ${n(value.hi)})`;
    case 'ne':
      return `not coalesce(${x}.low >= ${n(value.lo)} and ${x}.high < ${n(value.hi)}, false)`;
    case 'gt':
      return `(${x}.high > ${n(value.value)} or ${x}.high is null)`;
    case 'lt':
      return `(${x}.low < ${n(value.value)} or ${x}.low is null)`;
    case 'ge':
      return `(${x}.high >= ${n(value.value)} or ${x}.high is null)`;
    case 'le':
      return `(${x}.low <= ${n(value.value)} or ${x}.low is null)`;
    case 'sa':
      return `${x}.low > ${n(value.value)}`;
    case 'eb':
      return `${x}.high < ${n(value.value)}`;
    case 'ap': {
      const tenth = (sign: '+' | '-') => `${n(value.value)} ${sign} abs(${n(value.value)}) * 0.1`;
      const lo = value.around ? n(value.around.lo) : tenth('-');
      const hi = value.around ? n(value.around.hi) : tenth('+');
      return `(coalesce(${x}.low <= ${hi}, true) and coalesce(${x}.high >= ${lo}, true))`;
    }
  }
}

/** Where the index on `low` has the rows: of a plain quantity low is high; ranges have an index of their own, by high. */
function quantityArms(sql: SqlBuilder, value: QuantityValue): ((x: string) => string[]) | undefined {
  const n = () => `${sql.value(value.value)}::numeric`;
  switch (value.prefix) {
    case 'gt':
    case 'ge':
      return (x) => [
        `${x}.low >= ${n()} and ${x}.low is not distinct from ${x}.high`,
        `(${x}.high >= ${n()} or ${x}.high is null) and ${x}.low is distinct from ${x}.high`,
      ];
    case 'lt':
    case 'le':
    case 'eb':
      return (x) => [`${x}.low <= ${n()}`, `${x}.low is null`];
    default:
      return undefined;
  }
}

function armsOf(sql: SqlBuilder, value: SearchValue, nowMs: number): ((x: string) => string[]) | undefined {
  if (value.kind === 'date') return dateArms(sql, value, nowMs);
  return value.kind === 'quantity' ? quantityArms(sql, value) : undefined;
}

/** Each arm is a select of its own: of more values PostgreSQL would plan for longer than it looks. */
const ARMED_VALUES_MAX = 250;

/**
 * See IndexTest.arms: those of each value, with its own test and no other's, so that a statement grows with the values and not
 * with their square. A value that says itself where to look is its own arm.
 */
export function rangeArms(
  sql: SqlBuilder,
  values: readonly SearchValue[],
  nowMs: number,
): ((x: string) => string[]) | undefined {
  const arms = values.map((value) => armsOf(sql, value, nowMs));
  if (values.length > ARMED_VALUES_MAX || arms.every((arm) => arm === undefined)) return undefined;
  return (x) =>
    values.flatMap((value, i) => {
      const test = rangeCondition(sql, value, x, nowMs);
      return arms[i]?.(x).map((arm) => `${arm} and ${test}`) ?? [test];
    });
}

function quantityCondition(sql: SqlBuilder, value: QuantityValue, x: string): string {
  const range = quantityRange(sql, value, x);
  if (value.code === undefined) return range;
  const unit =
    value.system === undefined
      ? `${x}.code = ${sql.value(token.unitCode(value.code))}::bigint`
      : `${x}.system_code = ${sql.value(token.unitSystemCode(value.system, value.code))}::bigint`;
  return `(${range} and ${unit})`;
}

/** One alternative of a date, number or quantity criterion as a condition on the index row `x`. */
export function rangeCondition(sql: SqlBuilder, value: SearchValue, x: string, nowMs: number): string {
  if (value.kind === 'date') return dateCondition(sql, value, x, nowMs);
  if (value.kind === 'number') return numberCondition(sql, value, x);
  if (value.kind === 'quantity') return quantityCondition(sql, value, x);
  return 'false';
}
