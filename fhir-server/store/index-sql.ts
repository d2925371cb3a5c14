// SQL for index rows, shared by the statements that write one resource.
import type { IndexRows } from './index-rows.ts';
import { createOften } from './often.ts';
import { steady } from './sql.ts';

/** A column of IndexRows. */
type Column = Exclude<keyof IndexRows, 'tokens' | 'facts'>;

interface IndexTable {
  table: string;
  columns: string;
  casts: readonly string[];
  /** Where the rows of a resource have the columns, in their order. */
  fields: readonly [Column, ...Column[]];
  values(rows: IndexRows): unknown[][];
  /** Rows that are not the resource's own: they stay when it changes or goes. */
  kept?: true;
}

const indexTable = (table: Omit<IndexTable, 'values'>): IndexTable => ({
  ...table,
  values: (rows) => table.fields.map((field) => rows[field]),
});

/** Every index table, with its columns in the order their arrays are passed. */
export const indexTables: readonly IndexTable[] = [
  indexTable({
    table: 'index_date',
    columns: 'param, lo, hi',
    casts: ['int[]', 'bigint[]', 'bigint[]'],
    fields: ['dateParams', 'dateLows', 'dateHighs'],
  }),
  indexTable({
    table: 'index_number',
    columns: 'param, value',
    casts: ['int[]', 'numeric[]'],
    fields: ['numberParams', 'numberValues'],
  }),
  indexTable({
    table: 'index_quantity',
    columns: 'param, low, high, code, system_code',
    casts: ['int[]', 'numeric[]', 'numeric[]', 'bigint[]', 'bigint[]'],
    fields: ['quantityParams', 'quantityLows', 'quantityHighs', 'quantityCodes', 'quantitySystemCodes'],
  }),
  indexTable({
    table: 'index_string',
    columns: 'param, value, exact',
    casts: ['int[]', 'text[]', 'text[]'],
    fields: ['stringParams', 'stringValues', 'stringExacts'],
  }),
  indexTable({
    table: 'index_reference',
    columns: 'param, target, date',
    casts: ['int[]', 'bigint[]', 'bigint[]'],
    fields: ['referenceParams', 'referenceTargets', 'referenceDates'],
  }),
  indexTable({
    table: 'index_narrative',
    columns: 'words',
    casts: ['tsvector[]'],
    fields: ['narratives'],
  }),
  indexTable({
    table: 'term',
    columns: 'kind, param, value, system, token',
    casts: ['"char"[]', 'int[]', 'text[]', 'text[]', 'bigint[]'],
    fields: ['termKinds', 'termParams', 'termValues', 'termSystems', 'termTokens'],
    kept: true,
  }),
];

/** Those whose rows go with the resource. */
export const ownTables = indexTables.filter(({ kept }) => !kept);

/** Up to so many rows of a table are written as VALUES, more as arrays. */
const VALUES_ROWS_MAX = 4;

/**
 * A character per index table: `0` without rows, `n` for rows given as arrays, or their number, 1 to 4, when they are
 * given as VALUES. Statements differ by it: a table without rows costs nothing.
 */
export type IndexShape = string;

function shapeOf(rows: IndexRows, valuesMax: number): IndexShape {
  let shape = '';
  for (const table of indexTables) {
    const count = rows[table.fields[0]].length;
    shape += count > valuesMax ? 'n' : count;
  }
  return shape;
}

export const indexShape = (rows: IndexRows): IndexShape => shapeOf(rows, 0);

/** A prepared create takes 115 kB of each connection, an update 330 kB: only the shapes that come often get VALUES. */
const comesOften = createOften({ namesMax: 64, usesMin: 50 });

/** The shape of a creation: a few rows as VALUES cost 8 µs a table less than through `unnest`, of 130 µs in all. */
export function createShape(type: string, rows: IndexRows): IndexShape {
  const shape = shapeOf(rows, VALUES_ROWS_MAX);
  return comesOften(type + shape) ? shape : indexShape(rows);
}

/** `($7::int, $8::bigint), …` or `unnest($7::int[], …)`. */
function rowSource(casts: readonly string[], mark: string, placeholder: () => string): string {
  // Of arrays of a few PostgreSQL would make a plan each time, an update's takes it longer than the update.
  if (mark === 'n') return `unnest(${casts.map((cast) => steady(`${placeholder()}::${cast}`)).join(', ')})`;
  const row = () => `(${casts.map((cast) => `${placeholder()}::${cast.slice(0, -2)}`).join(', ')})`;
  return `(values ${Array.from({ length: Number(mark) }, row).join(', ')})`;
}

/** The CTEs `, i0 as (insert …)` of the shape; `source` yields one row with `rid`. Parameters from `$first`. */
export function insertIndexRows(shape: IndexShape, source: string, first: number): string {
  let parameter = first;
  const placeholder = () => `$${parameter++}`;
  let sql = '';
  indexTables.forEach(({ table, columns, casts }, i) => {
    const mark = shape[i]!;
    if (mark === '0') return;
    sql += `, i${i} as (insert into ${table} (rid, ${columns})
      select ${source}.rid, v.* from ${source}, ${rowSource(casts, mark, placeholder)} as v)`;
  });
  return sql;
}

/** How many parameters insertIndexRows uses. */
export const indexParameters = (shape: IndexShape): number =>
  indexTables.reduce((sum, { casts }, i) => sum + casts.length * (shape[i] === 'n' ? 1 : Number(shape[i])), 0);

/** The CTEs that remove all index rows of the one row `source` yields. */
export function deleteIndexRows(source: string): string {
  return ownTables
    .map(({ table }, i) => `, x${i} as (delete from ${table} t using ${source} where t.rid = ${source}.rid)`)
    .join('');
}

/** The values for insertIndexRows, in its order: row by row, or a column each. */
export function indexValues(rows: IndexRows, shape: IndexShape): unknown[] {
  const values: unknown[] = [];
  indexTables.forEach((table, i) => {
    const mark = shape[i]!;
    const columns = table.values(rows);
    if (mark === 'n') values.push(...columns);
    else for (let row = 0; row < Number(mark); row++) for (const column of columns) values.push(column[row]);
  });
  return values;
}
