// Former versions and deleted resources, removed for good. Nothing of them is left but the entry in the log.
import type { AccessScope } from '#fhir-model';
import type { Statement, Tx } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { createSql, statementFor } from '../search/sql-text.ts';
import { currentTable, historyTable, resourceKey } from './layout.ts';
import { lockAll } from './locks.ts';

export interface ExpungeTarget {
  type: string;
  /** Absent: all of the type. */
  id?: string;
  /** Only with `id`: this one former version. */
  version?: number;
}

export interface ExpungeWork {
  /** Former versions, of what is deleted too; the tombstone stays. */
  previousVersions: boolean;
  /** Deleted resources with all their versions and the tombstone: their ids are as never used. */
  deletedResources: boolean;
  /** Versions at most, tombstones included. */
  limit: number;
}

/**
 * The versions' changes go with them: the feed must not name what has no body. Deletions have none and stay. `d` reads
 * what is deleted, the oldest first, so that what the limit leaves is the newest. The index of changes begins with the
 * transaction: for all versions together the changes are gone through once, 120 ms of a million, and looked up in a hash
 * table, which `is true` keeps PostgreSQL from turning into a join. By that index, or compared one by one: up to 16 s for a thousand.
 */
const removeSql = (type: string, chosen: string): string => `with d as (delete from ${historyTable(type)} h
      using (${chosen}) x where h.id = x.id and h.version = x.version returning h.id, h.version, h.seq, h.op),
    c as (delete from change c where (c.seq in (select d.seq from d)) is true and c.op <> 'd')
  select id from d`;

function former({ type, id, version }: ExpungeTarget, work: ExpungeWork, scope: AccessScope) {
  const sql = createSql();
  const access = scopeSql(scope);
  sql.values.push(...access.values);
  const ofId = id === undefined ? 'true' : `h.id = ${sql.value(id)}`;
  const ofVersion = version === undefined ? 'true' : `h.version = ${sql.value(version)}::int`;
  // The tombstone of what is deleted now is its current state: the latest version where there is no current row.
  const isPast = `(h.op <> 'd' or exists (select 1 from ${currentTable(type)} r where r.id = h.id)
    or exists (select 1 from ${historyTable(type)} l where l.id = h.id and l.version > h.version))`;
  // In the order of an index, the oldest first: sorted by seq, all of 700,000 versions were read for each thousand, 500 ms.
  const order = id === undefined ? 'h.updated, h.seq' : 'h.id, h.version';
  const chosen = `select h.id, h.version from ${historyTable(type)} h
    where ${ofId} and ${ofVersion} and ${isPast} and ${access.condition('h', 1)}
    order by ${order} limit ${sql.value(work.limit)}`;
  return { statement: statementFor(removeSql(type, chosen)), values: sql.values };
}

/** The ids whose latest version is a tombstone; locked, so that nobody revives one meanwhile. */
async function lockDeleted(tx: Tx, { type, id }: ExpungeTarget, limit: number, scope: AccessScope): Promise<string[]> {
  const sql = createSql();
  const access = scopeSql(scope);
  sql.values.push(...access.values);
  const ofId = id === undefined ? 'true' : `h.id = ${sql.value(id)}`;
  const text = `select distinct h.id from ${historyTable(type)} h where h.op = 'd' and ${ofId} and ${access.condition('h', 1)}
      and not exists (select 1 from ${currentTable(type)} r where r.id = h.id) limit ${sql.value(limit)}`;
  const rows = await tx.query<{ id: string }>(statementFor(text), sql.values);
  const keys = rows.map((row) => resourceKey(type, row.id));
  await lockAll(tx, 'resource', keys);
  return rows.map((row) => row.id);
}

function dead(type: string, ids: string[], limit: number) {
  const sql = createSql();
  // Asked anew: between the look and the lock somebody may have revived one.
  const chosen = `select h.id, h.version from ${historyTable(type)} h where h.id = any(${sql.value(ids)}::text[])
      and not exists (select 1 from ${currentTable(type)} r where r.id = h.id)
    order by h.id, h.version limit ${sql.value(limit)}`;
  return { statement: statementFor(removeSql(type, chosen)), values: sql.values };
}

/** First key of a two-key lock, next to those of locks.ts. */
const EXPUNGING = 0x43_45_52_08;

const lockType: Statement = {
  name: 'expunge_lock',
  text: 'select pg_advisory_xact_lock($1, code) from resource_type where name = $2',
};

/**
 * One at a time of a type: by id and by time they would go through the same versions in two orders and end each other. Taken
 * before any other lock, so that nobody who waits for it holds what the one before may need.
 */
export const lockExpunge = async (tx: Tx, type: string): Promise<void> => {
  await tx.query(lockType, [EXPUNGING, type]);
};

/** Under `lockExpunge`. Yields how many versions are gone, `work.limit` at most. Within the scope only. */
export async function expungeVersions(
  tx: Tx,
  target: ExpungeTarget,
  work: ExpungeWork,
  scope: AccessScope,
): Promise<number> {
  let count = 0;
  if (work.deletedResources) {
    const ids = await lockDeleted(tx, target, work.limit, scope);
    if (ids.length > 0) {
      const { statement, values } = dead(target.type, ids, work.limit);
      count += (await tx.query(statement, values)).length;
    }
  }
  if (work.previousVersions && count < work.limit) {
    const { statement, values } = former(target, { ...work, limit: work.limit - count }, scope);
    count += (await tx.query(statement, values)).length;
  }
  return count;
}
