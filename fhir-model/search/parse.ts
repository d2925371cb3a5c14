// From a search string to what it asks: https://hl7.org/fhir/R4/search.html
import { filterCriteria } from './filter-criteria.ts';
import { withModifier } from './modifiers.ts';
import { namedCriteria, namedQuery } from './named-queries.ts';
import { chainCriterion, criterionOn, isJoinName, type JoinContext, newTrail } from './parse-chain.ts';
import { type ParsedName, parseName } from './parse-name.ts';
import { readResultParameter } from './parse-result.ts';
import { parseValues } from './parse-values.ts';
import type { SearchParameters } from './registry.ts';
import { criteriaMax, joinBranchesMax, lookupsMax, nameCharactersMax } from './search-limits.ts';
import type { Criterion, SearchParam, SearchQuery } from './types.ts';
import { parameterError, quote } from './value-context.ts';
import { withVersions } from './versioned-url.ts';

export interface SearchOptions {
  parameters: SearchParameters;
  resourceTypes: readonly string[];
  /** Unknown parameters are errors (`Prefer: handling=strict`); otherwise they end up in `ignored`. */
  strict: boolean;
  /** Page size without `_count`. */
  countDefault: number;
  /** A larger `_count` is lowered to this. */
  countMax: number;
  /** Our own FHIR base: references below it count as local. */
  baseUrl?: string;
}

/** Sets by the list they were made of: a server passes the same list with each search. */
const typeSets = new WeakMap<readonly string[], Set<string>>();

function typeSet(types: readonly string[]): Set<string> {
  const known = typeSets.get(types) ?? new Set(types);
  typeSets.set(types, known);
  return known;
}

type Context = SearchOptions & JoinContext;

/** These have forms of their own; in any other they would be ignored, and the result be too wide. */
const FORMS = new Map([
  ['_has', '_has:Type:reference:parameter'],
  ['_list', '_list=id'],
  ['_filter', '_filter=expression'],
  ['_query', '_query=name'],
]);

function plainCriterion(parsed: ParsedName, value: string, given: SearchParam, context: Context): Criterion {
  const { isResourceType, baseUrl } = context;
  const { param, modifier } = withModifier(parsed, given, isResourceType);
  const { name } = parsed;
  const values = parseValues(value, { name, param, modifier, isResourceType, baseUrl });
  // A type has become part of the values.
  if (modifier !== undefined && !isResourceType(modifier)) return { name, param, modifier, values };
  return withVersions({ name, param, values }, context.parameters.get(param.resourceType, 'version'));
}

/** Of `_filter`, `_has`, `_list`: none is a parameter of a type. Undefined for all other names. */
function joinCriteria(type: string, name: string, value: string, context: Context): Criterion[] | undefined {
  if (name === '_filter') return filterCriteria(context, type, value);
  if (isJoinName(name)) return [criterionOn(context, type, { text: name, name }, value, newTrail(context))];
  const bare = name.split(/[:.]/, 1)[0] ?? '';
  const form = FORMS.get(bare);
  if (form !== undefined) throw parameterError('invalid-parameter', name, `${bare} has the form ${form}`);
  return undefined;
}

/** Ignoring `identifier=` in a conditional delete would match everything: strict callers get an error. */
function withoutValue(name: string, context: Context): undefined {
  if (context.strict) throw parameterError('invalid-parameter', name, 'the parameter has no value');
}

/** The criteria; undefined if the type does not know the parameter or it has no value. */
function parseCriteria(type: string, name: string, value: string, context: Context): Criterion[] | undefined {
  if (value === '' && (isJoinName(name) || FORMS.has(name))) return withoutValue(name, context);
  const joined = joinCriteria(type, name, value, context);
  if (joined) return joined;
  const criterion = parseCriterion(type, name, value, context);
  return criterion?.logic?.op === 'and' ? criterion.logic.criteria : criterion && [criterion];
}

/**
 * "Servers SHALL reject any search request that contains a search parameter with a modifier that the server does not
 * support": https://hl7.org/fhir/R4/search.html#modifiers. Taken for an unknown parameter it would widen the result.
 */
function assertForm(type: string, name: string, parsed: ParsedName | undefined, context: Context): void {
  const bare = name.split(/[:.]/, 1)[0] ?? '';
  if (parsed !== undefined || context.parameters.get(type, bare) === undefined) return;
  throw parameterError('invalid-parameter', name, `after ${quote(bare)} stands no modifier or chain of R4`);
}

function parseCriterion(type: string, name: string, value: string, context: Context): Criterion | undefined {
  const parsed = parseName(name);
  const bare = parsed?.code ?? name.split(':', 1)[0] ?? '';
  if (bare === '_type') {
    const form = 'GET [base]?_type=Patient,Observation';
    throw parameterError(
      'unsupported',
      name,
      `_type is for searches of several types, ${form}; here the path says the type`,
    );
  }
  assertForm(type, name, parsed, context);
  const param = parsed && context.parameters.get(type, parsed.code);
  if (parsed === undefined || param === undefined) {
    if (context.strict)
      throw parameterError('unknown-parameter', name, `${type} has no search parameter ${quote(bare)}`);
    return undefined;
  }
  if (value === '') return withoutValue(name, context);
  if (parsed.chained !== undefined) return chainCriterion(context, param, parsed, value, newTrail(context));
  return plainCriterion(parsed, value, param, context);
}

function checkSize(name: string, criteria: number): void {
  if (name.length > nameCharactersMax) {
    throw parameterError(
      'invalid-parameter',
      `${name.slice(0, 64)}…`,
      `a parameter name may have ${nameCharactersMax} characters`,
    );
  }
  if (criteria >= criteriaMax) throw parameterError('too-costly', name, `a search may have ${criteriaMax} criteria`);
}

/** Index entries that the criterion asks for. */
function lookupsOf(criterion: Criterion, context: Context): number {
  const { param, values, chain = [], has, logic } = criterion;
  const types = param.target.length > 0 ? param.target.length : context.resourceTypes.length;
  let lookups = 0;
  for (const value of values)
    lookups += value.kind === 'reference' && value.type === undefined && value.id !== undefined ? types : 1;
  const inner = [...chain.map((each) => each.criterion), ...(has ? [has.criterion] : []), ...(logic?.criteria ?? [])];
  for (const each of inner) lookups += lookupsOf(each, context);
  return lookups;
}

/** The criteria of the named query that is asked for, if one is, and the names of the parameters that are its own. */
function namedCriteriaOf(
  type: string,
  pairs: readonly (readonly [string, string])[],
  context: Context,
): { criteria: Criterion[]; names: Set<string> } | undefined {
  const [asked, ...more] = pairs.filter(([name]) => name === '_query');
  if (asked === undefined) return undefined;
  if (more.length > 0) throw parameterError('invalid-parameter', '_query', '_query may be given once');
  const query = namedQuery(type, asked[1]);
  const names = new Set(query.parameters.map((parameter) => parameter.name));
  const given = pairs.filter(([name]) => names.has(name.split(/[:.]/, 1)[0] ?? ''));
  return { criteria: namedCriteria(context, query, given), names: new Set(['_query', ...given.map(([name]) => name)]) };
}

/**
 * Parses the decoded `name=value` pairs of a search on `type`. Repeats are AND. A parameter without a value is ignored as
 * an unknown one is. Throws CerebraError naming the parameter in `expression`: `unknown-parameter` (strict only),
 * `invalid-parameter`, `unsupported`, or `too-costly` beyond a limit.
 */
export function parseSearch(
  type: string,
  pairs: readonly (readonly [string, string])[],
  options: SearchOptions,
): SearchQuery {
  const types = typeSet(options.resourceTypes);
  const context: Context = {
    ...options,
    branches: { left: joinBranchesMax },
    isResourceType: (name) => types.has(name),
    plain: (parsed, value, param) => plainCriterion(parsed, value, param, context),
  };
  const query: SearchQuery = {
    type,
    criteria: [],
    sort: [],
    count: Math.min(options.countDefault, options.countMax),
    total: 'none',
    includes: [],
    ignored: [],
    used: [],
  };
  const seen = new Set<string>();
  const named = namedCriteriaOf(type, pairs, context);
  let lookups = 0;
  for (const [name, value] of pairs) {
    checkSize(name, query.criteria.length + query.ignored.length);
    if (readResultParameter(query, [name, value], context, seen)) continue;
    const criteria = named?.names.has(name) ? [] : parseCriteria(type, name, value, context);
    if (criteria === undefined) {
      query.ignored.push(name);
      continue;
    }
    for (const criterion of criteria) lookups += lookupsOf(criterion, context);
    if (lookups > lookupsMax) {
      throw parameterError('too-costly', name, `a search may ask for ${lookupsMax} values; ids need fewer with a type`);
    }
    query.criteria.push(...criteria);
    query.given = (query.given ?? 0) + 1;
    query.used.push([name, value]);
  }
  if (named) query.criteria.push(...named.criteria);
  return query;
}

/** Percent-encoding that leaves what a query may hold and people read: `: / ,`. */
const encode = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replace(/%(3A|2F|2C)/g, decodeURIComponent);

/** The query string of what was used, percent-encoded, without `?`: the self link, and with `_cursor` the next link. */
export const selfLinkQuery = (query: SearchQuery): string =>
  query.used.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
