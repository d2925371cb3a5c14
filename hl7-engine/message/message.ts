// HL7 v2 messages, encoding rules: HL7 v2.9 chapter 2.5 and 2.6
import { charsetText } from './charset.ts';
import { type Delimiters, unescapeText } from './escape.ts';
import { Refusal } from './refusal.ts';

/**
 * A field, repetition, component or subcomponent. Numbers count from 1; what is not there is an empty part, never an
 * error. `text` is that of the first leaf (a field that a later version split into components still reads the same),
 * un-escaped, trimmed and without control characters; undefined when empty or `""`.
 */
export interface Part {
  /** As it stands in the message, escapes and all; one character a byte where the charset allows (see charset.ts). */
  readonly raw: string;
  readonly text: string | undefined;
  /** All of it un-escaped, untrimmed, delimiters as they stand; undefined when empty or `""`. */
  readonly whole: string | undefined;
  /** `""`: the sender says that there is no value. */
  readonly isNull: boolean;
  /** Has neither text nor `""` anywhere. */
  readonly isEmpty: boolean;
  component(number: number): Part;
  subcomponent(number: number): Part;
  /** All repetitions of a field, empty ones between others too; none when the field is empty. Throws Refusal AE for more than 10,000. */
  repetitions(): Part[];
  /** Also an empty part when there is no such repetition. */
  repetition(number: number): Part;
}

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
  /** `PID-3[2].4.1`, `OBX[3]-5`, `MSH-10`: un-escaped text, undefined when there is none. Throws RangeError for a path of another form. */
  get(path: string): string | undefined;
  part(path: string): Part;
  /** Puts the bytes together again from what was read: always equal to `raw`. */
  toBuffer(): Buffer;
}

interface Reading {
  delimiters: Delimiters;
  decode(token: string): string;
}

// MSH is a few hundred bytes; where it is longer, MSH-18 still stands near its beginning.
const headerBytesMax = 4096;

const header = /^(?:\u00ef\u00bb\u00bf|\ufeff)?[\s\u0000]*MSH/;

/**
 * Reads a message. Segments are found at once, fields and below when asked for. Any bytes that begin with MSH and a
 * field separator are a message; whether its delimiters make sense is told by `delimitersFault`.
 * Throws Refusal AR for anything else.
 */
export function parseMessage(raw: Buffer): Hl7Message {
  const head = raw.toString('latin1', 0, headerBytesMax);
  const prefix = header.exec(head)?.[0].slice(0, -3);
  if (prefix === undefined) throw new Refusal('AR', '100', 'Not an HL7 v2 message: it does not begin with MSH');
  const start = prefix.length;
  const separator = head[start + 3];
  if (separator === undefined || separator < ' ') {
    throw new Refusal('AR', '101', 'MSH has no field separator', { location: { segment: 'MSH', field: 1 } });
  }
  const lineEnd = head.slice(start).search(/[\r\n]/);
  const line = lineEnd < 0 ? head.slice(start) : head.slice(start, start + lineEnd);
  const fields = line.split(separator);
  const delimiters = delimitersOf(separator, fields[1] ?? '');
  const declared = (fields[17] ?? '').split(delimiters.repetition || '~')[0] ?? '';
  return build(raw, prefix, delimiters, charsetText(raw, declared));
}

function delimitersOf(field: string, encoding: string): Delimiters {
  return {
    field,
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

function build(
  raw: Buffer,
  prefix: string,
  delimiters: Delimiters,
  source: ReturnType<typeof charsetText>,
): Hl7Message {
  const reading: Reading = { delimiters, decode: source.decode };
  // Text decoded as a whole has another prefix length than the bytes (a byte order mark is dropped).
  const prefixText = source.text.slice(0, source.text.indexOf('MSH'));
  const segments = segmentsOf(source.text, prefixText.length, reading);
  const find = (name: string, sequence = 1): Segment | undefined => {
    let seen = 0;
    for (const segment of segments) if (segment.name === name && ++seen === sequence) return segment;
    return undefined;
  };
  const message: Hl7Message = {
    raw,
    charset: source.charset,
    charsetMismatch: source.mismatch,
    delimiters,
    prefix,
    segments,
    segment: find,
    get: (path) => message.part(path).text,
    part: (path) => partAt(path, find),
    toBuffer: () =>
      source.text.length === raw.length
        ? Buffer.from(prefixText + segments.map((segment) => segment.raw + segment.end).join(''), 'latin1')
        : raw,
  };
  return message;
}

function segmentsOf(text: string, start: number, reading: Reading): Segment[] {
  const segments: Segment[] = [];
  const ends = /\r\n|\r|\n/g;
  let position = start;
  while (position < text.length && segments.length < segmentsMax) {
    ends.lastIndex = position;
    const match = ends.exec(text);
    const lineEnd = match?.index ?? text.length;
    segments.push(segmentOf(text.slice(position, lineEnd), match?.[0] ?? '', reading));
    position = lineEnd + (match?.[0].length ?? 0);
  }
  if (position < text.length) segments.push(segmentOf(text.slice(position), '', reading));
  return segments;
}

function segmentOf(raw: string, end: string, reading: Reading): Segment {
  const nameEnd = raw.indexOf(reading.delimiters.field);
  const name = nameEnd < 0 ? raw.trim() : raw.slice(0, nameEnd);
  let fields: string[] | undefined;
  // MSH-1 is the separator itself, so the fields of these three count one further.
  const shift = name === 'MSH' || name === 'BHS' || name === 'FHS' ? 1 : 0;
  return {
    name,
    raw,
    end,
    field(number) {
      if (shift === 1 && number <= 2)
        return literal(number === 1 ? reading.delimiters.field : msh2(raw, nameEnd, reading));
      fields ??= raw.split(reading.delimiters.field, fieldsMax);
      return partOf(fields[number - shift] ?? '', 0, reading);
    },
  };
}

function msh2(raw: string, nameEnd: number, reading: Reading): string {
  return raw.slice(nameEnd + 1).split(reading.delimiters.field)[0] ?? '';
}

function literal(raw: string): Part {
  const part: Part = {
    raw,
    text: raw || undefined,
    whole: raw || undefined,
    isNull: false,
    isEmpty: raw === '',
    component: () => part,
    subcomponent: () => part,
    repetitions: () => [part],
    repetition: () => part,
  };
  return part;
}

/**
 * A message of 16 MiB could have as many segments, each at least an object, an OBX a resource. Past this the rest stands
 * as one last segment, so that such a message can be refused by its header.
 */
export const segmentsMax = 10_000;

/** No segment of HL7 has 200; later ones can't be asked for. */
const fieldsMax = 1000;

/** Each becomes an object or more: bounds what a field of megabytes can make of itself. */
const repetitionsMax = 10_000;

// FHIR's string allows none of these, PostgreSQL's text no NUL.
const controls = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/** What separates the parts of a field, of a repetition, of a component. */
const separators: readonly (keyof Delimiters)[] = ['repetition', 'component', 'subcomponent'];

/** `level`: how deep the part is; 0 a field, 1 a repetition, 2 a component, 3 a subcomponent. */
function partOf(raw: string, level: 0 | 1 | 2 | 3, reading: Reading): Part {
  return raw === '' ? emptyPart : new TokenPart(raw, level, reading);
}

// A class for speed: one hidden shape, getters on the prototype (a closure a part made mapping 1.6 times slower).
class TokenPart implements Part {
  readonly raw: string;
  readonly #level: 0 | 1 | 2 | 3;
  readonly #reading: Reading;

  constructor(raw: string, level: 0 | 1 | 2 | 3, reading: Reading) {
    this.raw = raw;
    this.#level = level;
    this.#reading = reading;
  }

  get text(): string | undefined {
    const leaf = this.#leaf();
    if (leaf === '' || leaf === '""') return undefined;
    return this.#plain(leaf).replaceAll(controls, '').trim() || undefined;
  }

  get whole(): string | undefined {
    return this.isNull || this.isEmpty ? undefined : this.#plain(this.raw);
  }

  get isNull(): boolean {
    return this.raw === '""';
  }

  get isEmpty(): boolean {
    const { component, repetition, subcomponent } = this.#reading.delimiters;
    for (const character of this.raw) {
      if (character !== component && character !== repetition && character !== subcomponent) return false;
    }
    return true;
  }

  component(number: number): Part {
    return this.#child(2, number);
  }

  subcomponent(number: number): Part {
    return this.#child(3, number);
  }

  repetition(number: number): Part {
    return this.#child(1, number);
  }

  repetitions(): Part[] {
    if (this.isEmpty) return [];
    const tokens =
      this.#level === 0 ? split(this.raw, this.#reading.delimiters.repetition, repetitionsMax + 1) : [this.raw];
    if (tokens.length > repetitionsMax) {
      throw new Refusal('AE', '207', `A field repeats more than ${repetitionsMax} times`);
    }
    return tokens.map((token) => partOf(token, 1, this.#reading));
  }

  #plain(token: string): string {
    return unescapeText(this.#reading.decode(token), this.#reading.delimiters, this.#reading.decode);
  }

  #leaf(): string {
    let token = this.raw;
    for (let level = this.#level; level < 3; level++) {
      const end = token.indexOf(this.#reading.delimiters[separators[level]!] || '\r');
      if (end >= 0) token = token.slice(0, end);
    }
    return token;
  }

  /** The `number`-th part of `level`, by way of the first parts of the levels between. */
  #child(level: 1 | 2 | 3, number: number): Part {
    let token = this.raw;
    for (let between = this.#level; between < level; between++) {
      const index = between === level - 1 ? number - 1 : 0;
      token = nth(token, this.#reading.delimiters[separators[between]!], index);
    }
    return partOf(this.#level >= level && number !== 1 ? '' : token, level, this.#reading);
  }
}

function split(token: string, delimiter: string, countMax: number): string[] {
  return delimiter === '' ? [token] : token.split(delimiter, countMax);
}

function nth(token: string, delimiter: string, index: number): string {
  if (delimiter === '') return index === 0 ? token : '';
  let start = 0;
  for (let skipped = 0; skipped < index; skipped++) {
    const next = token.indexOf(delimiter, start);
    if (next < 0) return '';
    start = next + delimiter.length;
  }
  const end = token.indexOf(delimiter, start);
  return end < 0 ? token.slice(start) : token.slice(start, end);
}

/** A component of type CWE, XCN … within a larger type: its subcomponents are what that type calls components. */
export function subcomponentsAsComponents(component: Part): Part {
  const { raw, text, whole, isNull, isEmpty } = component;
  const view: Part = {
    raw,
    text,
    whole,
    isNull,
    isEmpty,
    component: (number) => component.subcomponent(number),
    subcomponent: (number) => (number === 1 ? component.subcomponent(1) : emptyPart),
    repetitions: () => (isEmpty ? [] : [view]),
    repetition: (number) => (number === 1 ? view : emptyPart),
  };
  return view;
}

/** What stands where nothing was sent. */
export const emptyPart: Part = {
  raw: '',
  text: undefined,
  whole: undefined,
  isNull: false,
  isEmpty: true,
  component: () => emptyPart,
  subcomponent: () => emptyPart,
  repetitions: () => [],
  repetition: () => emptyPart,
};

const pathForm = /^([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?-(\d+)(?:\[(\d+)\])?(?:\.(\d+)(?:\.(\d+))?)?$/;

function partAt(path: string, find: (name: string, sequence: number) => Segment | undefined): Part {
  const match = pathForm.exec(path);
  if (!match) throw new RangeError(`Not an HL7 path: ${path}`);
  const [, name = '', sequence = '1', field = '1', repetition, component, subcomponent] = match;
  let part = find(name, Number(sequence))?.field(Number(field)) ?? emptyPart;
  if (repetition !== undefined) part = part.repetition(Number(repetition));
  if (component !== undefined) part = part.component(Number(component));
  if (subcomponent !== undefined) part = part.subcomponent(Number(subcomponent));
  return part;
}
