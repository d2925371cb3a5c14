// HL7 v2 messages, encoding rules: HL7 v2.9 chapter 2.5 and 2.6
import { type CharsetText, charsetText, declaredIn, wideText } from './charset.ts';
import type { Delimiters, Reading } from './escape.ts';
import { emptyPart, fieldPart, literalPart, type Part } from './part.ts';
import { type Hl7Path, pathOf } from './path.ts';
import { Refusal } from './refusal.ts';
import { wideCharset } from './wide.ts';

export { emptyPart, type Part, subcomponentsAsComponents } from './part.ts';

export interface Segment {
  /** `PID`, `ZX1`; '' for a line without a name. */
  readonly name: string;
  /** The line without its end; one character a byte where the charset allows. */
  readonly raw: string;
  /** CR, LF, CRLF or '' at the end of a message. */
  readonly end: string;
  field(number: number): Part;
}

export interface Hl7Message {
  /** The bytes as they came. */
  readonly raw: Buffer;
  /** WHATWG label. */
  readonly charset: string;
  readonly charsetMismatch: boolean;
  readonly delimiters: Delimiters;
  /** What stands before MSH: a byte order mark or blank lines. */
  readonly prefix: string;
  readonly segments: readonly Segment[];
  /** The `sequence`-th segment of that name (from 1). */
  segment(name: string, sequence?: number): Segment | undefined;
  /** Every segment of that name, in the order of the message. */
  all(name: string): readonly Segment[];
  /** `PID-3[2].4.1`, `OBX[3]-5`, `MSH-10`: un-escaped text, undefined when there is none. Throws RangeError for a path of another form. */
  get(path: string): string | undefined;
  /** As `get`; of a path with `[*]` the first. */
  part(path: string): Part;
  /** All that the path leads to: one where it has no `[*]`; of each repetition or segment of that name where it has. Empty ones too. */
  parts(path: string): Part[];
  /** Puts the bytes together again from what was read: always equal to `raw`. */
  toBuffer(): Buffer;
  /** How its tokens become text, and text and bytes become its tokens. */
  readonly coding: CharsetText;
}

// MSH is a few hundred bytes; where it is longer, MSH-18 still stands near its beginning.
const headerCharactersMax = 4096;

const batch = /^(?:\u00ef\u00bb\u00bf|\ufeff)?[\s\u0000]*[FB]HS[^A-Za-z0-9\s]/;
const header = /^(?:\u00ef\u00bb\u00bf|\ufeff)?[\s\u0000]*MSH/;

/**
 * Reads a message. Segments are found at once, fields and below when asked for. Any bytes that begin with MSH and a
 * field separator are a message; whether its delimiters make sense is told by `delimitersFault`.
 * Throws Refusal AR for anything else.
 */
export function parseMessage(raw: Buffer): Hl7Message {
  const wide = wideCharset(raw);
  const whole = wide === undefined ? undefined : wideText(raw, wide);
  const head = whole?.text.slice(0, headerCharactersMax) ?? raw.toString('latin1', 0, headerCharactersMax);
  const start = header.exec(head)?.[0].length;
  if (start === undefined) {
    const isBatch = batch.test(head);
    const text = isBatch ? 'A batch of messages, where one is asked for' : 'Not an HL7 v2 message';
    throw new Refusal('AR', '100', `${text}: it does not begin with MSH`);
  }
  const separator = head[start];
  if (separator === undefined || separator < ' ') {
    throw new Refusal('AR', '101', 'MSH has no field separator', { location: { segment: 'MSH', field: 1 } });
  }
  const line = lineAt(head, start);
  const delimiters = delimitersOf(separator, line);
  // The line begins at MSH-1: what stands behind the first separator is MSH-2.
  const coding = whole ?? charsetText(raw, declaredIn(`MSH${line}`, separator, delimiters.repetition));
  return build(raw, start - 3, delimiters, coding);
}

/** undefined: the bytes are no HL7. */
export function tryParse(raw: Buffer): Hl7Message | undefined {
  try {
    return parseMessage(raw);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

function lineAt(head: string, start: number): string {
  const end = head.slice(start).search(/[\r\n]/);
  return end < 0 ? head.slice(start) : head.slice(start, start + end);
}

/** Of MSH, BHS or FHS; `line` begins with the separator, behind the name. */
export function delimitersOf(separator: string, line: string): Delimiters {
  const end = line.indexOf(separator, 1);
  const encoding = end < 0 ? line.slice(1) : line.slice(1, end);
  return {
    field: separator,
    component: encoding[0] ?? '',
    repetition: encoding[1] ?? '',
    escape: encoding[2] ?? '',
    subcomponent: encoding[3] ?? '',
    truncation: encoding[4] ?? '',
  };
}

/** What is wrong with MSH-1 and MSH-2, if anything: too few, equal to each other, or letters and digits. */
export function delimitersFault(delimiters: Delimiters): string | undefined {
  const all = Object.values(delimiters).filter((character) => character !== '');
  if (delimiters.component === '') return 'MSH-2 has no encoding characters';
  if (new Set(all).size !== all.length) return 'MSH-1 and MSH-2 do not name different delimiters';
  if (all.some((character) => /[A-Za-z0-9\s"]/.test(character)))
    return 'MSH-1 or MSH-2 is a letter, digit, quote or space';
  return undefined;
}

function build(raw: Buffer, start: number, delimiters: Delimiters, coding: CharsetText): Hl7Message {
  const reading: Reading = { delimiters, decode: coding.decode, fromBytes: coding.fromBytes };
  const prefix = coding.text.slice(0, start);
  const segments = segmentsOf(coding.text, start, reading);
  let byName: Map<string, Segment[]> | undefined;
  const all = (name: string): readonly Segment[] => {
    byName ??= Map.groupBy(segments, (segment) => segment.name);
    return byName.get(name) ?? [];
  };
  const message: Hl7Message = {
    raw,
    charset: coding.charset,
    charsetMismatch: coding.mismatch,
    delimiters,
    prefix,
    segments,
    all,
    segment: (name, sequence = 1) => all(name)[sequence - 1],
    get: (path) => message.part(path).text,
    part: (path) => partAt(pathOf(path), all),
    parts: (path) => partsAt(pathOf(path), all),
    toBuffer() {
      const bytes = coding.toBytes(prefix + segments.map((segment) => segment.raw + segment.end).join(''));
      return coding.tail.length === 0 ? bytes : Buffer.concat([bytes, coding.tail]);
    },
    coding,
  };
  return message;
}

/**
 * A message of 16 MiB could have as many segments, each at least an object, an OBX a resource. Past this the rest stands
 * as one last segment, so that such a message can be refused by its header.
 */
export const segmentsMax = 10_000;

/** No segment of HL7 has 200; later ones can't be asked for. */
const fieldsMax = 1000;

function segmentsOf(text: string, start: number, reading: Reading): Segment[] {
  const segments: Segment[] = [];
  let position = start;
  let return_ = text.indexOf('\r', start);
  let feed = text.indexOf('\n', start);
  while (position < text.length && segments.length < segmentsMax) {
    // Each is looked for again only when it has been passed: a message of one kind is searched for the other once.
    if (return_ >= 0 && return_ < position) return_ = text.indexOf('\r', position);
    if (feed >= 0 && feed < position) feed = text.indexOf('\n', position);
    const isReturn = return_ >= 0 && (feed < 0 || return_ < feed);
    const lineEnd = isReturn ? return_ : feed < 0 ? text.length : feed;
    const end = isReturn ? (feed === lineEnd + 1 ? '\r\n' : '\r') : feed < 0 ? '' : '\n';
    segments.push(new LineSegment(text.slice(position, lineEnd), end, reading));
    position = lineEnd + end.length;
  }
  if (position < text.length) segments.push(new LineSegment(text.slice(position), '', reading));
  return segments;
}

/** The fields of these three count one further: the first is the separator itself. */
export function hasDelimiters(segmentName: string): boolean {
  return segmentName === 'MSH' || segmentName === 'BHS' || segmentName === 'FHS';
}

// A class for speed, as parts are: 10 closures a message were a third of the time that tokenising takes.
class LineSegment implements Segment {
  readonly name: string;
  readonly raw: string;
  readonly end: string;
  readonly #reading: Reading;
  #fields: string[] | undefined;

  constructor(raw: string, end: string, reading: Reading) {
    const nameEnd = raw.indexOf(reading.delimiters.field);
    this.name = nameEnd < 0 ? raw.trim() : raw.slice(0, nameEnd);
    this.raw = raw;
    this.end = end;
    this.#reading = reading;
  }

  field(number: number): Part {
    const { delimiters } = this.#reading;
    this.#fields ??= this.raw.split(delimiters.field, fieldsMax);
    if (!hasDelimiters(this.name)) return fieldPart(this.#fields[number] ?? '', this.#reading);
    if (number === 1) return literalPart(delimiters.field);
    const token = this.#fields[number - 1] ?? '';
    return number === 2 ? literalPart(token) : fieldPart(token, this.#reading);
  }
}

function partAt(path: Hl7Path, all: (name: string) => readonly Segment[]): Part {
  const segment = all(path.segment)[path.sequence === '*' ? 0 : path.sequence - 1];
  if (segment === undefined || path.field === undefined) return emptyPart;
  const field = segment.field(path.field);
  const { repetition } = path;
  return below(repetition === undefined ? field : field.repetition(repetition === '*' ? 1 : repetition), path);
}

function partsAt(path: Hl7Path, all: (name: string) => readonly Segment[]): Part[] {
  if (path.sequence !== '*' && path.repetition !== '*') return [partAt(path, all)];
  const segments =
    path.sequence === '*' ? all(path.segment) : all(path.segment).slice(path.sequence - 1, path.sequence);
  return segments.flatMap((segment) => {
    const field = path.field === undefined ? emptyPart : segment.field(path.field);
    if (path.repetition === '*') return field.repetitions().map((part) => below(part, path));
    return [below(path.repetition === undefined ? field : field.repetition(path.repetition), path)];
  });
}

function below(part: Part, { component, subcomponent }: Hl7Path): Part {
  if (component === undefined) return part;
  const within = part.component(component);
  return subcomponent === undefined ? within : within.subcomponent(subcomponent);
}
