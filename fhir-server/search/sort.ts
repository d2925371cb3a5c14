// _sort: https://hl7.org/fhir/R4/search.html#sort
import type { SearchParam, SearchQuery } from '#fhir-model';
import { CerebraError } from '#platform';
import { ofParam, rowsOf } from './conditions.ts';
import type { Cursor, KeyCast } from './cursor.ts';
import type { SqlBuilder } from './sql-text.ts';

export interface SortKey {
  /** SQL for the key of the row `m`; null when the resource has no value. */
  expression(sql: SqlBuilder, m: string): string;
  cast: KeyCast;
  descending: boolean;
}

/** An index table in whose order rows can be had: its B-tree is on param, `column`, rid. */
export interface SortSource {
  table: string;
  /** Of the row `alias`. */
  column(alias: string): string;
  cast: KeyCast;
}

const head = (alias: string): string => `left(${alias}.value, 100)`;

const sources: Partial<Record<SearchParam['type'], SortSource>> = {
  date: { table: 'index_date', column: (x) => `${x}.lo`, cast: 'bigint' },
  number: { table: 'index_number', column: (x) => `${x}.value`, cast: 'numeric' },
  quantity: { table: 'index_quantity', column: (x) => `${x}.low`, cast: 'numeric' },
  string: { table: 'index_string', column: head, cast: 'text' },
  uri: { table: 'index_string', column: head, cast: 'text' },
};

/** Undefined for what is a column of the resource's own table and for what can't be sorted by. */
export const sortSource = (param: SearchParam): SortSource | undefined =>
  param.code === '_id' || param.code === '_lastUpdated' ? undefined : sources[param.type];

/** `meta.lastUpdated` of the row as milliseconds. */
export const updatedKey = (m: string): string => `(extract(epoch from ${m}.updated) * 1000)::bigint`;

/** Of several values the lowest counts when ascending, the highest when descending. */
function sortKey(param: SearchParam, descending: boolean): SortKey {
  if (param.code === '_id') return { expression: (_sql, m) => `${m}.id`, cast: 'text', descending };
  if (param.code === '_lastUpdated') {
    return { expression: (_sql, m) => updatedKey(m), cast: 'bigint', descending };
  }
  const source = sources[param.type];
  if (!source) {
    throw new CerebraError(
      'unsupported',
      `Sorting by '${param.code}' is not supported: it is a ${param.type} parameter; date, number, quantity, string and uri parameters, _id and _lastUpdated can be sorted by`,
      { expression: ['_sort'] },
    );
  }
  return {
    expression: (sql, m) =>
      `(select ${descending ? 'max' : 'min'}(${source.column('x')}) from ${rowsOf(source.table, m)} x where ${ofParam(sql, 'x', param)})`,
    cast: source.cast,
    descending,
  };
}

export const sortKeys = (query: SearchQuery): SortKey[] =>
  query.sort.map(({ param, descending }) => sortKey(param, descending));

/** `order by` over columns k0, k1 … and rid; resources without a value come last, newest first among equals. */
export function orderBy(keys: SortKey[]): string {
  const columns = keys.map((key, i) => `k${i} ${key.descending ? 'desc' : 'asc'} nulls last`);
  return [...columns, 'rid desc'].join(', ');
}

/** Rows that come after the cursor in that order; `true` without one. */
export function afterCursor(sql: SqlBuilder, keys: SortKey[], cursor: Cursor | undefined): string {
  if (!cursor) return 'true';
  let condition = `rid < ${sql.value(cursor.rid)}::bigint`;
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i]!;
    const last = cursor.keys[i] ?? null;
    if (last === null) {
      condition = `(k${i} is null and ${condition})`;
      continue;
    }
    const value = `${sql.value(last)}::${key.cast}`;
    const beyond = `k${i} ${key.descending ? '<' : '>'} ${value}`;
    condition = `(${beyond} or k${i} is null or (k${i} = ${value} and ${condition}))`;
  }
  return condition;
}
