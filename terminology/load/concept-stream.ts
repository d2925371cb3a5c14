// A CodeSystem in JSON of any size, concept by concept: https://hl7.org/fhir/R4/codesystem.html. What is held at a time is one
// concept without those within it.
import { isUtf8 } from 'node:buffer';
import { type JsonObject, parseJson } from '#fhir-model';
import { CerebraError } from '#platform';
import type { ReleaseFile } from './release.ts';

export interface ConceptEvents {
  /** A member of the resource other than `concept`, as it stands: `"url":"http://…"`. */
  member(json: string): void;
  /**
   * A concept, each before those within it. `within`: number of the one that it is in; numbers count from 0 as concepts come.
   * Without this they are only counted, which takes a quarter of the time.
   */
  concept?(element: JsonObject, within: number | undefined): void;
  /** A concept has members behind those within it: too late for what was told. */
  late(): void;
}

/** Of one member that is no concept: narratives may be long. */
const MEMBER_BYTES_MAX = 64 * 1024 * 1024;
const DEPTH_MAX = 1_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

const CONCEPT_NAME = '"concept"';
const conceptKey = Buffer.from(CONCEPT_NAME);
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** Where the string that begins at `at` ends; -1: beyond the buffer. */
function stringEnd(bytes: Buffer, at: number): number {
  for (let quote = bytes.indexOf(QUOTE, at + 1); quote !== -1; quote = bytes.indexOf(QUOTE, quote + 1)) {
    let slashes = 0;
    while (bytes[quote - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
  return -1;
}

/** Where the value that begins at `at` ends; -1: beyond `to`. Brackets are counted, not told apart: JSON.parse does that. */
function valueEnd(bytes: Buffer, at: number, to: number): number {
  let depth = 0;
  for (let i = at; i < to; ) {
    const byte = bytes[i]!;
    if (byte === QUOTE) {
      i = stringEnd(bytes, i);
      if (i === -1) return -1;
      if (depth === 0) return i;
      continue;
    }
    if (byte === OPEN || byte === OPEN_ARRAY) depth++;
    else if (byte === CLOSE || byte === CLOSE_ARRAY) {
      // The bracket around a number or a word.
      if (depth === 0) return i;
      if (--depth === 0) return i + 1;
    } else if (depth === 0 && (byte === COMMA || isSpace(byte))) return i;
    i++;
  }
  return -1;
}

/** An object whose members are being read: the resource, or a concept. */
interface Frame {
  /** The list of concepts in it is open. */
  inList: boolean;
  /** Members, as JSON text, until the concept is told. */
  members: string[];
  /** Once it is told. */
  number: number | undefined;
  /** What came last in the object, and in the list within it. */
  last: Last;
  lastInList: Last;
}

type Last = 'start' | 'item' | 'comma';

/** Takes the file piece by piece: what is not yet whole waits for the next one. */
class Reader {
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  /** Bytes of the file before `bytes`. */
  private before = 0;
  private count = 0;
  private isDone = false;
  private readonly frames: Frame[] = [];
  /** Where the next nested list may begin in `bytes`; -1: nowhere. */
  private nestedAt = -1;
  private readonly events: ConceptEvents;
  private readonly name: string;

  constructor(events: ConceptEvents, name: string) {
    this.events = events;
    this.name = name;
  }

  push(piece: Buffer): void {
    this.before += this.at;
    this.bytes = this.at === this.bytes.length ? piece : Buffer.concat([this.bytes.subarray(this.at), piece]);
    this.at = this.before === 0 && this.bytes.subarray(0, 3).equals(byteOrderMark) ? 3 : 0;
    this.nestedAt = this.bytes.indexOf(conceptKey);
    while (!this.isDone && this.step());
    if (this.isDone && this.skip()) this.fail('something follows the resource');
  }

  /** Nothing more comes. Yields the number of concepts. */
  end(): number {
    if (!this.isDone) this.fail('the file ends too early');
    return this.count;
  }

  private fail(what: string): never {
    throw new CerebraError('invalid-json', `${this.name}: at byte ${this.before + this.at + 1}: ${what}`);
  }

  /** False: more bytes are needed. */
  private step(): boolean {
    const frame = this.frames.at(-1);
    if (!frame) return this.begin();
    return frame.inList ? this.inList(frame) : this.inObject(frame);
  }

  private skip(): boolean {
    this.at = this.spaceEnd(this.at);
    return this.at < this.bytes.length;
  }

  /** Up to the next item or the end of them, with one comma in front of what is not the first. False: more bytes are needed. */
  private next(frame: Frame, last: 'last' | 'lastInList', close: number): boolean {
    if (!this.skip()) return false;
    if (this.bytes[this.at] === close) {
      if (frame[last] === 'comma') this.fail('nothing follows the comma');
      return true;
    }
    if (frame[last] !== 'item') return true;
    if (this.bytes[this.at] !== COMMA) this.fail('expected a comma');
    this.at++;
    frame[last] = 'comma';
    return this.next(frame, last, close);
  }

  private spaceEnd(from: number): number {
    let at = from;
    while (at < this.bytes.length && isSpace(this.bytes[at]!)) at++;
    return at;
  }

  private text(from: number, to: number): string {
    const part = this.bytes.subarray(from, to);
    if (!isUtf8(part)) this.fail('not UTF-8');
    return part.toString('utf8');
  }

  private parse(json: string): JsonObject {
    try {
      return parseJson(json).exact as JsonObject;
    } catch (error) {
      return this.fail((error as Error).message);
    }
  }

  private concept(json: () => string, within: number | undefined): number {
    if (!this.events.concept) return this.count++;
    const element = this.parse(json());
    // Only with escapes in its name can a list within be overlooked.
    if (element.concept !== undefined) this.fail('`concept` is written with escapes');
    this.events.concept(element, within);
    return this.count++;
  }

  private open(): void {
    if (this.frames.length > DEPTH_MAX) this.fail(`concepts are nested deeper than ${DEPTH_MAX}`);
    this.frames.push({ inList: false, members: [], number: undefined, last: 'start', lastInList: 'start' });
    this.at++;
  }

  private begin(): boolean {
    if (!this.skip()) return false;
    if (this.bytes[this.at] !== OPEN) this.fail('expected a resource');
    this.open();
    return true;
  }

  /** What is read so far of the concept of this frame, which is the last one. */
  private tell(frame: Frame): void {
    if (frame.number !== undefined || this.frames.length === 1) return;
    frame.number = this.concept(() => `{${frame.members.join(',')}}`, this.frames.at(-2)!.number);
    frame.members = [];
  }

  /** A concept that is whole at hand and has none within it. */
  private wholeConcept(within: number | undefined): boolean {
    if (this.nestedAt !== -1 && this.nestedAt < this.at) this.nestedAt = this.bytes.indexOf(conceptKey, this.at);
    const to = this.nestedAt === -1 ? this.bytes.length : this.nestedAt;
    const end = valueEnd(this.bytes, this.at, to);
    if (end === -1) return false;
    this.concept(() => this.text(this.at, end), within);
    this.at = end;
    return true;
  }

  private inList(frame: Frame): boolean {
    if (!this.next(frame, 'lastInList', CLOSE_ARRAY)) return false;
    const byte = this.bytes[this.at];
    if (byte === CLOSE_ARRAY) {
      frame.inList = false;
      frame.lastInList = 'start';
      this.at++;
      return true;
    }
    if (byte !== OPEN) this.fail('expected a concept');
    if (this.wholeConcept(frame.number)) {
      frame.lastInList = 'item';
      return true;
    }
    // Cut off here: with more bytes it may turn out to be whole.
    if (this.nestedAt === -1 && this.bytes.length - this.at < MEMBER_BYTES_MAX) return false;
    this.open();
    return true;
  }

  private tooFew(): false {
    if (this.bytes.length - this.at > MEMBER_BYTES_MAX) this.fail(`a member is longer than ${MEMBER_BYTES_MAX} bytes`);
    return false;
  }

  private inObject(frame: Frame): boolean {
    if (!this.next(frame, 'last', CLOSE)) return false;
    if (this.bytes[this.at] === CLOSE) {
      this.at++;
      this.tell(frame);
      this.frames.pop();
      const above = this.frames.at(-1);
      if (above) above.lastInList = 'item';
      this.isDone = !above;
      return true;
    }
    if (this.bytes[this.at] !== QUOTE) this.fail('expected the name of a member');
    const keyEnd = stringEnd(this.bytes, this.at);
    return keyEnd === -1 ? this.tooFew() : this.member(frame, keyEnd);
  }

  private member(frame: Frame, keyEnd: number): boolean {
    const colon = this.spaceEnd(keyEnd);
    if (colon < this.bytes.length && this.bytes[colon] !== COLON) this.fail('expected a colon behind the name');
    const from = this.spaceEnd(colon + 1);
    if (from >= this.bytes.length) return false;
    const name = this.text(this.at, keyEnd);
    if (name === CONCEPT_NAME && this.bytes[from] === OPEN_ARRAY) {
      this.tell(frame);
      frame.inList = true;
      frame.last = 'item';
      this.at = from + 1;
      return true;
    }
    const end = valueEnd(this.bytes, from, this.bytes.length);
    if (end === -1) return this.tooFew();
    const json = `${name}:${this.text(from, end)}`;
    if (this.frames.length === 1) this.events.member(json);
    else if (frame.number === undefined) frame.members.push(json);
    else this.events.late();
    frame.last = 'item';
    this.at = end;
    return true;
  }
}

/**
 * Yields how many concepts there are. Throws `invalid-json`, with the place, for what is no JSON object. Waits for `between`
 * now and then.
 */
export async function streamConcepts(
  file: ReleaseFile,
  events: ConceptEvents,
  between: () => Promise<void>,
): Promise<number> {
  const reader = new Reader(events, file.name);
  for await (const piece of file.read()) {
    reader.push(piece);
    await between();
  }
  return reader.end();
}
