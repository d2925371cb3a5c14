// Walks: resources in the order asked for, each tested, until the page is full.
import type { Criterion } from '#fhir-model';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable } from '../store/layout.ts';
import { groups, groupTest, isOneRow } from './conditions.ts';
import type { Cursor } from './cursor.ts';
import { isOf } from './index-tests.ts';
import type { Asked, PageContext } from './page.ts';
import { bodyOf } from './page-bytes.ts';
import { type SortSource, sortSource, updatedKey } from './sort.ts';
import { createSql, type Sql, type SqlBuilder } from './sql-text.ts';
import { firstRows, firstSql } from './walk-first.ts';
import { conditionContext, where } from './where.ts';

/** 1,000 rows of 1.2 kB are some 150 pages: about 1 ms in memory. */
const WALK_ROWS = 1000;

export interface Walk {
  sql(asked: Asked): Sql;
  /** Whether it finds all there is: nothing is tested, so it needs no bound. */
  complete: boolean;
}

/** Of resources that are tested by looking through what refers to them: 60 each take some 0.1 ms. */
const WALK_ROWS_REFERRED = 500;

const isReferred = (joins: PageContext['joins'], criterion: Criterion): boolean =>
  (criterion.has !== undefined && !joins?.has(criterion)) ||
  (criterion.logic?.criteria.some((each) => isReferred(joins, each)) ?? false);

const rowsOf = ({ page, query }: Asked): number =>
  query.criteria.some((criterion) => isReferred(page.joins, criterion)) ? WALK_ROWS_REFERRED : WALK_ROWS;

/** Whether each row that is looked at matches: there are no criteria, and the access scope hides nothing. */
const isUntested = ({ page, query }: Pick<Asked, 'page' | 'query'>): boolean =>
  query.criteria.length === 0 && page.scope.kind === 'everything';

const bound = (asked: Asked): number => (isUntested(asked) ? asked.limit : (asked.walkRows ?? rowsOf(asked)));

/** A second walk is so many times as long at most: 20 ms where tokens alone are tested. */
const FURTHER_MAX = 20;

/** Rows of a walk where only reading everything is left: some 100 ms. */
export const longRows = (asked: Asked): number => FURTHER_MAX * rowsOf(asked);

/** Rows to look at for a full page, going by what the first walk found; undefined when these are too many. */
export function furtherRows(asked: Asked, found: number): number | undefined {
  const rows = rowsOf(asked);
  const times = found < 2 ? Infinity : (1.5 * asked.limit) / found;
  return times <= FURTHER_MAX ? Math.ceil(rows * times) : undefined;
}

const conditions = ({ page }: Asked, sql: SqlBuilder, tested: Criterion[][]): string =>
  where(conditionContext(page, sql, 'probe'), tested);

const columns = (asked: Asked, order: string): string =>
  `m.rid, m.id, m.version, m.updated, ${bodyOf(asked, 'm', order)}`;

/** The newest first, which is the order when none is asked for. */
function newestSql(asked: Asked): Sql {
  const { query, cursor, limit } = asked;
  const sql = createSql();
  const from = cursor ? `rid < ${sql.value(cursor.rid)}::bigint` : 'true';
  const text = `select ${columns(asked, 'm.rid desc')} from (
      select * from ${currentTable(query.type)} where ${from} order by rid desc limit ${sql.value(bound(asked))}) m
    where ${conditions(asked, sql, groups(query.criteria))} order by rid desc limit ${sql.value(limit)}`;
  return { text, values: sql.values };
}

/** Rows beyond the cursor of an order by `column` and rid: the second half is what an index on the column can use. */
function beyond(
  sql: SqlBuilder,
  column: string,
  cursor: Cursor | undefined,
  descending: boolean,
  last: string,
): string {
  if (!cursor) return 'true';
  const sign = descending ? '<' : '>';
  const rid = `${sql.value(cursor.rid)}::bigint`;
  return `(${column} ${sign} ${last} or (${column} = ${last} and x.rid < ${rid})) and ${column} ${sign}= ${last}`;
}

/** By meta.lastUpdated, down or up its index. */
function updatedSql(asked: Asked): Sql {
  const { query, cursor, limit } = asked;
  const sql = createSql();
  const { descending } = query.sort[0]!;
  const order = `updated ${descending ? 'desc' : 'asc'}, rid desc`;
  const last = cursor ? `to_timestamp(${sql.value(Number(cursor.keys[0]) / 1000)}::float8)` : '';
  const text = `select ${columns(asked, order)}, ${updatedKey('m')} as k0 from (
      select * from ${currentTable(query.type)} x where ${beyond(sql, 'updated', cursor, descending, last)}
      order by ${order} limit ${sql.value(bound(asked))}) m
    where ${conditions(asked, sql, groups(query.criteria))} order by ${order} limit ${sql.value(limit)}`;
  return { text, values: sql.values };
}

/**
 * The rows of an index in sort order. A resource stands there once for each of its values: only the row that the sort is
 * by counts (the last when descending, the first when ascending; of equal ones the one stored first).
 */
function indexedSql(asked: Asked, source: SortSource): Sql {
  const { page, query, cursor, limit } = asked;
  const sql = createSql();
  const { param, descending } = query.sort[0]!;
  const all = groups(query.criteria);
  // Criteria on the very date that is sorted by bound the walk.
  const own = all.find(([criterion]) => criterion!.param.key === param.key && isOneRow(criterion!));
  const inside = own ? groupTest(conditionContext(page, sql, 'join'), own)!.test('x') : 'true';
  const key = sql.value(indexedAs(param)[0]!.key);
  const order = descending ? 'desc' : 'asc';
  const last = cursor ? `${sql.value(cursor.keys[0])}::${source.cast}` : '';
  const [x, y] = [source.column('x'), source.column('y')];
  const text = `select ${columns(asked, `d.k ${order}, d.rid desc`)}, d.k as k0 from (
      select x.rid, ${x} as k from ${source.table} x
      where x.param = ${key} and ${x} is not null and ${inside} and ${beyond(sql, x, cursor, descending, last)}
        and not exists (select 1 from (select y.*, y.ctid as place from ${source.table} y where ${isOf('y.rid', 'x.rid')} offset 0) y
          where y.param = x.param and (${y} ${descending ? '>' : '<'} ${x} or (${y} = ${x} and y.place < x.ctid)))
      order by ${x} ${order}, x.rid desc limit ${sql.value(bound(asked))}) d
    join ${currentTable(query.type)} m on m.rid = d.rid
    where ${conditions(
      asked,
      sql,
      all.filter((group) => group !== own),
    )} order by d.k ${order}, d.rid desc limit ${sql.value(limit)}`;
  return { text, values: sql.values };
}

/** The walk in the order of the query; undefined when there is no index in that order. */
export function walkFor(asked: Pick<Asked, 'page' | 'query' | 'cursor'>): Walk | undefined {
  const { query, cursor } = asked;
  if (query.criteria.some(({ param, modifier }) => modifier === undefined && isRare(param.code))) return undefined;
  const complete = isUntested(asked);
  const [sort, ...more] = query.sort;
  if (!sort) return { sql: newestSql, complete };
  if (more.length > 0 || sort.param.code === '_id') {
    const first = firstRows({ query, cursor });
    return first && { sql: (asked) => firstSql(asked, first, asked.walkRows ?? rowsOf(asked)), complete: false };
  }
  if (cursor?.keys[0] === null) return undefined;
  if (sort.param.code === '_lastUpdated') return { sql: updatedSql, complete };
  const source = sortSource(sort.param);
  if (!source || indexedAs(sort.param).length > 1) return undefined;
  // Resources without a value follow those of the index.
  return { sql: (asked) => indexedSql(asked, source), complete: false };
}

/** Found at once, or not at all. */
const isRare = (code: string): boolean => code === '_id' || code === 'identifier';
