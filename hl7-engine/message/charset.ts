// Character sets of messages: MSH-18, HL7 v2.9 chapter 2.14.9.18
import { isAscii, isUtf8 } from 'node:buffer';
import { codecOf } from './codec.ts';
import { charsetLabel, declaredLabel } from './names.ts';
import { type ShieldedCharset, shield } from './shield.ts';
import { decodeWide, encodeWide, unitBytes, type WideCharset } from './wide.ts';

/**
 * How the bytes of a message become text. Tokenising works on `text`: one character a byte, bytes that only look like a
 * delimiter shielded (see shield.ts), so that it costs no decoding and loses no byte; `decode` turns a token into real
 * text. UTF-16 and UTF-32 are decoded before: there one character is one code unit.
 */
export interface CharsetText {
  /** WHATWG label of the encoding used. */
  charset: string;
  text: string;
  decode(token: string): string;
  /** Real text as a token; what the set has not becomes `?`. */
  encode(text: string): string;
  /** The bytes of `text`, of a part of it or of tokens put together. */
  toBytes(text: string): Buffer;
  /** The opposite: any bytes as a token. */
  fromBytes(bytes: Buffer): string;
  /** Bytes at the end that are no code unit of UTF-16 or UTF-32: not part of the text, and still part of the message. */
  tail: Buffer;
  /** The declared character set does not fit the bytes, or is not known. */
  mismatch: boolean;
}

const onlyAscii = /^[\x00-\x7f]*$/;
const same = (text: string): string => text;
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const fromLatin1 = (bytes: Buffer): string => bytes.toString('latin1');
const nothing = Buffer.alloc(0);

/** `declared`: the repetitions of MSH-18. Nothing declared: UTF-8 if valid, else ISO 8859-1. */
export function charsetText(raw: Buffer, declared: readonly string[]): CharsetText {
  const label = declaredLabel(declared);
  const isSilent = declared.every((name) => name.trim() === '');
  if (isAscii(raw)) return asciiText(raw, label, !isSilent && label === undefined);
  switch (label) {
    case undefined:
      return unicodeText(raw, !isSilent);
    case 'us-ascii':
      return unicodeText(raw, false);
    case 'utf-8':
      return unicodeText(raw, false, true);
    case 'iso-2022-jp':
      return japaneseText(raw);
    case 'shift_jis':
    case 'gb18030':
    case 'big5':
    case 'euc-kr':
      return shieldedText(raw, label);
    case 'euc-jp':
      return isValid(raw, label) || !isUtf8(raw)
        ? byToken(raw, label, !isValid(raw, label))
        : byToken(raw, 'utf-8', true);
    default:
      if (label.startsWith('utf-')) return unicodeText(raw, true);
      return isUtf8Instead(raw, label) ? byToken(raw, 'utf-8', true) : byToken(raw, label, false);
  }
}

/** Escape sequences of ISO 2022 are ASCII bytes too. UTF-16 is told by its bytes: what comes here is none. */
function asciiText(raw: Buffer, label: string | undefined, mismatch: boolean): CharsetText {
  if (label === 'iso-2022-jp') return japaneseText(raw);
  if (label === undefined || label === 'us-ascii' || /^utf-/.test(label)) return byToken(raw, 'utf-8', mismatch);
  return byToken(raw, label, false);
}

/** UTF-8 where the bytes are valid; else token by token, windows-1252 for those that are not: no U+FFFD in place of a letter. */
function unicodeText(raw: Buffer, mismatch: boolean, declared = false): CharsetText {
  if (isUtf8(raw)) return byToken(raw, 'utf-8', mismatch);
  const text = byToken(raw, 'windows-1252', mismatch || declared);
  if (!declared) return text;
  const western = codecOf('windows-1252');
  const decode = (token: string): string => {
    if (onlyAscii.test(token)) return token;
    const bytes = latin1(token);
    return isUtf8(bytes) ? bytes.toString() : western.decode(bytes);
  };
  return { ...text, decode };
}

/** Without any escape sequence it is what Windows writes under that name, or UTF-8. */
function japaneseText(raw: Buffer): CharsetText {
  if (raw.includes(0x1b) || isAscii(raw)) return shielding(raw, 'iso-2022-jp', false);
  if (isUtf8(raw)) return byToken(raw, 'utf-8', true);
  return isValid(raw, 'shift_jis')
    ? shielding(raw, 'shift_jis', true)
    : shielding(raw, 'iso-2022-jp', !isValid(raw, 'iso-2022-jp'));
}

/** Kana and kanji of Shift_JIS begin with bytes that begin nothing in UTF-8; of the others a short name may be valid in both. */
function shieldedText(raw: Buffer, label: ShieldedCharset): CharsetText {
  const isDeclared = isValid(raw, label);
  if (isUtf8(raw) && (!isDeclared || label === 'shift_jis')) return byToken(raw, 'utf-8', true);
  return shielding(raw, label, !isDeclared);
}

function shielding(raw: Buffer, label: ShieldedCharset, mismatch: boolean): CharsetText {
  return { ...byToken(raw, label, mismatch), text: shield(raw, label), encode: (text) => shieldToken(text, label) };
}

function shieldToken(text: string, label: ShieldedCharset): string {
  return onlyAscii.test(text) ? text : shield(codecOf(label).encode(text), label);
}

function isValid(raw: Buffer, label: string): boolean {
  return !codecOf(label).decode(raw).includes('\ufffd');
}

/**
 * UTF-8 under another name. Bytes 80 to 9F are no text in ISO 8859; in western text the pairs of UTF-8 (Ã¼) are none either,
 * while in Greek or Cyrillic they may be.
 */
function isUtf8Instead(raw: Buffer, label: string): boolean {
  if (!isUtf8(raw)) return false;
  if (label === 'windows-1252' || label === 'iso-8859-15') return true;
  return label.startsWith('iso-8859') && raw.some((byte) => byte >= 0x80 && byte < 0xa0);
}

/**
 * Valid bytes have other tokens only by \Xhh\ for a letter of windows-1252 (`Jos\XE9\`): no U+FFFD in place of that either. A document
 * in \Xhh…\ may have millions of them.
 */
function decodeUtf8(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  // No character has more code units than bytes.
  const units = new Uint16Array(bytes.length);
  let count = 0;
  for (let at = 0; at < bytes.length; ) {
    const size = sizeAt(bytes, at);
    let point = size === 0 ? western[bytes[at]! - 0x80]! : bytes[at]! & (0xff >> (size === 1 ? 0 : size + 1));
    for (let next = 1; next < size; next++) point = (point << 6) | (bytes[at + next]! & 0x3f);
    if (point < 0x10000) units[count++] = point;
    else {
      units[count++] = 0xd7c0 + (point >> 10);
      units[count++] = 0xdc00 + (point & 0x3ff);
    }
    at += size || 1;
  }
  return Buffer.from(units.buffer, 0, count * 2).toString('utf16le');
}

/** How many bytes the character of UTF-8 has that begins there; 0 where none does. https://www.rfc-editor.org/rfc/rfc3629#section-4 */
function sizeAt(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const size = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (let next = 1; next < size; next++) if ((bytes[at + next]! & 0xc0) !== 0x80) return 0;
  // Too long, a half of a surrogate pair, beyond U+10FFFF.
  const second = bytes[at + 1]!;
  const isNone =
    (first === 0xe0 && second < 0xa0) ||
    (first === 0xed && second > 0x9f) ||
    (first === 0xf0 && second < 0x90) ||
    (first === 0xf4 && second > 0x8f);
  return isNone ? 0 : size;
}

/** What the bytes 80 to FF are. */
const western = Uint16Array.from({ length: 0x80 }, (_, at) =>
  codecOf('windows-1252')
    .decode(Buffer.of(0x80 + at))
    .charCodeAt(0),
);

function byToken(raw: Buffer, charset: string, mismatch: boolean): CharsetText {
  const codec = codecOf(charset);
  const { encode } = codec;
  const decode = charset === 'utf-8' ? decodeUtf8 : codec.decode;
  return {
    charset,
    text: raw.toString('latin1'),
    decode: (token) => (onlyAscii.test(token) ? token : decode(latin1(token))),
    encode: (text) => (onlyAscii.test(text) ? text : encode(text).toString('latin1')),
    toBytes: latin1,
    fromBytes: fromLatin1,
    tail: nothing,
    mismatch,
  };
}

/** Undefined where the bytes are no UTF-32. */
export function wideText(raw: Buffer, charset: WideCharset): CharsetText | undefined {
  const text = decodeWide(raw, charset);
  if (text === undefined) return undefined;
  const tail = raw.subarray(raw.length - (raw.length % unitBytes(charset)));
  return {
    charset,
    text,
    decode: same,
    encode: same,
    toBytes: (part) => encodeWide(part, charset),
    fromBytes: (bytes) => decodeWide(bytes, charset) ?? '\ufffd',
    tail,
    mismatch: tail.length > 0,
  };
}

const families: readonly ShieldedCharset[] = ['shift_jis', 'gb18030', 'big5', 'euc-kr', 'iso-2022-jp'];

/**
 * The repetitions of MSH-18 in the line of an MSH, one character a byte. A name before it (MSH-4) may hold the separator as
 * part of a character: then the set that declares itself when read that way is the one.
 */
export function declaredIn(line: string, separator: string, repetition: string): string[] {
  const at18 = (text: string): string[] => {
    const field = text.split(separator, 18)[17] ?? '';
    return repetition === '' ? [field] : field.split(repetition);
  };
  if (!/[\x1b\x80-\xff]/.test(line)) return at18(line);
  const bytes = latin1(line);
  for (const family of families) {
    const declared = at18(shield(bytes, family));
    if (declared.some((name) => charsetLabel(name) === family)) return declared;
  }
  return at18(line);
}
