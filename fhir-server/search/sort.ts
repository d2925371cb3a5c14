// _sort: https://hl7.org/fhir/R4/search.html#sort
import { type Definitions, type SearchParam, type SearchQuery, sortPaths } from '#fhir-model';
import { CerebraError } from '#platform';
import { currentTable } from '../store/layout.ts';
import { codeToken, isInTerms } from '../store/tokens.ts';
import type { Cursor, KeyCast, KeyKind } from './cursor.ts';
import { ofParam, rowsOf } from './index-tests.ts';
import { jsonOf, type SqlBuilder } from './sql-text.ts';

export interface SortKey {
  /** SQL for the key of the row `m`; null when the resource has no value. */
  expression(sql: SqlBuilder, m: string): string;
  cast: KeyCast;
  /** What a cursor's key may be, where not all of `cast`. */
  kind?: KeyKind;
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

/** Numbers that may be Ranges are kept as quantities are. */
const sortedAs = (param: SearchParam): SearchParam['type'] => (param.ranged ? 'quantity' : param.type);

/** Undefined for what is a column of the resource's own table and for what can't be sorted by. */
export const sortSource = (param: SearchParam): SortSource | undefined =>
  param.code === '_id' || param.code === '_lastUpdated' || isInTerms(param) ? undefined : sources[sortedAs(param)];

/** Whether index tables have all that is sorted by: `_id` and `_lastUpdated` are read from the resource. */
export const isIndexed = ({ sort }: Pick<SearchQuery, 'sort'>): boolean =>
  sort.every(({ param }) => param.code !== '_id' && param.code !== '_lastUpdated');

/** `meta.lastUpdated` of the row as milliseconds. */
export const updatedKey = (m: string): string => `(extract(epoch from ${m}.updated) * 1000)::bigint`;

/** Index entries of text sort keys hold as much. */
const TEXT_CHARACTERS_MAX = 100;

/**
 * A key out of the resource's JSON, for what is indexed as hashes only: 10 to 20 µs a match, so it is for sets of some
 * thousands; the search's time limit ends what is larger.
 */
const bodyKey = (param: SearchParam, descending: boolean, paths: readonly string[]): SortKey => ({
  expression(sql, m) {
    const list = sql.value(paths);
    const text = `left(v #>> '{}', ${TEXT_CHARACTERS_MAX}) collate "C"`;
    return `(select ${descending ? 'max' : 'min'}(${text})
      from (select ${jsonOf('b.body')} as json from ${currentTable(param.resourceType)} b where b.rid = ${m}.rid offset 0) j,
        unnest(${list}::text[]) path, jsonb_path_query(j.json, path::jsonpath, '{}', true) v)`;
  },
  cast: 'text',
  descending,
});

/** Of what is true or false (`Patient.deceased`) the tokens tell the value. */
const booleanKey = (param: SearchParam, descending: boolean): SortKey => ({
  expression(sql, m) {
    const has = (code: string) => `b.tokens @> ${sql.value(`{${codeToken(param, '', code)}}`)}::bigint[]`;
    return `(select case when ${has('true')} then 'true' when ${has('false')} then 'false' end
      from ${currentTable(param.resourceType)} b where b.rid = ${m}.rid)`;
  },
  cast: 'text',
  descending,
});

function unindexedKey(param: SearchParam, descending: boolean, definitions: Definitions): SortKey {
  const paths = sortPaths(param, definitions);
  if (paths === 'boolean') return booleanKey(param, descending);
  if (paths) return bodyKey(param, descending, paths);
  throw new CerebraError('unsupported', `Sorting by '${param.code}', a ${param.type} parameter, is not supported`, {
    expression: ['_sort'],
  });
}

/** Of several values the lowest counts when ascending, the highest when descending. */
function sortKey(param: SearchParam, descending: boolean, definitions: Definitions): SortKey {
  if (param.code === '_id') return { expression: (_sql, m) => `${m}.id`, cast: 'text', descending };
  if (param.code === '_lastUpdated') {
    return { expression: (_sql, m) => updatedKey(m), cast: 'bigint', kind: 'instant', descending };
  }
  const source = sortSource(param);
  if (!source) return unindexedKey(param, descending, definitions);
  return {
    expression: (sql, m) =>
      `(select ${descending ? 'max' : 'min'}(${source.column('x')}) from ${rowsOf(source.table, m)} x where ${ofParam(sql, 'x', param)})`,
    cast: source.cast,
    descending,
  };
}

/** Throws `unsupported` for what has no order: composite and special parameters. */
export const sortKeys = (query: Pick<SearchQuery, 'sort'>, definitions: Definitions): SortKey[] =>
  query.sort.map(({ param, descending }) => sortKey(param, descending, definitions));

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

/** Sorted by, these are read from the resource itself. */
export const isColumn = (code: string): boolean => code === '_id' || code === '_lastUpdated';
