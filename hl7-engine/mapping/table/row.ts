// The rows of a mapping table as text: `source | target | map and its arguments | condition` (see table.ts).

export interface Source {
  /** Of another segment: `PV1`; undefined for the table's own. */
  segment: string | undefined;
  field: number;
  repetition: number | undefined;
  component: number | undefined;
  subcomponent: number | undefined;
}

export interface Row {
  /** The line as it stands in the table. */
  text: string;
  /** In this order; empty for a constant. */
  sources: readonly Source[];
  /** The text of a constant. */
  constant: string | undefined;
  /** `identifier[]`; `-` not mapped; `@name` in the message's own code. */
  target: string;
  /** `XTN home`; the reason of `-` and `@name`. */
  map: string;
  condition: string | undefined;
}

/** Names the table and the row that cannot be read. */
export class TableError extends Error {
  constructor(table: string, row: string, why: string) {
    super(`${table}: ${why}, in row "${row.replaceAll(/\s+/g, ' ').trim()}"`);
    this.name = 'TableError';
  }
}

const sourceForm = /^(?:([A-Z][A-Z0-9]{2})-)?(\d{1,3})(?:\[(\d+)\])?(?:\.(\d+)(?:\.(\d+))?)?$/;

/** `3`, `5.1`, `5.1.2`, `3[1]`, `PV1-19`; undefined for anything else. */
export function parseSource(text: string): Source | undefined {
  const match = sourceForm.exec(text);
  if (!match) return undefined;
  const [, segment, field, ...rest] = match;
  const [repetition, component, subcomponent] = rest.map((part) => (part === undefined ? undefined : Number(part)));
  return { segment, field: Number(field), repetition, component, subcomponent };
}

/** Lines without text and lines that begin with `#` are passed over. Throws TableError. */
export function parseRows(table: string, text: string): Row[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('#'));
  return lines.map((line) => parseRow(table, line));
}

/** One field, or the fields of `12..33`. */
function sourcesOf(text: string): (Source | undefined)[] {
  const [, first, last] = /^(\d{1,3})\.\.(\d{1,3})$/.exec(text) ?? [];
  if (first === undefined) return [parseSource(text)];
  const count = Math.max(0, Number(last) - Number(first) + 1);
  return Array.from({ length: count }, (_, index) => parseSource(String(Number(first) + index)));
}

function parseRow(table: string, line: string): Row {
  const columns = line.split('|').map((column) => column.trim());
  const [source = '', target = '', map = '', condition = ''] = columns;
  if (columns.length > 4) throw new TableError(table, line, 'more than four columns');
  if (target === '') throw new TableError(table, line, 'no target');
  if (/^[-@]/.test(target) && map === '')
    throw new TableError(table, line, 'no reason why the field is not mapped here');
  const constant = /^"(.*)"$/.exec(source)?.[1];
  const sources = constant === undefined ? source.split(',').flatMap((part) => sourcesOf(part.trim())) : [];
  if (sources.includes(undefined)) throw new TableError(table, line, `no field "${source}"`);
  return {
    text: line.trim(),
    sources: sources as Source[],
    constant,
    target,
    map,
    condition: condition === '' ? undefined : condition,
  };
}
