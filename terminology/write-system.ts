// Writing a code system into the tables: rows are copied while they come, indexed when they are complete, and only then
// visible. https://hl7.org/fhir/R4/codesystem.html
import { type Resource, wordsOf } from '#fhir-model';
import { CerebraError, createRowText, type Db, field, type RowText, type Tx } from '#platform';
import { createEdges, type Edges, type Lineage, lineageOf } from './lineage.ts';
import {
  activate,
  createIndexes,
  createTableSql,
  holdSystem,
  insertSystem,
  nextSystem,
  removeSystem,
  unhurried,
} from './system-tables.ts';
import { type ConceptTable, tableOf } from './tables.ts';

export interface NewSystem {
  url: string;
  /** Empty when it has none. */
  version: string;
  /** The CodeSystem without its concepts. */
  about: Resource;
  caseSensitive: boolean;
  /** Of which stored CodeSystem it is made: id and meta.versionId; none for a release. */
  resource?: { id: string; version: number } | undefined;
}

export interface ConceptRow {
  /** At most 2,000 bytes. */
  code: string;
  display?: string | undefined;
  definition?: string | undefined;
  /** Not selectable: it groups others. */
  abstract?: boolean | undefined;
  inactive?: boolean | undefined;
  /** The property `status`. */
  status?: string | undefined;
}

export interface DesignationRow {
  language?: string | undefined;
  useSystem?: string | undefined;
  useCode?: string | undefined;
  useDisplay?: string | undefined;
  value: string;
}

export interface PropertyRow {
  code: string;
  type: 'code' | 'Coding' | 'string' | 'integer' | 'boolean' | 'dateTime' | 'decimal';
  /** Its text; of a Coding its code. */
  value: string;
  /** Of a Coding. */
  system?: string | undefined;
  display?: string | undefined;
  /** Role group of SNOMED CT. */
  group?: number | undefined;
}

/** Two codes of which one is said to be above the other. */
export interface ToldEdge {
  child: string;
  parent: string;
}

export interface WrittenSystem {
  cs: number;
  concepts: number;
  /** Pairs of a concept and one above it. */
  closure: number;
  /** Parents that are no concepts of the system: how many, and the first hundred. */
  unknownParents: { count: number; first: ToldEdge[] };
  /** Left out, since each would have closed a cycle. */
  cyclic: { count: number; first: ToldEdge[] };
}

/** All but `drain`, `finish` and `abandon` only take note; call `drain` now and then. */
export interface SystemWriter {
  readonly cs: number;
  /** The concept's number; undefined when its code is there already. Throws `invalid` for a code that is empty or too long. */
  add(concept: ConceptRow): number | undefined;
  /** The number of a code, regardless of case where the system is. */
  numberOf(code: string): number | undefined;
  /** `parent` may come later. For is-a only: what other hierarchies mean is a property. */
  parent(n: number, parent: string): void;
  designation(n: number, designation: DesignationRow): void;
  property(n: number, property: PropertyRow): void;
  /** Writes when some megabytes have gathered; resolves when more may come. */
  drain(): Promise<void>;
  /**
   * Hierarchy and indexes, then it is there, and what it replaces (same url and version, or same resource) is not. `check` is
   * called before that and may throw.
   */
  finish(check?: (written: WrittenSystem) => void): Promise<WrittenSystem>;
  /** Removes what was written. */
  abandon(): Promise<void>;
}

/** In memory at a time, besides as much on its way to PostgreSQL. */
const DRAIN_BYTES = 4 * 1024 * 1024;
const TOLD_MAX = 100;
/** Of a concept and one above it; all of SNOMED CT has some six million. */
const PAIRS_MAX = 50_000_000;
/** PostgreSQL's tsvector counts positions, which weights hang on, up to 16,383; a text has 1 MB at most. */
const WORDS_MAX = 16_000;
/** An entry of a B-tree has 2,704 bytes at most. */
export const CODE_BYTES_MAX = 2_000;
const GROUP_MAX = 32_767;

const columns: Record<ConceptTable, string> = {
  concept: 'cs, n, abstract, inactive, code, display, definition, status, words',
  concept_lineage: 'cs, n, descendants, parents, ancestors',
  concept_child: 'cs, parent, child',
  concept_closure: 'cs, ancestor, descendant',
  concept_designation: 'cs, n, language, use_system, use_code, use_display, value, words',
  concept_property: 'cs, n, grp, type, code, value, system, display',
};

/** Words as a tsvector's text; they are letters and digits, so nothing needs quotes. */
function wordVector(text: string | undefined, weight: '' | 'A' | 'B' = ''): string {
  if (text === undefined) return '';
  let vector = '';
  const words = wordsOf(text);
  for (let i = 0; i < words.length && i < WORDS_MAX; i++)
    vector += `${i === 0 ? '' : ' '}${words[i]}:${i + 1}${weight}`;
  return vector;
}

const flag = (value: boolean | undefined): string => (value === true ? 't' : 'f');

/** PostgreSQL's text has no NUL. */
const required = (value: string): string => field(value.includes('\0') ? value.replaceAll('\0', '') : value);
const optional = (value: string | undefined): string => (value === undefined ? '\\N' : required(value));

/** Only ASCII, as lower() does it in collation "C". */
export const foldCode = (code: string): string => code.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Rows on their way into one table. */
interface Stream {
  table: ConceptTable;
  text: RowText;
}

const streamed = ['concept', 'concept_designation', 'concept_property'] as const;

/** The codes of the system and what is above what, until all are known. */
interface Codes {
  caseSensitive: boolean;
  numbers: Map<string, number>;
  /** By folded code, where case makes no difference: of the first `foldedUpTo` concepts. */
  folded: Map<string, number>;
  foldedUpTo: number;
  names: string[];
  edges: Edges;
  /** Parents that are not known yet. */
  waiting: { n: number; parent: string }[];
}

function numberOf(codes: Codes, code: string): number | undefined {
  const n = codes.numbers.get(code);
  if (n !== undefined || codes.caseSensitive) return n;
  for (; codes.foldedUpTo < codes.names.length; codes.foldedUpTo++) {
    const fold = foldCode(codes.names[codes.foldedUpTo]!);
    if (!codes.folded.has(fold)) codes.folded.set(fold, codes.foldedUpTo);
  }
  return codes.folded.get(foldCode(code));
}

function addCode(codes: Codes, code: string): number | undefined {
  if (code === '' || Buffer.byteLength(code) > CODE_BYTES_MAX) {
    throw new CerebraError('invalid', `A code has between 1 and ${CODE_BYTES_MAX} bytes`);
  }
  if (codes.numbers.has(code)) return undefined;
  codes.numbers.set(code, codes.names.length);
  return codes.names.push(code) - 1;
}

/** Those that nobody knows now that all are there. */
function settle(codes: Codes): ToldEdge[] {
  const unknown: ToldEdge[] = [];
  for (const { n, parent } of codes.waiting) {
    const known = numberOf(codes, parent);
    if (known === undefined) unknown.push({ child: codes.names[n]!, parent });
    else codes.edges.add(n, known);
  }
  codes.waiting = [];
  return unknown;
}

const told = (edges: ToldEdge[]) => ({ count: edges.length, first: edges.slice(0, TOLD_MAX) });

function copySql(table: ConceptTable, cs: number, frozen: boolean): string {
  // Frozen rows need no vacuum before an index alone answers: https://www.postgresql.org/docs/current/sql-copy.html (FREEZE)
  return `copy ${tableOf(table, cs)} (${columns[table]}) from stdin${frozen ? ' with (freeze)' : ''}`;
}

function* lineageRows(cs: number, { parents, ancestors, descendants }: Lineage): Generator<string> {
  for (let n = 0; n < parents.length; n++) {
    yield `${cs}\t${n}\t${descendants[n]}\t{${parents[n]!.join(',')}}\t{${ancestors[n]!.join(',')}}\n`;
  }
}

/** Pairs in the order of the index on them, which makes building it quick. */
function* pairRows(cs: number, above: Lineage['parents']): Generator<string> {
  const ends = new Int32Array(above.length + 1);
  for (const some of above) for (const each of some) ends[each + 1]! += 1;
  for (let n = 0; n < above.length; n++) ends[n + 1]! += ends[n]!;
  const below = new Int32Array(ends[above.length]!);
  const at = ends.slice(0, -1);
  for (let n = 0; n < above.length; n++) for (const each of above[n]!) below[at[each]!++] = n;
  for (let n = 0, i = 0; n < above.length; n++) for (; i < ends[n + 1]!; i++) yield `${cs}\t${n}\t${below[i]}\n`;
}

/** A table of its own transaction: made, filled frozen, indexed. */
async function writeWhole(db: Db, table: ConceptTable, system: Opened, rows: Iterable<string>): Promise<void> {
  const { cs, caseSensitive } = system;
  await db.tx(async (tx: Tx) => {
    await unhurried(tx);
    await tx.query({ text: createTableSql(table, cs) });
    const text = createRowText();
    const copy = () => tx.copy(copySql(table, cs, true), [text.take()]);
    let sent: Promise<unknown> = Promise.resolve();
    for (const row of rows) {
      text.write(row);
      if (text.length < DRAIN_BYTES) continue;
      await sent;
      sent = copy();
      text.clear();
    }
    await sent;
    await copy();
    await createIndexes(tx, table, cs, caseSensitive);
  });
}

interface Opened {
  cs: number;
  caseSensitive: boolean;
}

/** Writes what `take` yields while more is gathered: one lot on its way at a time. */
function createSender(db: Db, cs: number) {
  const streams = streamed.map((table): Stream => ({ table, text: createRowText() }));
  let sent: Promise<void> = Promise.resolve();
  const send = async (lots: { table: ConceptTable; bytes: Uint8Array }[]): Promise<void> => {
    await db.tx(async (tx) => {
      await unhurried(tx);
      for (const { table, bytes } of lots) if (bytes.length > 0) await tx.copy(copySql(table, cs, false), [bytes]);
    });
  };
  return {
    streams,
    async drain(now: boolean): Promise<void> {
      const bytes = streams.reduce((sum, { text }) => sum + text.length, 0);
      if (now || bytes >= DRAIN_BYTES) {
        await sent;
        const lots = streams.map(({ table, text }) => ({ table, bytes: text.take() }));
        for (const { text } of streams) text.clear();
        sent = send(lots);
        sent.catch(() => undefined); // told by the next drain
      }
      if (now) await sent;
    },
  };
}

async function createStreamed(db: Db, cs: number): Promise<void> {
  await db.tx(async (tx) => {
    for (const table of streamed) await tx.query({ text: createTableSql(table, cs) });
  });
}

/** Begins a system that nobody sees until `finish`. */
export async function writeSystem(db: Db, system: NewSystem): Promise<SystemWriter> {
  const { caseSensitive } = system;
  const cs = await nextSystem(db);
  const release = await holdSystem(db, cs);
  const abandon = async (): Promise<void> => {
    await release();
    await removeSystem(db, cs);
  };
  try {
    await insertSystem(db, cs, system);
    await createStreamed(db, cs);
  } catch (error) {
    await abandon();
    throw error;
  }
  const sender = createSender(db, cs);
  const [concept, designation, property] = sender.streams as [Stream, Stream, Stream];
  const codes: Codes = {
    caseSensitive,
    numbers: new Map(),
    ...{ folded: new Map(), foldedUpTo: 0 },
    names: [],
    edges: createEdges(),
    waiting: [],
  };
  let designations = 0;
  return {
    cs,
    abandon,
    drain: () => sender.drain(false),
    numberOf: (code) => numberOf(codes, code),
    add(row) {
      const n = addCode(codes, row.code);
      if (n === undefined) return undefined;
      const display = wordVector(row.display, 'A');
      const words = `${display} ${wordVector(row.code, 'B')}`;
      concept.text.write(
        `${cs}\t${n}\t${flag(row.abstract)}\t${flag(row.inactive)}\t${required(row.code)}\t${optional(row.display)}\t` +
          `${optional(row.definition)}\t${optional(row.status)}\t${words}\n`,
      );
      return n;
    },
    parent(n, parent) {
      const known = codes.numbers.get(parent);
      if (known === undefined) codes.waiting.push({ n, parent });
      else codes.edges.add(n, known);
    },
    designation(n, { language, useSystem, useCode, useDisplay, value }) {
      designations++;
      designation.text.write(
        `${cs}\t${n}\t${optional(language)}\t${optional(useSystem)}\t${optional(useCode)}\t${optional(useDisplay)}\t` +
          `${required(value)}\t${wordVector(value)}\n`,
      );
    },
    property(n, { code, type, value, system: of, display, group = 0 }) {
      property.text.write(
        `${cs}\t${n}\t${Math.min(group, GROUP_MAX)}\t${type}\t${required(code)}\t${required(value)}\t${optional(of)}\t${optional(display)}\n`,
      );
    },
    async finish(check) {
      await sender.drain(true);
      const written = await finishHierarchy(db, { cs, caseSensitive }, codes);
      check?.(written);
      await activate(db, cs, codes.names.length, designations);
      await release();
      return written;
    },
  };
}

async function indexStreamed(db: Db, { cs, caseSensitive }: Opened): Promise<void> {
  for (const table of streamed) {
    await db.tx(async (tx) => {
      await unhurried(tx);
      await createIndexes(tx, table, cs, caseSensitive);
    });
  }
}

async function finishHierarchy(db: Db, system: Opened, codes: Codes): Promise<WrittenSystem> {
  const { cs } = system;
  const indexed = indexStreamed(db, system);
  indexed.catch(() => undefined); // awaited below
  const unknown = settle(codes);
  const lineage = lineageOf(codes.names.length, codes.edges, PAIRS_MAX);
  const nameOf = ({ child, parent }: { child: number; parent: number }): ToldEdge => ({
    child: codes.names[child]!,
    parent: codes.names[parent]!,
  });
  await writeWhole(db, 'concept_lineage', system, lineageRows(cs, lineage));
  await writeWhole(db, 'concept_child', system, pairRows(cs, lineage.parents));
  await writeWhole(db, 'concept_closure', system, pairRows(cs, lineage.ancestors));
  await indexed;
  return {
    cs,
    concepts: codes.names.length,
    closure: lineage.descendants.reduce((sum, each) => sum + each, 0),
    unknownParents: told(unknown),
    cyclic: told(lineage.cyclic.map(nameOf)),
  };
}
