// From Bundle entries to planned work: https://hl7.org/fhir/R4/http.html#transaction
import { isId, type Resource, type SearchQuery, type TransactionEntry } from '#fhir-model';
import { CerebraError } from '#platform';
import { assertValid } from '../store/store.ts';
import type { Core } from './core.ts';
import { parseIfMatch } from './etag.ts';
import { assertType, parseCriteria, searchPairs } from './search.ts';

/** What an entry's request asks for. */
export interface Plan {
  index: number;
  entry: TransactionEntry;
  method: TransactionEntry['method'];
  type: string;
  /** Known from the URL, or new for a plain POST; set by resolution otherwise. */
  id: string | undefined;
  /** Of a conditional create, update or delete. */
  criteria: SearchQuery | undefined;
  /** The same for the same criteria, whatever their order. */
  criteriaKey: string | undefined;
  ifVersion: number | undefined;
  /** GET: what follows the type and id. */
  query: string;
  version: number | undefined;
}

/** An expression in the Bundle: `Bundle.entry[3].request`. */
export const at = (index: number, path = ''): string => `Bundle.entry[${index}]${path}`;

function fault(index: number, path: string, text: string): CerebraError {
  return new CerebraError('invalid', text, { expression: [at(index, path)] });
}

interface Target {
  type: string;
  id?: string;
  version?: number;
  query: string;
}

/** `Patient`, `Patient/1`, `Patient/1/_history/2`, `Patient?a=b`, `Patient/1?…`; absolute ones must be below our base. */
function parseUrl(core: Core, index: number, url: string): Target {
  const relative = url.startsWith(`${core.baseUrl}/`) ? url.slice(core.baseUrl.length + 1) : url.replace(/^\//, '');
  const [path = '', ...rest] = relative.split('?');
  const [type = '', id, history, version, ...more] = path.split('/');
  const bad = more.length > 0 || (history !== undefined && (history !== '_history' || version === undefined));
  if (bad || (id !== undefined && !isId(id))) {
    throw fault(index, '.request.url', `The url '${url.slice(0, 200)}' is not one of type, type/id or type?criteria`);
  }
  assertType(core, type);
  const target: Target = { type, query: rest.join('?') };
  if (id !== undefined) target.id = id;
  // A version that no resource can have is one that isn't there.
  if (version !== undefined) target.version = /^\d{1,9}$/.test(version) ? Number(version) : 0;
  return target;
}

function needResource(index: number, entry: TransactionEntry, type: string): Resource {
  const { resource } = entry;
  if (!resource) throw fault(index, '.resource', `${entry.method} needs a resource`);
  if (resource.resourceType !== type) {
    throw fault(
      index,
      '.resource',
      `The url names ${type}, the resource is a ${String(resource.resourceType).slice(0, 80)}`,
    );
  }
  return resource;
}

/** The lock and look-up key of criteria. */
export function criteriaKey(type: string, query: string): string {
  return `${type}?${searchPairs(query)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join('&')}`;
}

function planPost(core: Core, plan: Plan, target: Target): Plan {
  if (target.id !== undefined || target.query !== '') {
    throw fault(plan.index, '.request.url', 'POST goes to a type; conditions stand in ifNoneExist');
  }
  const { ifNoneExist } = plan.entry;
  if (ifNoneExist === undefined) return { ...plan, id: core.store.newId() };
  const text = ifNoneExist.replace(/^[^?]*\?/, '');
  return {
    ...plan,
    criteria: parseCriteria(core, plan.type, text, at(plan.index, '.request.ifNoneExist')),
    criteriaKey: criteriaKey(plan.type, text),
  };
}

function planPut(core: Core, plan: Plan, target: Target, resource: Resource): Plan {
  const ifVersion = parseIfMatch(plan.entry.ifMatch);
  if (target.id === undefined) {
    return {
      ...plan,
      ifVersion,
      criteria: parseCriteria(core, plan.type, target.query, at(plan.index, '.request.url')),
      criteriaKey: criteriaKey(plan.type, target.query),
    };
  }
  if (resource.id !== target.id) {
    throw fault(plan.index, '.resource.id', `The resource's id must be the url's, '${target.id}'`);
  }
  return { ...plan, ifVersion, id: target.id };
}

function planDelete(core: Core, plan: Plan, target: Target): Plan {
  const ifVersion = parseIfMatch(plan.entry.ifMatch);
  if (target.id !== undefined) return { ...plan, ifVersion, id: target.id };
  return {
    ...plan,
    ifVersion,
    criteria: parseCriteria(core, plan.type, target.query, at(plan.index, '.request.url')),
    criteriaKey: criteriaKey(plan.type, target.query),
  };
}

/** What is written has no version and, once it has an id, no criteria: `DELETE Patient/1?active=false` is no request. */
function assertWritable(index: number, target: Target): void {
  if (target.version === undefined && (target.id === undefined || target.query === '')) return;
  throw fault(index, '.request.url', 'Only type, type/id or type?criteria can be written to');
}

/** Checks one entry and its resource; throws with the entry's place in `expression`. */
export function planEntry(core: Core, entry: TransactionEntry, index: number): Plan {
  const target = parseUrl(core, index, entry.url);
  if (entry.method !== 'GET' && entry.method !== 'HEAD') assertWritable(index, target);
  const plan: Plan = {
    index,
    entry,
    method: entry.method,
    type: target.type,
    id: target.id,
    criteria: undefined,
    criteriaKey: undefined,
    ifVersion: undefined,
    query: target.query,
    version: target.version,
  };
  switch (entry.method) {
    case 'POST':
    case 'PUT': {
      const resource = needResource(index, entry, target.type);
      if (!entry.merge) assertValid(core.store, resource, at(index, '.resource'));
      return entry.method === 'POST' ? planPost(core, plan, target) : planPut(core, plan, target, resource);
    }
    case 'DELETE':
      return planDelete(core, plan, target);
    case 'GET':
    case 'HEAD':
      return plan;
    default:
      throw new CerebraError('unsupported', `${String(entry.method).slice(0, 20)} is not supported in a Bundle`, {
        expression: [at(index, '.request.method')],
      });
  }
}
