// _sort: https://hl7.org/fhir/R4/search.html#sort
import type { SearchParam, SearchQuery } from '#fhir-model';
import { CerebraError } from '#platform';
import { ofParam } from './conditions.ts';
import type { Cursor, KeyCast } from './cursor.ts';
import type { SqlBuilder } from './sql-text.ts';

export interface SortKey {
  /** SQL for the key of the row `m`; null when the resource has no value. */
  expression(sql: SqlBuilder, m: string): string;
  cast: KeyCast;
  descending: boolean;
}

interface Source {
  table: string;
  column: string;
  cast: KeyCast;
}

const sources: Partial<Record<SearchParam['type'], Source>> = {
  date: { table: 'index_date', column: 'lo', cast: 'bigint' },
  number: { table: 'index_number', column: 'value', cast: 'numeric' },
  quantity: { table: 'index_quantity', column: 'low', cast: 'numeric' },
  string: { table: 'index_string', column: 'left(x.value, 100)', cast: 'text' },
  uri: { table: 'index_string', column: 'left(x.value, 100)', cast: 'text' },
};

/** Of several values the lowest counts when ascending, the highest when descending. */
function sortKey(param: SearchParam, descending: boolean): SortKey {
  if (param.code === '_id') return { expression: (_sql, m) => `${m}.id`, cast: 'text', descending };
  if (param.code === '_lastUpdated') {
    return {
      expression: (_sql, m) => `(extract(epoch from ${m}.updated) * 1000)::bigint`,
      cast: 'bigint',
      descending,
    };
  }
  const source = sources[param.type];
  if (!source) {
    throw new CerebraError(
      'unsupported',
      `Sorting by '${param.code}' is not supported: it is a ${param.type} parameter; date, number, quantity, string and uri parameters, _id and _lastUpdated can be sorted by`,
      { expression: ['_sort'] },
    );
  }
  const column = source.column.includes('(') ? source.column : `x.${source.column}`;
  // OFFSET 0: else max() becomes a walk down the index of all values of the parameter until this resource comes.
  return {
    expression: (sql, m) =>
      `(select ${descending ? 'max' : 'min'}(v) from (select ${column} as v from ${source.table} x
        where x.rid = ${m}.rid and x.param = ${sql.value(param.key)} offset 0) s)`,
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
