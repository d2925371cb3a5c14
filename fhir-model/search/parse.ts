// From a search string to what it asks: https://hl7.org/fhir/R4/search.html
import { readResultParameter } from './parse-result.ts';
import { parameterError, parseValues, quote } from './parse-values.ts';
import type { SearchParameters } from './registry.ts';
import { chainTypesMax, criteriaMax, lookupsMax, nameCharactersMax } from './search-limits.ts';
import type { Criterion, SearchParam, SearchParamType, SearchQuery } from './types.ts';

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

interface Context extends SearchOptions {
  isResourceType: (type: string) => boolean;
}

/** Parameters that R4 defines for every type and that would narrow the result: never silently ignored. */
const UNSUPPORTED = new Set([
  '_has',
  '_text',
  '_content',
  '_list',
  '_filter',
  '_query',
  '_type',
  '_contained',
  '_containedType',
]);

const SUPPORTED_MODIFIERS: Partial<Record<SearchParamType, readonly string[]>> = {
  string: ['exact', 'contains'],
  token: ['not'],
  uri: ['below', 'above'],
};

/** https://hl7.org/fhir/R4/valueset-search-modifier-code.html, by the types they apply to. */
const KNOWN_MODIFIERS: Partial<Record<SearchParamType, readonly string[]>> = {
  string: ['exact', 'contains', 'text'],
  token: ['not', 'text', 'in', 'not-in', 'above', 'below', 'of-type', 'ofType'],
  uri: ['below', 'above'],
  reference: ['identifier', 'above', 'below'],
};

/** `code`, `code:modifier`, `code.chained…` or `code:Type.chained…`. */
const NAME = /^([A-Za-z_][A-Za-z0-9_-]*)(?::([A-Za-z-]+))?(?:\.(.+))?$/s;

interface ParsedName {
  name: string;
  code: string;
  modifier: string | undefined;
  chained: string | undefined;
}

function parseName(name: string): ParsedName | undefined {
  const match = NAME.exec(name);
  return match === null ? undefined : { name, code: match[1] ?? '', modifier: match[2], chained: match[3] };
}

function checkTypeModifier(parsed: ParsedName, param: SearchParam, type: string): string {
  if (param.target.length > 0 && !param.target.includes(type)) {
    const targets = param.target.join(', ');
    throw parameterError('invalid-parameter', parsed.name, `${parsed.code} refers to ${targets}, not to ${type}`);
  }
  return type;
}

/** The modifier if this parameter may have it; a resource type only on references. */
function checkModifier(parsed: ParsedName, param: SearchParam, context: Context): string | undefined {
  const { modifier, name } = parsed;
  if (modifier === undefined || modifier === 'missing') return modifier;
  if (param.type === 'reference' && context.isResourceType(modifier)) return checkTypeModifier(parsed, param, modifier);
  if (SUPPORTED_MODIFIERS[param.type]?.includes(modifier)) return modifier;
  if (KNOWN_MODIFIERS[param.type]?.includes(modifier)) {
    throw parameterError('unsupported', name, `the modifier :${modifier} is not supported`);
  }
  throw parameterError(
    'invalid-parameter',
    name,
    `:${modifier.slice(0, 40)} is no modifier of ${param.type} parameters`,
  );
}

function plainCriterion(parsed: ParsedName, value: string, param: SearchParam, context: Context): Criterion {
  const modifier = checkModifier(parsed, param, context);
  const { name } = parsed;
  const { isResourceType, baseUrl } = context;
  const values = parseValues(value, { name, param, modifier, isResourceType, baseUrl });
  // A type has become part of the values.
  if (modifier === undefined || isResourceType(modifier)) return { name, param, values };
  return { name, param, modifier, values };
}

/** The types a chain may lead to that know the chained parameter. */
function chainTypes(parsed: ParsedName, param: SearchParam, chainedCode: string, context: Context): string[] {
  const named = parsed.modifier;
  if (named !== undefined) {
    if (!context.isResourceType(named)) {
      throw parameterError('invalid-parameter', parsed.name, `${quote(named)} is no resource type`);
    }
    checkTypeModifier(parsed, param, named);
  }
  const candidates = named === undefined ? (param.target.length > 0 ? param.target : context.resourceTypes) : [named];
  const types = candidates.filter((type) => context.parameters.get(type, chainedCode) !== undefined);
  if (types.length === 0) {
    throw parameterError(
      'unknown-parameter',
      parsed.name,
      `no type that ${parsed.code} refers to has a parameter ${quote(chainedCode)}`,
    );
  }
  if (types.length > chainTypesMax) {
    throw parameterError(
      'too-costly',
      parsed.name,
      `${types.length} types have ${quote(chainedCode)}: name one, as in ${parsed.code}:${types[0]}.${chainedCode}`,
    );
  }
  return types;
}

/** One level: `subject:Patient.name=eve`. A value that one of several types can't read (a date, say) leaves that type out. */
function chainedCriterion(parsed: ParsedName, value: string, param: SearchParam, context: Context): Criterion {
  const { name } = parsed;
  if (param.type !== 'reference')
    throw parameterError('invalid-parameter', name, `${parsed.code} is no reference: it has nothing to chain to`);
  const inner = parseName(parsed.chained ?? '');
  if (inner === undefined)
    throw parameterError('invalid-parameter', name, `${quote(parsed.chained ?? '')} is no parameter name`);
  if (inner.chained !== undefined || UNSUPPORTED.has(inner.code)) {
    throw parameterError('unsupported', name, 'chains of more than one step are not supported');
  }
  let failure: unknown;
  const chain: { type: string; criterion: Criterion }[] = [];
  for (const type of chainTypes(parsed, param, inner.code, context)) {
    const chained = context.parameters.get(type, inner.code) as SearchParam;
    try {
      chain.push({ type, criterion: plainCriterion({ ...inner, name }, value, chained, context) });
    } catch (error) {
      failure ??= error;
    }
  }
  if (chain.length === 0) throw failure;
  return { name, param, values: [], chain };
}

/** The criterion; undefined if the type does not know the parameter or it has no value. */
function parseCriterion(type: string, name: string, value: string, context: Context): Criterion | undefined {
  const parsed = parseName(name);
  const bare = parsed?.code ?? name.split(':', 1)[0] ?? '';
  if (UNSUPPORTED.has(bare)) throw parameterError('unsupported', name, `${bare} is not supported`);
  if (/^_(include|revinclude):(iterate|recurse)$/.test(name)) {
    throw parameterError('unsupported', name, 'only direct includes are supported');
  }
  const param = parsed && context.parameters.get(type, parsed.code);
  if (parsed === undefined || param === undefined) {
    if (context.strict)
      throw parameterError('unknown-parameter', name, `${type} has no search parameter ${quote(bare)}`);
    return undefined;
  }
  // Ignoring `identifier=` in a conditional delete would match everything: strict callers get an error.
  if (value === '') {
    if (context.strict) throw parameterError('invalid-parameter', name, 'the parameter has no value');
    return undefined;
  }
  if (parsed.chained !== undefined) return chainedCriterion(parsed, value, param, context);
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
  const { param, values, chain = [] } = criterion;
  const types = param.target.length > 0 ? param.target.length : context.resourceTypes.length;
  let lookups = 0;
  for (const value of values)
    lookups += value.kind === 'reference' && value.type === undefined && value.id !== undefined ? types : 1;
  for (const each of chain) lookups += lookupsOf(each.criterion, context);
  return lookups;
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
  const context: Context = { ...options, isResourceType: (name) => types.has(name) };
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
  let lookups = 0;
  for (const [name, value] of pairs) {
    checkSize(name, query.criteria.length + query.ignored.length);
    if (readResultParameter(query, [name, value], context, seen)) continue;
    const criterion = parseCriterion(type, name, value, context);
    if (criterion === undefined) {
      query.ignored.push(name);
      continue;
    }
    lookups += lookupsOf(criterion, context);
    if (lookups > lookupsMax) {
      throw parameterError('too-costly', name, `a search may ask for ${lookupsMax} values; ids need fewer with a type`);
    }
    query.criteria.push(criterion);
    query.used.push([name, value]);
  }
  return query;
}

/** Percent-encoding that leaves what a query may hold and people read: `: / ,`. */
const encode = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replace(/%(3A|2F|2C)/g, decodeURIComponent);

/** The query string of what was used, percent-encoded, without `?`: the self link, and with `_cursor` the next link. */
export const selfLinkQuery = (query: SearchQuery): string =>
  query.used.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
