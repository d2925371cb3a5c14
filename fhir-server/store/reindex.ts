// Index rows made anew from the stored bodies, chunk by chunk: what is right already is only read, what is not is put
// right under a row lock of some milliseconds. Versions, times and the change stream are not touched.
import { parseJson, type Resource } from '#fhir-model';
import type { Queryable, Statement, Tx } from '#platform';
import { factArray, type IndexRows, indexRows, tokenArray } from './index-rows.ts';
import { indexTables, ownTables } from './index-sql.ts';
import { currentTable } from './layout.ts';
import { named } from './sql.ts';
import type { Store } from './store.ts';

export interface ReindexChunk {
  /** The last rid looked at; undefined when none was left. */
  last: bigint | undefined;
  done: number;
  changed: number;
  /** Of the search parameters in force before they were read. */
  epoch: number;
}

interface Row {
  rid: bigint;
  seq: bigint;
  body: string;
}

interface Fresh {
  rid: bigint;
  seq: bigint;
  rows: IndexRows;
}

/** Resources a chunk at most. */
const CHUNK_ROWS = 200;
/** Of bodies; one resource is taken whatever its size. */
const CHUNK_BYTES = 8 * 1024 * 1024;

const chunkSql = (type: string): string => `select rid, seq, body from ${currentTable(type)} where rid in (
    select rid from (select rid, sum(octet_length(body)) over (order by rid) - octet_length(body) as before from (
      select rid, body from ${currentTable(type)} where rid > $1 and rid <= $2 order by rid limit ${CHUNK_ROWS}) c) c
    where before <= ${CHUNK_BYTES}) order by rid`;

/** Columns of all resources' rows of a table, with the rid of each row in front. */
function columnsOf(table: (typeof indexTables)[number], many: Fresh[]): unknown[][] {
  const rids: bigint[] = [];
  const columns: unknown[][] = table.casts.map(() => []);
  for (const { rid, rows } of many) {
    table.values(rows).forEach((values, i) => {
      for (const value of values) {
        columns[i]!.push(value);
        if (i === 0) rids.push(rid);
      }
    });
  }
  return [rids, ...columns];
}

const unnested = ({ casts }: (typeof indexTables)[number], first: number): string =>
  `unnest(${['bigint[]', ...casts].map((cast, i) => `$${first + i}::${cast}`).join(', ')})`;

/** Which resources' rows in one table are not those of a fresh indexing; numbers compare by value. */
function differing(table: (typeof indexTables)[number]): Statement {
  const columns = `rid, ${table.columns}`;
  const fresh = `select ${columns} from ${unnested(table, 2)} as v(${columns})`;
  const stored = `select ${columns} from ${table.table} where rid = any($1::bigint[])`;
  return {
    name: `reindex_differing_${table.table}`,
    text: `select distinct rid from ((${fresh} except all ${stored}) union all (${stored} except all ${fresh})) x`,
  };
}

const differingIn = ownTables.map(differing);

const sameSet = (column: string): string =>
  `coalesce(r.${column} @> v.${column}::bigint[] and r.${column} <@ v.${column}::bigint[], false)`;

const differingHashes = (type: string): Statement =>
  named(
    `reindex_hashes_${type}`,
    () => `select r.rid from ${currentTable(type)} r
      join unnest($1::bigint[], $2::text[], $3::text[]) as v(rid, tokens, facts) on v.rid = r.rid
      where not (${sameSet('tokens')} and ${sameSet('facts')})`,
  );

const hashesOf = (many: Fresh[]): string[][] => [
  many.map(({ rows }) => tokenArray(rows)),
  many.map(({ rows }) => factArray(rows)),
];

/** The rids among these whose rows are not right. */
async function findWrong(db: Queryable, type: string, many: Fresh[]): Promise<Set<bigint>> {
  const rids = many.map(({ rid }) => rid);
  const found = await Promise.all([
    db.query<{ rid: bigint }>(differingHashes(type), [rids, ...hashesOf(many)]),
    ...ownTables.map((table, i) => db.query<{ rid: bigint }>(differingIn[i]!, [rids, ...columnsOf(table, many)])),
  ]);
  return new Set(found.flat().map(({ rid }) => rid));
}

const lockSql = (type: string): string => `select rid, seq from ${currentTable(type)} r
  where rid = any($1::bigint[]) order by id for update`;

const deleteRows: Statement = {
  name: 'reindex_delete',
  text: `with ${ownTables
    .map(({ table }, i) => `x${i} as (delete from ${table} where rid = any($1::bigint[]))`)
    .join(', ')} select 1`,
};

const insertRows = indexTables.map((table): Statement => {
  const columns = `rid, ${table.columns}`;
  return {
    name: `reindex_insert_${table.table}`,
    text: `insert into ${table.table} (${columns}) select ${columns} from ${unnested(table, 1)} as v(${columns})`,
  };
});

const updateHashes = (type: string): Statement =>
  named(
    `reindex_update_${type}`,
    () => `update ${currentTable(type)} r set tokens = v.tokens::bigint[], facts = v.facts::bigint[]
      from unnest($1::bigint[], $2::text[], $3::text[]) as v(rid, tokens, facts) where r.rid = v.rid`,
  );

/** Totals that were counted before are no longer to be built on: search/kept-totals.ts. */
const raiseEpoch: Statement = { name: 'raise_index_epoch', text: 'update index_epoch set n = n + 1' };

/** Those that nobody has changed since they were read: what has been changed was indexed by whoever did it. */
async function lockUnchanged(tx: Tx, type: string, many: Fresh[]): Promise<Fresh[]> {
  const lock = named(`reindex_lock_${type}`, () => lockSql(type));
  const rows = await tx.query<{ rid: bigint; seq: bigint }>(lock, [many.map(({ rid }) => rid)]);
  const seqs = new Map(rows.map(({ rid, seq }) => [rid, seq]));
  return many.filter(({ rid, seq }) => seqs.get(rid) === seq);
}

function insertInto(
  tx: Tx,
  many: Fresh[],
  which: (table: (typeof indexTables)[number]) => boolean,
): Promise<unknown>[] {
  return indexTables.flatMap((table, i) => {
    const columns = which(table) ? columnsOf(table, many) : [[]];
    return columns[0]!.length > 0 ? [tx.query(insertRows[i]!, columns)] : [];
  });
}

async function rewrite(tx: Tx, type: string, many: Fresh[]): Promise<number> {
  if (many.length === 0) return 0;
  const unchanged = await lockUnchanged(tx, type, many);
  if (unchanged.length === 0) return 0;
  const rids = unchanged.map(({ rid }) => rid);
  await Promise.all([
    tx.query(deleteRows, [rids]),
    ...insertInto(tx, unchanged, ({ kept }) => !kept),
    tx.query(updateHashes(type), [rids, ...hashesOf(unchanged)]),
    tx.query(raiseEpoch),
  ]);
  return unchanged.length;
}

const lastRid: Statement = { name: 'reindex_last_rid', text: 'select last_value as rid from resource_seq' };

/** The last rid given so far: what is written from now on is indexed by the parameters that are in force now. */
export const lastGiven = async (db: Queryable): Promise<bigint> => (await db.query<{ rid: bigint }>(lastRid))[0]!.rid;

/**
 * Brings the index rows of the resources after `after`, up to `until`, up to date, as many as a chunk holds. `within` runs in the
 * transaction that changes them, and in one of its own where nothing is to be changed.
 */
export async function reindexChunk(
  store: Store,
  type: string,
  { after, until }: { after: bigint; until: bigint },
  within: (tx: Tx, chunk: ReindexChunk) => Promise<void>,
): Promise<ReindexChunk> {
  const { db } = store;
  // Before they are read: whoever wrote without knowing these parameters has committed by now.
  const { epoch } = store.registry;
  const read = await db.query<Row>(
    named(`reindex_read_${type}`, () => chunkSql(type)),
    [after, until],
  );
  const fresh = read.map(({ rid, seq, body }): Fresh => {
    return { rid, seq, rows: indexRows(store.extract(parseJson(body).exact as Resource), store.terms) };
  });
  const wrong = fresh.length > 0 ? await findWrong(db, type, fresh) : new Set<bigint>();
  return db.tx(async (tx) => {
    const changed = await rewrite(
      tx,
      type,
      fresh.filter(({ rid }) => wrong.has(rid)),
    );
    await Promise.all(insertInto(tx, fresh, ({ kept }) => kept === true));
    const chunk = { last: read.at(-1)?.rid, done: read.length, changed, epoch };
    await within(tx, chunk);
    return chunk;
  });
}
