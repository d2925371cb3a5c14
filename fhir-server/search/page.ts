// One page of matches, by one of several ways; which one is decided here, not by the planner: left to itself it walks
// the primary key for a rare token under ORDER BY … LIMIT (93 ms instead of 1.6 over 800,000 rows), and without
// statistics, after a bulk load, it joins the wrong way round (minutes).
//   drive  from the rows of one index table, if they are few: references, strings, dates and numbers, chains
//   walk   the newest rows (or those of an index in sort order) until the page is full: right for frequent values
//   set    all matches through the indexes, then sorted
// The ways are tried in this order until one succeeds; each is bounded but the last.
import type { AccessScope, Criterion, SearchQuery, StoredVersion } from '#fhir-model';
import type { Queryable } from '#platform';
import { hash64 } from '../store/hash.ts';
import { currentTable } from '../store/layout.ts';
import { pageBody } from '../store/sql.ts';
import { criterionHashes, isOneRow } from './conditions.ts';
import { type Cursor, decodeCursor, encodeCursor } from './cursor.ts';
import { drivenMatches, drivers } from './drive.ts';
import { afterCursor, orderBy, type SortKey, sortKeys } from './sort.ts';
import { createSql, type Sql, type SqlBuilder, statementFor } from './sql-text.ts';
import { walkFor } from './walk.ts';
import { allConditions } from './where.ts';

export interface PageContext {
  db: Queryable;
  scope: AccessScope;
  resourceTypes: readonly string[];
  nowMs: number;
}

export interface Page {
  resources: StoredVersion[];
  nextCursor?: string;
}

interface Row {
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
}

/** The rows of `m` (rid, id, updated) in order, after the cursor: `c`, `p` and the select that ends the statement. */
function ordered(
  { query, keys, cursor, limit }: Asked,
  sql: SqlBuilder,
): { ctes: string; from: string; columns: string } {
  const columns = keys.map((key, i) => `, ${key.expression(sql, 'm')} as k${i}`).join('');
  const keyColumns = keys.map((_, i) => `, p.k${i}`).join('');
  return {
    ctes: `c as (select m.rid${columns} from m),
      p as (select * from c where ${afterCursor(sql, keys, cursor)} order by ${orderBy(keys)} limit ${sql.value(limit)})`,
    from: `p join ${currentTable(query.type)} r on r.rid = p.rid`,
    columns: `p.rid, r.id, r.version, r.updated, ${pageBody('r', orderOf(keys))}${keyColumns}`,
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

/** `walked` counts the driver's rows; above DRIVER_ROWS_MAX there were too many, and none are joined. */
function drivenSql(asked: Asked, group: readonly Criterion[]): Sql {
  const { page, query, keys } = asked;
  const sql = createSql();
  const matches = drivenMatches(page, sql, query, group);
  const { ctes, from, columns } = ordered(asked, sql);
  const text = `with ${matches}, ${ctes}
    select n.few, ${columns} from n left join (${from}) on true order by ${orderOf(keys)}`;
  return { text, values: sql.values };
}

const run = async <R>({ page }: Asked, sql: Sql): Promise<R[]> => page.db.query<R>(statementFor(sql.text), sql.values);

/** Undefined: this way doesn't lead to the page. */
export type Way = (asked: Asked) => Promise<Row[] | undefined>;

const bySet: Way = (asked) => run(asked, setSql(asked));

const byDriver =
  (group: readonly Criterion[]): Way =>
  async (asked) => {
    const found = await run<Row & { few: boolean; rid: bigint | null }>(asked, drivenSql(asked, group));
    return found[0]?.few ? found.filter((row) => row.rid !== null) : undefined;
  };

/** The ways to try, the last of which always leads to the page. */
export function ways(asked: Asked): Way[] {
  const { query, cursor } = asked;
  const found: Way[] = drivers(query).map(byDriver);
  const walk = walkFor(query, cursor);
  if (walk) {
    found.push(async () => {
      const rows = await run<Row>(asked, walk.sql(asked));
      return rows.length >= asked.limit || walk.complete ? rows : undefined;
    });
  }
  return [...found, bySet];
}

/** Searches whose first ways failed lately, by their hashes: the next ones begin with the one that succeeded. */
const REMEMBERED_MAX = 10_000;
/** Data change: what is rare now may be frequent soon. */
const REMEMBERED_MS = 30_000;
const remembered = new Map<string, { way: number; untilMs: number }>();

function nameOf({ query }: Asked): string {
  const parts = query.criteria.map(
    (c) => `${c.name}=${criterionHashes(c).join(',')} ${c.values.map((v) => v.text).join(',')}`,
  );
  const sorts = query.sort.map(({ param, descending }) => (descending ? '-' : '') + param.code);
  return hash64(` ${[query.type, ...parts, ...sorts].join('&')}`);
}

function remember(name: string, way: number, nowMs: number): void {
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(name, { way, untilMs: nowMs + REMEMBERED_MS });
}

async function rows(asked: Asked): Promise<Row[]> {
  const all = ways(asked);
  if (all.length === 1) return (await bySet(asked))!;
  const name = nameOf(asked);
  const { nowMs } = asked.page;
  const known = remembered.get(name);
  const first = known && known.untilMs > nowMs ? known.way : 0;
  for (let way = Math.min(first, all.length - 1); way < all.length; way++) {
    const found = await all[way]!(asked);
    if (!found) continue;
    // Later pages come to the end of the matches, which says nothing of the first.
    if (way > first && !asked.cursor) remember(name, way, nowMs);
    return found;
  }
  return [];
}

function cursorOf(row: Row, keys: number): string {
  const record = row as unknown as Record<string, unknown>;
  const values = Array.from({ length: keys }, (_, i) => record[`k${i}`]);
  return encodeCursor({
    rid: String(row.rid),
    keys: values.map((value) => (value === null || value === undefined ? null : String(value))),
  });
}

/**
 * Without _sort the order is ours: newest first, or by the date that criteria are on, latest first, since the index of
 * that date then leads straight to the page.
 */
export function withOrder(query: SearchQuery): SearchQuery {
  const dated = query.sort.length === 0 ? query.criteria.find(isOneRow) : undefined;
  return dated ? { ...query, sort: [{ param: dated.param, descending: true }] } : query;
}

/** The page of `query.count` matches that its cursor points at. */
export async function findPage(page: PageContext, asked: SearchQuery): Promise<Page> {
  const query = withOrder(asked);
  const keys = sortKeys(query);
  const casts = keys.map((key) => key.cast);
  const cursor = query.cursor === undefined ? undefined : decodeCursor(query.cursor, casts);
  const found = await rows({ page, query, keys, cursor, limit: query.count + 1 });
  const full = found.findIndex((row) => row.body === null);
  const shown = found.slice(0, full === -1 ? query.count : Math.min(full, query.count));
  const resources = shown.map((row) => ({
    type: query.type,
    id: row.id,
    version: row.version,
    updatedMs: row.updated,
    body: row.body ?? '',
    deleted: false,
  }));
  const last = shown.at(-1);
  if (found.length === shown.length || !last) return { resources };
  return { resources, nextCursor: cursorOf(last, query.sort.length) };
}
