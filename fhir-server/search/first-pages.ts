// First pages of searches by one reference (by-reference.ts) or one identifier, those of the same moment in one statement:
// waking PostgreSQL, a snapshot and the start of the statement are half of what such a page costs.
import type { SearchValue } from '#fhir-model';
import { createGather, type Db, type Queryable } from '#platform';
import { currentTable } from '../store/layout.ts';
import { datedSql, isByDate, keyedSql, oneReference, singleSql } from './by-reference.ts';
import { decidingToken } from './by-token.ts';
import { createChangedTypes } from './changed-types.ts';
import { DRIVER_ROWS_MAX } from './drive.ts';
import { createKeptPages } from './kept-pages.ts';
import type { Asked, Found, Row } from './page.ts';
import { asText, type PageText, textSql } from './page-text.ts';
import { isIndexed, orderBy } from './sort.ts';
import { createSql, type Sql, type SqlBuilder, statementFor } from './sql-text.ts';

/** What is looked for: `key` in the rows of a reference parameter, or as a token. */
interface Sought {
  param?: number;
  key: string;
}

interface Item extends Sought {
  asked: Asked;
  /** Items of one shape differ in `param` and `key` alone. */
  shape: string;
}

/** Undefined: another way has to find the page. */
export type FirstPages = (
  asked: Asked,
  alone: (asked: Asked) => Promise<Found>,
) => Promise<Found | undefined> | undefined;

/** Statements at a time, and pages of one. Of pages of 30 kB four cost least, by a tenth; one alone and eight cost more. */
const SHARING = {
  identifier: { lanesMax: 2, itemsMax: 8 },
  reference: { lanesMax: 4, itemsMax: 4 },
};
/** Rows of one statement, 1,000 a page at most. */
const ROWS_MAX = 1000;
/** A page with a larger body is read alone: 1,000 of 32 kB are 32 MB. */
const BODY_BYTES_MAX = 32 * 1024;

const rowsOf = (columns: string): string =>
  `select ${columns} from index_reference x where x.param = k.param and x.target = k.key`;

const newest = (limit: string): string => `${rowsOf('x.rid')} order by x.rid desc limit ${limit}`;

function sorted({ query, keys }: Asked, sql: SqlBuilder, limit: string): string {
  const few = (columns: string) => `${rowsOf(columns)} limit ${DRIVER_ROWS_MAX + 1}`;
  if (isByDate(query)) return datedSql(keys, few('x.rid, x.date'), 'true', limit);
  return keyedSql(keys, sql, few('x.rid'), () => 'true', limit);
}

/** All that have the token, since there are few: the planner, which doesn't know that, is kept from reading the table. */
const byIdentifier = (type: string, limit: string): string =>
  `with m as materialized (select t.rid from ${currentTable(type)} t where t.tokens @> array[k.key])
    select rid from m order by rid desc limit ${limit}`;

function pageSql({ asked, param }: Item, sql: SqlBuilder, limit: string): string {
  if (param === undefined) return byIdentifier(asked.query.type, limit);
  return asked.keys.length === 0 ? newest(limit) : sorted(asked, sql, limit);
}

const body = `case when octet_length(r.body) <= ${BODY_BYTES_MAX} then r.body end as body`;

/** Of several pages; `n` tells which, from 1. */
function manySql(items: readonly Item[]): Sql {
  const { asked } = items[0]!;
  const { keys, query } = asked;
  const sql = createSql();
  const given = [items.map(({ param }) => param ?? 0), items.map(({ key }) => key)].map((list) => sql.value(list));
  const page = pageSql(items[0]!, sql, sql.value(asked.limit));
  const order = orderBy(keys).replaceAll('rid', 'p.rid');
  const sorted = keys.map((_, i) => `, p.k${i}`).join('');
  const each = `from unnest(${given[0]}::int[], ${given[1]}::bigint[]) with ordinality as k(param, key, n)`;
  const bodies = `(${page}) p join ${currentTable(query.type)} r on r.rid = p.rid`;
  const text = asked.between
    ? `select k.n::int as n, t.* ${each} cross join lateral
        (${textSql(asked, sql, `select p.rid, r.id, ${body}${sorted} from ${bodies} order by ${order}`)}) t`
    : `select k.n::int as n, p.rid, r.id, r.version, r.updated, ${body}${sorted} ${each}
        cross join lateral ${bodies} order by k.n, ${order}`;
  return { text, values: sql.values };
}

const wholeRows = (page: Row[], complete: boolean): Found | undefined =>
  (page.length > 0 || complete) && page.every((row) => row.body !== null) ? page : undefined;

const wholeText = (page: PageText | undefined, complete: boolean): Found | undefined =>
  page && (page.length > 0 || complete) && page.bodies === page.length ? page : undefined;

async function readPages(db: Queryable, items: Item[]): Promise<(Found | undefined)[]> {
  const { text, values } = statementOf(items);
  const { between, keys } = items[0]!.asked;
  const complete = keys.length === 0;
  if (between) {
    const found = await db.query<PageText & { n?: number }>(statementFor(text), values);
    const byNumber = new Map(found.map((page) => [page.n ?? 1, page]));
    return items.map((_, i) => wholeText(byNumber.get(i + 1), complete));
  }
  const rows = await db.query<Row & { n?: number }>(statementFor(text), values);
  const pages: Row[][] = items.map(() => []);
  for (const { n = 1, ...row } of rows) pages[n - 1]!.push(row);
  return pages.map((page) => wholeRows(page, complete));
}

function statementOf(items: Item[]): Sql {
  const [{ asked, param, key }, ...more] = items as [Item, ...Item[]];
  if (more.length > 0 || param === undefined) return manySql(items);
  const alone = singleSql(asked, { param, key });
  return asked.between ? asText(asked, alone) : alone;
}

/** Undefined for all but first pages of one reference, or of one identifier in no order, seen without restriction. */
function soughtBy(asked: Asked): Sought | undefined {
  const { query, cursor, limit } = asked;
  if (cursor !== undefined || limit > ROWS_MAX) return undefined;
  const reference = isIndexed(query) ? oneReference(asked) : undefined;
  if (reference || query.sort.length > 0 || asked.page.scope.kind !== 'everything') return reference;
  const [criterion] = query.criteria;
  const isOne = criterion?.param.code === 'identifier' && criterion.values.every(hasValue);
  const key = isOne ? decidingToken(query) : undefined;
  return key === undefined ? undefined : { key };
}

/** Not all of a system. */
const hasValue = (value: SearchValue): boolean => value.kind === 'token' && value.code !== undefined;

/** These take some ms; who would keep the others waiting goes alone, within its own time. */
const TIMEOUT_MS = 1000;

async function readInTime(db: Db, items: Item[]): Promise<(Found | undefined)[]> {
  // Not AbortSignal.timeout(), which goes off, and makes an error, also when all is done.
  const controller = new AbortController();
  const { signal } = controller;
  const timer = setTimeout(() => controller.abort(), TIMEOUT_MS);
  try {
    return await readPages(db.until(signal), items);
  } catch (error) {
    if (signal.aborted) return items.map(() => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Not a caller's own signal ends these statements: one of several that goes away stops none. */
export function createFirstPages(db: Db): FirstPages {
  const byKind = (kind: keyof typeof SHARING) =>
    createGather<Item, Found | undefined>({
      ...SHARING[kind],
      weightMax: ROWS_MAX,
      weigh: ({ asked }) => asked.limit,
      key: ({ shape }) => shape,
      run: (items) => readInTime(db, items),
    });
  // An identifier that a million resources share does not hold up the references.
  const gathers = { identifier: byKind('identifier'), reference: byKind('reference') };
  const kept = createKeptPages(createChangedTypes(db));
  return (asked, alone) => {
    const { query, limit } = asked;
    const sought = soughtBy(asked);
    if (!sought) return kept(asked, alone);
    const sorts = query.sort.map(({ param, descending }) => `${descending ? '-' : ''}${param.key}`);
    const kind = sought.param === undefined ? 'identifier' : 'reference';
    return gathers[kind]({
      asked,
      ...sought,
      shape: [query.type, limit, asked.between ? 'text' : '', ...sorts].join(' '),
    });
  };
}
