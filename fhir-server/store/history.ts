// The versions of resources, newest first: https://hl7.org/fhir/R4/http.html#history
import type { AccessScope, StoredVersion } from '#fhir-model';
import type { Queryable, Statement } from '#platform';
import { type ScopeSql, scopeSql } from '../access/scope.ts';
import { currentTable, historyTable, type Layout } from './layout.ts';
import { named, pageBody, seconds } from './sql.ts';

/** A place between changes: by meta.lastUpdated, then by number of the change. Both stay when a version becomes a former one. */
export interface HistoryCursor {
  updatedMs: number;
  seq: bigint;
  /** The page has what was before this change, or what came after it. */
  direction: 'older' | 'newer';
}

export interface HistoryEntry extends StoredVersion {
  seq: bigint;
  op: 'c' | 'u' | 'd';
  /** An update that brought a deleted resource back. */
  revived: boolean;
}

export interface HistoryRequest {
  /** Absent: all types. */
  type?: string;
  /** Only with `type`. */
  id?: string;
  /** Inclusive. */
  sinceMs?: number;
  /** Only versions that were current at some time of this range; a deletion is no version. */
  at?: { fromMs: number; toMs: number };
  /** Only versions of these resources. */
  only?: { type: string; id: string }[];
  cursor?: HistoryCursor;
  /** Entries at most. */
  count: number;
}

export interface HistoryPage {
  /** Newest first, whichever the direction. */
  entries: HistoryEntry[];
  /** Whether others follow in the direction of the page. */
  more: boolean;
}

interface Row {
  type: number;
  id: string;
  version: number;
  updated: number;
  seq: bigint;
  op: 'c' | 'u' | 'd';
  revived: boolean;
  body: string | null;
}

interface Parts {
  request: HistoryRequest;
  access: ScopeSql;
  current: string;
  former: string;
}

/** $1 … $3 are of every statement: instant and number of the cursor, `_since`. What else there is comes after them. */
interface Places {
  id: number;
  from: number;
  to: number;
  types: number;
  ids: number;
  scope: number;
  limit: number;
}

function placesOf({ id, at, only }: HistoryRequest): Places {
  let next = 4;
  const take = (wanted: unknown, count: number): number => {
    const first = next;
    if (wanted !== undefined) next += count;
    return first;
  };
  const idAt = take(id, 1);
  const from = take(at, 2);
  const types = take(only, 2);
  return { id: idAt, from, to: from + 1, types, ids: types + 1, limit: next, scope: next + 1 };
}

const LATEST_MS = 253_402_300_799_000;
/** Days beyond these are none of PostgreSQL's. */
const bounded = (ms: number): number => Math.min(Math.max(ms, -62_135_596_800_000), LATEST_MS);

function valuesOf({ request, access }: Parts, layout: Layout): unknown[] {
  const { cursor, sinceMs, id, at, only, count } = request;
  return [
    seconds(cursor?.updatedMs ?? LATEST_MS),
    cursor?.seq ?? 0n,
    seconds(bounded(sinceMs ?? 0)),
    ...(id === undefined ? [] : [id]),
    ...(at === undefined ? [] : [seconds(bounded(at.fromMs)), seconds(bounded(at.toMs))]),
    ...(only === undefined ? [] : [only.map((one) => layout.codeOf(one.type)), only.map((one) => one.id)]),
    count + 1,
    ...access.values,
  ];
}

/**
 * Nothing that came after version `t` was there when the range began. Of the former versions the next one that is kept
 * tells it: those between may be expunged.
 */
const outlives = ({ current, former }: Parts, from: number): string =>
  `coalesce((select s.updated > to_timestamp($${from}::float8) from ${former} s where s.type = t.type and s.id = t.id
        and s.version > t.version order by s.version limit 1), true)
      and not exists (select 1 from ${current} s where s.type = t.type and s.id = t.id
        and s.version > t.version and s.updated <= to_timestamp($${from}::float8))`;

/** The conditions on `t`, a row of one of the two tables. */
function conditions(parts: Parts, isFormer: boolean): string {
  const { request, access } = parts;
  const places = placesOf(request);
  const found = [`t.updated >= to_timestamp($3::float8)`, access.condition('t', places.scope)];
  if (request.at) found.push(`t.updated <= to_timestamp($${places.to}::float8)`);
  if (request.at && isFormer) found.push(`t.op <> 'd'`, outlives(parts, places.from));
  return found.join(' and ');
}

/**
 * The versions of one id, by its index. Under ORDER BY updated PostgreSQL looked for them through the history of the whole
 * type, where it took ids for few: 330 ms of 720,000 versions for an id that has two, now 0.1.
 */
const versionsOf = (table: string, id: string, order: string): string =>
  `(select * from ${table} t where ${id} order by t.version ${order} offset 0) t`;

/** What `only` names, each once, as `o`. */
const listed = ({ types, ids }: Places): string =>
  `(select distinct * from unnest($${types}::smallint[], $${ids}::text[]) as o(type, id)) o`;

const isListed = 't.type = o.type and t.id = o.id';

/** A page of the rows of one of the two tables. */
function halfSql(parts: Parts, table: string, op: string, isFormer: boolean): string {
  const { request } = parts;
  const places = placesOf(request);
  const newer = request.cursor?.direction === 'newer';
  const direction = newer ? 'asc' : 'desc';
  const limit = `limit $${places.limit}`;
  const page = (from: string, order: string) => `select t.type, t.id, t.version, t.updated, t.seq, ${op} as op, t.body
    from ${from} where (t.updated, t.seq) ${newer ? '>' : '<'} (to_timestamp($1::float8), $2::bigint)
      and ${conditions(parts, isFormer)} order by ${order} ${limit}`;
  // Of one id later versions are newer.
  const pageOf = (id: string) => page(versionsOf(table, id, direction), `t.version ${direction}`);
  if (request.id !== undefined) return pageOf(`t.id = $${places.id}`);
  const order = `t.updated ${direction}, t.seq ${direction}`;
  if (!request.only) return page(`${table} t`, order);
  return `select t.* from ${listed(places)} cross join lateral (${pageOf(isListed)}) t order by ${order} ${limit}`;
}

/** Both cursor values stay parameters of the statement when nothing is paged: each name has one text. */
function pageSql(parts: Parts): string {
  const { request, current, former } = parts;
  const newer = request.cursor?.direction === 'newer';
  const order = newer ? 'updated, seq' : 'updated desc, seq desc';
  const limit = `limit $${placesOf(request).limit}`;
  const half = (table: string, op: string, isFormer: boolean) => `(${halfSql(parts, table, op, isFormer)})`;
  return `select type, id, version, updated, seq, op, ${pageBody('h', order)},
      op = 'u' and exists (select 1 from ${former} s where s.type = h.type and s.id = h.id
        and s.version = h.version - 1 and s.op = 'd') as revived
    from (${half(current, `case when t.version = 1 then 'c' else 'u' end::"char"`, false)}
      union all ${half(former, 't.op', true)}) h order by ${order} ${limit}`;
}

function countSql(parts: Parts): string {
  const { id, only } = parts.request;
  const places = placesOf(parts.request);
  const from = (table: string) => {
    if (id !== undefined) return versionsOf(table, `t.id = $${places.id}`, 'asc');
    return only ? `${listed(places)} cross join lateral ${versionsOf(table, isListed, 'asc')}` : `${table} t`;
  };
  const rows = (table: string, isFormer: boolean) =>
    `(select count(*) from ${from(table)} where ${conditions(parts, isFormer)})`;
  // The cursor and the limit don't matter here: the values are those of a page.
  return `select ${rows(parts.current, false)} + ${rows(parts.former, true)} as n
    where $1::float8 is not null and $2::bigint is not null and $${places.limit}::int is not null`;
}

const partsOf = (request: HistoryRequest, scope: AccessScope): Parts => ({
  request,
  access: scopeSql(scope),
  current: request.type === undefined ? 'resource' : currentTable(request.type),
  former: request.type === undefined ? 'resource_history' : historyTable(request.type),
});

/** The names are a closed set: what is done × type × what restricts it × direction × scope. */
function statement(what: string, parts: Parts, text: () => string): Statement {
  const { type = '', id, at, only, cursor } = parts.request;
  const shape = [id && 'id', at && 'at', only && 'only', cursor?.direction === 'newer' && 'newer'].filter(Boolean);
  return named(`${what}_${type}_${shape.join('_')}${parts.access.name}`, text);
}

export async function readHistory(
  db: Queryable,
  layout: Layout,
  request: HistoryRequest,
  scope: AccessScope,
): Promise<HistoryPage> {
  const parts = partsOf(request, scope);
  const rows = await db.query<Row>(
    statement('history', parts, () => pageSql(parts)),
    valuesOf(parts, layout),
  );
  const full = rows.findIndex((row) => row.body === null && row.op !== 'd');
  const shown = rows.slice(0, full === -1 ? request.count : full);
  const entries = shown.map(({ type, updated, body, ...row }) => ({
    ...row,
    type: layout.nameOf(type),
    updatedMs: updated,
    body: body ?? '',
    deleted: body === null,
  }));
  if (request.cursor?.direction === 'newer') entries.reverse();
  return { entries, more: rows.length > shown.length };
}

/** How many entries all pages have. */
export async function countHistory(
  db: Queryable,
  layout: Layout,
  request: HistoryRequest,
  scope: AccessScope,
): Promise<number> {
  const parts = partsOf(request, scope);
  const rows = await db.query<{ n: bigint }>(
    statement('history_count', parts, () => countSql(parts)),
    valuesOf(parts, layout),
  );
  return Number(rows[0]!.n);
}
