// The shortest way to the page of a search by one reference alone, `Observation?patient=1&_sort=-date`: what is asked most.
import type { Criterion, SearchQuery } from '#fhir-model';
import { indexedAs, NO_DATE } from '../store/index-rows.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { DRIVER_ROWS_MAX } from './drive.ts';
import { isJoin } from './joins.ts';
import type { Asked } from './page.ts';
import { bodyOf } from './page-bytes.ts';
import { afterCursor, isIndexed, orderBy } from './sort.ts';
import { createSql, type Sql, type SqlBuilder } from './sql-text.ts';

/** The one key that the criterion names; undefined when it may be several, or tokens. */
function oneKey({ param, modifier, values }: Criterion): string | undefined {
  const [value, ...more] = values;
  if (param.type !== 'reference' || modifier !== undefined || more.length > 0) return undefined;
  if (value?.kind !== 'reference' || value.id === undefined || value.url !== undefined) return undefined;
  const only = param.sameAs?.[0]?.targetType ?? (param.target.length === 1 ? param.target[0] : undefined);
  const type = value.type ?? only;
  if (type === undefined || (param.sameAs?.[0]?.targetType ?? type) !== type) return undefined;
  return resourceKey(type, value.id);
}

/** The criterion, if the search is for one reference and nothing else, seen without restriction. */
export function oneReference({ page, query }: Asked): { param: number; key: string } | undefined {
  const [criterion, ...more] = query.criteria;
  if (!criterion || more.length > 0 || page.scope.kind !== 'everything' || isJoin(criterion)) return undefined;
  const [source, ...others] = indexedAs(criterion.param);
  const key = oneKey(criterion);
  return key !== undefined && source && others.length === 0 ? { param: source.key, key } : undefined;
}

const columns = (asked: Asked, order: string): string =>
  `r.rid, r.id, r.version, r.updated, ${bodyOf(asked, 'r', order)}`;

const table = ({ type }: SearchQuery): string => currentTable(type);

/** Newest first: the order of the index itself. */
function newestSql(asked: Asked, sql: SqlBuilder, rows: string): string {
  const { query, cursor, limit } = asked;
  const from = cursor ? ` and x.rid < ${sql.value(cursor.rid)}::bigint` : '';
  return `select ${columns(asked, 'r.rid desc')} from (${rows}${from} order by x.rid desc limit ${sql.value(limit)}) p
    join ${table(query)} r on r.rid = p.rid order by r.rid desc`;
}

/** Whether the rows of references have what is sorted by. */
export const isByDate = ({ sort }: Pick<SearchQuery, 'sort'>): boolean =>
  sort.length === 1 && sort[0]!.param.dates === true;

/**
 * Sorted by the date that the rows of the reference (`rows`, of which there is one more than are few) have with them. None
 * when they are too many, or when there is one whose date can't be told.
 */
export function datedSql(keys: Asked['keys'], few: string, cursor: string, limit: string): string {
  const dates = `select rid, nullif(date, '${NO_DATE}'::bigint) as k0, count(*) over () as n, bool_or(date is null) over () as untold
    from (${few}) x`;
  return `select rid, k0 from (${dates}) c where n <= ${DRIVER_ROWS_MAX} and not untold and ${cursor}
    order by ${orderBy(keys)} limit ${limit}`;
}

/**
 * Sorted: all rows of the reference, if they are few. The five CTEs of drive.ts would find the same, with 30 µs more of
 * PostgreSQL's time in 170.
 */
function sortedSql(asked: Asked, sql: SqlBuilder, rows: string): string {
  const { query, keys, cursor, limit } = asked;
  const few = `${rows} limit ${DRIVER_ROWS_MAX + 1}`;
  const order = orderBy(keys).replaceAll('rid', 'p.rid');
  const after = () => afterCursor(sql, keys, cursor);
  const page = isByDate(query)
    ? datedSql(keys, few, after(), sql.value(limit))
    : keyedSql(keys, sql, few, after, sql.value(limit));
  return `select ${columns(asked, order)}${keys.map((_, i) => `, p.k${i}`).join('')} from (${page}) p
    join ${table(query)} r on r.rid = p.rid order by ${order}`;
}

export interface ByReference extends Sql {
  /** Whether no rows mean that there are none; else there may be too many. */
  complete: boolean;
}

/** The statement for the page; undefined for any other search. */
export function byReference(asked: Asked): ByReference | undefined {
  const found = oneReference(asked);
  if (!found || !isIndexed(asked.query)) return undefined;
  return { ...singleSql(asked, found), complete: asked.keys.length === 0 };
}

/** Sorted by keys that are looked up for each row. */
export function keyedSql(
  keys: Asked['keys'],
  sql: SqlBuilder,
  few: string,
  after: () => string,
  limit: string,
): string {
  const kept = `select rid from (select rid, count(*) over () as n from (${few}) x) e where e.n <= ${DRIVER_ROWS_MAX}`;
  const expressions = keys.map((key, i) => `, ${key.expression(sql, 'm')} as k${i}`).join('');
  return `select * from (select m.rid${expressions} from (${kept}) m offset 0) c
    where ${after()} order by ${orderBy(keys)} limit ${limit}`;
}

/** The page of the resources that refer to `key` by `param`. */
export function singleSql(asked: Asked, { param, key }: { param: number; key: string }): Sql {
  const sql = createSql();
  const where = `x.param = ${sql.value(param)} and x.target = ${sql.value(key)}::bigint`;
  const rows = `select x.rid${isByDate(asked.query) ? ', x.date' : ''} from index_reference x where ${where}`;
  const text = asked.keys.length === 0 ? newestSql(asked, sql, rows) : sortedSql(asked, sql, rows);
  return { text, values: sql.values };
}
