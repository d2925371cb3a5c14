// ZIP archives, read as they stand: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.3 and 4.4)
import { type FileHandle, open } from 'node:fs/promises';
import { PassThrough, pipeline } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { CerebraError } from '../errors.ts';

export interface ZipLimits {
  entriesMax: number;
  /** Of one entry, unpacked. */
  entryBytesMax: number;
  /** Of all entries together, unpacked. */
  totalBytesMax: number;
}

/** Releases of terminologies have a few hundred entries; the largest, SNOMED CT with all its history, unpacks to 7 GB. */
const zipLimits: ZipLimits = { entriesMax: 100_000, entryBytesMax: 16 * 2 ** 30, totalBytesMax: 64 * 2 ** 30 };

export interface ZipEntry {
  /** Path in the archive, with `/`; of a folder it ends with one. */
  readonly name: string;
  /** Unpacked. */
  readonly bytes: number;
  readonly packedBytes: number;
  /** CRC-32 of the content, as the archive's directory tells it; read() checks it. */
  readonly crc: number;
}

export interface ZipArchive {
  readonly entries: readonly ZipEntry[];
  /**
   * The entry's content, unpacked piece by piece. Throws `invalid` when it is damaged, is more or less than its entry
   * tells, or is packed in a way that is not read. `onRead` is told how many packed bytes are read so far.
   */
  read(entry: ZipEntry, onRead?: (packedBytes: number) => void): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

interface Located extends ZipEntry {
  method: number;
  flags: number;
  headerAt: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const END64_LOCATOR = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const COMMENT_BYTES_MAX = 0xffff;
/** An entry's part of the directory: its name, extra field and comment may have 64 kB each, those of real archives a hundred bytes. */
const DIRECTORY_BYTES_MAX = 64 * 1024 * 1024;
const IN_64 = 0xffffffff;
const ENCRYPTED = 1;
const UTF_8_NAME = 0x800;
const STORED = 0;
const DEFLATED = 8;

const invalid = (name: string, what: string): CerebraError => new CerebraError('invalid', `${name}: ${what}`);

async function readAt(file: FileHandle, name: string, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, at);
  if (bytesRead < bytes) throw invalid(name, 'the ZIP archive is cut off');
  return buffer;
}

interface Directory {
  at: number;
  bytes: number;
  entries: number;
}

/** A number of eight bytes; those beyond 2⁵³ are no offsets of files. */
function long(buffer: Buffer, at: number, name: string): number {
  const value = Number(buffer.readBigUInt64LE(at));
  if (!Number.isSafeInteger(value)) throw invalid(name, 'the ZIP archive is damaged: an offset is beyond its end');
  return value;
}

async function directory64(file: FileHandle, name: string, endAt: number): Promise<Directory | undefined> {
  if (endAt < LOCATOR_BYTES) return undefined;
  const locator = await readAt(file, name, endAt - LOCATOR_BYTES, LOCATOR_BYTES);
  if (locator.readUInt32LE(0) !== END64_LOCATOR) return undefined;
  const end = await readAt(file, name, long(locator, 8, name), 56);
  if (end.readUInt32LE(0) !== END64) throw invalid(name, 'the ZIP archive is damaged: its ZIP64 end record is missing');
  return { entries: long(end, 32, name), bytes: long(end, 40, name), at: long(end, 48, name) };
}

async function findDirectory(file: FileHandle, name: string, size: number): Promise<Directory> {
  const tailBytes = Math.min(size, END_BYTES + COMMENT_BYTES_MAX);
  const tail = await readAt(file, name, size - tailBytes, tailBytes);
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END) continue;
    const found = {
      entries: tail.readUInt16LE(at + 10),
      bytes: tail.readUInt32LE(at + 12),
      at: tail.readUInt32LE(at + 16),
    };
    return (await directory64(file, name, size - tailBytes + at)) ?? found;
  }
  throw invalid(name, 'it is not a ZIP archive, or it is cut off: its directory is missing');
}

/** The ZIP64 extra field has, in this order, those of the three numbers that do not fit into four bytes. */
function widen(extra: Buffer, name: string, narrow: [number, number, number]): [number, number, number] {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let from = at + 4;
    return narrow.map((value) => {
      if (value !== IN_64) return value;
      if (from + 8 > extra.length) throw invalid(name, 'the ZIP archive is damaged: a ZIP64 field is cut off');
      from += 8;
      return long(extra, from - 8, name);
    }) as [number, number, number];
  }
  return narrow;
}

function readEntry(directory: Buffer, at: number, archive: string): { entry: Located; next: number } {
  if (at + CENTRAL_BYTES > directory.length || directory.readUInt32LE(at) !== CENTRAL) {
    throw invalid(archive, 'the ZIP archive is damaged: its directory is');
  }
  const flags = directory.readUInt16LE(at + 8);
  const nameEnd = at + CENTRAL_BYTES + directory.readUInt16LE(at + 28);
  const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
  const next = extraEnd + directory.readUInt16LE(at + 32);
  if (next > directory.length) throw invalid(archive, 'the ZIP archive is damaged: its directory is');
  const narrow: [number, number, number] = [at + 24, at + 20, at + 42].map((from) =>
    directory.readUInt32LE(from),
  ) as never;
  const [bytes, packedBytes, headerAt] = widen(directory.subarray(nameEnd, extraEnd), archive, narrow);
  const name = directory.toString(flags & UTF_8_NAME ? 'utf8' : 'latin1', at + CENTRAL_BYTES, nameEnd);
  return {
    entry: {
      ...{ name: name.replaceAll('\\', '/'), bytes, packedBytes, headerAt, flags },
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
    },
    next,
  };
}

/** Entries that share packed bytes are how a small archive becomes a huge one: https://www.bamsoftware.com/hacks/zipbomb/ */
function checkApart(entries: readonly Located[], archive: string, directoryAt: number): void {
  let end = 0;
  for (const { headerAt, packedBytes, name } of [...entries].sort((a, b) => a.headerAt - b.headerAt)) {
    if (headerAt < end) throw invalid(archive, `the ZIP archive is refused: '${name}' overlaps another entry`);
    end = headerAt + LOCAL_BYTES + packedBytes;
  }
  if (end > directoryAt) throw invalid(archive, 'the ZIP archive is damaged: an entry reaches into its directory');
}

async function readDirectory(file: FileHandle, archive: string, limits: ZipLimits): Promise<Located[]> {
  const { size } = await file.stat();
  const { at, bytes, entries: count } = await findDirectory(file, archive, size);
  if (count > limits.entriesMax || bytes > DIRECTORY_BYTES_MAX) {
    throw new CerebraError('too-large', `${archive}: the ZIP archive has more than ${limits.entriesMax} entries`);
  }
  const directory = await readAt(file, archive, at, bytes);
  const entries: Located[] = [];
  for (let from = 0; entries.length < count; ) {
    const { entry, next } = readEntry(directory, from, archive);
    entries.push(entry);
    from = next;
  }
  checkApart(entries, archive, at);
  const large = entries.find((entry) => entry.bytes > limits.entryBytesMax);
  const total = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  if (large || total > limits.totalBytesMax) {
    throw new CerebraError('too-large', `${archive}: ${large?.name ?? 'the content'} is larger than what is unpacked`);
  }
  return entries;
}

/** Where the packed bytes begin: the local header's extra field may be another than the directory's. */
async function contentAt(
  file: FileHandle,
  archive: string,
  { headerAt, name, flags, method }: Located,
): Promise<number> {
  if (flags & ENCRYPTED) throw invalid(archive, `'${name}' is encrypted: unpack it first`);
  if (method !== STORED && method !== DEFLATED) {
    throw invalid(
      archive,
      `'${name}' is packed with method ${method}; stored and deflated entries are read: unpack it first`,
    );
  }
  const header = await readAt(file, archive, headerAt, LOCAL_BYTES);
  if (header.readUInt32LE(0) !== LOCAL) throw invalid(archive, `the ZIP archive is damaged at '${name}'`);
  return headerAt + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
}

const PIECE_BYTES = 256 * 1024;

async function* packed(file: FileHandle, at: number, bytes: number, onRead: (bytes: number) => void) {
  for (let done = 0; done < bytes; ) {
    const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, bytes - done));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at + done);
    if (bytesRead === 0) throw new Error('it is cut off');
    done += bytesRead;
    onRead(done);
    yield buffer.subarray(0, bytesRead);
  }
}

async function* content(file: FileHandle, archive: string, entry: Located, onRead: (bytes: number) => void) {
  const at = await contentAt(file, archive, entry);
  const unpack = entry.method === STORED ? new PassThrough() : createInflateRaw({ chunkSize: PIECE_BYTES });
  const damaged = (why: string): CerebraError => invalid(archive, `'${entry.name}' is damaged: ${why}`);
  let bytes = 0;
  let crc = 0;
  // What goes wrong on the way destroys `unpack`, and the loop below throws it.
  const unpacked = pipeline(packed(file, at, entry.packedBytes, onRead), unpack, () => undefined);
  try {
    for await (const piece of unpacked as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > entry.bytes)
        throw damaged(`it unpacks to more than the ${entry.bytes} bytes that the directory tells`);
      crc = crc32(piece, crc);
      yield piece;
    }
  } catch (error) {
    throw error instanceof CerebraError ? error : damaged((error as Error).message);
  } finally {
    unpack.destroy();
  }
  if (bytes !== entry.bytes) throw damaged(`it unpacks to ${bytes} bytes, the directory tells ${entry.bytes}`);
  if (crc !== entry.crc) throw damaged('its checksum does not fit');
}

/**
 * Opens an archive and reads its directory; nothing is unpacked yet. `name` is what errors call it.
 * Throws `invalid` for what is no ZIP archive or a damaged one, `too-large` beyond the limits.
 */
export async function openZip(path: string, name = path, limits = zipLimits): Promise<ZipArchive> {
  const file = await open(path, 'r');
  try {
    const entries = await readDirectory(file, name, limits);
    return {
      entries,
      read: (entry, onRead = () => undefined) => content(file, name, entry as Located, onRead),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
