// What the store has of a subject from before a rule began to remember: https://hl7.org/fhir/R4/search.html
import {
  type AccessScope,
  type ChangeFeed,
  escapeValue,
  parseJson,
  type Resource,
  type ResourceReader,
  type StoredVersion,
  selfLinkQuery,
} from '#fhir-model';
import type { Db } from '#platform';
import { aheadMsMax, type Happening, referenceOf, subjectOf } from './happening.ts';
import type { Rule, Trigger } from './rule.ts';

export interface EarlierPorts {
  db: Db;
  feed: Pick<ChangeFeed, 'bodies'>;
  reader: Pick<ResourceReader, 'search'>;
  scope: AccessScope;
}

export interface Before {
  /** Clinical time from which on values count. */
  sinceMs: number;
  /** Instant of the change before which a version must have been written. */
  beforeMs: number;
  /** Resources that one search may bring, if fewer than are remembered. */
  most?: number;
}

/** Resources that one search of a rule may bring, the latest by clinical time: as many as are remembered. */
const resourcesMax = 1_000;
const pageMax = 200;
/**
 * Texts that one search of a rule may bring, about: 1,000 Observations have some 1 MB, as many documents might have gigabytes, parsed
 * several times that. The first page is small, since nobody knows yet how long they are.
 */
const charactersMax = 16 * 1024 * 1024;
const firstPage = 20;
/** Versions that are looked at to find the one that was there: what was changed more often since is left out. */
const versionsBackMax = 10;

/**
 * Versions of resources about the same patient or other subject that the rule's triggers may concern, as they were before
 * that instant; `resource` itself is left out. Those that were deleted since, or whose subject or code was another then, are
 * not found. Throws CerebraError as the reader does.
 */
export async function earlierOf(
  rule: Rule,
  resource: Resource,
  before: Before,
  ports: EarlierPorts,
): Promise<Happening[]> {
  const found = new Map<string, Happening>();
  const { most = resourcesMax } = before;
  for (const { type, query, time } of searchesOf(rule, resource)) {
    const at = encodeURIComponent(new Date(before.beforeMs).toISOString());
    // A value is written after it was measured, or by a clock that is ahead: what was written before can't count.
    const since = encodeURIComponent(new Date(before.sinceMs - aheadMsMax).toISOString());
    const stood = await versionsOf(type, `${query}&_lastUpdated=ge${since}&_lastUpdated=lt${at}`, most, ports);
    const until = encodeURIComponent(new Date(before.beforeMs + aheadMsMax).toISOString());
    const then = time === undefined ? '' : `&${time}=le${until}`;
    const changed = await versionsOf(type, `${query}&_lastUpdated=ge${at}${then}`, most, ports);
    const all = [...stood.map(happeningOf), ...(await asTheyWere(changed, before.beforeMs, ports))];
    for (const one of all) found.set(referenceOf(one), one);
  }
  found.delete(`${resource.resourceType}/${resource.id}`);
  return [...found.values()];
}

interface Search {
  type: string;
  query: string;
  time: string | undefined;
}

/** Each search once; none for a type that has no parameter for whom it is about. */
function searchesOf({ actions, baseUrl }: Rule, resource: Resource): Search[] {
  const searches = new Map<string, Search>();
  for (const trigger of actions.flatMap(({ triggers }) => triggers)) {
    const about = aboutOf(trigger, resource, baseUrl);
    if (about === undefined) continue;
    const { type } = trigger.query;
    const { time } = trigger.parameters;
    const sort = time === undefined ? '' : `&_sort=-${time}`;
    const own = selfLinkQuery(trigger.query);
    const query = `${own === '' ? '' : `${own}&`}${about}${sort}`;
    searches.set(`${type}?${query}`, { type, query, time });
  }
  return [...searches.values()];
}

/** By the resource's own subject, whatever the rule makes of it. */
function aboutOf({ query, parameters }: Trigger, resource: Resource, baseUrl: string | undefined): string | undefined {
  const { subject: parameter } = parameters;
  const subject = subjectOf(baseUrl === undefined ? {} : { baseUrl }, resource);
  if (parameter === undefined || subject === '') return undefined;
  if (query.type === 'Patient')
    return /^Patient\//.test(subject) ? `_id=${subject.slice('Patient/'.length)}` : undefined;
  const bar = subject.indexOf('|');
  if (bar < 0) return `${parameter}=${encodeURIComponent(escapeValue(subject))}`;
  const [system, code] = [subject.slice(0, bar), subject.slice(bar + 1)].map(escapeValue);
  return `${parameter}:identifier=${encodeURIComponent(`${system}|${code}`)}`;
}

async function versionsOf(
  type: string,
  query: string,
  most: number,
  { reader, scope }: EarlierPorts,
): Promise<StoredVersion[]> {
  const found: StoredVersion[] = [];
  const size = createSize(firstPage, pageMax);
  let cursor = '';
  for (;;) {
    const page = await reader.search(type, `${query}&_count=${size.next()}&_total=none${cursor}`, scope);
    found.push(...page.resources);
    size.read(page.resources.map(({ body }) => body));
    if (page.nextCursor === undefined || found.length >= most || size.isFull()) return found.slice(0, most);
    cursor = `&_cursor=${encodeURIComponent(page.nextCursor)}`;
  }
}

/** How many texts to read at once: after the first ones as many as may fit by what those had. */
function createSize(first: number, most: number) {
  let texts = 0;
  let characters = 0;
  return {
    next: () =>
      texts === 0
        ? first
        : Math.max(1, Math.min(most, Math.floor(((charactersMax - characters) * texts) / characters))),
    read(some: readonly string[]) {
      texts += some.length;
      characters += some.reduce((sum, text) => sum + text.length, 0);
    },
    isFull: () => characters >= charactersMax,
  };
}

const happeningOf = ({ type, id, version, updatedMs, body }: StoredVersion): Happening => ({
  ...{ type, id, version, updatedMs, op: version === 1 ? 'create' : 'update', xid: 0n, seq: 0n },
  resource: parseJson(body).exact as Resource,
});

/** What was changed since, in the version that was there. */
async function asTheyWere(
  changed: StoredVersion[],
  beforeMs: number,
  { db, feed }: EarlierPorts,
): Promise<Happening[]> {
  const keys = changed.flatMap(({ type, id, version }) =>
    Array.from({ length: Math.min(versionsBackMax, version - 1) }, (_, i) => ({ type, id, version: version - 1 - i })),
  );
  const found = new Map<string, Happening>();
  const size = createSize(firstPage, pageMax);
  for (let at = 0; at < keys.length && !size.isFull(); ) {
    const some = keys.slice(at, at + size.next());
    at += some.length;
    const texts = await feed.bodies(db, some);
    size.read(texts);
    for (const [i, key] of some.entries()) {
      const text = texts[i];
      if (!text || found.has(referenceOf(key))) continue;
      const resource = parseJson(text).exact as Resource;
      const updatedMs = Date.parse(String(resource.meta?.lastUpdated));
      if (updatedMs < beforeMs)
        found.set(referenceOf(key), happeningOf({ ...key, updatedMs, body: text, deleted: false }));
    }
  }
  return [...found.values()];
}
