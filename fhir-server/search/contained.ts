// _contained and _containedType: https://hl7.org/fhir/R4/search.html#contained
// The index finds containers that may contain a match; what they contain is then matched one by one, in memory.
import {
  assertMatchable,
  type Criterion,
  containedIn,
  containedParam,
  containedTypes,
  type Extractor,
  matches,
  parseJson,
  type Resource,
  type SearchQuery,
  type StoredVersion,
  stringify,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { PAGE_BYTES_MAX } from '../store/sql.ts';
import { assertSameSearch, decodeCursor, encodeCursor } from './cursor.ts';
import { findRows, type PageContext, type Row, storedOf } from './page.ts';

/** Containers that are read and looked into at a time. */
const BATCH = 100;

export interface ContainedContext extends PageContext {
  extract: Extractor;
  /** The types that have resources. */
  populated(): Promise<readonly string[]>;
}

/** A result, and its place in the order: newest container first, then as contained; 0 is a resource that is itself one. */
interface Placed {
  rid: bigint;
  place: number;
  version: StoredVersion;
  /** Those before it fill the page: it has no body, and the next page begins with it. */
  isBeyond?: true;
}

type Position = Pick<Placed, 'rid' | 'place'>;

const START: Position = { rid: 2n ** 63n - 1n, place: -1 };

const isAfter = (one: Position, other: Position): boolean =>
  one.rid < other.rid || (one.rid === other.rid && one.place > other.place);

const unsupported = (text: string, ...expression: string[]): CerebraError =>
  new CerebraError('unsupported', text, { expression });

/** Throws `unsupported` for what a contained resource alone can't be asked, and for orders and includes of it. */
function assertContainable(query: SearchQuery): void {
  if (query.sort.length > 0) throw unsupported('_sort cannot be combined with _contained', '_sort');
  if (query.containedAlone && query.includes.length > 0) {
    throw unsupported('With _containedType=contained nothing can be included', '_include', '_revinclude');
  }
  assertMatchable({ ...query, includes: [] });
}

const NARROWING = new Set(['token', 'reference', 'date', 'number', 'quantity', 'string', 'uri']);
const NARROWING_MODIFIERS = new Set<string | undefined>([undefined, 'exact', 'contains']);
const COLUMNS = new Set(['_id', '_lastUpdated']);

/** Whether every container of a match has index entries that meet the criterion. */
const isNarrowing = ({ param, modifier, values, filter, logic }: Criterion): boolean =>
  NARROWING.has(param.type) &&
  NARROWING_MODIFIERS.has(modifier) &&
  !COLUMNS.has(param.code) &&
  // Containers of other types may not be indexed by it yet.
  !param.custom &&
  filter === undefined &&
  logic === undefined &&
  values.every(({ kind }) => kind !== 'missing');

/** The containers of one type that may contain a match. */
function containersQuery(query: SearchQuery, containerType: string): SearchQuery {
  const marker: Criterion = {
    name: '_contained',
    param: containedTypes(containerType),
    values: [{ kind: 'token', text: query.type, code: query.type }],
  };
  const narrowing = query.criteria.filter(isNarrowing);
  const criteria = narrowing.map((criterion) => ({ ...criterion, param: containedParam(criterion.param) }));
  const { cursor: _cursor, ...rest } = query;
  return { ...rest, type: containerType, criteria: [marker, ...criteria], sort: [], includes: [], count: BATCH };
}

/** The matches that a row contains, each with its number from 1. */
function matchesIn(ctx: ContainedContext, query: SearchQuery, row: Row): { place: number; resource: Resource }[] {
  const container = parseJson(row.body ?? '{}').exact as Resource;
  return containedIn(container)
    .map((resource, i) => ({ place: i + 1, resource }))
    .filter(({ resource }) => matches(query, ctx.extract(resource), resource, ctx.nowMs));
}

function placedOf(ctx: ContainedContext, query: SearchQuery, containerType: string, row: Row): Placed[] {
  const container = storedOf(containerType, row);
  const found = matchesIn(ctx, query, row);
  if (!query.containedAlone) return found.length > 0 ? [{ rid: row.rid, place: 0, version: container }] : [];
  const containedIn = `${containerType}/${row.id}`;
  return found.map(({ place, resource }) => ({
    rid: row.rid,
    place,
    version: {
      ...{ ...container, type: query.type, id: resource.id ?? '', containedIn },
      body: stringify(resource),
    },
  }));
}

/** Of what is only counted. */
const withoutBody = (placed: Placed): Placed => ({ ...placed, version: { ...placed.version, body: '' } });

/** In order, up to `limit`; or up to the first that is beyond what a page has of bytes, whatever the limit. */
interface Taken {
  found: Placed[];
  bytes: number;
  limit: number;
}

const nothingYet = (limit: number): Taken => ({ found: [], bytes: 0, limit });

const isFull = ({ found, limit }: Taken): boolean => found.length >= limit || found.at(-1)?.isBeyond === true;

/** What is only counted needs no bodies. */
function takenOf({ bytes, limit }: Taken, one: Placed): Placed {
  if (limit === Infinity) return withoutBody(one);
  return one.isBeyond || bytes > PAGE_BYTES_MAX ? { ...withoutBody(one), isBeyond: true } : one;
}

function take(into: Taken, some: readonly Placed[]): void {
  for (const each of some) {
    if (isFull(into)) return;
    const one = takenOf(into, each);
    into.found.push(one);
    into.bytes += one.version.body.length;
  }
}

/** Matches in containers of one type after the position, up to `limit`. */
async function inType(
  ctx: ContainedContext,
  query: SearchQuery,
  containerType: string,
  { from, limit }: { from: Position; limit: number },
): Promise<Placed[]> {
  const containers = containersQuery(query, containerType);
  const into = nothingYet(limit);
  // The container where the last page ended is looked into again.
  let before = from === START ? undefined : from.rid + 1n;
  while (!isFull(into)) {
    const cursor = before === undefined ? {} : { cursor: encodeCursor({ rid: String(before), keys: [] }) };
    const rows = await findRows(ctx, { ...containers, ...cursor });
    const read = rows.filter((row) => row.body !== null);
    for (const row of read) {
      if (isFull(into)) break;
      take(
        into,
        placedOf(ctx, query, containerType, row).filter((one) => isAfter(one, from)),
      );
    }
    if (rows.length === read.length && rows.length <= BATCH) break;
    before = read.at(-1)!.rid;
  }
  return into.found;
}

/** Matches that are not contained, for `_contained=both`. */
async function plain(ctx: ContainedContext, query: SearchQuery, from: Position, limit: number): Promise<Placed[]> {
  const cursor = from === START ? {} : { cursor: encodeCursor({ rid: String(from.rid + 1n), keys: [] }) };
  const { cursor: _cursor, ...rest } = query;
  const into = nothingYet(limit);
  let after = cursor;
  while (!isFull(into)) {
    const rows = await findRows(ctx, { ...rest, ...after, sort: [], count: BATCH });
    const read = rows.filter((row) => row.body !== null);
    const placed = read.map((row) => ({ rid: row.rid, place: 0, version: storedOf(query.type, row) }));
    take(
      into,
      placed.filter((one) => isAfter(one, from)),
    );
    if (rows.length === read.length && rows.length <= BATCH) break;
    after = { cursor: encodeCursor({ rid: String(read.at(-1)!.rid), keys: [] }) };
  }
  return into.found;
}

/** A container that matches itself comes once. */
function inOrder(found: Placed[]): Placed[] {
  const sorted = found.sort((a, b) => (isAfter(a, b) ? 1 : isAfter(b, a) ? -1 : 0));
  return sorted.filter((one, i) => i === 0 || isAfter(one, sorted[i - 1]!));
}

async function find(ctx: ContainedContext, query: SearchQuery, from: Position, limit: number): Promise<Placed[]> {
  let found = query.contained === 'both' ? await plain(ctx, query, from, limit) : [];
  for (const type of await ctx.populated()) {
    const into = nothingYet(limit);
    take(into, inOrder([...found, ...(await inType(ctx, query, type, { from, limit }))]));
    found = into.found;
  }
  return found;
}

function readCursor(query: SearchQuery): Position {
  if (query.cursor === undefined) return START;
  const cursor = decodeCursor(query.cursor, ['bigint']);
  assertSameSearch(cursor, query);
  const { rid, keys } = cursor;
  return { rid: BigInt(rid), place: Number(keys[0] ?? 0) };
}

export interface ContainedPage {
  resources: StoredVersion[];
  nextCursor?: string;
}

/** One page of a search with `_contained`; newest first, by the container. */
export async function findContained(ctx: ContainedContext, query: SearchQuery): Promise<ContainedPage> {
  assertContainable(query);
  const found = await find(ctx, query, readCursor(query), query.count + 1);
  const shown = found.slice(0, query.count).filter(({ isBeyond }) => !isBeyond);
  const resources = shown.map(({ version }) => version);
  const last = shown.at(-1);
  if (found.length === shown.length || !last) return { resources };
  const { given } = query;
  const position = { rid: String(last.rid), keys: [String(last.place)] };
  return { resources, nextCursor: encodeCursor({ ...position, ...(given !== undefined && { given }) }) };
}

/** All matches of a search with `_contained`: each is looked at. */
export async function countContained(ctx: ContainedContext, query: SearchQuery): Promise<number> {
  assertContainable(query);
  return (await find(ctx, query, START, Infinity)).length;
}
