// SQL for index rows, shared by the statements that write one resource.
import type { IndexRows } from './index-rows.ts';

interface IndexTable {
  table: string;
  columns: string;
  casts: string[];
  values(rows: IndexRows): unknown[][];
}

/** Every index table, with its columns in the order their arrays are passed. */
export const indexTables: readonly IndexTable[] = [
  {
    table: 'index_date',
    columns: 'param, lo, hi',
    casts: ['int[]', 'bigint[]', 'bigint[]'],
    values: (rows) => [rows.dateParams, rows.dateLows, rows.dateHighs],
  },
  {
    table: 'index_number',
    columns: 'param, value',
    casts: ['int[]', 'numeric[]'],
    values: (rows) => [rows.numberParams, rows.numberValues],
  },
  {
    table: 'index_quantity',
    columns: 'param, low, high, code, system_code',
    casts: ['int[]', 'numeric[]', 'numeric[]', 'bigint[]', 'bigint[]'],
    values: (rows) => [
      rows.quantityParams,
      rows.quantityLows,
      rows.quantityHighs,
      rows.quantityCodes,
      rows.quantitySystemCodes,
    ],
  },
  {
    table: 'index_string',
    columns: 'param, value, exact',
    casts: ['int[]', 'text[]', 'text[]'],
    values: (rows) => [rows.stringParams, rows.stringValues, rows.stringExacts],
  },
  {
    table: 'index_reference',
    columns: 'param, target',
    casts: ['int[]', 'bigint[]'],
    values: (rows) => [rows.referenceParams, rows.referenceTargets],
  },
];

/** A bit per index table that has rows: statements differ by it, so that an empty table costs nothing. */
export function indexMask(rows: IndexRows): number {
  let mask = 0;
  for (let i = 0; i < indexTables.length; i++) if (indexTables[i]!.values(rows)[0]!.length > 0) mask |= 1 << i;
  return mask;
}

/** The CTEs `, i0 as (insert …)` for the tables of `mask`; `source` yields one row with `rid`. Parameters from `$first`. */
export function insertIndexRows(mask: number, source: string, first: number): string {
  let parameter = first;
  let sql = '';
  indexTables.forEach(({ table, columns, casts }, i) => {
    if (!(mask & (1 << i))) return;
    const arrays = casts.map((cast) => `$${parameter++}::${cast}`).join(', ');
    sql += `, i${i} as (insert into ${table} (rid, ${columns})
      select ${source}.rid, v.* from ${source}, unnest(${arrays}) as v)`;
  });
  return sql;
}

/** How many parameters insertIndexRows uses. */
export const indexParameters = (mask: number): number =>
  indexTables.reduce((sum, { casts }, i) => sum + (mask & (1 << i) ? casts.length : 0), 0);

/** The CTEs that remove all index rows of the one row `source` yields. */
export function deleteIndexRows(source: string): string {
  return indexTables
    .map(({ table }, i) => `, x${i} as (delete from ${table} t using ${source} where t.rid = ${source}.rid)`)
    .join('');
}

/** The arrays for insertIndexRows, in its order. */
export function indexValues(rows: IndexRows, mask: number): unknown[] {
  const values: unknown[] = [];
  indexTables.forEach((table, i) => {
    if (mask & (1 << i)) values.push(...table.values(rows));
  });
  return values;
}
