// Multi-byte character sets, both ways through iconv-lite: https://encoding.spec.whatwg.org
import iconv from 'iconv-lite';

// Node's TextDecoder has ICU's tables: 8,822 Hangul syllables of Windows' EUC-KR are not valid there, and Hong Kong's Big5
// comes out as private characters.
const ways = {
  gb18030: 'gb18030',
  big5: 'big5',
  'euc-kr': 'cp949',
  shift_jis: 'cp932',
  'euc-jp': 'eucjp',
} as const;

/** WHATWG labels. */
export type MultiByteCharset = keyof typeof ways;

export function isMultiByte(label: string): label is MultiByteCharset {
  return Object.hasOwn(ways, label);
}

/** What is no character is U+FFFD; a byte that could begin another character is not lost with it. */
export function decodeMultiByte(bytes: Buffer, charset: MultiByteCharset): string {
  return iconv.decode(bytes, ways[charset], { stripBOM: false });
}

/** What the set has not becomes `?`. */
export function encodeMultiByte(text: string, charset: MultiByteCharset): Buffer {
  return iconv.encode(text, ways[charset]);
}
