// Many new rows in one statement: creations of the same moment, and what a transaction adds.
// https://hl7.org/fhir/R4/http.html#create, #transaction
import type { Queryable } from '#platform';
import { factArray, type IndexRows, tokenArray } from './index-rows.ts';
import { indexTables } from './index-sql.ts';
import { currentTable, newKey } from './layout.ts';
import { createOften } from './often.ts';
import { named, seconds } from './sql.ts';
import { insertOne, type Prepared } from './write-one.ts';

/** Between texts that travel as one: no JSON text, id or array literal has it. An array literal would escape each quote. */
const SEPARATOR = '\u0001';

/** `1` for each index table that has rows. */
export type Tables = string;

/** The CTEs that insert index rows; `rid` yields a row's number from the place `v.place`. Parameters from `$first`. */
export function insertIndexSql(tables: Tables, first: number, from: string, rid: string, joins = ''): string {
  let parameter = first;
  return indexTables
    .map(({ table, columns, casts }, i) => {
      if (tables[i] === '0') return '';
      const sources = ['bigint[]', ...casts].map((cast) => `$${parameter++}::${cast}`).join(', ');
      return `, i${i} as (insert into ${table} (rid, ${columns})
        select ${rid}, ${columns} from ${from} unnest(${sources}) as v(place, ${columns}) ${joins})`;
    })
    .join('');
}

/** Their text needs no quotes in an array literal. */
const NUMERIC = new Set(['bigint[]', 'int[]', 'numeric[]']);

/** pg would quote each element and look for what to escape: 3.7 % of what node does to write a message. */
export function numericArray<One>(many: readonly One[], read: (one: One) => unknown): string {
  let text = '{';
  for (let i = 0; i < many.length; i++) text += (i === 0 ? '' : ',') + (read(many[i] as One) ?? 'NULL');
  return `${text}}`;
}

type Indexed = { rows: IndexRows };
type Field = (typeof indexTables)[number]['fields'][number];

/** The place of each resource, as often as it has rows; undefined where none has any. */
function placeColumn(many: readonly Indexed[], field: Field, places: readonly unknown[]): string | undefined {
  let text = '';
  for (let at = 0; at < many.length; at++) {
    const count = many[at]!.rows[field].length;
    for (let row = 0; row < count; row++) text += (text === '' ? '{' : ',') + places[at];
  }
  return text === '' ? undefined : `${text}}`;
}

/** The values of all resources, one after the other. */
function column(many: readonly Indexed[], field: Field, isNumeric: boolean): unknown {
  if (!isNumeric) return many.flatMap(({ rows }) => rows[field] as unknown[]);
  let text = '';
  for (let at = 0; at < many.length; at++) {
    const values = many[at]!.rows[field];
    for (let row = 0; row < values.length; row++) text += (text === '' ? '{' : ',') + (values[row] ?? 'NULL');
  }
  return `${text}}`;
}

/**
 * The index rows of many as columns, each row with its resource's place. Column by column and without lists of lists: that
 * took 5 of the 7 µs a create costs here.
 */
export function indexColumns(
  many: readonly Indexed[],
  places: readonly unknown[],
): { tables: Tables; values: unknown[] } {
  let tables = '';
  const values: unknown[] = [];
  for (const { fields, casts } of indexTables) {
    const placed = placeColumn(many, fields[0], places);
    tables += placed === undefined ? '0' : '1';
    if (placed === undefined) continue;
    values.push(placed);
    for (let i = 0; i < fields.length; i++) values.push(column(many, fields[i]!, NUMERIC.has(casts[i]!)));
  }
  return { tables, values };
}

/**
 * `n` numbers the resources: `rids[k]` is the k-th's. Parameters: how many, then ids, keys, times, type codes, tokens,
 * bodies, the epoch, facts, then for each index table the resources' places and the columns.
 */
function createManySql(into: string, tables: Tables): string {
  return `with n as materialized (select array_agg(nextval('resource_seq')) as rids from generate_series(1, $1::int)),
    v as materialized (select n.rids[u.place] as rid, u.key, to_timestamp(u.seconds) as updated, u.type, u.id, u.tokens, u.facts, u.body
      from n, unnest(string_to_array($2::text, chr(1)), $3::bigint[], $4::float8[], $5::smallint[],
        string_to_array($6::text, chr(1)), string_to_array($7::text, chr(1)), string_to_array($9::text, chr(1)))
        with ordinality as u(id, key, seconds, type, tokens, body, facts, place)),
    m as (insert into ${into} (rid, key, seq, updated, version, type, id, tokens, facts, body)
      select rid, key, rid, updated, 1, type, id, tokens::bigint[], facts::bigint[], body from v),
    c as (insert into change (seq, updated, version, type, op, id, epoch)
      select rid, updated, 1, type, 'c', id, $8::int from v)
    ${insertIndexSql(tables, 10, 'n,', 'n.rids[v.place::int]')}
    select 1`;
}

export const joined = <One>(many: readonly One[], text: (one: One) => string): string => many.map(text).join(SEPARATOR);

const EPOCH_MAX = 2 ** 31 - 1;

/** The earliest: should it be over, all are refused. */
export const epochOf = (many: readonly { epoch: number }[]): number =>
  many.reduce((least, { epoch }) => Math.min(least, epoch), EPOCH_MAX);

/** As often.ts says: a statement for each type and set of tables would be thousands. */
const comesOften = createOften({ namesMax: 32, usesMin: 20 });

/** Where all are of one type, its own table: finding each row's costs PostgreSQL 2 µs a create, in groups of eight. */
function manyTable(many: Prepared[], tables: Tables): string {
  const { type } = many[0]!;
  const isOfOne = many.every((one) => one.type === type);
  return isOfOne && comesOften(type + tables) ? currentTable(type) : 'resource';
}

/** Inserts version 1 of each, all or none. Throws SQLSTATE 23505 when an id exists. */
export async function insertEach(db: Queryable, many: Prepared[]): Promise<void> {
  if (many.length === 1) return insertOne(db, many[0]!);
  const { tables, values } = indexColumns(
    many,
    many.map((_one, at) => at + 1),
  );
  const into = manyTable(many, tables);
  await db.query(
    named(`create_many_${into}_${tables}`, () => createManySql(into, tables)),
    [
      many.length,
      joined(many, ({ id }) => id),
      numericArray(many, (one) => newKey(one.type, one.id)),
      numericArray(many, (one) => seconds(one.updatedMs)),
      numericArray(many, (one) => one.typeCode),
      joined(many, ({ rows }) => tokenArray(rows)),
      joined(many, ({ text }) => `${text.prefix}1${text.suffix}`),
      epochOf(many),
      joined(many, ({ rows }) => factArray(rows)),
      ...values,
    ],
  );
}

/** What a transaction records of each write. */
export interface ChangeRow {
  seq: bigint;
  version: number;
  typeCode: number;
  id: string;
  op: 'c' | 'u' | 'd';
}

/** A new resource of a transaction, with the numbers that it has allocated. */
export interface NewRow extends Prepared {
  rid: bigint;
  seq: bigint;
  version: number;
}

/**
 * The change's xid: this transaction may have its own for long when it gets a row that a later one, already committed,
 * has changed, and its change must come after that one's. So it takes the latest xid that has ended when that is above
 * its own. No consumer can have passed it: while this transaction runs, its own xid is the horizon of them all.
 */
const CHANGE_XID =
  'greatest(pg_current_xact_id(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8)';

function recordManySql(created: boolean, tables: Tables): string {
  const insert = `, m as (insert into resource (rid, key, seq, updated, version, type, id, tokens, facts, body)
      select u.rid, u.key, u.seq, to_timestamp($1::float8), u.version, u.type, u.id, u.tokens::bigint[], u.facts::bigint[],
        u.body
      from unnest($8::bigint[], $9::bigint[], $10::bigint[], $11::int[], $12::smallint[],
        string_to_array($13::text, chr(1)), string_to_array($14::text, chr(1)), string_to_array($15::text, chr(1)),
        string_to_array($16::text, chr(1)))
        as u(rid, key, seq, version, type, id, tokens, body, facts))`;
  return `with c as (insert into change (xid, seq, updated, version, type, op, id, epoch)
      select ${CHANGE_XID}, u.seq, to_timestamp($1::float8), u.version, u.type, u.op::"char", u.id, $7::int
      from unnest($2::bigint[], $3::int[], $4::smallint[], string_to_array($5::text, chr(1)), string_to_array($6::text, chr(1)))
        as u(seq, version, type, op, id))
    ${created ? insert : ''}${insertIndexSql(tables, created ? 17 : 8, '', 'v.place')}
    select 1`;
}

/**
 * One statement for what a transaction adds: its changes, the new resources, and the index rows of those and of the
 * updated ones, whose former rows are gone by now.
 */
export async function recordMany(
  tx: Queryable,
  changes: ChangeRow[],
  creations: NewRow[],
  indexed: { rid: bigint; rows: IndexRows; epoch: number }[],
  updatedMs: number,
): Promise<void> {
  if (changes.length === 0) return;
  const { tables, values } = indexColumns(
    indexed,
    indexed.map(({ rid }) => rid),
  );
  const created = creations.length > 0;
  const inserts = () => [
    numericArray(creations, ({ rid }) => rid),
    numericArray(creations, ({ type, id }) => newKey(type, id)),
    numericArray(creations, ({ seq }) => seq),
    numericArray(creations, ({ version }) => version),
    numericArray(creations, ({ typeCode }) => typeCode),
    joined(creations, ({ id }) => id),
    joined(creations, ({ rows }) => tokenArray(rows)),
    joined(creations, ({ text, version }) => text.prefix + version + text.suffix),
    joined(creations, ({ rows }) => factArray(rows)),
  ];
  await tx.query(
    named(`record_many_${created ? 'c' : ''}${tables}`, () => recordManySql(created, tables)),
    [
      seconds(updatedMs),
      numericArray(changes, ({ seq }) => seq),
      numericArray(changes, ({ version }) => version),
      numericArray(changes, ({ typeCode }) => typeCode),
      joined(changes, ({ op }) => op),
      joined(changes, ({ id }) => id),
      epochOf(indexed),
      ...(created ? inserts() : []),
      ...values,
    ],
  );
}
