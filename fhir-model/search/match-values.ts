// One value of a resource against one that is searched: https://hl7.org/fhir/R4/search.html#ptypes, #prefix, #modifiers
import { versionUrl } from '../references.ts';
import { approximateRange, compareDecimals } from './decimals.ts';
import { familyParts } from './family-parts.ts';
import { foldString } from './fold.ts';
import { distanceM, POSITION_SLACK_M } from './near.ts';
import { inUnit } from './quantity-units.ts';
import { textCharactersMax } from './search-limits.ts';
import { matchesWords } from './text-query.ts';
import { tokenCode, UCUM } from './token-code.ts';
import type { IndexValue, Prefix, SearchValue } from './types.ts';
import { narrativeWords, wordsOf } from './words.ts';

type Of<Kind, Union> = Extract<Union, { kind: Kind }>;

function matchesToken(
  { param, system = '', code }: Of<'token', IndexValue>,
  wanted: Of<'token', SearchValue>,
): boolean {
  if (wanted.system !== undefined && wanted.system !== system) return false;
  if (wanted.code === undefined) return true;
  return code !== undefined && tokenCode(param, wanted.system, wanted.code) === tokenCode(param, wanted.system, code);
}

/** The same for a part of a composite: case counts for identifiers only, whatever the system. */
export function matchesFolded(value: IndexValue, wanted: Of<'token', SearchValue>): boolean {
  if (value.kind !== 'token') return false;
  const { system, ...code } = wanted;
  return (system === undefined || system === (value.system ?? '')) && matchesToken(value, code);
}

/** Whether the text, or a word in it, begins so; both folded. */
const hasWords = (text: string, wanted: string): boolean =>
  ` ${foldString(text).slice(0, textCharactersMax)}`.includes(` ${foldString(wanted)}`);

/** `:text`: the display of a coding, or a text that stands beside codings, identifiers and references. */
function matchesText(value: IndexValue, wanted: string): boolean {
  if (value.kind === 'token') return value.display !== undefined && hasWords(value.display, wanted);
  if (value.kind !== 'text') return false;
  if (value.param.type === 'token') return hasWords(value.value, wanted);
  return matchesWords({ op: 'phrase', words: wordsOf(wanted), prefix: true }, wordsOf(value.value));
}

const matchesCodeText = (value: IndexValue, wanted: string): boolean =>
  value.kind === 'token' && value.code?.toLowerCase().startsWith(wanted.toLowerCase()) === true;

function matchesTyped(value: Of<'typed', IndexValue>, wanted: Of<'typed', SearchValue>): boolean {
  if (wanted.system !== undefined && wanted.system !== (value.system ?? '')) return false;
  return wanted.code.toLowerCase() === value.code.toLowerCase() && wanted.value === value.value;
}

const versionOf = ({ type = '', id = '', version }: Of<'reference', IndexValue>): string | undefined =>
  version === undefined ? undefined : versionUrl(type, id, version);

function matchesReference(value: Of<'reference', IndexValue>, wanted: Of<'reference', SearchValue>): boolean {
  if (wanted.url !== undefined) return wanted.url === (value.url ?? versionOf(value));
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
  around?: { lo: string; hi: string };
}

const isBelow = (a: string, b: string): boolean => compareDecimals(a, b) < 0;

function isAround(low: string | undefined, high: string | undefined, wanted: DecimalSearch): boolean {
  const around = wanted.around ?? approximateRange(wanted.value);
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
      return isAround(low, high, wanted);
  }
}

/** A code without a system also finds a unit: `5.4||mg`. */
function matchesUnit(value: Of<'quantity', IndexValue>, wanted: Of<'quantity', SearchValue>): boolean {
  if (wanted.code === undefined) return true;
  const { system, code, unit } = value;
  if (wanted.system === undefined) return wanted.code === code || wanted.code === unit;
  return wanted.system === (system ?? '') && wanted.code === code;
}

function matchesQuantity(value: Of<'quantity', IndexValue>, wanted: Of<'quantity', SearchValue>): boolean {
  const { low, high, system, code } = value;
  const other = system === UCUM && code !== undefined && !matchesUnit(value, wanted) ? inUnit(wanted, code) : undefined;
  return other ? matchesDecimals(low, high, other) : matchesUnit(value, wanted) && matchesDecimals(low, high, wanted);
}

function matchesString({ value, family }: Of<'string', IndexValue>, wanted: string, modifier?: string): boolean {
  if (modifier === 'exact') return value === wanted;
  const [folded, beginning] = [foldString(value), foldString(wanted)];
  if (modifier === 'contains') return folded.includes(beginning);
  if (folded.startsWith(beginning)) return true;
  return family === true && familyParts(folded).some((part) => part.startsWith(beginning));
}

function matchesUri(value: string, wanted: string, modifier: string | undefined): boolean {
  if (modifier === 'below') return value.startsWith(wanted);
  if (modifier !== 'above') return value === wanted;
  // Whole path segments only: http://acme.org/fhi is not above http://acme.org/fhir.
  return wanted === value || (wanted.startsWith(value) && (value.endsWith('/') || wanted[value.length] === '/'));
}

/** Whether one value of a resource is what is wanted; `nowMs` for `ap` on dates. Not for composites and whole resources. */
export function matchesValue(
  value: IndexValue,
  wanted: SearchValue,
  modifier: string | undefined,
  nowMs: number | undefined,
): boolean {
  if (modifier === 'text') return wanted.kind === 'string' && matchesText(value, wanted.value);
  if (modifier === 'code-text') return wanted.kind === 'string' && matchesCodeText(value, wanted.value);
  switch (value.kind) {
    case 'token':
      return wanted.kind === 'token' && matchesToken(value, wanted);
    case 'typed':
      return wanted.kind === 'typed' && matchesTyped(value, wanted);
    case 'reference':
      return wanted.kind === 'reference' && matchesReference(value, wanted);
    case 'date':
      return wanted.kind === 'date' && matchesDate(value, wanted, nowMs);
    case 'number':
      return wanted.kind === 'number' && matchesDecimals(value.value, value.value, wanted);
    case 'quantity':
      if (wanted.kind === 'number') return matchesDecimals(value.low, value.high, wanted);
      return wanted.kind === 'quantity' && matchesQuantity(value, wanted);
    case 'string':
      return wanted.kind === 'string' && matchesString(value, wanted.value, modifier);
    case 'uri':
      return wanted.kind === 'uri' && matchesUri(value.value, wanted.value, modifier);
    case 'position': {
      if (wanted.kind !== 'near') return false;
      const apart = distanceM(wanted.latitude, wanted.longitude, value.latitude, value.longitude);
      return apart <= wanted.distanceM + POSITION_SLACK_M;
    }
    case 'narrative':
      return wanted.kind === 'words' && matchesWords(wanted.query, narrativeWords(value.value));
    default:
      return false;
  }
}
