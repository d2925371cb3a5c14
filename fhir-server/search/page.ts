// One page of matches, by one of several ways; which one is decided here, not by the planner: left to itself it walks
// the primary key for a rare token under ORDER BY … LIMIT (93 ms instead of 1.6 over 800,000 rows), and without
// statistics, after a bulk load, it joins the wrong way round (minutes).
//   drive  from the rows of one index table, if they are few: references, strings, dates and numbers, chains
//   walk   the newest rows (or those of an index in sort order) until the page is full: right for frequent values
//   set    all matches through the indexes, then sorted
// The ways are tried in this order until one succeeds; each is bounded but the last.
import type { AccessScope, Criterion, Definitions, Issue, SearchQuery, StoredVersion } from '#fhir-model';
import type { Queryable } from '#platform';
import { hash64 } from '../store/hash.ts';
import { currentTable } from '../store/layout.ts';
import { byParts, FEW_MAX, sortsByParts } from './by-parts.ts';
import { type ByReference, byReference } from './by-reference.ts';
import type { CanonicalLink } from './by-url.ts';
import { isOneRow } from './conditions.ts';
import { assertSameSearch, type Cursor, decodeCursor, encodeCursor } from './cursor.ts';
import { drivenMatches, drivers, withoutDrivers } from './drive.ts';
import type { FirstPages } from './first-pages.ts';
import { isJoin, textOf } from './joins.ts';
import type { TotalContext } from './kept-totals.ts';
import type { Lookups } from './look-up.ts';
import { newestReferring } from './newest.ts';
import { bodyOf } from './page-bytes.ts';
import { asText, type Between, type PageText } from './page-text.ts';
import { type Effort, LITTLE, MUCH, prepare, resolveJoins } from './resolve.ts';
import { afterCursor, orderBy, type SortKey, sortKeys } from './sort.ts';
import { createSql, type Sql, type SqlBuilder, statementFor } from './sql-text.ts';
import { furtherRows, longRows, type Walk, walkFor } from './walk.ts';
import { allConditions, isFound } from './where.ts';
import type { LinkTerm, Places } from './within.ts';

export interface PageContext {
  db: Queryable;
  scope: AccessScope;
  resourceTypes: readonly string[];
  definitions: Definitions;
  nowMs: number;
  /** What totals are kept for; without it each is counted. */
  totals?: TotalContext;
  /** Shares statements with other callers; not within a transaction. */
  firstPages?: FirstPages;
  /** For value sets and hierarchies. */
  lookups?: Lookups;
  /** What look-up.ts has put in the place of criteria. */
  found?: Map<Criterion, Criterion>;
  /** What resolve.ts has found so far, by criterion. */
  joins?: Map<Criterion, readonly string[]>;
  /** What look-up.ts has found of links to contained resources, by the number of their parameter. */
  links?: Map<number, LinkTerm[]>;
  /** What it has found that chains ask of contained resources. */
  within?: Map<Criterion, Places>;
  /** What canonical-links.ts has found that chains and `_has` mean by canonical URL. */
  canonicals?: Map<Criterion, CanonicalLink>;
  /** What is to be told of the result: it may lack something. */
  issues?: Issue[];
}

export interface Page {
  resources: StoredVersion[];
  nextCursor?: string;
}

export interface Row {
  rid: bigint;
  id: string;
  version: number;
  updated: number;
  /** null: the page is full by its bytes. */
  body: string | null;
}

/** One page of one search. */
export interface Asked {
  page: PageContext;
  query: SearchQuery;
  keys: SortKey[];
  cursor: Cursor | undefined;
  /** Rows wanted: one more than the page shows, to know whether to go on. */
  limit: number;
  /** See page-bytes.ts. */
  weighed?: boolean;
  /** Rows that a walk looks at, when others than it thinks best. */
  walkRows?: number;
  /** As one text, with this between the bodies. */
  between?: Between;
  /** The text is to be kept, see kept-pages.ts. */
  keeps?: true;
}

/** Rows, or when the page is asked for as one, its text. */
export type Found = Row[] | PageText;

/** The rows of `m` (rid, id, updated) in order, after the cursor: `c`, `p` and the select that ends the statement. */
function ordered(asked: Asked, sql: SqlBuilder): { ctes: string; from: string; columns: string } {
  const { query, keys, cursor, limit } = asked;
  const columns = keys.map((key, i) => `, ${key.expression(sql, 'm')} as k${i}`).join('');
  const keyColumns = keys.map((_, i) => `, p.k${i}`).join('');
  return {
    ctes: `c as (select m.rid${columns} from m),
      p as (select * from c where ${afterCursor(sql, keys, cursor)} order by ${orderBy(keys)} limit ${sql.value(limit)})`,
    from: `p join ${currentTable(query.type)} r on r.rid = p.rid`,
    columns: `p.rid, r.id, r.version, r.updated, ${bodyOf(asked, 'r', orderOf(keys))}${keyColumns}`,
  };
}

const orderOf = (keys: SortKey[]): string => orderBy(keys).replaceAll('rid', 'p.rid');

function setSql(asked: Asked): Sql {
  const { page, query, keys } = asked;
  const sql = createSql();
  const m = `select m.rid, m.id, m.updated from ${currentTable(query.type)} m where ${allConditions(page, sql, query)}`;
  const { ctes, from, columns } = ordered(asked, sql);
  const text = `with m as materialized (${m}), ${ctes} select ${columns} from ${from} order by ${orderOf(keys)}`;
  return { text, values: sql.values };
}

/** One row without a rid when the driver had too many rows. */
function drivenSql(asked: Asked, group: readonly Criterion[], rowsMax?: number): Sql {
  const { page, query, keys } = asked;
  const sql = createSql();
  const matches = drivenMatches(page, sql, query, group, rowsMax);
  const { ctes, from, columns } = ordered(asked, sql);
  const none = ['id', 'version', 'updated', 'body', ...keys].map(() => 'null').join(', ');
  const text = `with ${matches}, ${ctes}
    (select ${columns} from ${from} order by ${orderOf(keys)})
    union all select null, ${none} where not (select few from n)`;
  return { text, values: sql.values };
}

async function run(asked: Asked, rows: Sql): Promise<Found> {
  const { text, values } = asked.between ? asText(asked, rows) : rows;
  const found = await asked.page.db.query<Row>(statementFor(text), values);
  return asked.between ? (found[0] as unknown as PageText) : found;
}

/** Undefined: this way doesn't lead to the page. */
export type Way = (asked: Asked) => Promise<Found | undefined>;

/** A driver with too many rows yields one without a rid. */
const isTooMany = (found: Found): boolean =>
  Array.isArray(found) ? found[0] !== undefined && (found[0].rid as bigint | null) === null : found.rids < found.length;

const bySet: Way = (asked) => run(asked, setSql(asked));

const byDriver =
  (group: readonly Criterion[], rowsMax?: number): Way =>
  async (asked) => {
    const found = await run(asked, drivenSql(asked, group, rowsMax));
    return isTooMany(found) ? undefined : found;
  };

/** Finds the other resources that criteria are about first: the more of them are known, the better it drives. */
const byJoins =
  (effort: Effort): Way =>
  async (asked) => {
    const { page, query } = asked;
    await resolveJoins(page, query.criteria, effort);
    const newest = newestReferring(asked, effort.newestKeysMax);
    if (newest) return run(asked, newest);
    for (const group of drivers(page, query)) {
      const found = await byDriver(group, effort.driverRowsMax)(asked);
      if (found) return found;
    }
    return undefined;
  };

/** A walk that finds some but not enough says how far the next has to go. */
const byWalk =
  (walk: Walk): Way =>
  async (asked) => {
    const first = await run(asked, walk.sql(asked));
    if (first.length >= asked.limit || walk.complete) return first;
    const walkRows = furtherRows(asked, first.length);
    const further = walkRows === undefined ? undefined : await run(asked, walk.sql({ ...asked, walkRows }));
    return further && further.length >= asked.limit ? further : undefined;
  };

/** The newest of a kind often have nothing yet that refers to them. */
const byLongWalk =
  (walk: Walk): Way =>
  async (asked) => {
    const found = await run(asked, walk.sql({ ...asked, walkRows: longRows(asked) }));
    return found.length >= asked.limit ? found : undefined;
  };

const byStatement =
  ({ complete, ...sql }: ByReference): Way =>
  async (asked) => {
    const found = await run(asked, sql);
    return complete || found.length > 0 ? found : undefined;
  };

/** The ways to try, the last of which always leads to the page. */
export function ways(asked: Asked): Way[] {
  const short = byReference(asked);
  return short ? [byStatement(short), ...longWays(asked)] : longWays(asked);
}

function longWays(asked: Asked): Way[] {
  const { page, query } = asked;
  const joined = query.criteria.some(isJoin);
  const found: Way[] = joined ? [byJoins(LITTLE)] : drivers(page, query).map((group) => byDriver(group));
  const walk = walkFor(asked);
  if (walk) found.push(byWalk(walk));
  if (joined) found.push(...query.criteria.filter(isFound).map((one) => byDriver([one])), byJoins(MUCH));
  if (joined && walk) found.push(byLongWalk(walk));
  return [...found, ...withoutDrivers(page, query).map((group) => byDriver(group)), ...partWays(asked), bySet];
}

/** Once more where something was changed between its searches: what comes after it reads the whole type. */
const byPartsTwice: Way = async (asked) => (await byParts(asked, rows)) ?? byParts(asked, rows);

/** What is little is put in order as a whole: of each part a search would be dearer. */
function partWays(asked: Asked): Way[] {
  if (!sortsByParts(asked)) return [];
  const { criteria } = asked.query;
  const few = criteria.length === 0 ? [[]] : criteria.filter(isFound).map((one) => [one]);
  return [...few.map((group) => byDriver(group, FEW_MAX)), byPartsTwice];
}

/** Searches whose first ways failed lately, by their text: the next ones begin with the one that succeeded. */
const REMEMBERED_MAX = 10_000;
/** Data change: what is rare now may be frequent soon. */
const REMEMBERED_MS = 30_000;
/** `left`: how many ways there were from that one on. Later pages may lack the first of them: a walk ends where there are no values. */
const remembered = new Map<string, { left: number; untilMs: number }>();

function nameOf({ query }: Asked): string {
  const sorts = query.sort.map(({ param, descending }) => (descending ? '-' : '') + param.code);
  return hash64(` ${[query.type, ...query.criteria.map(textOf), ...sorts].join('&')}`);
}

function remember(name: string, left: number, nowMs: number): void {
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(name, { left, untilMs: nowMs + REMEMBERED_MS });
}

async function rows(asked: Asked): Promise<Row[]> {
  const found = (await find(asked)) as Row[];
  return asked.weighed || found.every((row) => row.body !== null) ? found : rows({ ...asked, weighed: true });
}

const find = async (asked: Asked): Promise<Found> =>
  (await asked.page.firstPages?.(asked, findAlone)) ?? (await findAlone(asked));

async function findAlone(asked: Asked): Promise<Found> {
  const short = byReference(asked);
  return (short && (await byStatement(short)(asked))) ?? findByTrial(asked);
}

async function findByTrial(asked: Asked): Promise<Found> {
  await prepare(asked.page, asked.query.criteria);
  const all = longWays(asked);
  if (all.length === 1) return (await bySet(asked))!;
  const name = nameOf(asked);
  const { nowMs } = asked.page;
  const known = remembered.get(name);
  const first = known && known.untilMs > nowMs ? Math.max(0, all.length - known.left) : 0;
  for (let way = first; way < all.length; way++) {
    const found = await all[way]!(asked);
    if (!found) continue;
    // Later pages come to the end of the matches, which says nothing of the first.
    if (way > first && !asked.cursor) remember(name, all.length - way, nowMs);
    return found;
  }
  return [];
}

/** The sort keys of a row as text, null where it has no value. */
export function keysOf(row: Row | PageText, count: number): (string | null)[] {
  const record = row as unknown as Record<string, unknown>;
  const values = Array.from({ length: count }, (_, i) => record[`k${i}`]);
  return values.map((value) => (value === null || value === undefined ? null : String(value)));
}

export const cursorOf = (row: Row | PageText, keys: number, { given }: Pick<SearchQuery, 'given'> = {}): string =>
  encodeCursor({ rid: String(row.rid), keys: keysOf(row, keys), ...(given !== undefined && { given }) });

/**
 * Without _sort the order is ours: newest first, or by the date that criteria are on, latest first, since the index of
 * that date then leads straight to the page.
 */
export function withOrder(query: SearchQuery): SearchQuery {
  const dated = query.sort.length === 0 ? query.criteria.find(isOneRow) : undefined;
  return dated ? { ...query, sort: [{ param: dated.param, descending: true }] } : query;
}

function askedBy(page: PageContext, query: SearchQuery): Asked {
  const keys = sortKeys(query, page.definitions);
  const cursor = query.cursor === undefined ? undefined : decodeCursor(query.cursor, keys.map(kindOf));
  if (cursor) assertSameSearch(cursor, query);
  return { page, query, keys, cursor, limit: query.count + 1 };
}

const kindOf = ({ cast, kind = cast }: SortKey) => kind;

/** Up to `count` + 1 rows from where the cursor points, in the order of the query's sort. */
export const findRows = (page: PageContext, query: SearchQuery): Promise<Row[]> => rows(askedBy(page, query));

export const storedOf = (type: string, row: Row): StoredVersion => ({
  type,
  id: row.id,
  version: row.version,
  updatedMs: row.updated,
  body: row.body ?? '',
  deleted: false,
});

/** The page of `query.count` matches that its cursor points at. */
export async function findPage(page: PageContext, asked: SearchQuery): Promise<Page> {
  const query = withOrder(asked);
  const found = await findRows(page, query);
  const full = found.findIndex((row) => row.body === null);
  const shown = found.slice(0, full === -1 ? query.count : Math.min(full, query.count));
  const resources = shown.map((row) => storedOf(query.type, row));
  const last = shown.at(-1);
  if (found.length === shown.length || !last) return { resources };
  return { resources, nextCursor: cursorOf(last, query.sort.length, query) };
}

/** The same page as text; undefined where it has to be read row by row, since a body is too large for that. */
export async function findPageText(
  page: PageContext,
  asked: SearchQuery,
  between: Between,
): Promise<{ found: PageText; nextCursor?: string } | undefined> {
  const query = withOrder(asked);
  const found = (await find({ ...askedBy(page, query), between })) as PageText;
  if (found.bodies < found.length) return undefined;
  return found.length > query.count ? { found, nextCursor: cursorOf(found, query.sort.length, query) } : { found };
}
