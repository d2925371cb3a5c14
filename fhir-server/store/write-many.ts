// Many resources in one transaction: a few statements over arrays, whatever the number of resources and types.
// The statements of one call travel together (pipelined), so a bundle costs three round trips, not three an entry.
import type { AccessScope } from '#fhir-model';
import type { Queryable, Statement, Tx } from '#platform';
import { type ScopeSql, scopeSql } from '../access/scope.ts';
import { factArray, tokenArray } from './index-rows.ts';
import { ownTables } from './index-sql.ts';
import { type ChangeRow, recordMany } from './insert-many.ts';
import { currentTable, historyTable, resourceKey } from './layout.ts';
import { lockAll } from './locks.ts';
import { named, seconds, steady } from './sql.ts';
import type { Prepared } from './write-one.ts';

/** A prepared resource with its numbers: `version` is what is written, `rid` the row's own, `seq` this change's. */
export interface Numbered extends Prepared {
  rid: bigint;
  seq: bigint;
  version: number;
}

/** A row that is locked by this transaction. */
export interface Locked {
  rid: bigint;
  id: string;
  version: number;
  updated: number;
  body: string;
}

const nextNumbers: Statement = {
  name: 'next_numbers',
  text: `select nextval('resource_seq') as n from generate_series(1, $1::int)`,
};

/** `count` new numbers, rising. */
export async function allocate(db: Queryable, count: number): Promise<bigint[]> {
  if (count === 0) return [];
  const rows = await db.query<{ n: bigint }>(nextNumbers, [count]);
  return rows.map((row) => row.n);
}

/** `ids` and `first` are the numbers of its parameters: the ids, and what the scope tests. */
export const lockSql = (type: string, access: ScopeSql, ids: number, first: number): string =>
  `select rid, id, version, updated, body from ${currentTable(type)} r
    where id = any(${steady(`$${ids}::text[]`)}::text[]) and ${access.condition('r', first)} order by id for update`;

export const tombstonesSql = (type: string, ids: number): string =>
  `select id, max(version) as version, max(updated) as updated from ${historyTable(type)}
    where id = any(${steady(`$${ids}::text[]`)}::text[]) group by id`;

/** Locks the current rows of these ids, in id order so that two bundles can't deadlock; absent ids are left out. */
export function lockRows(tx: Tx, type: string, ids: string[], scope: AccessScope): Promise<Locked[]> {
  const access = scopeSql(scope);
  const statement = named(`lock_${type}${access.name}`, () => lockSql(type, access, 1, 2));
  return tx.query<Locked>(statement, [ids, ...access.values]);
}

/** The same, waiting for nobody: what somebody else has locked is left out as well. */
export function lockFreeRows(tx: Tx, type: string, ids: string[], scope: AccessScope): Promise<Locked[]> {
  const access = scopeSql(scope);
  const statement = named(`lock_free_${type}${access.name}`, () => `${lockSql(type, access, 1, 2)} skip locked`);
  return tx.query<Locked>(statement, [ids, ...access.values]);
}

export interface Tombstone {
  id: string;
  version: number;
  updated: number;
}

/** The latest former version of each id, which is the tombstone of one that is deleted; ids never used are left out. */
export function tombstones(tx: Tx, type: string, ids: string[]): Promise<Tombstone[]> {
  return tx.query<Tombstone>(
    named(`tombstones_${type}`, () => tombstonesSql(type, 1)),
    [ids],
  );
}

const body = (one: Numbered): string => one.text.prefix + one.version + one.text.suffix;

const insertValues = (many: Numbered[], updatedMs: number): unknown[] => [
  many.map((one) => one.rid),
  many.map((one) => resourceKey(one.type, one.id)),
  many.map((one) => one.seq),
  many.map((one) => one.version),
  many.map((one) => one.typeCode),
  many.map((one) => one.id),
  many.map((one) => tokenArray(one.rows)),
  many.map(body),
  seconds(updatedMs),
  many.map((one) => factArray(one.rows)),
];

function updateManySql(type: string): string {
  return `with v as materialized (select * from unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[], $7::text[])
      as v(rid, seq, version, tokens, body, facts)),
    h as (insert into ${historyTable(type)} (seq, updated, version, type, op, id, body)
      select r.seq, r.updated, r.version, r.type, case when r.version = 1 then 'c' else 'u' end::"char", r.id, r.body
      from ${currentTable(type)} r join v on v.rid = r.rid)
    update ${currentTable(type)} r set seq = v.seq, updated = to_timestamp($6::float8), version = v.version,
      tokens = v.tokens::bigint[], facts = v.facts::bigint[], body = v.body
    from v where r.rid = v.rid`;
}

function updateMany(tx: Tx, type: string, many: Numbered[], updatedMs: number): Promise<unknown> {
  return tx.query(
    named(`update_many_${type}`, () => updateManySql(type)),
    [
      many.map((one) => one.rid),
      many.map((one) => one.seq),
      many.map((one) => one.version),
      many.map((one) => tokenArray(one.rows)),
      many.map(body),
      seconds(updatedMs),
      many.map((one) => factArray(one.rows)),
    ],
  );
}

/** A locked resource that goes: `version` is the tombstone's. */
export interface Deletion {
  type: string;
  typeCode: number;
  id: string;
  rid: bigint;
  seq: bigint;
  version: number;
}

function deleteManySql(type: string): string {
  return `with v as materialized (select * from unnest($1::bigint[], $2::bigint[], $3::int[]) as v(rid, seq, version)),
    h as (insert into ${historyTable(type)} (seq, updated, version, type, op, id, body)
      select r.seq, r.updated, r.version, r.type, case when r.version = 1 then 'c' else 'u' end::"char", r.id, r.body
      from ${currentTable(type)} r join v on v.rid = r.rid),
    t as (insert into ${historyTable(type)} (seq, updated, version, type, op, id)
      select v.seq, to_timestamp($4::float8), v.version, r.type, 'd', r.id
      from ${currentTable(type)} r join v on v.rid = r.rid)
    delete from ${currentTable(type)} r using v where r.rid = v.rid`;
}

function deleteMany(tx: Tx, type: string, many: Deletion[], updatedMs: number): Promise<unknown> {
  return tx.query(
    named(`delete_many_${type}`, () => deleteManySql(type)),
    [many.map((one) => one.rid), many.map((one) => one.seq), many.map((one) => one.version), seconds(updatedMs)],
  );
}

const deleteIndexMany: Statement = {
  name: 'delete_index_many',
  text: `with ${ownTables
    .map(({ table }, i) => `x${i} as (delete from ${table} where rid = any($1::bigint[]))`)
    .join(', ')} select 1`,
};

/** In one order everywhere, so that two transactions can't wait for each other's rows of different types. */
export const byType = <T extends { type: string }>(many: T[]): [string, T[]][] =>
  [...Map.groupBy(many, (one) => one.type)].sort(([a], [b]) => (a < b ? -1 : 1));

const asChange =
  (op: ChangeRow['op']) =>
  ({ seq, version, typeCode, id }: Numbered | Deletion): ChangeRow => ({ seq, version, typeCode, id, op });

/** Writes creations, updates and deletions of rows that this transaction has locked or that are new. */
export async function writeMany(
  tx: Tx,
  work: { creations: Numbered[]; updates: Numbered[]; deletions: Deletion[] },
  updatedMs: number,
): Promise<void> {
  const { creations, updates, deletions } = work;
  const gone = [...updates, ...deletions].map((one) => one.rid);
  const changes = [...deletions.map(asChange('d')), ...creations.map(asChange('c')), ...updates.map(asChange('u'))];
  await Promise.all([
    ...byType(deletions).map(([type, many]) => deleteMany(tx, type, many, updatedMs)),
    ...byType(updates).map(([type, many]) => updateMany(tx, type, many, updatedMs)),
    ...(gone.length > 0 ? [tx.query(deleteIndexMany, [gone])] : []),
    recordMany(tx, changes, creations, [...creations, ...updates], updatedMs),
  ]);
}

/**
 * Both tables are asked in one snapshot: what is current there and deleted a moment later is no free id, though the
 * insert would meet no conflict any more. `on conflict` is for ids that come twice in one call.
 */
function insertAbsentSql(type: string): string {
  return `insert into ${currentTable(type)} (rid, key, seq, updated, version, type, id, tokens, facts, body)
    select v.rid, v.key, v.seq, to_timestamp($9::float8), v.version, v.type, v.id, v.tokens::bigint[], v.facts::bigint[],
      v.body
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::smallint[], $6::text[], $7::text[], $8::text[],
      $10::text[]) as v(rid, key, seq, version, type, id, tokens, body, facts)
    where not exists (select 1 from ${currentTable(type)} c where c.id = v.id)
      and not exists (select 1 from ${historyTable(type)} h where h.id = v.id)
    order by v.id, v.rid
    on conflict (id) do nothing returning rid`;
}

async function insertAbsentOfType(tx: Tx, type: string, group: Numbered[], updatedMs: number): Promise<bigint[]> {
  const insert = named(`insert_absent_${type}`, () => insertAbsentSql(type));
  const inserted = await tx.query<{ rid: bigint }>(insert, insertValues(group, updatedMs));
  return inserted.map((row) => row.rid);
}

/** Inserts those whose id was never used, with index and change rows. Returns the rids that were inserted. */
export async function insertAbsent(tx: Tx, many: Numbered[], updatedMs: number): Promise<Set<bigint>> {
  // As everybody who creates ids that others could create too. Without it another creator, having found no trace of the
  // id, could follow a creation and deletion from here with a second version 1.
  const locks = lockAll(
    tx,
    'resource',
    many.map((one) => resourceKey(one.type, one.id)),
  );
  const inserts = byType(many).map(([type, group]) => insertAbsentOfType(tx, type, group, updatedMs));
  const [, ...inserted] = await Promise.all([locks, ...inserts]);
  const rids = new Set(inserted.flat());
  const created = many.filter((one) => rids.has(one.rid));
  await recordMany(tx, created.map(asChange('c')), [], created, updatedMs);
  return rids;
}
