// Writing a code system into the tables: rows are copied while they come, indexed when they are complete, and only then
// visible. https://hl7.org/fhir/R4/codesystem.html
import { type Resource, wordsOf } from '#fhir-model';
import { CerebraError, createRowText, type Db, field, type RowText } from '#platform';
import { addCode, addParent, createCodes, numberOf } from './system-codes.ts';
import {
  activate,
  createTableSql,
  holdSystem,
  insertSystem,
  nextSystem,
  removeSystem,
  unhurried,
} from './system-tables.ts';
import { tableOf } from './tables.ts';
import {
  type Mark,
  newProgress,
  noteProgress,
  type Progress,
  removeUnfinished,
  type Streamed,
  streamed,
  takeUp,
} from './unfinished.ts';
import { DRAIN_BYTES, finishHierarchy, type WrittenSystem } from './write-hierarchy.ts';

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

/** All but `drain`, `finish`, `leave` and `abandon` only take note; call `drain` now and then. */
export interface SystemWriter {
  readonly cs: number;
  /** How many concepts were committed when a load that broke off was taken up; they are told once more and passed over. */
  readonly present: number;
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
  /** Writes what has gathered, for whoever goes on with it. Without a mark nobody does, and it is cleared up. */
  leave(): Promise<void>;
}

/** PostgreSQL's tsvector counts positions, which weights hang on, up to 16,383; a text has 1 MB at most. */
const WORDS_MAX = 16_000;
const GROUP_MAX = 32_767;

const columns: Record<Streamed, string> = {
  concept: 'cs, n, abstract, inactive, code, display, definition, status, words',
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

/** Rows on their way into one table. */
interface Stream {
  table: Streamed;
  text: RowText;
  /** How many were told. */
  count: number;
  /** The first so many are committed. */
  present: number;
}

/** Counts one more row; whether it is to be written. */
const isNew = (stream: Stream): boolean => stream.count++ >= stream.present;

const changed = (): CerebraError =>
  new CerebraError(
    'invalid',
    'the release is read otherwise than by the load that it goes on with: that is removed, load it once more',
  );

/** Where a system is written: its number, its hold, and how far it is. */
interface Place {
  cs: number;
  release(): Promise<void>;
  /** Undefined for one that can't be gone on with. */
  progress: Progress | undefined;
}

async function openNew(db: Db, system: NewSystem, mark: Mark | undefined): Promise<Place> {
  const progress = mark === undefined ? undefined : newProgress(mark);
  // Of another file, or of another version of the program: nobody goes on with it.
  if (mark !== undefined) await removeUnfinished(db, system, mark);
  const cs = await nextSystem(db);
  const release = (await holdSystem(db, cs))!; // a number that nobody else has
  try {
    await db.tx(async (tx) => {
      await insertSystem(tx, cs, system, progress);
      for (const table of streamed) await tx.query({ text: createTableSql(table, cs) });
    });
  } catch (error) {
    await release();
    throw error;
  }
  return { cs, release, progress };
}

/** Writes what is gathered while more is: one lot on its way at a time. */
function createSender(db: Db, { cs, progress }: Place) {
  const streams = streamed.map(
    (table): Stream => ({ table, text: createRowText(), count: 0, present: progress?.rows[table] ?? 0 }),
  );
  let sent: Promise<void> = Promise.resolve();
  const send = async (lots: { table: Streamed; bytes: Uint8Array }[], noted: Progress | undefined): Promise<void> => {
    await db.tx(async (tx) => {
      await unhurried(tx);
      if (noted) await noteProgress(tx, cs, noted);
      for (const { table, bytes } of lots) {
        await tx.copy(`copy ${tableOf(table, cs)} (${columns[table]}) from stdin`, [bytes]);
      }
    });
  };
  /** `lastCode`: of the concepts told so far. */
  const progressNow = (lastCode: string): Progress | undefined =>
    progress && {
      ...progress,
      lastCode,
      rows: Object.fromEntries(streams.map(({ table, count }) => [table, count])) as Progress['rows'],
    };
  return {
    streams,
    async drain(now: boolean, lastCode: string): Promise<void> {
      const bytes = streams.reduce((sum, { text }) => sum + text.length, 0);
      if (bytes >= DRAIN_BYTES || (now && bytes > 0)) {
        await sent;
        const lots = streams
          .map(({ table, text }) => ({ table, bytes: text.take() }))
          .filter((lot) => lot.bytes.length > 0);
        for (const { text } of streams) text.clear();
        sent = send(lots, progressNow(lastCode));
        sent.catch(() => undefined); // told by the next drain
      }
      if (now) await sent;
    },
  };
}

function conceptRow(cs: number, n: number, row: ConceptRow): string {
  const words = `${wordVector(row.display, 'A')} ${wordVector(row.code, 'B')}`;
  return (
    `${cs}\t${n}\t${flag(row.abstract)}\t${flag(row.inactive)}\t${required(row.code)}\t${optional(row.display)}\t` +
    `${optional(row.definition)}\t${optional(row.status)}\t${words}\n`
  );
}

function designationRow(cs: number, n: number, row: DesignationRow): string {
  const { language, useSystem, useCode, useDisplay, value } = row;
  return (
    `${cs}\t${n}\t${optional(language)}\t${optional(useSystem)}\t${optional(useCode)}\t${optional(useDisplay)}\t` +
    `${required(value)}\t${wordVector(value)}\n`
  );
}

function propertyRow(cs: number, n: number, { code, type, value, system, display, group = 0 }: PropertyRow): string {
  const [grp, texts] = [Math.min(group, GROUP_MAX), `${required(code)}\t${required(value)}`];
  return `${cs}\t${n}\t${grp}\t${type}\t${texts}\t${optional(system)}\t${optional(display)}\n`;
}

/**
 * Begins a system that nobody sees until `finish`; with a mark, goes on with one that broke off and has the same. The mark
 * says that the same calls come in the same order. What is committed already is passed over; `invalid` where it differs.
 */
export async function writeSystem(db: Db, system: NewSystem, mark?: Mark): Promise<SystemWriter> {
  const { caseSensitive } = system;
  const place: Place = (mark !== undefined && (await takeUp(db, system, mark))) || (await openNew(db, system, mark));
  const { cs, release, progress } = place;
  const opened = { cs, caseSensitive, attempt: progress?.attempt };
  const sender = createSender(db, place);
  const [concept, designation, property] = sender.streams as [Stream, Stream, Stream];
  const codes = createCodes(caseSensitive);
  const lastCode = (): string => codes.names.at(-1) ?? '';
  const abandon = async (): Promise<void> => {
    await release();
    await removeSystem(db, cs);
  };
  return {
    cs,
    present: concept.present,
    drain: () => sender.drain(false, lastCode()),
    numberOf: (code) => numberOf(codes, code),
    add(row) {
      const n = addCode(codes, row.code);
      if (n === undefined) return undefined;
      if (isNew(concept)) concept.text.write(conceptRow(cs, n, row));
      else if (n === concept.present - 1 && row.code !== progress?.lastCode) throw changed();
      return n;
    },
    parent: (n, parent) => addParent(codes, n, parent),
    designation(n, row) {
      if (isNew(designation)) designation.text.write(designationRow(cs, n, row));
    },
    property(n, row) {
      if (isNew(property)) property.text.write(propertyRow(cs, n, row));
    },
    async finish(check) {
      if (sender.streams.some(({ count, present }) => count < present)) throw changed();
      await sender.drain(true, lastCode());
      const written = await finishHierarchy(db, opened, codes);
      check?.(written);
      await activate(db, opened, codes.names.length, designation.count);
      await release();
      return written;
    },
    abandon,
    async leave() {
      if (sender.streams.every(({ count, present }) => count + present === 0)) return abandon();
      // Where it can't be written now, the next load has that much more to do.
      await sender.drain(true, lastCode()).catch(() => undefined);
      await release();
    },
  };
}
