// Lines of text files, whatever their encoding and line ends, in bounded memory.
import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import type { Faults } from './faults.ts';
import type { ReleaseFile } from './release.ts';

/** SNOMED CT's longest lines have 5 kB, RxNorm's 12 kB. */
export const LINE_BYTES_MAX = 1024 * 1024;

/** Lines that follow each other. */
export interface Lines {
  /** Number of the first, from 1. */
  from: number;
  texts: string[];
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const utf8Mark = Buffer.from([0xef, 0xbb, 0xbf]);

/** Windows' characters stand where ISO 8859-1 has control characters, so that this reads both. */
const western = new TextDecoder('windows-1252');

function wideEncoding(start: Buffer): 'utf-16le' | 'utf-16be' | undefined {
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le';
  return start[0] === 0xfe && start[1] === 0xff ? 'utf-16be' : undefined;
}

/** The content without its byte order mark, UTF-16 as UTF-8. */
async function* plain(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let decoder: TextDecoder | undefined;
  let start: Buffer | undefined = Buffer.alloc(0);
  for await (let piece of content) {
    if (start) {
      start = Buffer.concat([start, piece]);
      if (start.length < 3) continue;
      const wide = wideEncoding(start);
      if (wide) decoder = new TextDecoder(wide);
      piece = start.indexOf(utf8Mark) === 0 ? start.subarray(3) : start;
      start = undefined;
    }
    yield decoder ? Buffer.from(decoder.decode(piece, { stream: true })) : piece;
  }
  if (start && start.length > 0) yield start;
  if (decoder) yield Buffer.from(decoder.decode());
}

interface Splitter {
  /** The lines that are complete with this piece; with none, those that are left. */
  take(piece: Buffer | undefined): Lines;
}

/**
 * Files of before 2001 end their lines with carriage returns alone, and the CDC's code lists still did long after. One that
 * is the last byte so far may belong to a line feed: undefined.
 */
function endOf(bytes: Buffer): number | undefined {
  if (bytes.includes(LINE_FEED)) return LINE_FEED;
  const at = bytes.indexOf(CARRIAGE_RETURN);
  return at === -1 || at === bytes.length - 1 ? undefined : CARRIAGE_RETURN;
}

function* pieces(bytes: Buffer, separator: number): Generator<Buffer> {
  for (let from = 0; from <= bytes.length; ) {
    const at = bytes.indexOf(separator, from);
    const to = at === -1 ? bytes.length : at;
    yield bytes.subarray(from, to);
    from = to + 1;
  }
}

function createSplitter(file: string, faults: Faults, lineBytesMax: number): Splitter {
  let rest: Buffer = Buffer.alloc(0);
  let line = 1;
  let end: number | undefined;
  let passing = false;
  let isWesternTold = false;
  const decode = (bytes: Buffer, at: number): string => {
    if (isUtf8(bytes)) return bytes.toString('utf8');
    if (!isWesternTold) faults.note(file, at, 'not UTF-8: lines of this file that are not are read as Windows-1252');
    isWesternTold = true;
    return western.decode(bytes);
  };
  const texts = (bytes: Buffer): string[] => {
    const separator = end ?? LINE_FEED;
    // All at once is ten times as fast as one by one.
    const all = isUtf8(bytes)
      ? bytes.toString('utf8').split(String.fromCharCode(separator))
      : Array.from(pieces(bytes, separator), (each, i) => decode(each, line + i));
    return all.map((text) => (text.endsWith('\r') ? text.slice(0, -1) : text));
  };
  /** A line that is too long is passed over as it comes. */
  const pass = (): void => {
    const at = rest.indexOf(end ?? LINE_FEED);
    if (at === -1) {
      rest = Buffer.alloc(0);
      return;
    }
    rest = rest.subarray(at + 1);
    passing = false;
    line++;
  };
  const give = (bytes: Buffer): Lines => {
    const found = { from: line, texts: texts(bytes) };
    line += found.texts.length;
    return found;
  };
  return {
    take(piece) {
      if (piece) rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
      end ??= endOf(rest);
      if (passing) pass();
      const last = rest.lastIndexOf(end ?? LINE_FEED);
      if (!piece) return rest.length > 0 && !passing ? give(rest) : { from: line, texts: [] };
      const complete = last === -1 ? undefined : rest.subarray(0, last);
      rest = last === -1 ? rest : rest.subarray(last + 1);
      const found = complete === undefined ? { from: line, texts: [] } : give(complete);
      if (rest.length > lineBytesMax) {
        faults.tell(file, line, `the line is longer than ${lineBytesMax} bytes and is left out`);
        passing = true;
        rest = Buffer.alloc(0);
      }
      return found;
    },
  };
}

/** All lines of the file without their ends. A line that is too long is told as a fault and left out. */
export async function* readLines(
  file: ReleaseFile,
  faults: Faults,
  lineBytesMax = LINE_BYTES_MAX,
): AsyncGenerator<Lines> {
  const splitter = createSplitter(file.name, faults, lineBytesMax);
  for await (const piece of plain(file.read())) {
    const found = splitter.take(piece);
    if (found.texts.length > 0) yield found;
  }
  const found = splitter.take(undefined);
  if (found.texts.length > 0) yield found;
}
