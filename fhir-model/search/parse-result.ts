// Parameters that say how to return what was found: https://hl7.org/fhir/R4/search.html#return

import type { SearchParameters } from './registry.ts';
import { cursorCharactersMax, elementsMax, includesMax, sortMax } from './search-limits.ts';
import type { Include, SearchParam, SearchQuery } from './types.ts';
import { parameterError, quote } from './value-context.ts';

export interface ResultContext {
  parameters: SearchParameters;
  isResourceType: (type: string) => boolean;
  countMax: number;
}

/** Reads one result parameter into the query; returns the value as used, undefined if it stays out of the self link. */
type Read = (query: SearchQuery, value: string, context: ResultContext, name: string) => string | undefined;

function readCount(query: SearchQuery, value: string, context: ResultContext): string {
  if (!/^\d+$/.test(value))
    throw parameterError('invalid-parameter', '_count', `${quote(value)} is no whole number from 0 up`);
  query.count = Math.min(Number(value), context.countMax);
  return String(query.count);
}

function sortParam(query: SearchQuery, code: string, context: ResultContext): SearchParam {
  const param = context.parameters.get(query.type, code);
  if (param === undefined)
    throw parameterError('unknown-parameter', '_sort', `${query.type} has no parameter ${quote(code)}`);
  if (param.type === 'composite' || param.type === 'special') {
    throw parameterError(
      'unsupported',
      '_sort',
      `sorting by ${quote(code)}, a ${param.type} parameter, is not supported`,
    );
  }
  return param;
}

function readSort(query: SearchQuery, value: string, context: ResultContext): string {
  const rules = value.split(',', sortMax + 1);
  if (query.sort.length + rules.length > sortMax)
    throw parameterError('too-costly', '_sort', `at most ${sortMax} sort rules`);
  for (const rule of rules) {
    const descending = rule.startsWith('-');
    query.sort.push({ param: sortParam(query, descending ? rule.slice(1) : rule, context), descending });
  }
  return value;
}

const oneOf = <T extends string>(name: string, value: string, allowed: readonly T[]): T => {
  const found = allowed.find((each) => each === value);
  if (found === undefined)
    throw parameterError('invalid-parameter', name, `${quote(value)} is none of ${allowed.join(', ')}`);
  return found;
};

function readElements(query: SearchQuery, value: string): string {
  const elements = value.split(',', elementsMax + 1);
  if (elements.length > elementsMax) throw parameterError('too-costly', '_elements', `at most ${elementsMax} elements`);
  const wrong = elements.find((element) => !/^[a-z][A-Za-z0-9]{0,63}$/.test(element));
  if (wrong !== undefined) throw parameterError('invalid-parameter', '_elements', `${quote(wrong)} is no element name`);
  query.elements = elements;
  return value;
}

/** `*`, `Type:*`, `Type:parameter` or `Type:parameter:TargetType`; in `name` perhaps `:iterate`, or as it was, `:recurse`. */
function parseInclude(value: string, context: ResultContext, name: string): Include {
  const [plain, modifier] = name.split(':');
  const how = { reverse: plain === '_revinclude', iterate: modifier !== undefined };
  const parts = value.split(':');
  const [source = '', code = '', target] = parts;
  if (value === '*') return { ...how, source: '*' };
  if (parts.length > 3 || code === '') {
    throw parameterError(
      'invalid-parameter',
      name,
      `${quote(value)} is not of the form Type:parameter or Type:parameter:TargetType`,
    );
  }
  if (!context.isResourceType(source))
    throw parameterError('invalid-parameter', name, `${quote(source)} is no resource type`);
  if (target !== undefined && !context.isResourceType(target)) {
    throw parameterError('invalid-parameter', name, `${quote(target)} is no resource type`);
  }
  if (code === '*') return target === undefined ? { ...how, source } : { ...how, source, target };
  const param = context.parameters.get(source, code);
  if (param?.type !== 'reference') {
    throw parameterError('invalid-parameter', name, `${source} has no reference parameter ${quote(code)}`);
  }
  if (target !== undefined && param.target.length > 0 && !param.target.includes(target)) {
    throw parameterError(
      'invalid-parameter',
      name,
      `${source}:${code} refers to ${param.target.join(', ')}, not to ${target}`,
    );
  }
  return target === undefined ? { ...how, source, param } : { ...how, source, param, target };
}

const readInclude: Read = (query, value, context, name) => {
  if (query.includes.length >= includesMax) throw parameterError('too-costly', name, `at most ${includesMax} includes`);
  query.includes.push(parseInclude(value, context, name));
  return value;
};

function readCursor(query: SearchQuery, value: string): undefined {
  if (value.length > cursorCharactersMax)
    throw parameterError('invalid-parameter', '_cursor', 'this is no cursor of ours');
  query.cursor = value;
}

/** `:recurse` is what `:iterate` was called before R4. */
const INCLUDES = ['_include', '_revinclude'].flatMap((name) => [name, `${name}:iterate`, `${name}:recurse`]);

const READERS = new Map<string, Read>([
  ['_count', readCount],
  ['_sort', readSort],
  [
    '_total',
    (query, value) => {
      query.total = oneOf('_total', value, ['none', 'estimate', 'accurate'] as const);
      return value;
    },
  ],
  [
    '_summary',
    (query, value) => {
      query.summary = oneOf('_summary', value, ['true', 'text', 'data', 'count', 'false'] as const);
      return value;
    },
  ],
  ['_elements', readElements],
  ...INCLUDES.map((name): [string, Read] => [name, readInclude]),
  [
    '_contained',
    (query, value) => {
      const contained = oneOf('_contained', value, ['false', 'true', 'both'] as const);
      if (contained !== 'false') query.contained = contained;
      return value;
    },
  ],
  [
    '_containedType',
    (query, value) => {
      query.containedAlone = oneOf('_containedType', value, ['container', 'contained'] as const) === 'contained';
      return value;
    },
  ],
  ['_cursor', readCursor],
]);

const REPEATABLE = new Set([...INCLUDES, '_sort']);

/** Consumed by content negotiation; a link keeps them, so that the next page has the same form. */
const ELSEWHERE = new Set(['_format', '_pretty']);

/** "Servers SHALL reject" modifiers that they don't support: `_sort:asc=date`, ignored, would come in another order than was asked for. */
function assertNoModifier(name: string): void {
  const [bare = '', ...rest] = name.split(/[:.]/);
  if (rest.length === 0 || !READERS.has(bare)) return;
  const known = INCLUDES.filter((each) => each.startsWith(`${bare}:`));
  const offer = known.length > 0 ? `${known.join(' and ')} are what it may be called` : 'it takes no modifier';
  throw parameterError('invalid-parameter', name, `${quote(name)} is no form of ${bare}: ${offer}`);
}

/**
 * Reads the parameter into `query` if it is a result parameter; false if it is none. `seen` holds the names read so far.
 */
export function readResultParameter(
  query: SearchQuery,
  [name, value]: readonly [string, string],
  context: ResultContext,
  seen: Set<string>,
): boolean {
  if (ELSEWHERE.has(name)) {
    if (value !== '') query.used.push([name, value]);
    return true;
  }
  const read = READERS.get(name);
  if (read === undefined) {
    assertNoModifier(name);
    return false;
  }
  if (seen.has(name) && !REPEATABLE.has(name))
    throw parameterError('invalid-parameter', name, `${name} may be given once`);
  seen.add(name);
  if (value === '') throw parameterError('invalid-parameter', name, `${name} has no value`);
  const used = read(query, value, context, name);
  if (used !== undefined) query.used.push([name, used]);
  return true;
}
