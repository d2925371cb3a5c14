// Updates of the same moment, and creations under ids that clients chose, share a statement: alone one takes PostgreSQL some
// 500 µs, most of them spent before the first row. https://hl7.org/fhir/R4/http.html#update
import type { AccessScope } from '#fhir-model';
import type { Db, Queryable } from '#platform';
import { type ScopeSql, scopeKey, scopeSql } from '../access/scope.ts';
import { factArray, tokenArray } from './index-rows.ts';
import { deleteIndexRows } from './index-sql.ts';
import { epochOf, indexColumns, insertIndexSql, joined, numericArray, type Tables } from './insert-many.ts';
import { currentTable, resourceKey } from './layout.ts';
import { isLocked, lockIfFree } from './locks.ts';
import { named, seconds, steady } from './sql.ts';
import {
  type InsertOutcome,
  insertAtIfFree,
  keepHistory,
  latestFormer,
  outcomeIfFree,
  type Prepared,
  type UpdateRow,
  updateOneIfFree,
  type WriteOutcome,
} from './write-one.ts';

export interface UpdateRequest {
  one: Prepared;
  /** The version that it follows; undefined: whichever is current. */
  ifVersion: number | undefined;
  scope: AccessScope;
}

/** Requests of other keys never share a statement. */
export const updateKey = ({ one, scope }: UpdateRequest): string => one.type + scopeKey(scope);

/** What comes with each resource, as one row `u`; parameters 1 to 7. */
const columnsOf = (more: string, cast: string): string =>
  `unnest(string_to_array($1::text, chr(1)), $2::float8[], $3::${cast}, string_to_array($4::text, chr(1)),
        string_to_array($5::text, chr(1)), string_to_array($6::text, chr(1)), string_to_array($7::text, chr(1)))
        with ordinality as u(id, seconds, ${more}, tokens, facts, prefix, suffix, place)`;

const columnValues = (many: readonly Prepared[], third: string): unknown[] => [
  joined(many, ({ id }) => id),
  numericArray(many, ({ updatedMs }) => seconds(updatedMs)),
  third,
  joined(many, ({ rows }) => tokenArray(rows)),
  joined(many, ({ rows }) => factArray(rows)),
  joined(many, ({ text }) => text.prefix),
  joined(many, ({ text }) => text.suffix),
];

const FIRST_INDEX_PARAMETER = 10;

/** Which rows a statement for several changes. */
export interface LockEach {
  type: string;
  access: ScopeSql;
  /** Parameters: the ids, and the first of what the scope tests. */
  ids: number;
  first: number;
  /** Columns of `v` that `g` has beside the row's. */
  more?: string;
}

/**
 * As write-one.ts does it for one: `s` reads the statement's snapshot, `o` the rows after their locks, and what differs is not
 * in `g`, which is written. Rows that others have locked are passed over, so that nobody waits for a neighbour's, and no two
 * statements for each other. `v` has id, seconds, wanted and place.
 */
export function lockEachSql({ type, access, ids, first, more = '' }: LockEach): string {
  const table = currentTable(type);
  const isAsked = `id = any(${steady(`$${ids}::text[]`)}::text[])`;
  return `s as materialized (select id, xmin as written from ${table} where ${isAsked}),
    o as materialized (select rid, seq, updated, version, type, id, body, xmin as written from ${table} r
      where ${isAsked} and ${access.condition('r', first)} for update skip locked),
    g as materialized (select o.*, v.place, to_timestamp(v.seconds) as next_updated, ${more}
        nextval('resource_seq') as next_seq
      from v join o on o.id = v.id join s on s.id = v.id
      where o.written = s.written and (v.wanted is null or o.version = v.wanted) and o.updated <= to_timestamp(v.seconds)),
    ${keepHistory(type)}`;
}

/** An UpdateRow in the place of each. */
export const eachOutcome = `select s.id is not null as present, o.version as found, o.updated as after, g.version + 1 as version
    from v left join s on s.id = v.id left join o on o.id = v.id left join g on g.place = v.place order by v.place`;

function updateEachSql(type: string, tables: Tables, access: ScopeSql): string {
  const locks = { type, access, ids: 8, first: FIRST_INDEX_PARAMETER, more: 'v.tokens, v.facts, v.prefix, v.suffix,' };
  return `with v as materialized (select u.* from ${columnsOf('wanted', 'int[]')}),
    ${lockEachSql(locks)},
    m as (update ${currentTable(type)} r set seq = g.next_seq, updated = g.next_updated, version = g.version + 1,
      tokens = g.tokens::bigint[], facts = g.facts::bigint[], body = g.prefix || (g.version + 1)::text || g.suffix
      from g where r.rid = g.rid),
    c as (insert into change (seq, updated, version, type, op, id, epoch)
      select next_seq, next_updated, version + 1, type, 'u', id, $9::int from g)
    ${deleteIndexRows('g')}
    ${insertIndexSql(tables, FIRST_INDEX_PARAMETER + access.values.length, 'g join', 'g.rid', 'using (place)')}
    ${eachOutcome}`;
}

/** In each place what `run` yields of the first with that id; undefined of the others. */
export async function ofFirsts<Item, Outcome>(
  many: readonly Item[],
  idOf: (item: Item) => string,
  run: (firsts: Item[]) => Promise<(Outcome | undefined)[]>,
): Promise<(Outcome | undefined)[]> {
  const firsts = new Map<string, Item>();
  for (const item of many) if (!firsts.has(idOf(item))) firsts.set(idOf(item), item);
  const outcomes = await run([...firsts.values()]);
  const byItem = new Map([...firsts.values()].map((item, at) => [item, outcomes[at]]));
  return many.map((item) => byItem.get(item));
}

async function updateFirsts(db: Queryable, many: UpdateRequest[]): Promise<(WriteOutcome | undefined)[]> {
  const { one, ifVersion, scope } = many[0]!;
  if (many.length === 1) return [await updateOneIfFree(db, one, ifVersion, scope)];
  const access = scopeSql(scope);
  const ones = many.map((request) => request.one);
  const { type } = one;
  const { tables, values } = indexColumns(
    ones,
    ones.map((_one, at) => at + 1),
  );
  const wanted = numericArray(many, (request) => request.ifVersion);
  const rows = await db.query<UpdateRow>(
    named(`update_each_${type}_${tables}${access.name}`, () => updateEachSql(type, tables, access)),
    [...columnValues(ones, wanted), ones.map(({ id }) => id), epochOf(ones), ...access.values, ...values],
  );
  return rows.map((row, at) => outcomeIfFree(row, many[at]!.ifVersion));
}

/**
 * As updateOne of each, all of one updateKey. undefined: this one comes behind another of the same id, or somebody else has it
 * locked, and is to be written by itself.
 */
export const updateEach = (db: Queryable, many: UpdateRequest[]): Promise<(WriteOutcome | undefined)[]> =>
  ofFirsts(
    many,
    ({ one }) => one.id,
    (firsts) => updateFirsts(db, firsts),
  );

/** As write-one.ts does it for one, of those whose id is locked. */
function insertAtEachSql(type: string, tables: Tables): string {
  return `with v as materialized (select u.* from ${columnsOf('key', 'bigint[]')} where ${isLocked('u.place')}),
    p as materialized (select v.place, coalesce(h.version, 0) + 1 as version, h.updated from v
      left join lateral (${latestFormer(type, 'v.id')}) h on true),
    n as materialized (select nextval('resource_seq') as rid, p.version, to_timestamp(v.seconds) as written, v.*
      from v join p using (place) where not exists (select 1 from ${currentTable(type)} where id = v.id)
        and (p.updated is null or p.updated <= to_timestamp(v.seconds))),
    m as (insert into ${currentTable(type)} (rid, key, seq, updated, version, type, id, tokens, facts, body)
      select rid, key, rid, written, version, $8::smallint, id, tokens::bigint[], facts::bigint[],
        prefix || version::text || suffix from n),
    c as (insert into change (seq, updated, version, type, op, id, epoch)
      select rid, written, version, $8::smallint, 'c', id, $9::int from n)
    ${insertIndexSql(tables, FIRST_INDEX_PARAMETER, 'n join', 'n.rid', 'using (place)')}
    select p.place, n.version, p.updated as after from p left join n using (place)`;
}

interface InsertRow {
  place: bigint;
  version: number | null;
  after: number | null;
}

async function insertFirsts(db: Db, many: Prepared[]): Promise<(InsertOutcome | undefined)[]> {
  if (many.length === 1) return [await insertAtIfFree(db, many[0]!)];
  const { type, typeCode } = many[0]!;
  const keys = many.map(({ id }) => resourceKey(type, id));
  const { tables, values } = indexColumns(
    many,
    many.map((_one, at) => at + 1),
  );
  const rows = await db.tx(async (tx) => {
    const insert = named(`insert_at_each_${type}_${tables}`, () => insertAtEachSql(type, tables));
    const [, inserted] = await Promise.all([
      lockIfFree(tx, keys),
      tx.query<InsertRow>(insert, [
        ...columnValues(
          many,
          numericArray(keys, (key) => key),
        ),
        typeCode,
        epochOf(many),
        ...values,
      ]),
    ]);
    return inserted;
  });
  const outcomes: (InsertOutcome | undefined)[] = many.map(() => undefined);
  for (const { place, version, after } of rows) {
    outcomes[Number(place) - 1] = version === null ? { kind: 'raced', afterMs: after ?? 0 } : { kind: 'done', version };
  }
  return outcomes;
}

/** As insertAt of each, all of one type. undefined: as of updateEach. */
export const insertAtEach = (db: Db, many: Prepared[]): Promise<(InsertOutcome | undefined)[]> =>
  ofFirsts(
    many,
    ({ id }) => id,
    (firsts) => insertFirsts(db, firsts),
  );
