// The search index's own format: which messages of a block have a term. A bucket is the terms whose hash has one remainder
// by the number of buckets, sorted: hash (4 bytes, little endian), then LEB128 of twice the bytes of its list, plus 1 where
// that is a bitmap, then the list: positions in the block as differences (LEB128), or one bit each where that is shorter. A
// position is the message's number less the block's first.
// Chosen over GIN: 100 words a message are 100 entries of a GIN index, and two frequent words whose messages are few, or
// old, are not found by it in bounded time. Here every search reads some kilobytes of each block: docs/performance.md.

/** Positions by term. */
export type Postings = Map<number, number[]>;

function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
}

function differences(positions: readonly number[]): number[] {
  const bytes: number[] = [];
  let last = -1;
  for (const position of positions) {
    pushVarint(bytes, position - last - 1);
    last = position;
  }
  return bytes;
}

function bitmap(positions: readonly number[], byteCount: number): number[] {
  const bytes = new Array<number>(byteCount).fill(0);
  for (const position of positions) bytes[position >>> 3]! |= 1 << (position & 7);
  return bytes;
}

/** `positions` rise. */
function pushList(out: number[], positions: readonly number[]): void {
  const listed = differences(positions);
  const bitmapBytes = (positions.at(-1)! >>> 3) + 1;
  const isBitmap = listed.length > bitmapBytes;
  const bytes = isBitmap ? bitmap(positions, bitmapBytes) : listed;
  pushVarint(out, 2 * bytes.length + (isBitmap ? 1 : 0));
  for (const byte of bytes) out.push(byte);
}

export function encodeBucket(postings: Postings): Buffer {
  const out: number[] = [];
  for (const hash of [...postings.keys()].sort((a, b) => a - b)) {
    out.push(hash & 0xff, (hash >>> 8) & 0xff, (hash >>> 16) & 0xff, hash >>> 24);
    pushList(out, postings.get(hash)!);
  }
  return Buffer.from(out);
}

interface Cursor {
  at: number;
}

function readVarint(data: Buffer, cursor: Cursor): number {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = data[cursor.at++];
    if (byte === undefined) throw new RangeError('A bucket of the search index ends too early');
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

/** The list of one term. */
export interface List {
  bytes: Buffer;
  isBitmap: boolean;
}

function readList(data: Buffer, cursor: Cursor): List {
  const size = readVarint(data, cursor);
  const start = cursor.at;
  cursor.at += size >>> 1;
  return { bytes: data.subarray(start, cursor.at), isBitmap: (size & 1) === 1 };
}

/** The list of a term in its bucket; undefined where the term is not there. */
export function listOf(data: Buffer, hash: number): List | undefined {
  const cursor = { at: 0 };
  while (cursor.at < data.length) {
    const found = data.readUInt32LE(cursor.at);
    if (found > hash) return undefined;
    cursor.at += 4;
    const list = readList(data, cursor);
    if (found === hash) return list;
  }
  return undefined;
}

/** Rising. */
export function positionsOf({ bytes, isBitmap }: List): number[] {
  const positions: number[] = [];
  if (isBitmap) {
    for (let at = 0; at < bytes.length; at++) {
      for (let rest = bytes[at]!; rest !== 0; rest &= rest - 1) positions.push(8 * at + 31 - Math.clz32(rest & -rest));
    }
    return positions;
  }
  const cursor = { at: 0 };
  for (let last = -1; cursor.at < bytes.length; ) {
    last += readVarint(bytes, cursor) + 1;
    positions.push(last);
  }
  return positions;
}

/** Adds what the bucket holds to `postings`, positions raised by `shift`. Blocks are to be read in order. */
export function readBucket(data: Buffer, shift: number, postings: Postings): void {
  const cursor = { at: 0 };
  while (cursor.at < data.length) {
    const hash = data.readUInt32LE(cursor.at);
    cursor.at += 4;
    for (const position of positionsOf(readList(data, cursor))) append(postings, hash, position + shift);
  }
}

function append(postings: Postings, hash: number, position: number): void {
  const known = postings.get(hash);
  if (known === undefined) postings.set(hash, [position]);
  else known.push(position);
}

/** A position among others, wherever it belongs. */
export function insertPosition(postings: Postings, hash: number, position: number): void {
  const known = postings.get(hash) ?? [];
  if (known.includes(position)) return;
  postings.set(
    hash,
    [...known, position].sort((a, b) => a - b),
  );
}

/** The terms of messages, in buckets. `messages` in the order of their positions. */
export function intoBuckets(
  messages: Iterable<[position: number, terms: Iterable<number>]>,
  count: number,
): Postings[] {
  const buckets = Array.from({ length: count }, (): Postings => new Map());
  for (const [position, terms] of messages) {
    for (const hash of terms) append(buckets[hash % count]!, hash, position);
  }
  return buckets;
}

/** Positions of a block are below this. */
export const positionsMax = 0x10000;

const bytesOf = (group: readonly List[]): number => group.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** Raises the mark of `candidates` that are in the list from `step` to the next. */
function mark(list: List, candidates: readonly number[], marks: Uint8Array, step: number): void {
  const { bytes, isBitmap } = list;
  if (isBitmap) {
    for (const at of candidates) {
      if (marks[at] === step && ((bytes[at >>> 3] ?? 0) >>> (at & 7)) & 1) marks[at] = step + 1;
    }
    return;
  }
  for (const at of positionsOf(list)) if (marks[at] === step) marks[at] = step + 1;
}

/** The bits that all have: frequent words are compared eight messages at a time. */
function common(bitmaps: readonly List[]): List {
  const bytes = Buffer.from(bitmaps[0]!.bytes);
  for (const { bytes: others } of bitmaps.slice(1)) {
    for (let at = 0; at < bytes.length; at++) bytes[at]! &= others[at] ?? 0;
  }
  return { bytes, isBitmap: true };
}

/** Positions that are in one list of each group (of 254 at most), rising. The shortest group is looked at first. */
export function inAll(groups: readonly (readonly List[])[]): number[] {
  const [shortest, ...others] = [...groups].sort((a, b) => bytesOf(a) - bytesOf(b));
  if (shortest === undefined || shortest.length === 0) return [];
  if (groups.every((group) => group.length === 1 && group[0]!.isBitmap)) return positionsOf(common(groups.flat()));
  const lists = shortest.map(positionsOf);
  const candidates = lists.length === 1 ? lists[0]! : [...new Set(lists.flat())].sort((a, b) => a - b);
  if (others.length === 0) return candidates;
  const marks = new Uint8Array((candidates.at(-1) ?? 0) + 1);
  for (const at of candidates) marks[at] = 1;
  others.forEach((group, index) => {
    for (const list of group) mark(list, candidates, marks, index + 1);
  });
  return candidates.filter((at) => marks[at] === groups.length);
}
