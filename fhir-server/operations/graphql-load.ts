// Reads what a query leads to, level by level: all references of one level with one statement a type, a reverse search of
// all resources of one level with one search. https://hl7.org/fhir/R4/graphql.html#references, #reverse
import {
  type AccessScope,
  isId,
  type JsonObject,
  parseJson,
  parseReference,
  type Resource,
  type StoredVersion,
} from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { includeContext } from '../interactions/include-context.ts';
import { pageContext, search } from '../interactions/search.ts';
import { readSome, readVersion } from '../store/read.ts';
import { type BundleEntry, entryTarget } from './graphql-entries.ts';
import { atPath } from './graphql-faults.ts';
import { canonicalOf, groupByTarget, isStored, referencePairs, subjectName } from './graphql-reverse.ts';
import { cursorText, queryOf, type SearchPlan } from './graphql-search.ts';
import {
  answerPath,
  cannot,
  fill,
  fillWith,
  type Open,
  type Run,
  resourcesPassing,
  type Subject,
} from './graphql-select.ts';

/** Resources that one query may read. */
export const RESOURCES_MAX = 5000;
/** And UTF-16 units of their bodies. */
const BODIES_MAX = 64 * 1024 * 1024;
/** Searches of one query; a reverse list of a level counts once. */
const SEARCHES_MAX = 100;
/** Resources whose references one statement, or one search, is about. */
const TOGETHER_MAX = 200;

export interface Loader {
  core: Core;
  scope: AccessScope;
  run: Run;
  /** `Type/id`, or `Type/id/_history/version`, of what was read; undefined for what is not there. */
  known: Map<string, JsonObject | undefined>;
  spent: { resources: number; characters: number; searches: number };
  deadlineMs: number;
}

export function createLoader(core: Core, scope: AccessScope, run: Run): Loader {
  const deadlineMs = core.store.clock.now() + core.limits.searchTimeoutMs;
  return { core, scope, run, known: new Map(), spent: { resources: 0, characters: 0, searches: 0 }, deadlineMs };
}

const tooCostly = (text: string): CerebraError =>
  new CerebraError('too-costly', `${text}: ask for less, or page through a connection`, { expression: ['query'] });

function assertTime({ core, deadlineMs }: Loader): void {
  if (core.store.clock.now() <= deadlineMs) return;
  throw tooCostly(`The query was stopped after ${core.limits.searchTimeoutMs} ms`);
}

/** Counts what was read, and parses it. */
function take({ spent }: Loader, { body }: StoredVersion): JsonObject {
  spent.resources += 1;
  spent.characters += body.length;
  if (spent.resources > RESOURCES_MAX) throw tooCostly(`The query leads to more than ${RESOURCES_MAX} resources`);
  if (spent.characters > BODIES_MAX) throw tooCostly(`The query leads to more than ${BODIES_MAX} characters`);
  return parseJson(body).exact as JsonObject;
}

const inGroups = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / TOGETHER_MAX) }, (_, i) =>
    all.slice(i * TOGETHER_MAX, (i + 1) * TOGETHER_MAX),
  );

/** A read ends with the one that fills it: behind it the next goes on, up to what a query may read. */
async function readGroup(loader: Loader, type: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) loader.known.set(`${type}/${id}`, undefined);
  for (let left = ids; left.length > 0; ) {
    assertTime(loader);
    const read = await readSome(loader.core.store.db, type, left, loader.scope);
    for (const one of read.found) loader.known.set(`${type}/${one.id}`, take(loader, one));
    left = read.left;
  }
}

/** Reads these that are not known yet: `Type/id`. */
async function readAll(loader: Loader, names: Iterable<string>): Promise<void> {
  const wanted = [...new Set(names)].filter((name) => !loader.known.has(name));
  for (const [type, group] of Map.groupBy(wanted, (name) => name.slice(0, name.indexOf('/')))) {
    for (const some of inGroups(group)) {
      await readGroup(
        loader,
        type,
        some.map((name) => name.slice(type.length + 1)),
      );
    }
  }
}

async function readOneVersion(loader: Loader, type: string, id: string, version: string): Promise<void> {
  const name = `${type}/${id}/_history/${version}`;
  if (loader.known.has(name)) return;
  assertTime(loader);
  const number = /^\d{1,9}$/.test(version) ? Number(version) : 0;
  const found = await readVersion(loader.core.store.db, type, id, number, loader.scope);
  loader.known.set(name, found && !found.deleted ? take(loader, found) : undefined);
}

/** What a reference means: a resource that is at hand, the name of one to read, or nothing that can be had here. */
type Meaning = {
  at?: JsonObject;
  /** Of a resource within a Bundle. */
  entry?: BundleEntry;
  name?: string;
  type?: string;
  id?: string;
  version?: string;
};

function containedIn({ root, entry }: Subject, id: string): Meaning {
  const within = entry ? { entry } : {};
  if (!root || id === '') return root ? { at: root, ...within } : {};
  const contained = (Array.isArray(root.contained) ? root.contained : []) as JsonObject[];
  const found = contained.find((one) => one.id === id);
  return found ? { at: found, ...within } : {};
}

function meaningOf({ core }: Loader, { subject }: Open): Meaning {
  const text = subject.value.reference;
  if (typeof text !== 'string') return {};
  if (text.startsWith('#')) return containedIn(subject, text.slice(1));
  const target = subject.entry ? entryTarget(subject.entry, text) : { text };
  if (!target || 'at' in target) return target ?? {};
  const parsed = parseReference(target.text, core.baseUrl);
  if (parsed.kind !== 'local' || !core.definitions.isResourceType(parsed.type)) return {};
  const { type, id, version } = parsed;
  if (version === undefined) return { name: `${type}/${id}`, type, id };
  return { name: `${type}/${id}/_history/${version}`, type, id, version };
}

const shown = (value: unknown): string =>
  typeof value === 'string' ? `'${value.slice(0, 200)}'` : 'without a literal';

function fillReference(loader: Loader, open: Open, meaning: Meaning): void {
  const { type, optional } = open.entry.plan.wanted!;
  const found = meaning.at ?? (meaning.name === undefined ? undefined : loader.known.get(meaning.name));
  if (found) {
    if (type === undefined || found.resourceType === type) fillResource(loader, open, found, meaning.entry);
    return;
  }
  // A reference to another type is not about this field.
  if (optional || (type !== undefined && meaning.type !== undefined && meaning.type !== type)) return;
  const text = `The reference ${shown(open.subject.value.reference)} can't be resolved; resource(optional: true) leaves it out`;
  throw cannot(open, 'not-found', text);
}

/** A contained resource keeps the one around it as what `#id` is about. */
function fillResource({ run }: Loader, open: Open, found: JsonObject, entry: BundleEntry | undefined): void {
  const { root } = open.subject;
  const isContained = root !== undefined && found !== root && (root.contained as unknown[])?.includes(found);
  fill(run, open, [found], { container: isContained ? root : undefined, entry });
}

async function fillReferences(loader: Loader, opens: readonly Open[]): Promise<void> {
  const meanings = opens.map((open) => {
    const meaning = meaningOf(loader, open);
    const { type } = open.entry.plan.wanted!;
    return { open, meaning, isWanted: type === undefined || meaning.type === type };
  });
  const wanted = meanings.filter(({ meaning, isWanted }) => meaning.name !== undefined && isWanted);
  const current = wanted.filter(({ meaning }) => meaning.version === undefined);
  await readAll(
    loader,
    current.map(({ meaning }) => meaning.name!),
  );
  for (const { meaning } of wanted) {
    if (meaning.version !== undefined) await readOneVersion(loader, meaning.type!, meaning.id!, meaning.version);
  }
  for (const { open, meaning } of meanings) fillReference(loader, open, meaning);
}

async function fillReads(loader: Loader, opens: readonly Open[]): Promise<void> {
  const nameOf = ({ entry: { plan } }: Open): string => `${plan.name}/${plan.id}`;
  // What is no id is not known either, and a NUL character would fail in SQL.
  const possible = opens.filter(({ entry: { plan } }) => isId(String(plan.id)));
  await readAll(loader, possible.map(nameOf));
  for (const open of opens) {
    const found = loader.known.get(nameOf(open));
    if (!found) throw cannot(open, 'not-found', `${nameOf(open).slice(0, 160)} is not known`);
    fill(loader.run, open, [found]);
  }
}

/** One page of a search, counted. */
async function searchPage(loader: Loader, open: Open, plan: SearchPlan, more: [string, string][], cursor?: string) {
  const { core, scope, spent } = loader;
  assertTime(loader);
  if (++spent.searches > SEARCHES_MAX) {
    throw cannot(open, 'too-costly', `A query may make ${SEARCHES_MAX} searches: leave _count out of nested lists`);
  }
  try {
    const query = queryOf(core, plan, more);
    return await search(core, cursor === undefined ? query : { ...query, cursor }, { scope, db: core.store.db });
  } catch (error) {
    const { plan: asked } = open.entry;
    throw atPath(error, answerPath(open.subject, asked), asked.node);
  }
}

/** Up to `limit` matches, over as many pages as they need; `more`: whether there are others. */
async function searchUpTo(loader: Loader, open: Open, plan: SearchPlan, pairs: [string, string][], limit: number) {
  const found: JsonObject[] = [];
  const { searchCountMax } = loader.core.limits;
  for (let cursor: string | undefined; ; ) {
    const count = Math.min(limit - found.length, searchCountMax);
    const page = await searchPage(loader, open, plan, [...pairs, ['_count', String(count)]], cursor);
    for (const one of page.resources) found.push(take(loader, one));
    cursor = page.nextCursor;
    if (cursor === undefined || found.length >= limit) return { found, more: cursor !== undefined };
  }
}

const tooManyMatches = (open: Open, limit: number): CerebraError => {
  const { type } = open.entry.plan.search!;
  const text = `There are more than ${limit} matches: narrow the search, give a _count that is smaller, or page through ${type}Connection`;
  return cannot(open, 'too-costly', text);
};

/**
 * A list alone, or with a `_count` of its own, which is that of what a `fhirpath` or a version of a canonical URL leaves: the
 * expression is evaluated "on all the possible matches".
 */
async function fillList(loader: Loader, open: Open): Promise<void> {
  const { core, run } = loader;
  const plan = open.entry.plan.search!;
  const { searchCountMax } = core.limits;
  const { count = searchCountMax + 1 } = plan;
  const isFiltered = plan.path !== undefined || (plan.reference !== undefined && canonicalOf(core, open) !== undefined);
  const limit = isFiltered ? searchCountMax : Math.min(count, searchCountMax);
  const { found, more } = await searchUpTo(loader, open, plan, referencePairs(core, plan, [open]), limit);
  const kept = resourcesPassing(run, open, meant(loader, open, found)).slice(0, count);
  // "Rather than silently filtering the list": https://hl7.org/fhir/R4/graphql.html#searching
  if (more && kept.length < count) throw tooManyMatches(open, limit);
  fill(run, open, kept);
}

/** Of what a search found: what does refer to each of these resources. */
function byTarget({ core, scope }: Loader, opens: readonly Open[], found: readonly JsonObject[]) {
  const { references } = includeContext(core, pageContext(core, { scope, db: core.store.db }));
  const param = opens[0]!.entry.plan.search!.reference!;
  return groupByTarget(core, opens, found, (one) => references(one as Resource, param));
}

/** Of a reverse search by a canonical URL, which may have found references to other versions. */
function meant(loader: Loader, open: Open, found: JsonObject[]): JsonObject[] {
  if (!open.entry.plan.search!.reference || !canonicalOf(loader.core, open)) return found;
  return byTarget(loader, [open], found).get(subjectName(open)) ?? [];
}

/** The same reverse list of many resources. */
async function fillTogether(loader: Loader, opens: readonly Open[]): Promise<void> {
  const [first] = opens;
  const plan = first!.entry.plan.search!;
  const { searchCountMax } = loader.core.limits;
  for (const some of inGroups(opens)) {
    const limit = RESOURCES_MAX - loader.spent.resources;
    const { found, more } = await searchUpTo(
      loader,
      first!,
      plan,
      referencePairs(loader.core, plan, some),
      Math.max(limit, 1),
    );
    if (more) throw tooManyMatches(first!, RESOURCES_MAX);
    const groups = byTarget(loader, some, found);
    for (const open of some) {
      const group = groups.get(subjectName(open)) ?? [];
      if (group.length > searchCountMax) throw tooManyMatches(open, searchCountMax);
      fill(loader.run, open, resourcesPassing(loader.run, open, group));
    }
  }
}

async function fillConnection(loader: Loader, open: Open): Promise<void> {
  const { plan } = open.entry;
  const asked = plan.search!;
  const { limits } = loader.core;
  const count = Math.min(asked.count ?? limits.searchCountDefault, limits.searchCountMax);
  // A cursor is followed at the root, where nothing is referred to.
  const whole: SearchPlan = { ...asked, pairs: [...asked.pairs, ...referencePairs(loader.core, asked, [open])] };
  const { offset, starts } = asked.place;
  const pairs: [string, string][] = [['_count', String(count)]];
  if (plan.fields.some(({ name }) => name === 'count')) pairs.push(['_total', 'accurate']);
  const page = await searchPage(loader, open, whole, pairs, starts.at(-1) ?? undefined);
  const found = page.resources.map((one) => take(loader, one));
  const next = page.nextCursor;
  const before = starts.slice(0, -1);
  const to = (place: { offset: number; starts: (string | null)[] }): string => cursorText(whole, count, place);
  fillWith(loader.run, open, {
    ...(page.total === undefined ? {} : { count: page.total }),
    ...{ offset, pagesize: count },
    first: to({ offset: 0, starts: [null] }),
    ...(before.length > 0 ? { previous: to({ offset: Math.max(0, offset - count), starts: before }) } : {}),
    ...(next === undefined
      ? { last: to({ offset, starts }) }
      : { next: to({ offset: offset + found.length, starts: [...starts, next] }) }),
    edges: resourcesPassing(loader.run, open, meant(loader, open, found)).map((resource) => ({
      mode: 'match',
      resource,
    })),
  });
}

/** Nothing refers to it: there is no page, and so no cursor of one. */
function fillEmpty({ core, run }: Loader, open: Open): void {
  const { form, count } = open.entry.plan.search!;
  const { searchCountDefault, searchCountMax } = core.limits;
  if (form === 'List') fill(run, open, []);
  else
    fillWith(run, open, {
      count: 0,
      offset: 0,
      pagesize: Math.min(count ?? searchCountDefault, searchCountMax),
      edges: [],
    });
}

async function fillSearches(loader: Loader, opens: readonly Open[]): Promise<void> {
  for (const group of Map.groupBy(opens, ({ entry }) => entry.plan).values()) {
    const { form, reference, count } = group[0]!.entry.plan.search!;
    const isReal = (open: Open): boolean => reference === undefined || isStored(loader.core, open);
    const real = group.filter(isReal);
    for (const open of group) if (!isReal(open)) fillEmpty(loader, open);
    if (form === 'List' && reference && count === undefined && real.length > 1) await fillTogether(loader, real);
    else for (const open of real) await (form === 'List' ? fillList : fillConnection)(loader, open);
  }
}

/** Fills all that is open, and what opens with it, until nothing is left. */
export async function fillAll(loader: Loader): Promise<void> {
  const { run } = loader;
  while (run.open.length > 0) {
    const opens = run.open.splice(0);
    const of = (what: 'reference' | 'read' | 'search') => opens.filter(({ entry }) => entry.plan.what === what);
    await fillReferences(loader, of('reference'));
    await fillReads(loader, of('read'));
    await fillSearches(loader, of('search'));
  }
}
