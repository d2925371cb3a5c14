// Which types have changed since: what was found before of a type that has not is what would be found now. Searches of the
// same moment share the statement, which reads no resource.
import { createGather, type Db } from '#platform';
import { named, steady } from '../store/sql.ts';

/** What a statement has seen. */
export interface Seen {
  /** The oldest transaction that was running: what it and later ones have changed may not have been seen. */
  horizon: string;
  /** Rises when index rows change without a change row. */
  epoch: bigint;
}

/** What has been seen now, and what was changed by transactions from the horizon on. */
export interface Changed extends Seen {
  /** Of all types, CHANGES_MAX + 1 at most. */
  changes: number;
  /** Type codes; of more changes than CHANGES_MAX not all. */
  types: readonly number[];
}

/** Of all types. Looking at these costs less than a walk. */
export const CHANGES_MAX = 200;

const changedSql = named(
  'changed_types',
  () => `select pg_snapshot_xmin(pg_current_snapshot())::text as horizon, (select n from index_epoch) as epoch, s.changes, s.types
    from unnest(${steady('$1::text[]')}) with ordinality as k(horizon, n) cross join lateral (
      select count(*)::int as changes, coalesce(array_agg(distinct a.type), '{}')::int[] as types
      from (select c.type from change c where c.xid >= k.horizon::xid8 order by c.xid, c.seq limit ${CHANGES_MAX + 1}) a) s
    order by k.n`,
);

async function readChanged(db: Db, horizons: readonly string[]): Promise<Changed[]> {
  // Those that were looked at together last time have one.
  const different = [...new Set(horizons)];
  const rows = await db.query<Changed>(changedSql, [different]);
  const byHorizon = new Map(different.map((horizon, i) => [horizon, rows[i]!]));
  return horizons.map((horizon) => byHorizon.get(horizon)!);
}

/** Yields what has changed since `horizon`, told by a statement that begins after the call. */
export const createChangedTypes = (db: Db): ((horizon: string) => Promise<Changed>) =>
  createGather<string, Changed>({
    ...{ lanesMax: 2, itemsMax: 64, weightMax: 64 },
    weigh: () => 1,
    key: () => '',
    run: (horizons) => readChanged(db, horizons),
  });
