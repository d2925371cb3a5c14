// The members of one record, page by page, and what supports them: https://hl7.org/fhir/R4/compartmentdefinition.html
import type { AccessScope, DateRange, StoredVersion } from '#fhir-model';
import type { Queryable } from '#platform';
import { scopeSql } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import { createSql, type SqlBuilder, statementFor } from '../search/sql-text.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { named, PAGE_BYTES_MAX, seconds } from '../store/sql.ts';
import { inCareRange } from './care-dates.ts';
import type { MemberParams } from './compartment.ts';
import { isOfVisible } from './visible-referrers.ts';

/** Whose record, and what of it. */
export interface Record {
  /** Key and rid of the patient or encounter. */
  key: string;
  rid: bigint;
  params: MemberParams;
  care: Partial<DateRange>;
  sinceMs?: number;
  scope: AccessScope;
}

export interface MemberPage {
  members: StoredVersion[];
  /** Set when there are more. */
  last?: bigint;
}

interface Candidate {
  rid: bigint;
  param: number;
}

/**
 * The next rids after `after`. From each parameter's part of the index no more than `limit` are read, so that a page costs
 * the same in a record of a hundred and of a million.
 */
function candidates(core: Core, db: Queryable, record: Record, after: string, limit: number): Promise<Candidate[]> {
  const sql = createSql();
  const params = sql.value([...record.params.values()].flat());
  const target = sql.value(record.key);
  const from = sql.value(after);
  const most = sql.value(limit);
  const own = sql.value(record.rid);
  const care = inCareRange(core, sql, 'x.rid', record.care);
  const text = `select x.rid, min(p.param) as param from unnest(${params}::int[]) as p(param)
    cross join lateral (select x.rid from index_reference x
      where x.param = p.param and x.target = ${target}::bigint and x.rid > ${from}::bigint and x.rid <> ${own}::bigint
        and ${care} order by x.rid limit ${most}) x
    group by x.rid order by x.rid limit ${most}`;
  return db.query<Candidate>(statementFor(text), sql.values);
}

/** The types of the parameters: a member is looked up in its own table. */
const typesOf = (params: MemberParams): Map<number, string> =>
  new Map([...params].flatMap(([type, keys]) => keys.map((key) => [key, type] as const)));

interface Sized {
  rid: bigint;
  type: string;
  bytes: number;
}

async function sized(db: Queryable, type: string, rids: bigint[], record: Record): Promise<Sized[]> {
  const access = scopeSql(record.scope);
  const statement = named(
    `everything_sizes_${type}${access.name}`,
    () => `select rid, octet_length(body) as bytes from ${currentTable(type)} m
      where rid = any($1::bigint[]) and updated >= to_timestamp($2::float8) and ${access.condition('m', 3)}`,
  );
  const rows = await db.query<{ rid: bigint; bytes: number }>(statement, [
    rids,
    seconds(record.sinceMs ?? 0),
    ...access.values,
  ]);
  return rows.map((row) => ({ ...row, type }));
}

/** Read at a time where most may be left out. */
const FILTERED_ROWS = 5000;

const byRid = (a: { rid: bigint }, b: { rid: bigint }): number => (a.rid < b.rid ? -1 : 1);

/** At least `wanted` members after `after` in order of rid, unless there are fewer. */
async function findMembers(core: Core, db: Queryable, record: Record, after: string, wanted: number): Promise<Sized[]> {
  const types = typesOf(record.params);
  const chunk = record.sinceMs === undefined ? wanted : Math.max(wanted, FILTERED_ROWS);
  const found: Sized[] = [];
  for (let from = after; found.length < wanted; ) {
    const rows = await candidates(core, db, record, from, chunk);
    const groups = Map.groupBy(rows, ({ param }) => types.get(param)!);
    const some = await Promise.all(
      [...groups].map(([type, group]) =>
        sized(
          db,
          type,
          group.map(({ rid }) => rid),
          record,
        ),
      ),
    );
    found.push(...some.flat().sort(byRid));
    const last = rows.at(-1);
    if (rows.length < chunk || !last) break;
    from = String(last.rid);
  }
  return found;
}

/** How many of them fit into a page of `count`; one does always. */
function fitting(found: readonly Sized[], count: number): Sized[] {
  let bytes = 0;
  const end = found.findIndex((one, i) => {
    bytes += one.bytes;
    return i >= count || (i > 0 && bytes > PAGE_BYTES_MAX);
  });
  return end === -1 ? [...found] : found.slice(0, end);
}

interface BodyRow {
  rid: bigint;
  id: string;
  version: number;
  updated: number;
  body: string;
}

export async function bodiesOf(
  db: Queryable,
  type: string,
  rids: bigint[],
  scope: AccessScope,
): Promise<(StoredVersion & { rid: bigint })[]> {
  const access = scopeSql(scope);
  const statement = named(
    `everything_bodies_${type}${access.name}`,
    () => `select rid, id, version, updated, body from ${currentTable(type)} m
      where rid = any($1::bigint[]) and ${access.condition('m', 2)}`,
  );
  const rows = await db.query<BodyRow>(statement, [rids, ...access.values]);
  return rows.map(({ rid, id, version, updated, body }) => ({
    ...{ rid, type, id, version, body },
    updatedMs: updated,
    deleted: false,
  }));
}

/** The page of `count` members that follows `after`, in order of rid. */
export async function memberPage(
  core: Core,
  db: Queryable,
  record: Record,
  after: string,
  count: number,
): Promise<MemberPage> {
  const found = await findMembers(core, db, record, after, count + 1);
  const shown = fitting(found, count);
  const groups = Map.groupBy(shown, ({ type }) => type);
  const bodies = await Promise.all(
    [...groups].map(([type, group]) =>
      bodiesOf(
        db,
        type,
        group.map(({ rid }) => rid),
        record.scope,
      ),
    ),
  );
  const members = bodies.flat().sort(byRid);
  return shown.length < found.length ? { members, last: shown.at(-1)!.rid } : { members };
}

/** `x`: the rids of the record that the scope shows, the patient's or encounter's own too. */
function recordRids(core: Core, sql: SqlBuilder, record: Record, upTo: string | undefined): string {
  const params = sql.value([...record.params.values()].flat());
  const target = sql.value(record.key);
  const until = upTo === undefined ? 'true' : `x.rid <= ${sql.value(upTo)}::bigint`;
  const care = inCareRange(core, sql, 'x.rid', record.care);
  return `select x.rid from index_reference x
      where x.param = any(${params}::int[]) and x.target = ${target}::bigint and ${until} and ${care}
        and ${isOfVisible(sql, record.scope, 'x', record.params)}
    union select ${sql.value(record.rid)}::bigint`;
}

/** Of the targets (`Type/id`) those that members up to `upTo`, or the record's subject, refer to. */
export async function referredBefore(
  core: Core,
  db: Queryable,
  record: Record,
  upTo: string | undefined,
  targets: readonly string[],
): Promise<Set<string>> {
  const byKey = new Map(targets.map((name) => [resourceKey(...(name.split('/') as [string, string])), name]));
  const sql = createSql();
  const keys = sql.value([...byKey.keys()]);
  const text = `with x as materialized (${recordRids(core, sql, record, upTo)})
    select distinct y.target from x cross join lateral
      (select target from index_reference y where y.rid = x.rid offset 0) y where y.target = any(${keys}::bigint[])`;
  const rows = await db.query<{ target: bigint }>(statementFor(text), sql.values);
  return new Set(rows.map(({ target }) => byKey.get(String(target))!));
}

/** What members refer to (`Type/id`), of these types and changed at `record.sinceMs` or later; `limit` at most. */
export async function changedSupport(
  core: Core,
  db: Queryable,
  record: Record,
  types: readonly string[],
  limit: number,
): Promise<string[]> {
  const { layout } = core.store;
  const access = scopeSql(record.scope);
  const sql = createSql();
  sql.values.push(...access.values);
  const condition = access.condition('r', 1);
  const codes = sql.value(types.map((type) => layout.codeOf(type)));
  const since = sql.value(seconds(record.sinceMs ?? 0));
  const text = `with x as materialized (${recordRids(core, sql, record, undefined)}),
    t as materialized (select distinct y.target from x cross join lateral
      (select target from index_reference y where y.rid = x.rid offset 0) y)
    select r.type, r.id from resource r
    where r.type = any(${codes}::smallint[]) and r.updated >= to_timestamp(${since}::float8)
      and (r.key in (select target from t)) is true and ${condition} order by r.rid limit ${sql.value(limit)}`;
  const rows = await db.query<{ type: number; id: string }>(statementFor(text), sql.values);
  return rows.map(({ type, id }) => `${layout.nameOf(type)}/${id}`);
}
