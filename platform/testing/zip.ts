// ZIP archives for tests, right and wrong ones: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipPart {
  name: string;
  content: string | Buffer;
  /** Default: packed. */
  stored?: boolean;
  /** What its records say instead of what is so. */
  told?: { bytes?: number; crc?: number; method?: number; flags?: number; headerAt?: number };
  /** Sizes stand in ZIP64 fields. */
  wide?: boolean;
}

interface Placed {
  name: Buffer;
  method: number;
  flags: number;
  crc: number;
  packed: Buffer;
  bytes: number;
  headerAt: number;
  wide: boolean;
}

const IN_64 = 0xffffffff;

function place(part: ZipPart, headerAt: number): Placed {
  const content = Buffer.from(part.content);
  const { told = {}, stored = false, wide = false } = part;
  return {
    name: Buffer.from(part.name),
    method: told.method ?? (stored ? 0 : 8),
    flags: (told.flags ?? 0) | 0x800,
    crc: told.crc ?? crc32(content),
    packed: stored ? content : deflateRawSync(content),
    bytes: told.bytes ?? content.length,
    headerAt: told.headerAt ?? headerAt,
    wide,
  };
}

function localHeader({ name, method, flags, crc, packed, bytes }: Placed): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt16LE(method, 8);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(packed.length, 18);
  header.writeUInt32LE(bytes, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, name, packed]);
}

function wideField({ bytes, packed, headerAt }: Placed): Buffer {
  const extra = Buffer.alloc(28);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(24, 2);
  for (const [i, value] of [bytes, packed.length, headerAt].entries()) extra.writeBigUInt64LE(BigInt(value), 4 + i * 8);
  return extra;
}

function centralHeader(part: Placed): Buffer {
  const { name, method, flags, crc, packed, bytes, headerAt, wide } = part;
  const extra = wide ? wideField(part) : Buffer.alloc(0);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(flags, 8);
  header.writeUInt16LE(method, 10);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(wide ? IN_64 : packed.length, 20);
  header.writeUInt32LE(wide ? IN_64 : bytes, 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(wide ? IN_64 : headerAt, 42);
  return Buffer.concat([header, name, extra]);
}

function endRecord(entries: number, bytes: number, at: number, comment: string): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries, 8);
  end.writeUInt16LE(entries, 10);
  end.writeUInt32LE(bytes, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(Buffer.byteLength(comment), 20);
  return Buffer.concat([end, Buffer.from(comment)]);
}

/** The ZIP64 end record and what points to it. */
function wideEnd(entries: number, bytes: number, at: number): Buffer {
  const end = Buffer.alloc(56);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeBigUInt64LE(BigInt(entries), 24);
  end.writeBigUInt64LE(BigInt(entries), 32);
  end.writeBigUInt64LE(BigInt(bytes), 40);
  end.writeBigUInt64LE(BigInt(at), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(at + bytes), 8);
  return Buffer.concat([end, locator]);
}

/** `wide`: with a ZIP64 end record. */
export function zipOf(parts: readonly ZipPart[], options: { comment?: string; wide?: boolean } = {}): Buffer {
  const { comment = '', wide = false } = options;
  const placed: Placed[] = [];
  const bodies: Buffer[] = [];
  let at = 0;
  for (const part of parts) {
    const each = place(part, at);
    const body = localHeader(each);
    placed.push(each);
    bodies.push(body);
    at += body.length;
  }
  const directory = Buffer.concat(placed.map(centralHeader));
  const end = wide
    ? [wideEnd(parts.length, directory.length, at), endRecord(0xffff, IN_64, IN_64, comment)]
    : [endRecord(parts.length, directory.length, at, comment)];
  return Buffer.concat([...bodies, directory, ...end]);
}
