// UTF-16 and UTF-32, with a byte order mark or without (HL7 table 0211: UNICODE UTF-16, UNICODE UTF-32)

export type WideCharset = 'utf-16le' | 'utf-16be' | 'utf-32le' | 'utf-32be';

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

// UTF-32LE before UTF-16LE: its mark begins with the other's.
const marks: readonly [WideCharset, Buffer][] = [
  ['utf-32le', bytesOf('\u00ff\u00fe\0\0')],
  ['utf-32be', bytesOf('\0\0\u00fe\u00ff')],
  ['utf-16le', bytesOf('\u00ff\u00fe')],
  ['utf-16be', bytesOf('\u00fe\u00ff')],
];

/** Told by the byte order mark, else by the zeros beside the first letters; white space before the first segment is passed over. */
export function wideCharset(raw: Buffer): WideCharset | undefined {
  const mark = marks.find(([, bytes]) => raw.subarray(0, bytes.length).equals(bytes));
  if (mark !== undefined) return mark[0];
  const head = /^(?:[\s\0]*?)(\0*)[MBF](\0*)[SH]/.exec(raw.toString('latin1', 0, 256));
  if (head === null) return undefined;
  const after = head[2]!.length;
  const unit = after + 1;
  if (unit !== 2 && unit !== 4) return undefined;
  const letter = head[0].length - after - 2;
  if (letter % unit === 0) return unit === 2 ? 'utf-16le' : 'utf-32le';
  return letter % unit === unit - 1 ? (unit === 2 ? 'utf-16be' : 'utf-32be') : undefined;
}

/**
 * UTF-16 or UTF-32 that does not end where a segment ends. Within MLLP such a message may have been cut: ജ is 1C 0D in UTF-16LE, the
 * bytes that end a frame, which is why HL7 allows no such set there.
 */
export function isCutWide(raw: Buffer): boolean {
  const charset = wideCharset(raw);
  if (charset === undefined) return false;
  const last = raw.subarray(raw.length - unitBytes(charset));
  return raw.length % unitBytes(charset) !== 0 || !/^[\r\n]$/.test(decodeWide(last, charset) ?? '');
}

/** How many bytes a code unit has. */
export function unitBytes(charset: WideCharset): 2 | 4 {
  return charset.startsWith('utf-16') ? 2 : 4;
}

/** Every code unit kept, a half surrogate too; bytes over at the end are not in it. Undefined where UTF-32 has no such character. */
export function decodeWide(raw: Buffer, charset: WideCharset): string | undefined {
  const whole = raw.subarray(0, raw.length - (raw.length % unitBytes(charset)));
  if (charset === 'utf-16le') return whole.toString('utf16le');
  if (charset === 'utf-16be') return Buffer.from(whole).swap16().toString('utf16le');
  const units = new Uint16Array(whole.length / 2);
  let count = 0;
  for (let at = 0; at < whole.length; at += 4) {
    const point = charset === 'utf-32le' ? whole.readUInt32LE(at) : whole.readUInt32BE(at);
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return undefined;
    if (point < 0x10000) units[count++] = point;
    else {
      units[count++] = 0xd7c0 + (point >> 10);
      units[count++] = 0xdc00 + (point & 0x3ff);
    }
  }
  return Buffer.from(units.buffer, 0, count * 2).toString('utf16le');
}

export function encodeWide(text: string, charset: WideCharset): Buffer {
  if (charset === 'utf-16le') return Buffer.from(text, 'utf16le');
  if (charset === 'utf-16be') return Buffer.from(text, 'utf16le').swap16();
  const points = Array.from(text, (character) => character.codePointAt(0)!);
  const bytes = Buffer.alloc(points.length * 4);
  for (const [at, point] of points.entries()) {
    if (charset === 'utf-32le') bytes.writeUInt32LE(point, at * 4);
    else bytes.writeUInt32BE(point, at * 4);
  }
  return bytes;
}
