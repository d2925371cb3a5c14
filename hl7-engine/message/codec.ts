// Bytes of a character set to text and back: https://encoding.spec.whatwg.org
import { decodeJis, encodeJis } from './jis.ts';
import { decodeMultiByte, encodeMultiByte, isMultiByte } from './multi-byte.ts';
import { charsetLabel } from './names.ts';
import { decodeWide, encodeWide, type WideCharset } from './wide.ts';

export interface Codec {
  decode(bytes: Buffer): string;
  /** What the set has not becomes `?`. */
  encode(text: string): Buffer;
}

const codecs = new Map<string, Codec>();

/** By WHATWG label, as `charsetLabel` yields it. */
export function codecOf(label: string): Codec {
  const known = codecs.get(label);
  if (known !== undefined) return known;
  const codec = createCodec(label);
  codecs.set(label, codec);
  return codec;
}

function createCodec(label: string): Codec {
  if (label === 'utf-8') return { decode: decoderOf(label), encode: (text) => Buffer.from(text) };
  if (label === 'iso-2022-jp') return { decode: decodeJis, encode: (text) => encodeJis(jisForms(text)) };
  if (/^utf-(16|32)[lb]e$/.test(label)) {
    const wide = label as WideCharset;
    return { decode: (bytes) => decodeWide(bytes, wide) ?? '\ufffd', encode: (text) => encodeWide(text, wide) };
  }
  if (!isMultiByte(label)) return singleByte(label);
  const formed = /jp|jis/.test(label) ? jisForms : (text: string): string => text;
  return {
    decode: (bytes) => decodeMultiByte(bytes, label),
    encode: (text) => encodeMultiByte(formed(text), label),
  };
}

function decoderOf(label: string): (bytes: Buffer) => string {
  const decoder = new TextDecoder(label, { ignoreBOM: true });
  return (bytes) => decoder.decode(bytes);
}

/** The way back is the decoder's own table turned round: what was read as windows-1252 is written byte for byte. */
function singleByte(label: string): Codec {
  const isAscii = label === 'us-ascii';
  const decode = decoderOf(isAscii ? 'windows-1252' : label);
  const bytes = new Map<string, number>();
  for (let byte = isAscii ? 0x7f : 0xff; byte >= 0; byte--) bytes.set(decode(Buffer.of(byte)), byte);
  bytes.delete('\ufffd');
  return { decode, encode: (text) => Buffer.from(Array.from(text, (character) => bytes.get(character) ?? 0x3f)) };
}

// Unicode has two characters for some of JIS; Windows' tables, which the decoders follow, know one of each.
const forms = new Map([
  ['\u301c', '\uff5e'],
  ['\u2016', '\u2225'],
  ['\u2212', '\uff0d'],
  ['\u2014', '\u2015'],
  ['\u00a2', '\uffe0'],
  ['\u00a3', '\uffe1'],
  ['\u00ac', '\uffe2'],
  // As bytes they would be a backslash and a tilde, which are delimiters.
  ['\u00a5', '\uffe5'],
  ['\u203e', '\uffe3'],
]);

function jisForms(text: string): string {
  return text.replaceAll(
    /[\u301c\u2016\u2212\u2014\u00a2\u00a3\u00ac\u00a5\u203e]/g,
    (character) => forms.get(character)!,
  );
}

/**
 * Text in the character set that MSH-18 names (`8859/1`, `UNICODE UTF-8`, `GB 18030-2000`, or a label of the web); ''
 * and unknown names mean UTF-8. What the set has not becomes `?`: see `isEncodable`.
 */
export function encodeText(text: string, charset: string): Buffer {
  return codecOf(charsetLabel(charset) ?? 'utf-8').encode(text);
}

/** Whether every character of the text has a place in the character set of that name. */
export function isEncodable(text: string, charset: string): boolean {
  const label = charsetLabel(charset) ?? 'utf-8';
  const { decode, encode } = codecOf(label);
  return decode(encode(text)) === (/jp|jis/.test(label) ? jisForms(text) : text);
}
