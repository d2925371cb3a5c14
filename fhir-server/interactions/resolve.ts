// Conditional entries and references of a transaction, resolved inside it: https://hl7.org/fhir/R4/http.html#trules
import {
  type Json,
  type JsonObject,
  parseReference,
  type Resource,
  type SearchQuery,
  type StoredVersion,
} from '#fhir-model';
import { CerebraError, type Tx } from '#platform';
import { hash64 } from '../store/hash.ts';
import { lockAll } from '../store/locks.ts';
import type { Caller, Core } from './core.ts';
import { at, criteriaKey, type Plan } from './entries.ts';
import { matchCriteria, parseCriteria } from './search.ts';

/** A planned entry that knows what it is about. */
export interface Resolved extends Plan {
  id: string;
  /** A conditional create that found its resource, or a conditional delete that found none: nothing to write. */
  found: StoredVersion | undefined;
  /** The resource with references put in; undefined for DELETE and GET. */
  resource: Resource | undefined;
  /** Nothing is written for this entry. */
  idle: boolean;
}

interface Lookup {
  query: SearchQuery;
  /** For the error: where the criteria stand. */
  expression: string;
}

function cloneJson(value: Json | undefined): Json | undefined {
  if (Array.isArray(value)) return value.map((item) => cloneJson(item) as Json);
  // JSON.rawJSON objects have no prototype and can't change: they are shared.
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) === null) return value;
  const copy: JsonObject = {};
  for (const key of Object.keys(value)) copy[key] = cloneJson(value[key]);
  return copy;
}

/** The conditional references (`Patient?identifier=…`) in the resources, by key. */
function conditionalReferences(core: Core, plans: Plan[], lookups: Map<string, Lookup>): void {
  for (const { entry, index } of plans) {
    if (!entry.resource || entry.method === 'DELETE') continue;
    core.links.forEachReference(entry.resource, (text, site) => {
      if (!text.includes('?')) return;
      const parsed = parseReference(text, core.baseUrl);
      if (parsed.kind !== 'conditional') return;
      const key = criteriaKey(parsed.type, parsed.query);
      if (lookups.has(key)) return;
      const expression = at(index, `.resource.${site.path().replace(/^[A-Za-z]+\./, '')}`);
      lookups.set(key, { query: parseCriteria(core, parsed.type, parsed.query, expression), expression });
    });
  }
}

const several = (expression: string): CerebraError =>
  new CerebraError('multiple-matches', 'The criteria match more than one resource: make them more exact', {
    expression: [expression],
  });

/**
 * What each of the criteria matches. Criteria without a match are locked and looked up once more, so that of two
 * transactions with the same criteria the second sees what the first creates (1,600 calls on 200 keys: no duplicates;
 * without the lock 1,099). Those with a match need no lock: a hundred messages that name one doctor don't wait in line.
 */
async function lookUp(core: Core, tx: Tx, caller: Caller, lookups: Map<string, Lookup>): Promise<Matches> {
  const inside = { ...caller, db: tx };
  const search = (keys: string[]) =>
    Promise.all(keys.map(async (key) => [key, await matchCriteria(core, lookups.get(key)!.query, inside)] as const));
  const found = new Map(await search([...lookups.keys()]));
  const open = [...lookups.keys()].filter((key) => found.get(key)!.length === 0);
  if (open.length === 0) return found;
  const [, again] = await Promise.all([lockAll(tx, 'criteria', open.map(hash64)), search(open)]);
  return new Map([...found, ...again]);
}

type Matches = Map<string, StoredVersion[]>;

function resolveConditional(core: Core, plan: Plan, matches: StoredVersion[], assigned: Map<string, string>): Resolved {
  const where = at(plan.index, plan.method === 'POST' ? '.request.ifNoneExist' : '.request.url');
  if (matches.length > 1) throw several(where);
  const base = { ...plan, resource: plan.entry.resource };
  const match = matches[0];
  if (match) return { ...base, id: match.id, found: match, idle: plan.method === 'POST' };
  if (plan.method === 'DELETE') return { ...base, id: '', found: undefined, idle: true };
  // The same criteria earlier in this Bundle: both mean the one that is created.
  const earlier = assigned.get(plan.criteriaKey!);
  if (earlier !== undefined && plan.method === 'POST') return { ...base, id: earlier, found: undefined, idle: true };
  const wanted = plan.method === 'PUT' ? plan.entry.resource?.id : undefined;
  // A second update by them is one of the same resource, which assertDistinct refuses.
  const id = wanted ?? earlier ?? core.store.newId();
  assigned.set(plan.criteriaKey!, id);
  return { ...base, id, found: undefined, idle: false };
}

function resolvePlan(core: Core, plan: Plan, matches: Matches, assigned: Map<string, string>): Resolved {
  if (plan.criteriaKey === undefined) {
    return { ...plan, id: plan.id ?? '', found: undefined, resource: plan.entry.resource, idle: false };
  }
  const resolved = resolveConditional(core, plan, matches.get(plan.criteriaKey) ?? [], assigned);
  const claimed = plan.method === 'PUT' ? plan.entry.resource?.id : undefined;
  if (claimed !== undefined && claimed !== resolved.id) {
    throw new CerebraError('invalid', `The criteria match ${plan.type}/${resolved.id}, the resource has another id`, {
      expression: [at(plan.index, '.resource.id')],
    });
  }
  return resolved;
}

/** fullUrl → `Type/id`, for POST, PUT and found conditional entries. */
function fullUrls(resolved: Resolved[]): Map<string, string> {
  const urls = new Map<string, string>();
  for (const { entry, type, id, index, method } of resolved) {
    if (!entry.fullUrl || id === '' || method === 'GET' || method === 'HEAD') continue;
    if (urls.has(entry.fullUrl)) {
      throw new CerebraError('invalid', 'Two entries have the same fullUrl', { expression: [at(index, '.fullUrl')] });
    }
    urls.set(entry.fullUrl, `${type}/${id}`);
  }
  return urls;
}

function targetOf(core: Core, text: string, matches: Matches, lookups: Map<string, Lookup>): string | undefined {
  if (!text.includes('?')) return undefined;
  const parsed = parseReference(text, core.baseUrl);
  if (parsed.kind !== 'conditional') return undefined;
  const key = criteriaKey(parsed.type, parsed.query);
  const found = matches.get(key);
  const lookup = lookups.get(key);
  if (!found || !lookup) return undefined;
  if (found.length > 1) throw several(lookup.expression);
  const [one] = found;
  if (one) return `${one.type}/${one.id}`;
  throw new CerebraError('precondition-failed', 'The conditional reference matches no resource', {
    expression: [lookup.expression],
  });
}

function assertResolved(core: Core, resource: Resource, index: number): void {
  core.links.forEachReference(resource, (text, site) => {
    if (!text.startsWith('urn:uuid:')) return;
    const path = site.path().replace(/^[A-Za-z]+\./, '');
    throw new CerebraError('invalid', `The reference '${text.slice(0, 80)}' is no fullUrl of this Bundle`, {
      expression: [at(index, `.resource.${path}`)],
    });
  });
}

function assertDistinct(resolved: Resolved[]): void {
  const seen = new Set<string>();
  for (const { type, id, idle, method, index } of resolved) {
    if (idle || method === 'GET' || method === 'HEAD') continue;
    const name = `${type}/${id}`;
    if (seen.has(name)) {
      throw new CerebraError('invalid', `${name} is changed by more than one entry of the transaction`, {
        expression: [at(index)],
      });
    }
    seen.add(name);
  }
}

/**
 * Gives every entry its id and its resource the final references. `plans` are left as they are, so that a transaction
 * that lost a race can be resolved anew.
 */
export async function resolve(core: Core, tx: Tx, caller: Caller, plans: Plan[]): Promise<Resolved[]> {
  const lookups = new Map<string, Lookup>();
  for (const plan of plans) {
    if (plan.criteria && !lookups.has(plan.criteriaKey!)) {
      lookups.set(plan.criteriaKey!, { query: plan.criteria, expression: at(plan.index, '.request') });
    }
  }
  conditionalReferences(core, plans, lookups);
  const matches = lookups.size > 0 ? await lookUp(core, tx, caller, lookups) : new Map<string, StoredVersion[]>();
  const assigned = new Map<string, string>();
  const resolved = plans.map((plan) => resolvePlan(core, plan, matches, assigned));
  assertDistinct(resolved);
  const urls = fullUrls(resolved);
  for (const one of resolved) {
    if (!one.resource || one.idle || one.method === 'DELETE') continue;
    if (lookups.size > 0) one.resource = cloneJson(one.resource) as Resource;
    core.links.rewriteReferences(one.resource, (text) => urls.get(text) ?? targetOf(core, text, matches, lookups));
    assertResolved(core, one.resource, one.index);
  }
  return resolved;
}
