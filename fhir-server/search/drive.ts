// Searches driven by the rows of one index table, if these are few.
import type { Criterion, SearchQuery } from '#fhir-model';
import { currentTable } from '../store/layout.ts';
import { groups, groupTest, indexedRids } from './conditions.ts';
import type { PageContext } from './page.ts';
import type { SqlBuilder } from './sql-text.ts';
import { conditionContext, where } from './where.ts';

/** As many resources are fetched by their number in some 15 ms; counting up to it in the index takes 1 ms. */
const DRIVER_ROWS_MAX = 5000;
/** Each that turns out to have too many rows costs a round trip. */
const DRIVERS_MAX = 2;

/** What leaves few rows in most searches first; 0: it can't drive. */
function promise({ param, modifier, chain }: Criterion): number {
  if (chain) return 3;
  if (modifier === 'missing' || modifier === 'contains') return 0;
  switch (param.type) {
    case 'reference':
      return 5;
    case 'string':
      return 4;
    case 'date':
    case 'number':
    case 'quantity':
      return 2;
    default:
      return 0;
  }
}

/** Whether the tokens or ids are so few that nothing else is to be tried. */
const isOne = ({ param, modifier, chain }: Criterion): boolean =>
  modifier === undefined && !chain && (param.code === '_id' || param.code === 'identifier');

/** The groups of criteria to try, the most promising first. */
export function drivers(query: SearchQuery): Criterion[][] {
  if (query.criteria.some(isOne)) return [];
  return groups(query.criteria)
    .filter((group) => group.every((criterion) => promise(criterion) > 0))
    .sort((a, b) => promise(b[0]!) - promise(a[0]!) || b.length - a.length)
    .slice(0, DRIVERS_MAX);
}

/**
 * The CTEs `n` (few: whether the driver has at most DRIVER_ROWS_MAX rows) and `m` (rid of the matches, id and updated
 * when they are sorted by; empty when there are too many). `group` is one of `drivers(query)`.
 */
export function drivenMatches(
  page: PageContext,
  sql: SqlBuilder,
  query: SearchQuery,
  group: readonly Criterion[],
): string {
  const test = groupTest(conditionContext(page, sql, 'join'), group);
  // A reference to elsewhere is a token: nothing to drive with.
  const rids = test ? indexedRids(conditionContext(page, sql, 'join'), test) : 'select null::bigint as rid';
  const rest = groups(query.criteria).filter((other) => other[0] !== group[0]);
  const conditions = where(conditionContext(page, sql, 'probe'), rest);
  const max = test ? DRIVER_ROWS_MAX : -1;
  const untested = conditions === 'true' && !query.sort.some(({ param }) => isColumn(param.code));
  return `d as materialized (select rid from (${rids}) x limit ${sql.value(DRIVER_ROWS_MAX + 1)}),
    n as materialized (select count(*) <= ${sql.value(max)} as few from d),
    u as materialized (select distinct rid from d where (select few from n)),
    m as materialized (${untested ? 'select rid from u' : `select m.rid, m.id, m.updated from u join ${currentTable(query.type)} m on m.rid = u.rid where ${conditions}`})`;
}

/** Sorted by, these are read from the resource itself. */
const isColumn = (code: string): boolean => code === '_id' || code === '_lastUpdated';
