// Building tables: how a resource becomes a segment, as rows that are compiled when the program starts; the segment maps of
// https://hl7.org/fhir/uv/v2mappings/segment_maps.html the other way round.
//
//   export const pid = buildTable('PID', `
//   3  | identifier | CX
//   8  | gender     | code AdministrativeSex
//   14 | telecom[use=work] | XTN
//   18 | @account   | the message's own code has it
//   `);
//
// A row: `field | path | type and its arguments`. Every value that the path (path.ts) leads to becomes one repetition; a later
// row of the same field adds its own, one whose field begins with `?` only if there are none yet. `"text"` as path is a constant.
// Faults are SyntaxErrors at start.
import type { Json, Resource } from '#fhir-model';
import type { FieldValue, RepetitionValue, SegmentValue } from '../message/build.ts';
import type { Building } from './building.ts';
import { compilePath } from './path.ts';
import { type ValueType, valueType } from './types/registry.ts';

interface Row {
  field: number;
  isFallback: boolean;
  read: (value: Json) => Json[];
  type: ValueType;
}

export interface BuildTable {
  segment: string;
  rows: readonly Row[];
}

/** Throws SyntaxError that names the row. */
export function buildTable(
  segment: string,
  text: string,
  custom: Readonly<Record<string, ValueType>> = {},
): BuildTable {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const rows = lines.flatMap((line): Row[] => {
    const [field = '', path = '', type = ''] = line.split('|').map((column) => column.trim());
    if (path.startsWith('@')) return [];
    const match = /^(\??)(\d+)$/.exec(field);
    if (match === null || path === '') throw new SyntaxError(`${segment}: "${line}"`);
    const constant = /^"(.*)"$/.exec(path)?.[1];
    const read = constant === undefined ? compilePath(path) : () => [constant];
    return [{ field: Number(match[2]), isFallback: match[1] === '?', read, type: typeOf(segment, type, custom) }];
  });
  return { segment, rows };
}

function typeOf(segment: string, text: string, custom: Readonly<Record<string, ValueType>>): ValueType {
  const [name = '', ...args] = text.split(/\s+/);
  const own = name === 'custom' ? custom[args[0] ?? ''] : undefined;
  if (name === 'custom' && own === undefined) throw new SyntaxError(`${segment}: no custom ${args[0]}`);
  return own ?? valueType(name, args);
}

export type Fields = Record<number, FieldValue>;

/** The fields that the resource fills. */
export function fieldsOf({ rows }: BuildTable, building: Building, resource: Json | undefined): Fields {
  const found = new Map<number, RepetitionValue[]>();
  if (resource === undefined) return {};
  for (const { field, isFallback, read, type } of rows) {
    const there = found.get(field) ?? [];
    if (isFallback && there.length > 0) continue;
    for (const value of read(resource)) {
      const made = type(building, value);
      if (made !== undefined) there.push(made);
    }
    found.set(field, there);
  }
  const filled = [...found].filter(([, values]) => values.length > 0);
  return Object.fromEntries(filled.map(([field, values]) => [field, fieldValue(values)]));
}

export function fieldValue(values: readonly RepetitionValue[]): FieldValue {
  return values.length === 1 ? values[0] : { repetitions: values };
}

/** The segment; fields of `more` go before those of the table, undefined ones don't. */
export function segmentOf(
  table: BuildTable,
  building: Building,
  resource: Resource | undefined,
  more: Readonly<Record<number, FieldValue>> = {},
): SegmentValue {
  const given = Object.entries(more).filter(([, value]) => value !== undefined && value !== null);
  return { name: table.segment, fields: { ...fieldsOf(table, building, resource), ...Object.fromEntries(given) } };
}
