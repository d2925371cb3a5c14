// _include and _revinclude, :iterate and *: https://hl7.org/fhir/R4/search.html#include
import { setImmediate } from 'node:timers/promises';
import type { Include, IndexValue, Resource, SearchParam, SearchQuery, StoredVersion } from '#fhir-model';
import { type ScopeSql, scopeSql } from '../access/scope.ts';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable, historyTable, resourceKey } from '../store/layout.ts';
import { named, PAGE_BYTES_MAX, pageBody } from '../store/sql.ts';
import {
  type CanonicalReference,
  canonicalReferences,
  canonicalUrl,
  isMeantBy,
  refersToCanonical,
} from './canonicals.ts';
import { criterionHashes } from './conditions.ts';
import { isOf } from './index-tests.ts';
import type { PageContext } from './page.ts';

/** Included resources of one page. */
export const INCLUDED_MAX = 5000;
/** References that one include follows; some may lead nowhere. */
const IDS_MAX = 50_000;
/** How often :iterate goes on from what it has found. */
export const ROUNDS_MAX = 20;

export interface IncludeContext extends PageContext {
  /** The reference values of a resource: of one parameter, or of all that its type has. */
  references(resource: Resource, param: SearchParam | undefined): IndexValue[];
  /** Reference parameters of a type, for `*`. */
  referenceParams(type: string): readonly SearchParam[];
  /** The `url` parameter of a type whose resources have a canonical URL. */
  urlParam(type: string): SearchParam | undefined;
}

export interface Included {
  resources: StoredVersion[];
  /** Why there may be more than these. */
  cut?: string;
}

const tooMany = `Not all resources that _include and _revinclude ask for are here: a page has at most ${INCLUDED_MAX} of them and ${PAGE_BYTES_MAX} bytes. Lower _count or drop an include.`;
const tooDeep = `Not all resources that :iterate leads to may be here: it ends after ${ROUNDS_MAX} rounds.`;

const nameOf = (one: { type: string; id: string }): string => `${one.type}/${one.id}`;
const versionOf = (one: StoredVersion): string => `${one.type}/${one.id}/${one.version}`;

/** What has been found, each once; `full` once something had to be left out. */
interface Collection {
  found: StoredVersion[];
  /** Names of current resources. */
  current: Set<string>;
  versions: Set<string>;
  bytes: number;
  full: boolean;
}

function collectionOf(matches: readonly StoredVersion[]): Collection {
  return {
    found: [],
    current: new Set(matches.map(nameOf)),
    versions: new Set(matches.map(versionOf)),
    bytes: 0,
    full: false,
  };
}

function add(into: Collection, one: StoredVersion, isCurrent: boolean): void {
  if (into.versions.has(versionOf(one)) || (isCurrent && into.current.has(nameOf(one)))) return;
  if (into.found.length >= INCLUDED_MAX || into.bytes + one.body.length > PAGE_BYTES_MAX) {
    into.full = true;
    return;
  }
  into.versions.add(versionOf(one));
  if (isCurrent) into.current.add(nameOf(one));
  into.bytes += one.body.length;
  into.found.push(one);
}

interface Row {
  id: string;
  version: number;
  updated: number;
  /** null: the page is full by its bytes. */
  body: string | null;
}

/** Rows of a statement that is limited to INCLUDED_MAX + 1 of them. */
function addRows(into: Collection, type: string, rows: readonly Row[], isCurrent = true): void {
  for (const { id, version, updated, body } of rows) {
    if (body === null) into.full = true;
    else add(into, { type, id, version, updatedMs: updated, body, deleted: false }, isCurrent);
  }
  if (rows.length > INCLUDED_MAX) into.full = true;
}

/** Where references lead. */
interface Targets {
  ids: Map<string, Set<string>>;
  /** By type: ids and versions. */
  versions: Map<string, { ids: string[]; versions: number[] }>;
  /** By the parameter they are values of. */
  canonicals: Map<SearchParam, CanonicalReference[]>;
}

function addTarget(targets: Targets, value: IndexValue & { kind: 'reference'; type?: string; id?: string }): void {
  const { type = '', id = '', version } = value;
  if (version === undefined) {
    targets.ids.set(type, (targets.ids.get(type) ?? new Set()).add(id));
    return;
  }
  if (!/^\d{1,9}$/.test(version)) return;
  const known = targets.versions.get(type) ?? { ids: [], versions: [] };
  known.ids.push(id);
  known.versions.push(Number(version));
  targets.versions.set(type, known);
}

/** Resources that are looked through before others get their turn: some 10 ms. */
const TURN = 100;

/** What the sources refer to through the include's parameter. */
async function targetsOf(ctx: IncludeContext, include: Include, sources: readonly StoredVersion[]): Promise<Targets> {
  const targets: Targets = { ids: new Map(), versions: new Map(), canonicals: new Map() };
  for (const [i, source] of sources.entries()) {
    if (include.source !== '*' && source.type !== include.source) continue;
    if (i > 0 && i % TURN === 0) await setImmediate();
    const values = ctx.references(JSON.parse(source.body) as Resource, include.param);
    for (const value of values) {
      if (value.kind !== 'reference' || value.url !== undefined) continue;
      if (include.target === undefined || value.type === include.target) addTarget(targets, value);
    }
    for (const [param, some] of Map.groupBy(values, (value) => value.param)) {
      const known = targets.canonicals.get(param) ?? [];
      known.push(...canonicalReferences(some));
      if (known.length > 0) targets.canonicals.set(param, known);
    }
  }
  return targets;
}

async function addCurrent(ctx: IncludeContext, into: Collection, type: string, ids: string[]): Promise<void> {
  const access = scopeSql(ctx.scope);
  const statement = named(
    `include_${type}${access.name}`,
    () => `select r.id, r.version, r.updated, ${pageBody('r', 'r.rid')} from ${currentTable(type)} r
      where r.id = any($1::text[]) and ${access.condition('r', 3)} order by r.rid limit $2`,
  );
  addRows(into, type, await ctx.db.query<Row>(statement, [ids, INCLUDED_MAX + 1, ...access.values]));
}

/** "If a resource has a reference that is versioned … the specified version SHOULD be provided": #versions */
async function addVersions(
  ctx: IncludeContext,
  into: Collection,
  type: string,
  wanted: { ids: string[]; versions: number[] },
): Promise<void> {
  const access = scopeSql(ctx.scope);
  const half = (table: string) => `select v.id, v.version, v.updated, v.body
    from unnest($1::text[], $2::int[]) as w(id, version) join ${table} v on v.id = w.id and v.version = w.version
    where v.body is not null and ${access.condition('v', 4)}`;
  const statement = named(
    `include_versions_${type}${access.name}`,
    () => `select x.id, x.version, x.updated, ${pageBody('x', 'x.id, x.version')}
      from (${half(currentTable(type))} union ${half(historyTable(type))}) x order by x.id, x.version limit $3`,
  );
  const values = [wanted.ids, wanted.versions, INCLUDED_MAX + 1, ...access.values];
  addRows(into, type, await ctx.db.query<Row>(statement, values), false);
}

/** The resource of `x`, by its number, whatever PostgreSQL believes of how many there are. */
const rowOf = (type: string): string => `(select * from ${currentTable(type)} where ${isOf('rid', 'x.rid')} offset 0)`;

/** Resources of the type that one of these tokens leads to; hashes find, `isMeant` decides. */
async function addByTokens(
  ctx: IncludeContext,
  into: Collection,
  type: string,
  hashes: string[],
  isMeant: (resource: Resource) => boolean,
): Promise<void> {
  const access = scopeSql(ctx.scope);
  const statement = named(
    `include_tokens_${type}${access.name}`,
    // All that have the tokens, then the newest: PostgreSQL, which does not know that they are few, reads the newest of all else.
    () => `with f as materialized (
        select m.rid from ${currentTable(type)} m where m.tokens && $1::bigint[] and ${access.condition('m', 3)})
      select m.id, m.version, m.updated, ${pageBody('m', 'm.rid desc')} from (select rid from f order by rid desc limit $2) x
      cross join lateral ${rowOf(type)} m order by m.rid desc`,
  );
  const rows = await ctx.db.query<Row>(statement, [`{${hashes.join(',')}}`, INCLUDED_MAX + 1, ...access.values]);
  const meant = rows.filter(({ body }) => body === null || isMeant(JSON.parse(body) as Resource));
  addRows(into, type, meant);
  if (rows.length > INCLUDED_MAX) into.full = true;
}

const urlHashes = (param: SearchParam, urls: readonly string[]): string[] =>
  criterionHashes({ name: param.code, param, values: urls.map((value) => ({ kind: 'uri', text: value, value })) })
    .tokens;

/** Canonical references (`http://…/Questionnaire/q|2`): to the resources that have that url, and version if it is given. */
async function addCanonicals(ctx: IncludeContext, into: Collection, include: Include, targets: Targets): Promise<void> {
  for (const [param, wanted] of targets.canonicals) {
    const urls = [...new Set(wanted.map(({ url }) => url))];
    const possible = param.target.length > 0 ? param.target : ctx.resourceTypes;
    for (const type of include.target === undefined ? possible : [include.target]) {
      const urlParam = ctx.urlParam(type);
      if (!urlParam) continue;
      await addByTokens(ctx, into, type, urlHashes(urlParam, urls), (resource) => isMeantBy(wanted, resource));
    }
  }
}

async function forward(ctx: IncludeContext, into: Collection, include: Include, sources: readonly StoredVersion[]) {
  const targets = await targetsOf(ctx, include, sources);
  for (const [type, names] of targets.ids) {
    // A reference may name what R4 has no type for: `Foo/1`.
    if (!ctx.resourceTypes.includes(type)) continue;
    const ids = [...names].filter((id) => !into.current.has(`${type}/${id}`));
    if (ids.length > IDS_MAX) into.full = true;
    if (ids.length > 0) await addCurrent(ctx, into, type, ids.slice(0, IDS_MAX));
  }
  for (const [type, wanted] of targets.versions) {
    if (ctx.resourceTypes.includes(type)) await addVersions(ctx, into, type, wanted);
  }
  await addCanonicals(ctx, into, include, targets);
}

/** By type the parameters by which some resource refers to these keys: `*` asks for no others. */
async function referringParams(
  ctx: IncludeContext,
  types: readonly string[],
  keys: string[],
): Promise<[string, number[]][]> {
  const typeOf = new Map<number, string>();
  for (const type of types) {
    for (const param of ctx.referenceParams(type).flatMap(indexedAs)) typeOf.set(param.key, type);
  }
  const statement = {
    name: 'include_referring_types',
    text: `select p as param from unnest($1::int[]) p
      where exists (select 1 from index_reference x where x.param = p and x.target = any($2::bigint[]))`,
  };
  const rows = await ctx.db.query<{ param: number }>(statement, [[...typeOf.keys()], keys]);
  const found = Map.groupBy(
    rows.map(({ param }) => param),
    (param) => typeOf.get(param)!,
  );
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * The newest of what refers to each key, from the index in its order, and of these the newest: whatever PostgreSQL believes of
 * how many there are. Left to itself, with statistics of a smaller table, it read all resources of the type in order: 180 ms of
 * 300,000. Where the access scope has a say, all that refer are tested.
 */
const referringSql = (type: string, { name, condition }: ScopeSql): string => {
  const newest = name === '' ? 'order by x.rid desc limit $3' : '';
  return `select m.id, m.version, m.updated, ${pageBody('m', 'm.rid desc')} from (
      select distinct x.rid from unnest($1::int[]) p (param), unnest($2::bigint[]) k (key) cross join lateral (
        select x.rid from index_reference x where x.param = p.param and ${isOf('x.target', 'k.key')} ${newest} offset 0) x ${newest}) x
    cross join lateral ${rowOf(type)} m
    where ${condition('m', 4)} order by m.rid desc limit $3`;
};

async function addReferring(
  ctx: IncludeContext,
  into: Collection,
  type: string,
  params: number[],
  keys: string[],
): Promise<void> {
  const access = scopeSql(ctx.scope);
  const statement = named(`revinclude_${type}${access.name}`, () => referringSql(type, access));
  addRows(into, type, await ctx.db.query<Row>(statement, [params, keys, INCLUDED_MAX + 1, ...access.values]));
}

/** Those that name one of the sources by its canonical URL. */
async function addReferringCanonically(
  ctx: IncludeContext,
  into: Collection,
  type: string,
  params: readonly SearchParam[],
  sources: readonly StoredVersion[],
): Promise<void> {
  const targets = sources.filter((source) => ctx.urlParam(source.type)).map((source) => canonicalUrl(source));
  const named = targets.filter((target) => target !== undefined);
  if (named.length === 0) return;
  const hashes = params.flatMap((param) => {
    const urls = named.filter(({ type: of }) => param.target.length === 0 || param.target.includes(of));
    const values = urls.map(({ url }) => ({ kind: 'reference' as const, text: url, url }));
    return criterionHashes({ name: param.code, param, values }).tokens;
  });
  if (hashes.length === 0) return;
  const isMeant = (resource: Resource) =>
    params.some((param) => refersToCanonical(ctx.references(resource, param), named));
  await addByTokens(ctx, into, type, hashes, isMeant);
}

async function reverse(ctx: IncludeContext, into: Collection, include: Include, sources: readonly StoredVersion[]) {
  const target = include.target ?? include.param?.sameAs?.[0]?.targetType;
  const meant = sources.filter((source) => target === undefined || source.type === target);
  if (meant.length === 0) return;
  const keys = meant.map((source) => resourceKey(source.type, source.id));
  const urls = meant.some((source) => ctx.urlParam(source.type));
  const all = include.source === '*';
  const referring: [string, number[]][] = include.param
    ? [[include.source, indexedAs(include.param).map(({ key }) => key)]]
    : await referringParams(ctx, all ? ctx.resourceTypes : [include.source], keys);
  for (const [type, params] of referring) await addReferring(ctx, into, type, params, keys);
  if (!urls) return;
  for (const type of all ? ctx.resourceTypes : [include.source]) {
    const params = include.param ? [include.param] : ctx.referenceParams(type);
    await addReferringCanonically(ctx, into, type, params, meant);
  }
}

/**
 * What the query's includes add to this page, each once, none that is a match itself. Beyond a limit there is as much as
 * the limit allows, and `cut` tells so.
 */
export async function findIncluded(
  ctx: IncludeContext,
  query: SearchQuery,
  matches: readonly StoredVersion[],
): Promise<Included> {
  const into = collectionOf(matches);
  const iterating = query.includes.filter((include) => include.iterate);
  let sources = matches;
  for (let round = 0; round < ROUNDS_MAX && sources.length > 0; round++) {
    const before = into.found.length;
    for (const include of round === 0 ? query.includes : iterating) {
      await (include.reverse ? reverse : forward)(ctx, into, include, sources);
      if (into.full) return { resources: into.found, cut: tooMany };
    }
    sources = iterating.length > 0 ? into.found.slice(before) : [];
  }
  return sources.length === 0 ? { resources: into.found } : { resources: into.found, cut: tooDeep };
}
