// A file's bytes to messages, whatever the chunking: HL7 v2.9 chapter 2.10.3, batches: a line that begins with MSH begins
// a message, FHS, BHS, BTS and FTS stand between them.
import { endBlock, startBlock } from '../mllp/frame.ts';
import { headBytesMax } from '../seams.ts';

export type Piece =
  /** A message, byte for byte. `isOpen`: the file ends within its last segment, or right behind it. */
  | { kind: 'message'; raw: Buffer; isOpen?: boolean }
  /** The beginning of one that is too large. */
  | { kind: 'oversize'; raw: Buffer }
  /** FHS, BHS, BTS, FTS: its line. */
  | { kind: 'envelope'; raw: Buffer };

export interface Splitter {
  push(chunk: Buffer): Piece[];
  /** What stands at the end. */
  end(): Piece[];
}

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
// Some files keep MLLP's block characters, some of DOS their end mark.
const blockCharacters = new Set([startBlock, endBlock, 0x1a]);
/** What a last segment ends with. */
const endings = new Set([carriageReturn, lineFeed, endBlock, 0x1a]);
/**
 * A segment's name with what separates its fields: text that happens to begin with MSH begins no message. A trailer needs no fields.
 */
const beginning = /^(?:(?:(MSH)|FHS|BHS|BTS|FTS)[^\w\s]|(?:BTS|FTS)(?:[\r\n]|$))/;
const beginningLength = 4;
const byteOrderMark = /^\xef\xbb\xbf/;

/** What is no message, before the first MSH, is a piece of its own: whoever gets it says what is wrong with it. */
export function createSplitter(messageBytesMax: number): Splitter {
  const open = createPiece(messageBytesMax);
  let rest: Buffer = Buffer.alloc(0);
  let atLineStart = true;
  let pieces: Piece[] = [];

  const flush = (): void => {
    const piece = open.take();
    if (piece !== undefined) pieces.push(piece);
  };

  /** Looks how the line at `at` begins; yields where its content begins. */
  function begin(chunk: Buffer, at: number): number {
    const byte = chunk[at]!;
    if (byte === lineFeed || byte === carriageReturn) {
      open.addIfOpen(chunk.subarray(at, at + 1));
      return at + 1;
    }
    if (blockCharacters.has(byte)) return at + 1;
    const start = chunk.toString('latin1', at, at + beginningLength);
    if (byteOrderMark.test(start)) return at + 3;
    const found = beginning.exec(start);
    if (found !== null) {
      flush();
      open.begin(found[1] === undefined ? 'envelope' : 'message');
    } else if (!open.isOpen() || open.isEnvelope()) {
      flush();
      open.begin('message');
    }
    atLineStart = false;
    return at;
  }

  function take(chunk: Buffer, isLast: boolean): void {
    const lines = createLineEnds(chunk);
    let at = 0;
    while (at < chunk.length) {
      if (atLineStart) {
        // A name that is cut by the end of the chunk waits for the next one.
        if (!isLast && chunk.length - at < beginningLength) break;
        at = begin(chunk, at);
        continue;
      }
      const end = lines.after(at);
      open.add(chunk.subarray(at, end));
      atLineStart = end < chunk.length || chunk[end - 1] === carriageReturn || chunk[end - 1] === lineFeed;
      at = end;
    }
    rest = chunk.subarray(at);
  }

  return {
    push(chunk) {
      pieces = [];
      take(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), false);
      return pieces;
    },
    end() {
      pieces = [];
      take(rest, true);
      flush();
      const last = pieces.at(-1);
      if (last?.kind === 'message') last.isOpen = !endings.has(last.raw.at(-1)!);
      return pieces;
    },
  };
}

interface LineEnds {
  /** The place behind the first line end at or after `at`, else the end of the chunk. */
  after(at: number): number;
}

/** Remembers the next of each kind: looking for a line feed from each carriage return on would read the chunk once a line. */
function createLineEnds(chunk: Buffer): LineEnds {
  const next = new Map([carriageReturn, lineFeed].map((byte) => [byte, -1]));
  const find = (byte: number, at: number): number => {
    let found = next.get(byte)!;
    if (found < at) {
      found = chunk.indexOf(byte, at);
      if (found < 0) found = chunk.length;
      next.set(byte, found);
    }
    return found;
  };
  return {
    after: (at) => Math.min(chunk.length, Math.min(find(carriageReturn, at), find(lineFeed, at)) + 1),
  };
}

interface OpenPiece {
  begin(kind: 'message' | 'envelope'): void;
  add(bytes: Buffer): void;
  /** A line end between pieces belongs to none. */
  addIfOpen(bytes: Buffer): void;
  isOpen(): boolean;
  isEnvelope(): boolean;
  take(): Piece | undefined;
}

function createPiece(messageBytesMax: number): OpenPiece {
  let kind: 'message' | 'envelope' | undefined;
  let parts: Buffer[] = [];
  let byteCount = 0;
  const add = (bytes: Buffer): void => {
    const before = byteCount;
    byteCount += bytes.length;
    const room = byteCount <= messageBytesMax ? bytes.length : headBytesMax - before;
    if (room > 0) parts.push(bytes.subarray(0, room));
    if (byteCount > messageBytesMax && before <= messageBytesMax && before > headBytesMax) {
      parts = [Buffer.concat(parts).subarray(0, headBytesMax)];
    }
  };
  return {
    begin(next) {
      kind = next;
    },
    add,
    addIfOpen(bytes) {
      if (kind !== undefined) add(bytes);
    },
    isOpen: () => kind !== undefined,
    isEnvelope: () => kind === 'envelope',
    take() {
      const [found, raw, size] = [kind, Buffer.concat(parts), byteCount];
      kind = undefined;
      parts = [];
      byteCount = 0;
      if (found === undefined || !/\S/.test(raw.toString('latin1', 0, 1024))) return undefined;
      if (found === 'message' && size > messageBytesMax) return { kind: 'oversize', raw };
      return { kind: found, raw };
    },
  };
}
