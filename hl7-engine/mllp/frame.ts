// MLLP block format: HL7 Implementation Guide v3 Transport Specification MLLP R2 — <VT> content <FS> <CR>

export const startBlock = 0x0b;
export const endBlock = 0x1c;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

export const endOfFrame: Buffer = Buffer.from([endBlock, carriageReturn]);

/** The content between the block characters, as sent on the wire. */
export function frame(content: Buffer): Buffer {
  const block = Buffer.allocUnsafe(content.length + 3);
  block[0] = startBlock;
  content.copy(block, 1);
  block[content.length + 1] = endBlock;
  block[content.length + 2] = carriageReturn;
  return block;
}

/** What stands between block characters, where the bytes begin with one; the ends of lines after them are left out too. */
export function unframed(bytes: Buffer): Buffer {
  if (bytes[0] !== startBlock) return bytes;
  let end = bytes.length;
  while (bytes[end - 1] === lineFeed || bytes[end - 1] === carriageReturn) end--;
  return bytes.subarray(1, bytes[end - 1] === endBlock ? end - 1 : bytes.length);
}

export interface FrameEvents {
  /** A whole frame's content; a Buffer of its own. */
  frame(content: Buffer): void;
  /** Bytes that belong to no frame: between frames, or a frame that was begun anew. */
  garbage(byteCount: number): void;
  /** A frame passed `contentBytesMax`; `head` is how it begins. Nothing is read any more after this. */
  oversize(head: Buffer): void;
}

export interface FrameDecoder {
  push(chunk: Buffer): void;
  /** True when the last byte so far is an end block: the frame is whole unless another content byte follows. */
  awaitsTrailer(): boolean;
  /** No byte followed the end block: the sender leaves out the carriage return. */
  endTrailer(): void;
  /** Which frame, counted from 1, has begun and not ended; 0 between frames. */
  openFrame(): number;
  /** Bytes that are held of it. */
  heldBytes(): number;
  /** Yields what is held of a frame that will never end. Nothing is read any more after this. */
  abandon(): Buffer;
}

const nothing = Buffer.alloc(0);
const restart = Buffer.from([startBlock, 0x4d, 0x53, 0x48]);

/**
 * Finds frames whatever the chunking. <FS> ends a frame when <CR>, <VT> or nothing more follows; before any other byte
 * it is content (against the rules, but cutting a message there would store half of it). <VT>MSH inside a frame is a
 * sender that started over: what came before is garbage.
 */
export function createFrameDecoder(contentBytesMax: number, events: FrameEvents): FrameDecoder {
  let state: 'outside' | 'inside' | 'trailer' | 'dead' = 'outside';
  let gathered = nothing;
  let byteCount = 0;
  let begun = 0;

  // Grows by doubling: a sender of single bytes must not cost a Buffer each, nor a copy of all for each.
  const collect = (bytes: Buffer): void => {
    const needed = byteCount + bytes.length;
    if (needed > gathered.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * gathered.length));
      gathered.copy(larger, 0, 0, byteCount);
      gathered = larger;
    }
    bytes.copy(gathered, byteCount);
    byteCount = needed;
  };
  const take = (): Buffer => {
    const content = gathered.subarray(0, byteCount);
    gathered = nothing;
    byteCount = 0;
    return content;
  };
  const finish = (): void => {
    const content = take();
    state = 'outside';
    const again = content.lastIndexOf(restart);
    if (again >= 0) events.garbage(again + 1);
    events.frame(again < 0 ? content : content.subarray(again + 1));
  };

  /** Each takes the chunk from `at` and returns where the next state goes on. */
  const steps = {
    outside(chunk: Buffer, at: number): number {
      const start = chunk.indexOf(startBlock, at);
      const end = start < 0 ? chunk.length : start;
      if (end > at) events.garbage(end - at);
      if (start < 0) return chunk.length;
      state = 'inside';
      begun++;
      return start + 1;
    },
    inside(chunk: Buffer, at: number): number {
      const end = chunk.indexOf(endBlock, at);
      collect(chunk.subarray(at, end < 0 ? chunk.length : end));
      if (byteCount > contentBytesMax) {
        state = 'dead';
        events.oversize(take().subarray(0, contentBytesMax));
        return chunk.length;
      }
      if (end < 0) return chunk.length;
      state = 'trailer';
      return end + 1;
    },
    trailer(chunk: Buffer, at: number): number {
      const next = chunk[at];
      if (next === carriageReturn || next === startBlock) {
        finish();
        return next === carriageReturn ? at + 1 : at;
      }
      collect(Buffer.from([endBlock]));
      state = 'inside';
      return at;
    },
    dead: (chunk: Buffer, _at: number): number => chunk.length,
  };

  return {
    push(chunk) {
      let at = 0;
      while (at < chunk.length) at = steps[state](chunk, at);
    },
    awaitsTrailer: () => state === 'trailer',
    endTrailer() {
      if (state === 'trailer') finish();
    },
    openFrame: () => (state === 'inside' || state === 'trailer' ? begun : 0),
    heldBytes: () => gathered.length,
    abandon() {
      state = 'dead';
      return take();
    },
  };
}
