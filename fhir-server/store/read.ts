// Reading versions: https://hl7.org/fhir/R4/http.html#read, #vread, #history
import type { AccessScope, StoredVersion } from '#fhir-model';
import type { Queryable } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { currentTable, historyTable } from './layout.ts';
import { named, pageBody } from './sql.ts';

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

export interface ReadRequest {
  type: string;
  id: string;
  scope: AccessScope;
}

/** Larger bodies are read alone: 32 of 50 MB in one result would fill the heap. octet_length reads no body. */
const TOGETHER_BYTES_MAX = 1024 * 1024;

/**
 * readCurrent of several ids of one type under one scope, in one statement; what it does not yield is read alone. How many they
 * are is hidden from the planner, which else plans each execution anew.
 */
export async function readEach(db: Queryable, many: ReadRequest[]): Promise<(StoredVersion | undefined)[]> {
  const { type, scope } = many[0]!;
  const ids = [...new Set(many.map(({ id }) => id))];
  if (ids.length === 1) {
    // Ten Subscriptions are told of the same resource.
    const found = await readCurrent(db, type, ids[0]!, scope);
    return many.map(() => found);
  }
  const access = scopeSql(scope);
  const statement = named(
    `read_each_${type}${access.name}`,
    () => `select id, version, updated, body from ${currentTable(type)} r
      where id = any((select $1::text[])::text[]) and octet_length(body) <= ${TOGETHER_BYTES_MAX} and ${access.condition('r', 2)}`,
  );
  const rows = await db.query<Row & { id: string }>(statement, [ids, ...access.values]);
  const found = new Map<string, StoredVersion | undefined>(rows.map((row) => [row.id, stored(type, row.id, row)]));
  for (const id of ids) if (!found.has(id)) found.set(id, await readCurrent(db, type, id, scope));
  return many.map(({ id }) => found.get(id));
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

/** Current versions of these ids; absent ones are left out. `left`: those behind the one that fills PAGE_BYTES_MAX, not read yet. */
export async function readSome(
  db: Queryable,
  type: string,
  ids: readonly string[],
  scope: AccessScope,
): Promise<{ found: StoredVersion[]; left: string[] }> {
  const access = scopeSql(scope);
  const statement = named(
    `read_many_${type}${access.name}`,
    () => `select id, version, updated, ${pageBody('r', 'rid')} from ${currentTable(type)} r
      where id = any($1::text[]) and ${access.condition('r', 2)} order by rid`,
  );
  const rows = await db.query<Row & { id: string }>(statement, [ids, ...access.values]);
  const end = rows.findIndex(({ body }) => body === null);
  const [some, others] = end === -1 ? [rows, []] : [rows.slice(0, end), rows.slice(end)];
  return { found: some.map((row) => stored(type, row.id, row)), left: others.map(({ id }) => id) };
}

/** The same, undefined when they have more than PAGE_BYTES_MAX. */
export async function readMany(
  db: Queryable,
  type: string,
  ids: readonly string[],
  scope: AccessScope,
): Promise<StoredVersion[] | undefined> {
  const { found, left } = await readSome(db, type, ids, scope);
  return left.length === 0 ? found : undefined;
}
