// Files of rows and columns: tab or pipe separated, and CSV (https://www.rfc-editor.org/rfc/rfc4180).
import { CerebraError } from '#platform';
import type { Faults } from './faults.ts';
import { LINE_BYTES_MAX, readLines } from './lines.ts';
import type { ReleaseFile } from './release.ts';

export interface Row {
  /** Where it begins, from 1. */
  line: number;
  fields: string[];
}

/** The fields of a CSV record; undefined when a quote is not closed. */
export function splitCsv(text: string): string[] | undefined {
  if (!text.includes('"')) return text.split(',');
  const fields: string[] = [];
  for (let at = 0; ; ) {
    if (text[at] !== '"') {
      const comma = text.indexOf(',', at);
      fields.push(text.slice(at, comma === -1 ? undefined : comma));
      if (comma === -1) return fields;
      at = comma + 1;
      continue;
    }
    let end = text.indexOf('"', at + 1);
    while (end !== -1 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
    if (end === -1) return undefined;
    const comma = text.indexOf(',', end);
    const field = text.slice(at + 1, end).replaceAll('""', '"');
    // What follows the closing quote is kept: `"a"b` is no CSV, but is read by most as ab.
    fields.push(field + text.slice(end + 1, comma === -1 ? undefined : comma));
    if (comma === -1) return fields;
    at = comma + 1;
  }
}

/** Lines of a record whose quoted field goes on. */
interface Open {
  line: number;
  texts: string[];
  bytes: number;
}

const UNCLOSED = 'a quote opens here that is not closed: the record is left out';

const hasOddQuotes = (text: string): boolean => {
  let odd = false;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) odd = !odd;
  return odd;
};

async function* csvRows(file: ReleaseFile, faults: Faults): AsyncGenerator<Row[]> {
  let open: Open | undefined;
  const take = (text: string, line: number): Row | undefined => {
    const odd = hasOddQuotes(text);
    if (!open && !odd) return text === '' ? undefined : { line, fields: splitCsv(text)! };
    open ??= { line, texts: [], bytes: 0 };
    const closes = open.texts.length > 0 && odd;
    open.texts.push(text);
    open.bytes += text.length + 1;
    if (!closes && open.bytes <= LINE_BYTES_MAX) return undefined;
    const fields = closes ? splitCsv(open.texts.join('\n')) : undefined;
    const row = fields && { line: open.line, fields };
    if (!row) faults.tell(file.name, open.line, UNCLOSED);
    open = undefined;
    return row;
  };
  for await (const { from, texts } of readLines(file, faults)) {
    const rows = texts.map((text, i) => take(text, from + i)).filter((row) => row !== undefined);
    if (rows.length > 0) yield rows;
  }
  if (open) faults.tell(file.name, (open as Open).line, UNCLOSED);
}

async function* separatedRows(file: ReleaseFile, separator: string, faults: Faults): AsyncGenerator<Row[]> {
  for await (const { from, texts } of readLines(file, faults)) {
    const rows: Row[] = [];
    texts.forEach((text, i) => {
      if (text !== '') rows.push({ line: from + i, fields: text.split(separator) });
    });
    if (rows.length > 0) yield rows;
  }
}

export type Separator = ',' | '\t' | '|';

/** Rows in pieces, as they are read; blank lines are passed over. */
export const readRows = (file: ReleaseFile, separator: Separator, faults: Faults): AsyncGenerator<Row[]> =>
  separator === ',' ? csvRows(file, faults) : separatedRows(file, separator, faults);

/** The values of the columns that were asked for, by name; an optional column that the file does not have is ''. */
export interface TableRow<Column extends string> {
  line: number;
  values: { [name in Column]: string };
}

interface Header<Column extends string> {
  at: [Column, number][];
  width: number;
}

function readHeader<Column extends string>(
  file: ReleaseFile,
  fields: string[],
  columns: readonly Column[],
  optional: readonly Column[],
): Header<Column> {
  const names = fields.map((field) => field.trim().toLowerCase());
  const place = (column: Column): [Column, number] => [column, names.indexOf(column.toLowerCase())];
  const missing = columns.filter((column) => place(column)[1] === -1);
  if (missing.length > 0) {
    const found = fields.slice(0, 40).join(', ').slice(0, 400);
    throw new CerebraError('invalid', `${file.name}: the column ${missing.join(', ')} is missing; there is ${found}`);
  }
  return { at: [...columns, ...optional].map(place), width: fields.length };
}

/**
 * Records of a file whose first row names its columns, upper or lower case. Rows of another width are told as faults and
 * left out. Throws `invalid` when the file is empty or a column is missing.
 */
export async function* readTable<Column extends string>(
  file: ReleaseFile,
  separator: Separator,
  columns: readonly Column[],
  optional: readonly Column[],
  faults: Faults,
): AsyncGenerator<TableRow<Column>[]> {
  let header: Header<Column> | undefined;
  for await (const rows of readRows(file, separator, faults)) {
    const records: TableRow<Column>[] = [];
    for (const { line, fields } of rows) {
      if (!header) {
        header = readHeader(file, fields, columns, optional);
        continue;
      }
      if (fields.length !== header.width) {
        faults.tell(file.name, line, `${fields.length} fields, the header has ${header.width}: the row is left out`);
        continue;
      }
      const values = {} as { [name in Column]: string };
      for (const [column, at] of header.at) values[column] = at === -1 ? '' : fields[at]!;
      records.push({ line, values });
    }
    if (records.length > 0) yield records;
  }
  if (!header) throw new CerebraError('invalid', `${file.name}: the file is empty`);
}
