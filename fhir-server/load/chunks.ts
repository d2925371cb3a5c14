// A file of lines cut into pieces that one transaction takes, what is committed left out.
import type { Source } from './types.ts';

export interface Chunk {
  bytes: Uint8Array<ArrayBuffer>;
  from: number;
  to: number;
  line: number;
  tooLong: boolean;
}

export interface ChunkLimits {
  linesMax: number;
  bytesMax: number;
  lineBytesMax: number;
}

export interface DoneRange {
  from: number;
  to: number;
  lines: number;
}

const LINE_FEED = 10;

/** What is read and not yet given away. */
interface Cutter {
  push(bytes: Buffer): void;
  /** The next chunk that is complete; `end`: nothing follows. */
  next(end: boolean): Chunk | undefined;
}

function createCutter({ linesMax, bytesMax, lineBytesMax }: ChunkLimits, done: readonly DoneRange[]): Cutter {
  let rest: Buffer = Buffer.alloc(0);
  /** Of rest[0], in the file. */
  let at = 0;
  let line = 1;
  let range = 0;
  /** A line without end that is passed over. */
  let passing: { from: number } | undefined;
  const drop = (bytes: number): void => {
    rest = rest.subarray(bytes);
    at += bytes;
  };
  const give = (bytes: number, lines: number): Chunk => {
    // A buffer of its own: it goes to another thread.
    const own = new Uint8Array(rest.subarray(0, bytes));
    const chunk = { bytes: own, from: at, to: at + bytes, line, tooLong: false };
    drop(bytes);
    line += lines;
    return chunk;
  };
  const pass = (end: boolean): Chunk | undefined => {
    const feed = rest.indexOf(LINE_FEED);
    if (feed === -1 && !end) {
      drop(rest.length);
      return undefined;
    }
    drop(feed === -1 ? rest.length : feed + 1);
    const chunk = { bytes: new Uint8Array(0), from: passing!.from, to: at, line, tooLong: true };
    passing = undefined;
    line++;
    return chunk;
  };
  /** True when all that is at hand lies in a range that is done. */
  const skipDone = (): boolean => {
    for (let next = done[range]; next && next.from <= at; next = done[range]) {
      if (next.to - at > rest.length) {
        drop(rest.length);
        return true;
      }
      drop(next.to - at);
      line += next.lines;
      range++;
    }
    return rest.length === 0;
  };
  /** Where the line ends that begins at `from`; undefined when its end is not there yet. */
  const lineEnd = (from: number, end: boolean): number | undefined => {
    const feed = rest.indexOf(LINE_FEED, from);
    if (feed !== -1) return feed + 1;
    return end && from < rest.length ? rest.length : undefined;
  };
  const cut = (end: boolean): Chunk | undefined => {
    const stop = (done[range]?.from ?? Infinity) - at;
    let bytes = 0;
    let lines = 0;
    let isLong = false;
    while (lines < linesMax && bytes < bytesMax && bytes < stop) {
      const next = lineEnd(bytes, end);
      isLong = (next ?? rest.length) - bytes > lineBytesMax;
      if (next === undefined || isLong) break;
      bytes = next;
      lines++;
    }
    const isFull = lines === linesMax || bytes >= bytesMax || bytes === stop || end || isLong;
    if (lines > 0) return isFull ? give(bytes, lines) : undefined;
    if (!isLong) return undefined;
    passing = { from: at };
    return pass(end);
  };
  return {
    push(bytes) {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    },
    next(end) {
      if (passing) return pass(end);
      return skipDone() ? undefined : cut(end);
    },
  };
}

/** The chunks of the content outside of `done`, each ending with a line. */
export async function* chunksOf(
  content: AsyncIterable<Buffer>,
  limits: ChunkLimits,
  done: readonly DoneRange[],
): AsyncGenerator<Chunk> {
  const cutter = createCutter(limits, done);
  for await (const bytes of content) {
    cutter.push(bytes);
    for (let chunk = cutter.next(false); chunk; chunk = cutter.next(false)) yield chunk;
  }
  for (let chunk = cutter.next(true); chunk; chunk = cutter.next(true)) yield chunk;
}

export const lineSource = (file: number, chunk: Chunk): Source => ({
  ...{ file, kind: 'lines', done: [], postponable: false },
  ...chunk,
});
