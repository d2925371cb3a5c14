// The newest of what refers to a few resources, for a chain alone: `Observation?patient.organization.identifier=…`
import { indexedAs } from '../store/index-rows.ts';
import { currentTable } from '../store/layout.ts';
import { pageBody } from '../store/sql.ts';
import { linksByUrl } from './by-url.ts';
import type { Asked } from './page.ts';
import { createSql, type Sql } from './sql-text.ts';
import { withinOf } from './within.ts';

/**
 * The index on references has those of each key in order: a page's worth of each of 500 is 3 ms. Undefined where something
 * else is asked for than what the chain has found, or it has found more keys than `keysMax`, or looks into contained resources or
 * for canonical URLs.
 */
export function newestReferring({ page, query, cursor, limit }: Asked, keysMax: number): Sql | undefined {
  const [criterion, ...more] = query.criteria;
  if (!criterion?.chain || more.length > 0 || query.sort.length > 0 || page.scope.kind !== 'everything')
    return undefined;
  if (withinOf(page, criterion).length > 0 || linksByUrl(page, criterion)) return undefined;
  const [source, ...others] = indexedAs(criterion.param);
  const keys = page.joins?.get(criterion);
  if (!source || others.length > 0 || !keys || keys.length > keysMax) return undefined;
  const sql = createSql();
  const from = cursor ? `and x.rid < ${sql.value(cursor.rid)}::bigint` : '';
  const rows = sql.value(limit);
  const text = `select r.rid, r.id, r.version, r.updated, ${pageBody('r', 'r.rid desc')} from (
      select distinct x.rid from unnest(${sql.value(`{${keys.join(',')}}`)}::bigint[]) k (key) cross join lateral (
        select x.rid from index_reference x where x.param = ${sql.value(source.key)} and x.target = k.key ${from}
        order by x.rid desc limit ${rows}) x
      order by x.rid desc limit ${rows}) p
    join ${currentTable(query.type)} r on r.rid = p.rid order by r.rid desc`;
  return { text, values: sql.values };
}
