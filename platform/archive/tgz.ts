// Gzipped tar archives, read as a stream: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html (ustar and pax
// interchange formats), with the long names of GNU tar. Nothing is ever written to disk.
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CerebraError } from '../errors.ts';

export interface TgzLimits {
  /** Entries of any kind. */
  entriesMax: number;
  /** Of one file, unpacked. */
  fileBytesMax: number;
  /** Of the whole archive, unpacked: what ends a bomb. */
  totalBytesMax: number;
}

export interface TgzFile {
  /** Path in the archive, with `/`, without `.` at its begin: `package/package.json`. */
  name: string;
  content: Buffer;
}

interface Header {
  name: string;
  bytes: number;
  kind: string;
}

const BLOCK_BYTES = 512;
/** Of a pax header or a long name: real ones have some hundred bytes. */
const META_BYTES_MAX = 64 * 1024;

/** Fixed places of a header: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06 */
const FIELDS = { name: [0, 100], size: [124, 12], checksum: [148, 8], prefix: [345, 155] } as const;
const KIND_AT = 156;
const MAGIC_AT = 257;

const invalid = (archive: string, what: string): CerebraError => new CerebraError('invalid', `${archive}: ${what}`);

function textAt(block: Buffer, [at, bytes]: readonly [number, number]): string {
  const field = block.subarray(at, at + bytes);
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? bytes : end).toString('utf8');
}

/** Octal digits or, of GNU tar, a big-endian number whose first bit is set. */
function numberAt(block: Buffer, field: readonly [number, number]): number {
  const [at, bytes] = field;
  if ((block[at]! & 0x80) !== 0) return Number(block.readBigUInt64BE(at + bytes - 8));
  const text = textAt(block, field).trim();
  return /^[0-7]*$/.test(text) ? Number.parseInt(text || '0', 8) : Number.NaN;
}

/** The sum of the bytes, its own field counted as spaces. */
function checksumOf(block: Buffer): number {
  const [at, bytes] = FIELDS.checksum;
  let sum = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) sum += i >= at && i < at + bytes ? 0x20 : block[i]!;
  return sum;
}

function headerOf(block: Buffer, archive: string): Header {
  if (numberAt(block, FIELDS.checksum) !== checksumOf(block)) throw invalid(archive, 'not a tar archive, or damaged');
  const bytes = numberAt(block, FIELDS.size);
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw invalid(archive, 'an entry has a size that is none');
  const isUstar = block.toString('latin1', MAGIC_AT, MAGIC_AT + 6) === 'ustar\0';
  const prefix = isUstar ? textAt(block, FIELDS.prefix) : '';
  const name = textAt(block, FIELDS.name);
  return { name: prefix === '' ? name : `${prefix}/${name}`, bytes, kind: String.fromCharCode(block[KIND_AT]!) };
}

/** Records `<length> <key>=<value>\n`; the length counts bytes, itself included. */
function paxRecords(content: Buffer, archive: string): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const bytes = space === -1 ? Number.NaN : Number(content.toString('latin1', at, space));
    if (!Number.isInteger(bytes) || bytes <= space - at || at + bytes > content.length) {
      throw invalid(archive, 'an extended header is damaged');
    }
    const record = content.toString('utf8', space + 1, at + bytes - 1);
    const equals = record.indexOf('=');
    if (equals > 0) records.set(record.slice(0, equals), record.slice(equals + 1));
    at += bytes;
  }
  return records;
}

/** Throws for what could lead out of a folder, whoever uses the name as one. */
function safeName(name: string, archive: string): string {
  const clean = name.replace(/^(?:\.\/)+/, '');
  const isOutside = clean.startsWith('/') || /^[A-Za-z]:/.test(clean) || clean.split('/').includes('..');
  if (isOutside || /[\\\0]/.test(clean)) {
    throw invalid(archive, `the entry '${name.slice(0, 200)}' has a path that leads out of the archive`);
  }
  return clean;
}

/** Takes so many bytes at a time from pieces of any size. */
interface Bytes {
  /** undefined: the end, right here. Throws when there are fewer. `keep: false` passes over them. */
  take(bytes: number, keep: boolean): Promise<Buffer | undefined>;
}

function bytesOf(pieces: AsyncIterator<Buffer>, archive: string, limits: TgzLimits): Bytes {
  let piece: Buffer = Buffer.alloc(0);
  let total = 0;
  async function next(): Promise<boolean> {
    const { value, done } = await pieces.next();
    if (done) return false;
    piece = value;
    total += piece.length;
    if (total > limits.totalBytesMax) {
      throw new CerebraError('too-large', `${archive}: unpacked it has more than ${limits.totalBytesMax} bytes`);
    }
    return true;
  }
  return {
    async take(bytes, keep) {
      const parts: Buffer[] = [];
      let left = bytes;
      while (left > 0) {
        if (piece.length === 0 && !(await next())) {
          if (left === bytes) return undefined;
          throw invalid(archive, 'the archive is cut off');
        }
        const part = piece.subarray(0, left);
        if (keep) parts.push(part);
        piece = piece.subarray(part.length);
        left -= part.length;
      }
      return Buffer.concat(parts);
    },
  };
}

/** Unpacked pieces; what ends it early closes the source too. */
async function* unpack(source: AsyncIterable<Uint8Array>, archive: string): AsyncGenerator<Buffer> {
  const raw = Readable.from(source);
  const unpacked = createGunzip({ chunkSize: 32 * 1024 });
  raw.on('error', (error) => unpacked.destroy(error));
  raw.pipe(unpacked);
  try {
    for await (const piece of unpacked) yield piece as Buffer;
  } catch (error) {
    if (error instanceof CerebraError) throw error;
    const code = (error as { code?: string }).code ?? '';
    if (code.startsWith('Z_')) throw invalid(archive, 'not a gzip file, or damaged');
    throw error;
  } finally {
    raw.destroy();
    unpacked.destroy();
  }
}

const isEnd = (block: Buffer): boolean => block.every((byte) => byte === 0);

async function contentOf(bytes: Bytes, size: number, keep: boolean, archive: string): Promise<Buffer> {
  const content = size === 0 ? Buffer.alloc(0) : await bytes.take(size, keep);
  const padding = (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
  const padded = padding === 0 || (await bytes.take(padding, false)) !== undefined;
  if (content === undefined || !padded) throw invalid(archive, 'the archive is cut off');
  return content;
}

async function metaOf(bytes: Bytes, size: number, archive: string): Promise<Buffer> {
  if (size > META_BYTES_MAX) throw invalid(archive, 'an extended header is longer than any should be');
  return contentOf(bytes, size, true, archive);
}

const FILE_KINDS = new Set(['0', '\0', '7']);

async function* filesIn(
  bytes: Bytes,
  archive: string,
  limits: TgzLimits,
  wants: (name: string) => boolean,
): AsyncGenerator<TgzFile> {
  let longName: string | undefined;
  let pax = new Map<string, string>();
  for (let entries = 1; ; entries++) {
    const block = await bytes.take(BLOCK_BYTES, true);
    // Two blocks of zeros end it; some leave them out.
    if (block === undefined || isEnd(block)) return;
    if (entries > limits.entriesMax) {
      throw new CerebraError('too-large', `${archive}: it has more than ${limits.entriesMax} entries`);
    }
    const header = headerOf(block, archive);
    if (header.kind === 'L') {
      longName = (await metaOf(bytes, header.bytes, archive)).toString('utf8').replace(/\0.*$/s, '');
      continue;
    }
    if (header.kind === 'x' || header.kind === 'g' || header.kind === 'K') {
      const meta = await metaOf(bytes, header.bytes, archive);
      if (header.kind === 'x') pax = paxRecords(meta, archive);
      continue;
    }
    const name = safeName(pax.get('path') ?? longName ?? header.name, archive);
    const size = pax.has('size') ? Number(pax.get('size')) : header.bytes;
    longName = undefined;
    pax = new Map();
    if (!Number.isSafeInteger(size) || size < 0) throw invalid(archive, 'an entry has a size that is none');
    const wanted = FILE_KINDS.has(header.kind) && wants(name);
    if (wanted && size > limits.fileBytesMax) {
      throw new CerebraError('too-large', `${archive}: ${name} has more than ${limits.fileBytesMax} bytes`);
    }
    const content = await contentOf(bytes, size, wanted, archive);
    if (wanted) yield { name, content };
  }
}

/**
 * The files that `wants` names, in the archive's order; folders and links are passed over. `source` yields the packed bytes,
 * `archive` names it in messages. Throws `invalid` for what is no such archive, is cut off, damaged, or has a path that leads
 * out of it, `too-large` beyond the limits.
 */
export async function* readTgz(
  source: AsyncIterable<Uint8Array>,
  archive: string,
  limits: TgzLimits,
  wants: (name: string) => boolean,
): AsyncGenerator<TgzFile> {
  const pieces = unpack(source, archive);
  try {
    yield* filesIn(bytesOf(pieces, archive, limits), archive, limits, wants);
  } finally {
    await pieces.return(undefined);
  }
}
