// From Bundle entries to planned work: https://hl7.org/fhir/R4/http.html#transaction
import {
  isId,
  isObject,
  isSubset,
  type Json,
  type Resource,
  type SearchQuery,
  type TransactionEntry,
} from '#fhir-model';
import { CerebraError, ownValue } from '#platform';
import type { Patch } from '../patch/apply.ts';
import { assertValid } from '../store/store.ts';
import { sentType } from '../validation/primitives.ts';
import type { Core } from './core.ts';
import { assertConditions, preconditionOf } from './etag.ts';
import { keepingLabels } from './labels.ts';
import { noneExistQuery } from './none-exist.ts';
import { parseCriteria, searchPairs } from './search.ts';

/** What an entry's request asks for. */
export interface Plan {
  index: number;
  entry: TransactionEntry;
  method: TransactionEntry['method'];
  type: string;
  /** Known from the URL, or new for a plain POST; set by resolution otherwise. */
  id: string | undefined;
  /** Of a conditional create, update, patch or delete. */
  criteria: SearchQuery | undefined;
  /** The same for the same criteria, whatever their order. */
  criteriaKey: string | undefined;
  /** What is locked for the criteria. */
  lockKeys?: readonly string[];
  /** What is locked with them where nothing may match: what it creates is what others look for by its other identifiers. */
  contentKeys?: readonly string[];
  /**
   * With criteria: the id of what is created where nothing matches. The same at each attempt: what was checked, and the criteria
   * of other entries, have it already.
   */
  freshId?: string;
  ifVersion: number | undefined;
  /** PATCH: what makes the new version of the current one. */
  patch?: Patch;
  /** Not of a transaction: what it refers to is nobody else's entry, and `Patient?identifier=…` no reference. */
  alone?: boolean;
}

export const isRead = ({ method }: { method: TransactionEntry['method'] }): boolean =>
  method === 'GET' || method === 'HEAD';

/** An expression in the Bundle: `Bundle.entry[3].request`. */
export const at = (index: number, path = ''): string => `Bundle.entry[${index}]${path}`;

function fault(index: number, path: string, text: string): CerebraError {
  return new CerebraError('invalid', text, { expression: [at(index, path)] });
}

/** What an entry's URL is below our base: `Patient/1?…`, nothing for the base itself. Throws for another server's. */
export function relativeUrl(core: Core, index: number, url: string): string {
  const { length } = core.baseUrl;
  if (url.startsWith(core.baseUrl) && /^(?:[/?]|$)/.test(url.slice(length)))
    return url.slice(length).replace(/^\//, '');
  if (/^[a-z][a-z0-9+.-]*:/i.test(url)) {
    throw fault(index, '.request.url', `The url '${url.slice(0, 200)}' is not below ${core.baseUrl}`);
  }
  return url.replace(/^\//, '');
}

/** The operation that a URL names: `Patient/$merge` → `$merge`. https://hl7.org/fhir/R4/operations.html */
export const operationIn = (url: string): string | undefined => /^[^?]*?(?:^|\/)(\$[^/?]*)/.exec(url)?.[1];

export interface Target {
  type: string;
  id?: string;
  version?: number;
  query: string;
}

/**
 * `Patient`, `Patient/1`, `Patient/1/_history/2`, `Patient?a=b`, `Patient/1?…`; absolute ones must be below our base. A slash at
 * the end is nothing, as in the URL of a request.
 */
export function parseUrl(core: Core, index: number, url: string): Target {
  const [path = '', ...rest] = relativeUrl(core, index, url).split('?');
  const [type = '', id, history, version, ...more] = path.replace(/(?<=.)\/$/, '').split('/');
  const bad = more.length > 0 || (history !== undefined && (history !== '_history' || version === undefined));
  if (bad || (id !== undefined && !isId(id))) {
    throw fault(index, '.request.url', `The url '${url.slice(0, 200)}' is not one of type, type/id or type?criteria`);
  }
  if (type === '') throw fault(index, '.request.url', `The url '${url.slice(0, 200)}' names no resource type`);
  if (!core.store.layout.has(type)) {
    const text = `'${type.slice(0, 80)}' is not a resource type of FHIR R4`;
    throw new CerebraError('unknown-type', text, { expression: [at(index, '.request.url')] });
  }
  const target: Target = { type, query: rest.join('?') };
  if (id !== undefined) target.id = id;
  // A version that no resource can have is one that isn't there.
  if (version !== undefined) target.version = /^\d{1,9}$/.test(version) ? Number(version) : 0;
  return target;
}

function needResource(index: number, entry: TransactionEntry, type: string): Resource {
  const { resource } = entry;
  if (!resource) {
    throw new CerebraError('required', `${entry.method} needs a resource`, { expression: [at(index, '.resource')] });
  }
  if (resource.resourceType !== type) {
    throw fault(index, '.resource', `The url names ${type}, the resource is ${sentType(resource.resourceType)}`);
  }
  return resource;
}

/** As it stands in the key of criteria, where `a=1%26b=2`, one value, is not `a=1&b=2`. */
export const inKey = (text: string): string => text.replaceAll(/[%&=]/g, encodeURIComponent);

/** The lock and look-up key of criteria. */
export function criteriaKey(type: string, query: string, pairs = searchPairs(query)): string {
  return `${type}?${pairs
    .map(([name, value]) => `${inKey(name)}=${inKey(value)}`)
    .sort()
    .join('&')}`;
}

function withCriteria(core: Core, plan: Plan, text: string, path: string): Plan {
  const pairs = searchPairs(text);
  const criteria = parseCriteria(core, plan.type, text, at(plan.index, path), pairs);
  const key = criteriaKey(plan.type, text, pairs);
  const keys = lockKeys(plan.type, pairs, key);
  const locked = { lockKeys: keys, contentKeys: contentKeys(plan, keys) };
  return { ...plan, criteria, criteriaKey: key, ...locked, freshId: core.store.newId() };
}

/**
 * Criteria with identifiers lock each of these by itself, whatever else they ask for, so that sets which overlap exclude each
 * other: messages that name a patient by one of its numbers, by another and by both make one patient.
 */
function lockKeys(type: string, pairs: readonly [string, string][], key: string): string[] {
  const named = pairs.filter(([name]) => name === 'identifier');
  if (named.length === 0) return [key];
  const tokens = named.flatMap(([, value]) => value.match(/(?:\\.|[^\\,])+/g) ?? []);
  return [...new Set(tokens.map((token) => `${type}?identifier=${token}`))];
}

/** Of one resource; a transaction that locks more than 256 keys keeps all others waiting. */
const CONTENT_KEYS_MAX = 8;

/**
 * A feed that registers a patient under one of its numbers and another one, at the same moment, under a second one that both send
 * make one patient. Without it there were two in 21 of 24 trials.
 */
function contentKeys({ type, method, entry }: Plan, keys: readonly string[]): string[] {
  const isContent = method === 'POST' || method === 'PUT';
  if (!isContent || !keys.some((key) => key.startsWith(`${type}?identifier=`))) return [];
  const given = entry.resource?.identifier as Json | undefined;
  const all = (Array.isArray(given) ? given : [given]).slice(0, CONTENT_KEYS_MAX).filter(isObject);
  const texts = all.filter(({ value }) => typeof value === 'string').map(({ system = '', value }) => [system, value]);
  return texts.map((parts) => `${type}?identifier=${parts.map((part) => escaped(String(part))).join('|')}`);
}

/** As it stands in criteria: https://hl7.org/fhir/R4/search.html#escaping */
const escaped = (text: string): string => text.replaceAll(/[\\,|$]/g, '\\$&');

function planPost(core: Core, plan: Plan, target: Target): Plan {
  if (target.id !== undefined || target.query !== '') {
    throw fault(plan.index, '.request.url', 'POST goes to a type; conditions stand in ifNoneExist');
  }
  const { ifNoneExist } = plan.entry;
  if (ifNoneExist === undefined) return { ...plan, id: core.store.newId() };
  const path = '.request.ifNoneExist';
  return withCriteria(core, plan, noneExistQuery(plan.type, ifNoneExist, at(plan.index, path)), path);
}

/** Of an update, patch or delete: by id or by criteria, and which version it follows. */
function planChange(core: Core, plan: Plan, target: Target): Plan {
  const found = { ...plan, ifVersion: preconditionOf(plan.entry) };
  if (target.id !== undefined) return { ...found, id: target.id };
  return withCriteria(core, found, target.query, '.request.url');
}

/** Elsewhere `_count` limits what a conditional delete removes; left out here, more would go than was meant to. */
function planDelete(core: Core, plan: Plan, target: Target): Plan {
  const planned = planChange(core, plan, target);
  const limit = planned.criteria?.used.find(([name]) => name === '_count');
  if (!limit) return planned;
  const text =
    'A conditional delete removes all that match, or none where they are too many (CONDITIONAL_DELETE_MAX): _count is no limit to it';
  throw new CerebraError('unknown-parameter', text, { expression: [at(plan.index, '.request.url')] });
}

/** Why a part is not stored over the whole, which is what the tag is for: https://hl7.org/fhir/R4/search.html#elements */
export const partialText =
  'The resource is tagged SUBSETTED: it is a part, as _elements and _summary yield it, and would take the place of the whole. Read it whole and change that, or leave the tag out';

function assertWhole(index: number, resource: Resource): void {
  if (!isSubset(resource)) return;
  throw new CerebraError('business-rule', partialText, { expression: [at(index, '.resource.meta.tag')] });
}

function planPut(core: Core, plan: Plan, target: Target, resource: Resource): Plan {
  assertWhole(plan.index, resource);
  if (target.id !== undefined && resource.id !== target.id) {
    throw fault(plan.index, '.resource.id', `The resource's id must be the url's, '${target.id}'`);
  }
  return planChange(core, core.keepsLabels ? { ...plan, entry: keepingLabels(plan.entry) } : plan, target);
}

/** https://hl7.org/fhir/R4/http.html#patch: a Binary that holds the patch document, or Parameters for FHIRPath Patch. */
function planPatch(core: Core, plan: Plan, target: Target): Plan {
  const { resource } = plan.entry;
  if (resource?.resourceType !== 'Binary' && resource?.resourceType !== 'Parameters') {
    const text = 'PATCH needs a Binary with a patch document, or Parameters with a FHIRPath Patch';
    throw new CerebraError(resource ? 'invalid' : 'required', text, { expression: [at(plan.index, '.resource')] });
  }
  assertValid(core.store, resource, at(plan.index, '.resource'));
  return planChange(core, plan, target);
}

/** What is written has no version and, once it has an id, no criteria: `DELETE Patient/1?active=false` is no request. */
function assertWritable(index: number, target: Target): void {
  if (target.version === undefined && (target.id === undefined || target.query === '')) return;
  throw fault(index, '.request.url', 'Only type, type/id or type?criteria can be written to');
}

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

function assertMethod({ method }: TransactionEntry, index: number): void {
  if (METHODS.includes(method)) return;
  throw new CerebraError('unsupported', `${String(method).slice(0, 20)} is not supported in a Bundle`, {
    expression: [at(index, '.request.method')],
  });
}

/** Checks one entry and its resource; throws with the entry's place in `expression`. Reads are checked when they run. */
export function planEntry(core: Core, entry: TransactionEntry, index: number): Plan {
  const { method } = entry;
  assertMethod(entry, index);
  const rest = { id: undefined, criteria: undefined, criteriaKey: undefined, ifVersion: undefined };
  const plan: Plan = { index, entry, method, type: '', ...rest };
  if (isRead(plan)) return plan;
  assertConditions(entry);
  const target = parseUrl(core, index, entry.url);
  plan.type = target.type;
  assertWritable(index, target);
  if (method === 'DELETE') return planDelete(core, plan, target);
  if (method === 'PATCH') return planPatch(core, plan, target);
  const resource = needResource(index, entry, target.type);
  if (!entry.merge) assertValid(core.store, resource, at(index, '.resource'));
  return method === 'POST' ? planPost(core, plan, target) : planPut(core, plan, target, resource);
}

/** Headers that an entry has as elements: https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request */
const HEADERS: Record<string, string> = {
  'If-Match': '.request.ifMatch',
  'If-None-Match': '.request.ifNoneMatch',
  'If-None-Exist': '.request.ifNoneExist',
};

/** The error with the entry's place; `path` is where parameters stand. */
export function placed(error: unknown, index: number, path = '.request'): unknown {
  if (!(error instanceof CerebraError)) return error;
  for (const issue of error.issues) {
    const { expression = [] } = issue;
    if (expression.some((one) => one.startsWith('Bundle.'))) continue;
    const header = ownValue(HEADERS, expression[0]);
    if (!header && expression.length > 0) issue.diagnostics = `${expression.join(', ')}: ${issue.diagnostics}`;
    issue.expression = [at(index, header ?? path)];
  }
  return error;
}
