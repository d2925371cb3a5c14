// Which search parameters apply to which type: https://hl7.org/fhir/R4/searchparameter-registry.html
import { CerebraError, ownValue } from '#platform';
import type { Definitions } from '../definitions.ts';
import { codeSystemOf, isMimeType, isOfFamilyNames, isOfTypes, mayBeRange } from './code-system.ts';
import { compositeOf, type RawComponent } from './composite.ts';
import { identifierParam } from './derived.ts';
import { parseExpression } from './expression.ts';
import { familyPartsKey } from './family-parts.ts';
import { paramKey } from './param-key.ts';
import { findSame } from './same-as.ts';
import { isSingle } from './single.ts';
import type { Composite, SearchParam, SearchParamType } from './types.ts';

/** What the registry reads of a SearchParameter resource; `target` is left out where it names every type. */
export interface RawSearchParameter {
  url?: unknown;
  code?: unknown;
  base?: unknown;
  type?: unknown;
  expression?: unknown;
  target?: unknown;
  description?: unknown;
  /** Of a composite: `{ definition, expression }` each. */
  component?: unknown;
}

export interface SearchParameters {
  /** The parameter of that code as it applies to the type, those of Resource and DomainResource included. */
  get(type: string, code: string): SearchParam | undefined;
  /** All parameters of a type, by code; empty for an unknown type. */
  list(type: string): readonly SearchParam[];
  /** Rises when one is defined, changed or taken away; none where none can be. */
  readonly revision?: bigint;
  /** Looks whether other processes have changed the definitions. */
  refresh?(): Promise<void>;
  /** Parameters whose expression the compiled subset can't say: they run on fhirpath, some 50 times slower. */
  outsideSubset(): SearchParam[];
}

const TYPES = new Set<string>([
  'number',
  'date',
  'string',
  'token',
  'reference',
  'composite',
  'quantity',
  'uri',
  'special',
] satisfies SearchParamType[]);

/** Without narrative, so without `_text`: these are no DomainResources. */
const NOT_DOMAIN_RESOURCES = new Set(['Bundle', 'Binary', 'Parameters']);

/** `target` lists that long name every resource type (R4 has 146 and two abstract ones): any. */
const TARGETS_ANY_MIN = 140;

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : [];

/** The parts between top-level `|`. */
function unionParts(expression: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quoted = false;
  let start = 0;
  for (let i = 0; i < expression.length; i++) {
    const character = expression[i];
    if (character === "'") quoted = !quoted;
    if (quoted) continue;
    if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === '|' && depth === 0) {
      parts.push(expression.slice(start, i).trim());
      start = i + 1;
    }
  }
  parts.push(expression.slice(start).trim());
  return parts;
}

/** Keeps the parts of a union that start at the type, at what it derives from, or at an element name. */
export function narrowExpression(expression: string, type: string): string {
  const kept = unionParts(expression).filter((part) => {
    const root = /^\(*\s*([A-Za-z]+)/.exec(part)?.[1] ?? '';
    return root === type || root === 'Resource' || root === 'DomainResource' || /^[a-z]/.test(root);
  });
  return kept.join(' | ');
}

/** The end of a path that leads to extensions, however they are picked out. */
const EXTENSION_END =
  /(?:^|\.)(?:modifierE|e)xtension(?:\('[^']*'\)|\.where\(\s*url\s*=\s*'[^']*'\s*\)|\.first\(\)|\[\d+\])*$/;

/**
 * Parts of a union that lead to extensions mean their values, since an extension itself is of no type that a parameter
 * has: so R4's example of one has it, https://hl7.org/fhir/R4/searchparameter-example-extension.json.html
 */
export function withExtensionValues(expression: string): string {
  const parts = unionParts(expression).map((part) => (EXTENSION_END.test(part) ? `${part}.value` : part));
  return parts.join(' | ');
}

export function appliesTo(base: readonly string[], type: string): boolean {
  if (base.includes(type) || base.includes('Resource')) return true;
  return base.includes('DomainResource') && !NOT_DOMAIN_RESOURCES.has(type);
}

/** Where those are found for which R4 has no expression. `_content` is all of a resource: nothing of it is extracted. */
const SPECIAL: Record<string, { special: NonNullable<SearchParam['special']>; expression?: string }> = {
  'http://hl7.org/fhir/SearchParameter/DomainResource-text': { special: 'text', expression: 'DomainResource.text.div' },
  'http://hl7.org/fhir/SearchParameter/Resource-content': { special: 'content', expression: 'Resource' },
  'http://hl7.org/fhir/SearchParameter/Location-near': { special: 'near' },
};

/** `boolean` stands beside a concept in Group.characteristic. */
const CODED = ['code', 'Coding', 'CodeableConcept', 'boolean'];
/** https://hl7.org/fhir/R4/search.html#token: on these "the presence of the pipe symbol SHALL NOT be used". */
const SYSTEMLESS = ['ContactPoint', 'boolean', 'uri'];
/** Of `phone` and `email`: it leaves of ContactPoints nothing but ContactPoints. */
const OF_SYSTEM = /\.where\(system ?= ?'[a-z]+'\)/g;

function tokenTraits(type: string, expression: string, definitions: Definitions) {
  const codeSystem = codeSystemOf(definitions, type, expression);
  return {
    ...(codeSystem !== undefined && { codeSystem }),
    ...(isOfTypes(definitions, type, expression, ['Identifier']) && { caseSensitive: true }),
    ...(isOfTypes(definitions, type, expression, CODED) && { coded: true }),
    ...(isOfTypes(definitions, type, expression.replace(OF_SYSTEM, ''), SYSTEMLESS) && { systemless: true }),
    ...(isMimeType(definitions, type, expression) && { mimeType: true }),
  };
}

/** What the definitions of the elements tell of the values. */
function traitsOf(raw: RawSearchParameter, type: string, expression: string, definitions: Definitions | undefined) {
  if (raw.code === '_id') return { caseSensitive: true };
  if (definitions === undefined) return {};
  if (raw.type === 'token') return tokenTraits(type, expression, definitions);
  return {
    ...(raw.type === 'string' && isOfFamilyNames(definitions, type, expression) && { familyNames: true as const }),
    ...(raw.type === 'number' && mayBeRange(definitions, type, expression) && { ranged: true }),
    ...(raw.type === 'date' && isSingle(definitions, type, expression) && { single: true }),
  };
}

/** The parameter as it applies to the type; undefined where it does not. */
export function paramOf(raw: RawSearchParameter, type: string, definitions?: Definitions): SearchParam | undefined {
  const { code, url } = raw;
  const special = typeof url === 'string' ? ownValue(SPECIAL, url) : undefined;
  const expression = special?.expression ?? raw.expression;
  if (typeof code !== 'string' || typeof expression !== 'string' || !TYPES.has(String(raw.type))) return undefined;
  const narrowed = narrowExpression(expression, type);
  if (narrowed === '') return undefined;
  const target = strings(raw.target);
  return {
    ...traitsOf(raw, type, narrowed, definitions),
    ...(special && { special: special.special }),
    key: paramKey(type, code),
    url: typeof url === 'string' ? url : '',
    code,
    resourceType: type,
    type: special ? 'special' : (raw.type as SearchParamType),
    expression: narrowed,
    target: target.length >= TARGETS_ANY_MIN || target.includes('Resource') ? [] : target,
    description: descriptionOf(raw.description, type),
  };
}

/** R4's shared parameters describe each type in one line of a list: `* [Patient](patient.html): A patient's …`. */
function descriptionOf(description: unknown, type: string): string {
  if (typeof description !== 'string') return '';
  const line = description.split(/\r?\n/).find((text) => text.includes(`[${type}](`));
  return (line ?? description).replace(/^\*?\s*\[\w+\]\([^)]*\):\s*/, '').trim();
}

/** Takes a key; `name` is what it stands for. */
function reserve(keys: Map<number, string>, key: number, name: string): void {
  const other = keys.get(key);
  if (other !== undefined && other !== name) {
    throw new CerebraError('config', `search parameters ${other} and ${name} have the same key ${key}`);
  }
  keys.set(key, name);
}

function addParam(byCode: Map<string, SearchParam>, keys: Map<number, string>, param: SearchParam): void {
  const name = `${param.resourceType}.${param.code}`;
  reserve(keys, param.key, name);
  if (param.type === 'reference') reserve(keys, identifierParam(param).key, `${name}:identifier`);
  if (param.familyNames) reserve(keys, familyPartsKey(param), `${name} (parts)`);
  byCode.set(param.code, param);
}

/** Sets `composite` where the parts are parameters of the type. */
function addComposites(
  params: readonly SearchParam[],
  components: ReadonlyMap<string, readonly RawComponent[]>,
  definitions: Definitions | undefined,
): void {
  const known = new Map<string, SearchParam>();
  // Those that are found on elements alone first: others can do with their values.
  const composites = params
    .filter(({ type }) => type === 'composite')
    .map((param) => ({ param, found: compositeOf(params, param, components.get(param.url) ?? [], definitions) }))
    .sort((a, b) => Number(a.found?.root !== undefined) - Number(b.found?.root !== undefined));
  for (const { param, found } of composites) {
    if (found === undefined) continue;
    const place = found.within && JSON.stringify(found.within);
    const other = place === undefined ? undefined : known.get(place);
    if (place !== undefined && other === undefined) known.set(place, param);
    (param as { composite?: Composite }).composite = other ? { ...found, withinAs: other } : found;
  }
}

/** Sets `dates` and `dated`. */
function markDated(params: readonly SearchParam[]): void {
  const date = params.find(({ code, type, single, sameAs }) => code === 'date' && type === 'date' && single && !sameAs);
  if (!date) return;
  (date as { dates?: true }).dates = true;
  for (const param of params) if (param.type === 'reference') (param as { dated?: true }).dated = true;
}

/**
 * The registry of SearchParameter resources for those resource types. Parameters without an expression (`_query`)
 * and of unknown types are left out; of two with the same code on a type the later one counts.
 * With `definitions`, codes are indexed with the system that their binding implies: `gender=<system>|male` then finds
 * what `gender=male` finds. Throws CerebraError `config` if two parameters share a key.
 */
export function createSearchParameters(
  raw: readonly RawSearchParameter[],
  resourceTypes: readonly string[],
  definitions?: Definitions,
): SearchParameters {
  const keys = new Map<number, string>();
  const components = new Map<string, readonly RawComponent[]>();
  const byType = new Map<string, Map<string, SearchParam>>();
  for (const type of resourceTypes) byType.set(type, new Map());
  for (const definition of raw) {
    if (Array.isArray(definition.component)) components.set(String(definition.url), definition.component);
    const base = strings(definition.base);
    const abstract = base.includes('Resource') || base.includes('DomainResource');
    for (const type of abstract ? resourceTypes : base) {
      const byCode = byType.get(type);
      const param = byCode && appliesTo(base, type) ? paramOf(definition, type, definitions) : undefined;
      if (byCode && param) addParam(byCode, keys, param);
    }
  }
  const lists = new Map<string, readonly SearchParam[]>();
  for (const [type, byCode] of byType)
    lists.set(
      type,
      [...byCode.values()].sort((a, b) => (a.code < b.code ? -1 : 1)),
    );
  for (const params of lists.values()) {
    findSame(params);
    markDated(params);
    addComposites(params, components, definitions);
  }
  return {
    get: (type, code) => byType.get(type)?.get(code),
    list: (type) => lists.get(type) ?? [],
    outsideSubset: () => [...lists.values()].flat().filter(isOutsideSubset),
  };
}

const isOutsideSubset = ({ type, expression }: SearchParam): boolean =>
  type !== 'composite' && type !== 'special' && parseExpression(expression) === undefined;
