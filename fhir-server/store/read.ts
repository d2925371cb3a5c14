// Reading versions: https://hl7.org/fhir/R4/http.html#read, #vread, #history
import type { AccessScope, StoredVersion } from '#fhir-model';
import type { Queryable } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { currentTable, historyTable, type Layout } from './layout.ts';
import { named, pageBody, seconds } from './sql.ts';

interface Row {
  version: number;
  updated: number;
  body: string | null;
}

const stored = (type: string, id: string, row: Row): StoredVersion => ({
  type,
  id,
  version: row.version,
  updatedMs: row.updated,
  body: row.body ?? '',
  deleted: row.body === null,
});

/** The current version or, when there is none, the tombstone; undefined if the id was never used or is out of scope. */
export async function readCurrent(
  db: Queryable,
  type: string,
  id: string,
  scope: AccessScope,
): Promise<StoredVersion | undefined> {
  const access = scopeSql(scope);
  const current = named(
    `read_${type}${access.name}`,
    () => `select version, updated, body from ${currentTable(type)} r where id = $1 and ${access.condition('r', 2)}`,
  );
  const rows = await db.query<Row>(current, [id, ...access.values]);
  if (rows[0]) return stored(type, id, rows[0]);
  const tombstone = named(
    `read_tombstone_${type}${access.name}`,
    () => `select version, updated, body from ${historyTable(type)} h
      where id = $1 and op = 'd' and ${access.condition('h', 2)} order by version desc limit 1`,
  );
  const gone = await db.query<Row>(tombstone, [id, ...access.values]);
  return gone[0] && stored(type, id, gone[0]);
}

/** One numbered version, a deletion included. */
export async function readVersion(
  db: Queryable,
  type: string,
  id: string,
  version: number,
  scope: AccessScope,
): Promise<StoredVersion | undefined> {
  const access = scopeSql(scope);
  const statement = named(
    `vread_${type}${access.name}`,
    () => `select version, updated, body from ${currentTable(type)} r
        where id = $1 and version = $2 and ${access.condition('r', 3)}
      union all select version, updated, body from ${historyTable(type)} h
        where id = $1 and version = $2 and ${access.condition('h', 3)}`,
  );
  const rows = await db.query<Row>(statement, [id, version, ...access.values]);
  return rows[0] && stored(type, id, rows[0]);
}

/** Current versions of these ids; absent ones are left out. undefined when they have more than PAGE_BYTES_MAX. */
export async function readMany(
  db: Queryable,
  type: string,
  ids: string[],
  scope: AccessScope,
): Promise<StoredVersion[] | undefined> {
  const access = scopeSql(scope);
  const statement = named(
    `read_many_${type}${access.name}`,
    () => `select id, version, updated, ${pageBody('r', 'rid')} from ${currentTable(type)} r
      where id = any($1::text[]) and ${access.condition('r', 2)} order by rid`,
  );
  const rows = await db.query<Row & { id: string }>(statement, [ids, ...access.values]);
  if (rows.at(-1)?.body === null) return undefined;
  return rows.map((row) => stored(type, row.id, row));
}

/** Where a page of history starts: strictly before this change. */
export interface HistoryCursor {
  updatedMs: number;
  seq: bigint;
}

export interface HistoryEntry extends StoredVersion {
  seq: bigint;
  op: 'c' | 'u' | 'd';
}

export interface HistoryRequest {
  /** Absent: all types. */
  type?: string;
  /** Only with `type`. */
  id?: string;
  /** Inclusive. */
  sinceMs?: number;
  before?: HistoryCursor;
  /** Entries at most. */
  count: number;
}

export interface HistoryPage {
  entries: HistoryEntry[];
  /** Whether older ones follow. */
  more: boolean;
}

function historySql(request: HistoryRequest, access: ReturnType<typeof scopeSql>): string {
  const current = request.type ? currentTable(request.type) : 'resource';
  const former = request.type ? historyTable(request.type) : 'resource_history';
  const half = (table: string, op: string) => `(select t.type, t.id, t.version, t.updated, t.seq, ${op} as op, t.body
    from ${table} t
    where (t.updated, t.seq) < (to_timestamp($1::float8), $2::bigint) and t.updated >= to_timestamp($3::float8)
      ${request.id ? 'and t.id = $5' : ''} and ${access.condition('t', request.id ? 6 : 5)}
    order by t.updated desc, t.seq desc limit $4)`;
  return `select type, id, version, updated, seq, op, ${pageBody('h', 'updated desc, seq desc')} from (${half(current, `case when t.version = 1 then 'c' else 'u' end::"char"`)}
    union all ${half(former, 't.op')}) h order by updated desc, seq desc limit $4`;
}

/** Changes, newest first: by meta.lastUpdated, then by number of the change. */
export async function readHistory(
  db: Queryable,
  layout: Layout,
  request: HistoryRequest,
  scope: AccessScope,
): Promise<HistoryPage> {
  const access = scopeSql(scope);
  const level = request.id ? 'instance' : 'type';
  const statement = named(`history_${level}_${request.type ?? ''}${access.name}`, () => historySql(request, access));
  const before = request.before ?? { updatedMs: 253_402_300_799_000, seq: 0n };
  const rows = await db.query<Row & { type: number; id: string; seq: bigint; op: 'c' | 'u' | 'd' }>(statement, [
    seconds(before.updatedMs),
    before.seq,
    seconds(request.sinceMs ?? 0),
    request.count + 1,
    ...(request.id ? [request.id] : []),
    ...access.values,
  ]);
  const full = rows.findIndex((row) => row.body === null && row.op !== 'd');
  const shown = rows.slice(0, full === -1 ? request.count : Math.min(full, request.count));
  const entries = shown.map((row) => ({ ...stored(layout.nameOf(row.type), row.id, row), seq: row.seq, op: row.op }));
  return { entries, more: rows.length > shown.length };
}
