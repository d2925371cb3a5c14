// Which search parameters apply to which type: https://hl7.org/fhir/R4/searchparameter-registry.html
import { CerebraError } from '#platform';
import type { Definitions } from '../definitions.ts';
import { codeSystemOf } from './code-system.ts';
import { parseExpression } from './expression.ts';
import { findSame } from './same-as.ts';
import { isSingle } from './single.ts';
import type { SearchParam, SearchParamType } from './types.ts';

/** What the registry reads of a SearchParameter resource; `target` is left out where it names every type. */
export interface RawSearchParameter {
  url?: unknown;
  code?: unknown;
  base?: unknown;
  type?: unknown;
  expression?: unknown;
  target?: unknown;
  description?: unknown;
}

export interface SearchParameters {
  /** The parameter of that code as it applies to the type, those of Resource and DomainResource included. */
  get(type: string, code: string): SearchParam | undefined;
  /** All parameters of a type, by code; empty for an unknown type. */
  list(type: string): readonly SearchParam[];
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

/** FNV-1a over UTF-16 units with a final mix: stable for ever, index rows carry it. Signed 32 bits. */
export function paramKey(resourceType: string, code: string): number {
  let hash = 0x811c9dc5;
  const text = `${resourceType}.${code}`;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

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
function narrow(expression: string, type: string): string {
  const kept = unionParts(expression).filter((part) => {
    const root = /^\(*\s*([A-Za-z]+)/.exec(part)?.[1] ?? '';
    return root === type || root === 'Resource' || root === 'DomainResource' || /^[a-z]/.test(root);
  });
  return kept.join(' | ');
}

function appliesTo(base: string[], type: string): boolean {
  if (base.includes(type) || base.includes('Resource')) return true;
  return base.includes('DomainResource') && !NOT_DOMAIN_RESOURCES.has(type);
}

function paramOf(raw: RawSearchParameter, type: string, definitions?: Definitions): SearchParam | undefined {
  const { code, url, expression } = raw;
  if (typeof code !== 'string' || typeof expression !== 'string' || !TYPES.has(String(raw.type))) return undefined;
  const narrowed = narrow(expression, type);
  if (narrowed === '') return undefined;
  const target = strings(raw.target);
  const codeSystem = definitions && raw.type === 'token' ? codeSystemOf(definitions, type, narrowed) : undefined;
  return {
    ...(codeSystem !== undefined && { codeSystem }),
    ...(definitions && raw.type === 'date' && isSingle(definitions, type, narrowed) && { single: true }),
    key: paramKey(type, code),
    url: typeof url === 'string' ? url : '',
    code,
    resourceType: type,
    type: raw.type as SearchParamType,
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

function addParam(byCode: Map<string, SearchParam>, keys: Map<number, SearchParam>, param: SearchParam): void {
  const other = keys.get(param.key);
  if (other !== undefined && (other.resourceType !== param.resourceType || other.code !== param.code)) {
    const names = `${other.resourceType}.${other.code} and ${param.resourceType}.${param.code}`;
    throw new CerebraError('config', `search parameters ${names} have the same key ${param.key}`);
  }
  keys.set(param.key, param);
  byCode.set(param.code, param);
}

/**
 * The registry of SearchParameter resources for those resource types. Parameters without an expression (`_text`,
 * `_content`, `_query`) and of unknown types are left out; of two with the same code on a type the later one counts.
 * With `definitions`, codes are indexed with the system that their binding implies: `gender=<system>|male` then finds
 * what `gender=male` finds. Throws CerebraError `config` if two parameters share a key.
 */
export function createSearchParameters(
  raw: readonly RawSearchParameter[],
  resourceTypes: readonly string[],
  definitions?: Definitions,
): SearchParameters {
  const keys = new Map<number, SearchParam>();
  const byType = new Map<string, Map<string, SearchParam>>();
  for (const type of resourceTypes) byType.set(type, new Map());
  for (const definition of raw) {
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
  for (const params of lists.values()) findSame(params);
  return {
    get: (type, code) => byType.get(type)?.get(code),
    list: (type) => lists.get(type) ?? [],
    outsideSubset: () => [...lists.values()].flat().filter(isOutsideSubset),
  };
}

const isOutsideSubset = ({ type, expression }: SearchParam): boolean =>
  type !== 'composite' && type !== 'special' && parseExpression(expression) === undefined;
