// A search evaluated on one resource in memory: https://hl7.org/fhir/R4/search.html#prefix, #string, #token, #missing
// It says the same of a resource as the SQL search does of its index rows.
import { CerebraError } from '#platform';
import type { Resource } from '../types.ts';
import { parseDateRange } from './dates.ts';
import { approximateRange, compareDecimals } from './decimals.ts';
import { foldString } from './fold.ts';
import type { Criterion, IndexValue, Prefix, SearchQuery, SearchValue } from './types.ts';

type Of<Kind, Union> = Extract<Union, { kind: Kind }>;

function matchesToken(value: Of<'token', IndexValue>, wanted: Of<'token', SearchValue>): boolean {
  if (wanted.code !== undefined && wanted.code !== value.code) return false;
  return wanted.system === undefined || wanted.system === (value.system ?? '');
}

function matchesReference(value: Of<'reference', IndexValue>, wanted: Of<'reference', SearchValue>): boolean {
  if (wanted.url !== undefined) return wanted.url === value.url;
  if (wanted.id !== value.id) return false;
  if (wanted.type !== undefined) return wanted.type === value.type;
  const { target } = value.param;
  return target.length === 0 || target.includes(value.type ?? '');
}

/** `ap` takes 10 % of the time between now and the date either side. */
function isNear(value: Of<'date', IndexValue>, wanted: Of<'date', SearchValue>, nowMs: number | undefined): boolean {
  const marginMs = nowMs === undefined ? 0 : Math.round(Math.abs(nowMs - wanted.lo) / 10);
  return value.lo <= wanted.hi + marginMs && value.hi >= wanted.lo - marginMs;
}

/** Whether the range of the value stands to that of the search as the prefix says. */
function matchesDate(
  value: Of<'date', IndexValue>,
  wanted: Of<'date', SearchValue>,
  nowMs: number | undefined,
): boolean {
  const { lo, hi } = wanted;
  switch (wanted.prefix) {
    case 'eq':
      return lo <= value.lo && value.hi <= hi;
    case 'ne':
      return !(lo <= value.lo && value.hi <= hi);
    case 'gt':
      return value.hi > hi;
    case 'lt':
      return value.lo < lo;
    case 'ge':
      return value.hi >= lo;
    case 'le':
      return value.lo <= hi;
    case 'sa':
      return value.lo > hi;
    case 'eb':
      return value.hi < lo;
    case 'ap':
      return isNear(value, wanted, nowMs);
  }
}

interface DecimalSearch {
  prefix: Prefix;
  value: string;
  lo: string;
  hi: string;
}

const isBelow = (a: string, b: string): boolean => compareDecimals(a, b) < 0;

function isAround(low: string | undefined, high: string | undefined, value: string): boolean {
  const around = approximateRange(value);
  if (around === undefined) return false;
  return (low === undefined || !isBelow(around.hi, low)) && (high === undefined || !isBelow(high, around.lo));
}

/** Undefined ends are open. Comparing prefixes ignore the implied precision of the search value. */
function matchesDecimals(low: string | undefined, high: string | undefined, wanted: DecimalSearch): boolean {
  const { value, lo, hi } = wanted;
  const within = (): boolean => low !== undefined && high !== undefined && !isBelow(low, lo) && isBelow(high, hi);
  switch (wanted.prefix) {
    case 'eq':
      return within();
    case 'ne':
      return !within();
    case 'gt':
      return high === undefined || isBelow(value, high);
    case 'lt':
      return low === undefined || isBelow(low, value);
    case 'ge':
      return high === undefined || !isBelow(high, value);
    case 'le':
      return low === undefined || !isBelow(value, low);
    case 'sa':
      return low !== undefined && isBelow(value, low);
    case 'eb':
      return high !== undefined && isBelow(high, value);
    case 'ap':
      return isAround(low, high, value);
  }
}

/** A code without a system also finds a unit: `5.4||mg`. */
function matchesUnit(value: Of<'quantity', IndexValue>, wanted: Of<'quantity', SearchValue>): boolean {
  if (wanted.code === undefined) return true;
  const { system, code, unit } = value;
  if (wanted.system === undefined) return wanted.code === code || wanted.code === unit;
  return wanted.system === (system ?? '') && wanted.code === code;
}

function matchesString(value: string, wanted: string, modifier: string | undefined): boolean {
  if (modifier === 'exact') return value === wanted;
  const folded = foldString(value);
  return modifier === 'contains' ? folded.includes(foldString(wanted)) : folded.startsWith(foldString(wanted));
}

function matchesUri(value: string, wanted: string, modifier: string | undefined): boolean {
  if (modifier === 'below') return value.startsWith(wanted);
  if (modifier !== 'above') return value === wanted;
  // Whole path segments only: http://acme.org/fhi is not above http://acme.org/fhir.
  return wanted === value || (wanted.startsWith(value) && (value.endsWith('/') || wanted[value.length] === '/'));
}

function matchesValue(value: IndexValue, wanted: SearchValue, modifier: string | undefined, nowMs?: number): boolean {
  switch (value.kind) {
    case 'token':
      return wanted.kind === 'token' && matchesToken(value, wanted);
    case 'reference':
      return wanted.kind === 'reference' && matchesReference(value, wanted);
    case 'date':
      return wanted.kind === 'date' && matchesDate(value, wanted, nowMs);
    case 'number':
      return wanted.kind === 'number' && matchesDecimals(value.value, value.value, wanted);
    case 'quantity':
      return wanted.kind === 'quantity' && matchesUnit(value, wanted) && matchesDecimals(value.low, value.high, wanted);
    case 'string':
      return wanted.kind === 'string' && matchesString(value.value, wanted.value, modifier);
    case 'uri':
      return wanted.kind === 'uri' && matchesUri(value.value, wanted.value, modifier);
  }
}

function matchesCriterion(criterion: Criterion, values: readonly IndexValue[], nowMs: number | undefined): boolean {
  const { param, modifier } = criterion;
  const own = values.filter((value) => value.param.key === param.key);
  const [first] = criterion.values;
  if (first?.kind === 'missing') return first.missing === (own.length === 0);
  const found = own.some((value) => criterion.values.some((wanted) => matchesValue(value, wanted, modifier, nowMs)));
  return found !== (modifier === 'not');
}

/**
 * Whether the resource matches all criteria; result parameters count for nothing. `values` is what the extractor of the
 * query's type yields for it, at least for the parameters of the criteria. The query must be one that assertMatchable
 * accepts. "Now", for `ap` on dates, is `meta.lastUpdated`: the moment of the change.
 */
export function matches(query: SearchQuery, values: readonly IndexValue[], resource: Resource): boolean {
  if (resource.resourceType !== query.type) return false;
  const updated = resource.meta?.lastUpdated;
  const nowMs = typeof updated === 'string' ? parseDateRange(updated)?.lo : undefined;
  return query.criteria.every((criterion) => matchesCriterion(criterion, values, nowMs));
}

/** Throws CerebraError `unsupported` for what one resource alone cannot answer: chains and includes. */
export function assertMatchable(query: SearchQuery): void {
  const chain = query.criteria.find((criterion) => criterion.chain !== undefined);
  if (chain !== undefined) throw unmatchable(chain.name, 'a chained parameter');
  const [include] = query.includes;
  if (include !== undefined) throw unmatchable(include.reverse ? '_revinclude' : '_include', 'an include');
}

const unmatchable = (name: string, what: string): CerebraError =>
  new CerebraError('unsupported', `${what} (${name}) can't be matched on one resource in memory`, {
    expression: [name],
  });
