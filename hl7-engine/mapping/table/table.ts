// Mapping tables: how a segment becomes a resource or an element of one, as rows that are compiled when the program starts.
// After the segment maps of https://hl7.org/fhir/uv/v2mappings/segment_maps.html.
//
//   export const pidPatient = segmentTable('PID', 'Patient', `
//   3,2,4   | identifier[]      | CX
//   5       | name[]            | XPN
//   7       | birthDate         | date
//   8       | gender            | code AdministrativeSex
//   13      | telecom[]         | XTN home
//   30      | deceasedBoolean   | boolean | 29 empty
//   18      | -                 | PID[Account] has it
//   21      | @mother           | the message makes a RelatedPerson of it
//   `, { custom: { … }, constants: { … } });
//
//   const cleared: string[] = [];
//   const patient = runTable(pidPatient, { segment, group, mapping }, cleared);  // undefined: nothing but constants
//
// A row: `source | target | map and its arguments | condition`.
//   source     field numbers (`3,2,4`: in this order; `12..33`), `5.1`, `5.1.2`, `3[1]`, `PV1-19` (the group's, or of a group around
//              it), or `"text"`, a constant
//   target     an element; what it has already stays, so that a later row is the value where earlier ones gave none.
//              `x[]` one item a repetition, `x[0]` that item of the list, `extension[url]` the extension with that url.
//              `participant[].individual & type[0] = $attender & status = "active"`: set beside it, in the same item, only
//              if it got a value; `$name` is one of `constants`.
//              `-`: not mapped, and column 3 says why. `@name`: the message's own code has it, and column 3 says how.
//   map        a data type (types/registry.ts), or `custom name`: `(part, context) => Json | undefined`; for `x[]` an array
//              of a custom map gives several items
//   condition  see condition.ts
//
// Without `[]` in its target a row reads the first repetition; that there were more is a warning. A row costs next to
// nothing where its field is empty. Faults are TableErrors at start, which name the row.
import type { Json, JsonObject } from '#fhir-model';
import type { Delimiters } from '../../message/escape.ts';
import { emptyPart, type Part, subcomponentsAsComponents } from '../../message/message.ts';
import { dataType } from '../types/registry.ts';
import type { DataType } from '../types/type.ts';
import { type Condition, compileCondition } from './condition.ts';
import type { PartMap, PlacedContext, RowContext } from './context.ts';
import { parseRows, type Row, type Source, TableError } from './row.ts';
import { inner, readerOf } from './source.ts';
import { compileTarget, type Target } from './target.ts';

export interface SegmentTable {
  /** `PID`. */
  readonly segment: string;
  /** `Patient`, or an element or data type: `Patient.contact`, `Dosage`. */
  readonly target: string;
  /** For the documentation. */
  readonly rows: readonly Row[];
  readonly run: readonly CompiledRow[];
}

export interface TableOptions {
  custom?: Readonly<Record<string, PartMap>>;
  constants?: Readonly<Record<string, Json>>;
}

/** One row at work on a segment; yields whether it gave more than a constant. */
type CompiledRow = (context: OpenContext, result: JsonObject, cleared: string[] | undefined) => boolean;

/** One a run of a table: each row says its place in it. */
type OpenContext = { -readonly [Name in keyof PlacedContext]: PlacedContext[Name] };

const compiled: SegmentTable[] = [];

/** Every table of the program, in the order of their segments and targets: for the documentation. */
export function allTables(): SegmentTable[] {
  const key = ({ segment, target }: SegmentTable): string => `${segment} ${target}`;
  return compiled.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** A table of the program. Throws TableError. */
export function segmentTable(segment: string, target: string, text: string, options: TableOptions = {}): SegmentTable {
  const table = compileTable(segment, target, text, options);
  compiled.push(table);
  return table;
}

/** A table that is not the program's, such as a site's own rows. Throws TableError. */
export function compileTable(segment: string, target: string, text: string, options: TableOptions = {}): SegmentTable {
  const name = `${segment}[${target}]`;
  const rows = parseRows(name, text);
  for (const value of Object.values(options.constants ?? {})) freeze(value);
  const run: CompiledRow[] = [];
  for (const row of rows) {
    if (/^[-@]/.test(row.target)) continue;
    try {
      run.push(compileRow(segment, row, options));
    } catch (error) {
      if (error instanceof SyntaxError) throw new TableError(name, row.text, error.message);
      throw error;
    }
  }
  return { segment, target, rows, run };
}

/**
 * The resource or element, with resourceType where the table's target is a resource; undefined if the segment gave nothing
 * but constants. `cleared` gets the elements whose field is `""` and that got no value, as `gender`, `period.end`,
 * `telecom[use=home]`, `extension[url=…]`: for merging().
 */
export function runTable(table: SegmentTable, context: RowContext, cleared?: string[]): JsonObject | undefined {
  const result: JsonObject = isResource(table.target) ? { resourceType: table.target } : {};
  return applyTable(table, context, result, cleared) ? result : undefined;
}

/** Of what is no part of a resource, the types that tables make. */
const parts: ReadonlySet<string> = new Set(['Annotation', 'Dosage', 'Meta', 'Timing']);

const isResource = (target: string): boolean => !target.includes('.') && !parts.has(target);

/** The same onto what is there; yields whether the segment gave anything but constants. */
export function applyTable(table: SegmentTable, context: RowContext, result: JsonObject, cleared?: string[]): boolean {
  const { mapping, segment, group } = context;
  const open: OpenContext = { mapping, segment, group, place: '' };
  const before = cleared?.length ?? 0;
  let hasContent = false;
  for (const row of table.run) if (row(open, result, cleared)) hasContent = true;
  if (cleared !== undefined && cleared.length > before) {
    const nulls = cleared.splice(before).filter((path) => !has(result, path));
    cleared.push(...new Set(nulls));
  }
  return hasContent;
}

/** Whether a plain element got a value from another field than the one that is `""`. */
function has(result: JsonObject, path: string): boolean {
  let at: Json | undefined = result;
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || Array.isArray(at)) return false;
    at = at[name];
  }
  return at !== undefined;
}

function freeze(value: Json): void {
  if (typeof value !== 'object' || value === null) return;
  Object.freeze(value);
  for (const inside of Object.values(value)) freeze(inside as Json);
}

function compileRow(segment: string, row: Row, options: TableOptions): CompiledRow {
  const target = compileTarget(row.target, options.constants ?? {});
  const condition = row.condition === undefined ? undefined : compileCondition(row.condition);
  if (row.constant !== undefined) return constantRow(row.constant, target, condition);
  const [name = '', ...args] = row.map.split(/\s+/);
  const type = name === 'custom' ? customType(args, options) : dataType(name);
  if (type === undefined) throw new SyntaxError(`no data type map "${name}"`);
  const map = type.compile(args);
  const clears = target.cleared + (type.clears?.(args) ?? '');
  const readers = row.sources.map((source) => {
    const place = `${source.segment ?? segment}-${source.field}`;
    return sourceRow({ source, place, target, type, map, condition, clears });
  });
  const [only] = readers;
  if (readers.length === 1) return only!;
  return (context, result, cleared) => {
    let given = false;
    for (const read of readers) if (read(context, result, cleared)) given = true;
    return given;
  };
}

function customType([name = '']: string[], { custom }: TableOptions): DataType {
  const map = custom?.[name];
  if (map === undefined) throw new SyntaxError(`no custom map "${name}"`);
  return { guide: [], yields: 'as its code says', wholeField: true, compile: () => map };
}

function constantRow(text: string, target: Target, condition: Condition | undefined): CompiledRow {
  return (context, result) => {
    if (condition === undefined || condition(context, emptyPart)) target.set(result, text);
    return false;
  };
}

interface SourceRow {
  source: Source;
  /** `PID-7`. */
  place: string;
  target: Target;
  type: DataType;
  map: PartMap;
  condition: Condition | undefined;
  clears: string;
}

function sourceRow(row: SourceRow): CompiledRow {
  const { source, target, condition, clears } = row;
  const give = giver(row);
  const each = target.appends && source.repetition === undefined;
  const read = readerOf(each ? { ...source, component: undefined, subcomponent: undefined } : source);
  return (context, result, cleared) => {
    const part = read(context);
    if (part === undefined || part.raw === '') return false;
    if (isDeleted(part, context.mapping.message.delimiters)) {
      if (cleared !== undefined && (condition === undefined || condition(context, part))) cleared.push(clears);
      return false;
    }
    if (!each) return give(context, result, onlyRepetition(row, context, part));
    if (row.type.wholeField === true && source.component === undefined) return give(context, result, part);
    let given = false;
    for (const repetition of part.repetitions()) {
      if (give(context, result, inner(repetition, source))) given = true;
    }
    return given;
  };
}

/** `""`, also where each repetition or component is: `""~""`, `""^""^""`. */
function isDeleted({ raw, isNull }: Part, { repetition, component, subcomponent }: Delimiters): boolean {
  if (isNull || !raw.startsWith('""')) return isNull;
  const within = [...raw.replaceAll('""', '')];
  return within.every((mark) => mark === repetition || mark === component || mark === subcomponent);
}

/** The first of a field's repetitions, where the row takes only one. */
function onlyRepetition({ source, place, type }: SourceRow, { mapping }: RowContext, part: Part): Part {
  const { repetition } = mapping.message.delimiters;
  if (source.repetition !== undefined || source.component !== undefined || type.wholeField === true) return part;
  if (repetition === '' || !part.raw.includes(repetition)) return part;
  mapping.warnings.add(`${place}: only the first repetition has a place`);
  return part.repetition(1);
}

function giver({
  place,
  source,
  target,
  type,
  map,
  condition,
}: SourceRow): (context: OpenContext, result: JsonObject, part: Part) => boolean {
  const asComponents = type.composite === true && source.component !== undefined;
  return (context, result, sent) => {
    if (sent.raw === '') return false;
    if (condition !== undefined && !condition(context, sent)) return false;
    context.place = place;
    const value = map(asComponents ? subcomponentsAsComponents(sent) : sent, context);
    if (value === undefined) return false;
    if (!target.appends || !Array.isArray(value)) return target.set(result, value);
    for (const item of value) target.set(result, item);
    return value.length > 0;
  };
}
