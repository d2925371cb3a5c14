// Searches driven by the rows of one index table, if these are few.
import type { Criterion, SearchQuery } from '#fhir-model';
import { isNarrower } from '../store/index-rows.ts';
import { currentTable } from '../store/layout.ts';
import { linksByUrl } from './by-url.ts';
import { groups, groupTest, tableOf } from './conditions.ts';
import { filterTest } from './filter-tests.ts';
import { type ConditionContext, indexedRids, ofParam } from './index-tests.ts';
import { anyCondition, joinedRids } from './joins.ts';
import type { PageContext } from './page.ts';
import { isColumn } from './sort.ts';
import type { SqlBuilder } from './sql-text.ts';
import { conditionContext, isFound, where } from './where.ts';
import { withinOf } from './within.ts';

/** As many resources are fetched by their number in some 15 ms; counting up to it in the index takes 1 ms. */
export const DRIVER_ROWS_MAX = 5000;
/** Each that turns out to have too many rows costs a round trip. */
const DRIVERS_MAX = 2;

type Joins = Pick<ConditionContext, 'joins' | 'within' | 'canonicals'>;

/** Of the tests of _filter, by what they leave. */
const FILTER_PROMISE: Partial<Record<NonNullable<Criterion['filter']>, number>> = { eq: 4, gt: 2, lt: 2, ge: 2, le: 2 };

function joinPromise(known: Joins, criterion: Criterion): number {
  const { chain, has, logic, compartment, filter } = criterion;
  // The keys of what `_has` has found are those of the matches.
  if (has) return known.joins?.has(criterion) ? 7 : 0;
  if (chain && !known.joins?.has(criterion)) return 0;
  // What is contained, or named by URL, tokens find, in 30 ms where they are frequent.
  if (chain) return withinOf(known, criterion).length > 0 || linksByUrl(known, criterion) ? 3 : 6;
  if (compartment) return 5;
  if (filter) return FILTER_PROMISE[filter] ?? 0;
  if (logic?.op === 'or') return Math.min(...logic.criteria.map((each) => armPromise(known, each)));
  return logic?.op === 'and' ? Math.max(...logic.criteria.map((each) => promise(known, each))) : 0;
}

/** An alternative of several may also be found by its tokens or ids. */
const armPromise = (known: Joins, criterion: Criterion): number =>
  promise(known, criterion) || (isFound(criterion) ? 1 : 0);

/** What leaves few rows in most searches first; 0: it can't drive. */
function promise(known: Joins, criterion: Criterion): number {
  const { param, modifier, chain, has, logic, compartment, filter } = criterion;
  if (chain || has || logic || compartment || filter) return joinPromise(known, criterion);
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
const isOne = (criterion: Criterion): boolean =>
  isFound(criterion) && (criterion.param.code === '_id' || criterion.param.code === 'identifier');

/** What of a search says which resources it finds. */
export type Criteria = Pick<SearchQuery, 'type' | 'criteria' | 'sort'>;

/** The groups of criteria to try, the most promising first. */
export function drivers(known: Joins, query: Criteria): Criterion[][] {
  if (query.criteria.some(isOne)) return [];
  const promiseOf = (group: Criterion[]) => promise(known, group[0]!);
  return groups(query.criteria)
    .filter((group) => group.every((criterion) => promise(known, criterion) > 0))
    .sort((a, b) => promiseOf(b) - promiseOf(a) || b.length - a.length)
    .slice(0, DRIVERS_MAX);
}

/** What has no rows of the parameter is all that a search asks for: no index has them, but two tell them by what is not there. */
const isWithout = ({ param, modifier, values }: Criterion): boolean =>
  modifier === 'missing' &&
  values.every((value) => value.kind === 'missing' && value.missing) &&
  tableOf(param) !== undefined &&
  !isNarrower(param) &&
  !param.composite;

/**
 * Where nothing else drives and the newest resources did not fill the page: criteria that ask for resources without a value,
 * which few are without. Two indexes are compared, 1 µs a resource, and the few that are left are tested; otherwise the whole
 * table is passed over, eight times the pages: 0.24 s instead of 1.6 for 250,000 Observations.
 */
export const withoutDrivers = (known: Joins, query: Criteria): Criterion[][] =>
  query.criteria.some(isFound) || drivers(known, query).length > 0
    ? []
    : query.criteria
        .filter(isWithout)
        .slice(0, DRIVERS_MAX)
        .map((criterion) => [criterion]);

function withoutRids({ sql }: ConditionContext, type: string, { param }: Criterion): Rids {
  const [m, x, y] = [sql.alias(), sql.alias(), sql.alias()];
  // OFFSET 0: by the index that begins with the parameter, not by that of rid, which has the rows of all of them.
  const rows = `select ${y}.rid from ${tableOf(param)} ${y} where ${ofParam(sql, y, param)} offset 0`;
  const has = `select 1 from (${rows}) ${x} where ${x}.rid = ${m}.rid`;
  return { text: `select ${m}.rid from ${currentTable(type)} ${m} where not exists (${has})`, exact: false };
}

/** Rids, some more than once, of what meets a group; `exact`: of nothing else. */
interface Rids {
  text: string;
  exact: boolean;
}

/** A reference to elsewhere is a token: no index rows have it. */
function criterionRids(ctx: ConditionContext, type: string, group: readonly Criterion[]): Rids | undefined {
  const [first] = group;
  // All of a type, where they are few.
  if (first === undefined) return { text: `select rid from ${currentTable(type)}`, exact: false };
  const { chain, has, compartment, filter, logic } = first;
  if (logic) return logicRids(ctx, type, logic);
  if (isWithout(first)) return withoutRids(ctx, type, first);
  const rows = () => {
    const test = filter ? filterTest(ctx, first) : groupTest(ctx, group);
    return test && indexedRids(ctx, test);
  };
  if (isFound(first)) return foundRids(ctx, type, first);
  const text = chain || has || compartment ? joinedRids(ctx, type, first) : rows();
  return text === undefined ? undefined : { text, exact: true };
}

function logicRids(ctx: ConditionContext, type: string, logic: NonNullable<Criterion['logic']>): Rids | undefined {
  if (logic.op === 'and') {
    const [best] = [...logic.criteria].sort((a, b) => promise(ctx, b) - promise(ctx, a));
    const some = best && criterionRids(ctx, type, [best]);
    return some && { ...some, exact: false };
  }
  const arms = logic.criteria.map((each) => criterionRids(ctx, type, [each]) ?? foundRids(ctx, type, each));
  return { text: arms.map((arm) => arm.text).join(' union all '), exact: arms.every((arm) => arm.exact) };
}

function foundRids(ctx: ConditionContext, type: string, criterion: Criterion): Rids {
  const m = ctx.sql.alias();
  const text = `select ${m}.rid from ${currentTable(type)} ${m} where ${anyCondition(ctx, criterion, m)}`;
  return { text, exact: true };
}

/**
 * The CTEs `n` (few: whether the driver has at most `rowsMax` rows) and `m` (rid of the matches, id and updated
 * when they are sorted by; empty when there are too many). `group` is one of `drivers(page, query)` or `withoutDrivers`.
 */
export function drivenMatches(
  page: PageContext,
  sql: SqlBuilder,
  query: Criteria,
  group: readonly Criterion[],
  rowsMax = DRIVER_ROWS_MAX,
): string {
  const found = criterionRids(conditionContext(page, sql, 'join'), query.type, group);
  const rids = found?.text ?? 'select null::bigint as rid';
  const rest = groups(query.criteria).filter((other) => !found?.exact || other[0] !== group[0]);
  const conditions = where(conditionContext(page, sql, 'probe'), rest);
  const max = found === undefined ? -1 : rowsMax;
  const untested = conditions === 'true' && !query.sort.some(({ param }) => isColumn(param.code));
  return `d as materialized (select rid from (${rids}) x limit ${sql.value(rowsMax + 1)}),
    n as materialized (select count(*) <= ${sql.value(max)} as few from d),
    u as materialized (select distinct rid from d where (select few from n)),
    m as materialized (${untested ? 'select rid from u' : `select m.rid, m.id, m.updated from u join ${currentTable(query.type)} m on m.rid = u.rid where ${conditions}`})`;
}
