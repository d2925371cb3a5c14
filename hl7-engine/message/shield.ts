// Multi-byte character sets whose later bytes look like delimiters: Shift_JIS, GB 18030, Big5, EUC-KR, ISO-2022-JP
// (https://encoding.spec.whatwg.org, ISO/IEC 2022)
import { decodeMultiByte } from './multi-byte.ts';

/** What a byte of a character becomes that must not be taken for a delimiter: its low eight bits are still the byte. */
const shielded = 0x100;

const escapeByte = 0x1b;

type PairedCharset = 'shift_jis' | 'gb18030' | 'big5' | 'euc-kr';

export type ShieldedCharset = PairedCharset | 'iso-2022-jp';

/**
 * The bytes as text of one character a byte, those below 80 that belong to a longer character moved up by 100 (hex), so
 * that a search for a delimiter passes over them; `latin1` gives every byte back. ポ in Shift_JIS is 83 7C: no field ends there.
 */
export function shield(raw: Buffer, charset: ShieldedCharset): string {
  const units = new Uint16Array(raw);
  if (charset === 'iso-2022-jp') shieldShifts(raw, units);
  else shieldPairs(raw, units, charset);
  return Buffer.from(units.buffer).toString('utf16le');
}

function shieldPairs(raw: Buffer, units: Uint16Array, charset: PairedCharset): void {
  const isCharacter = pairTest(charset);
  for (let at = 0; at + 1 < raw.length; at++) {
    const lead = raw[at]!;
    if (lead <= 0x80 || (charset === 'shift_jis' && lead >= 0xa0 && lead < 0xe0)) continue;
    const length = charset === 'gb18030' && isFour(raw, at) ? 4 : isCharacter(lead, raw[at + 1]!) ? 2 : 1;
    for (let next = at + 1; next < at + length; next++) if (raw[next]! < 0x80) units[next]! |= shielded;
    at += length - 1;
  }
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

function isFour(raw: Buffer, at: number): boolean {
  return isDigit(raw[at + 1]) && (raw[at + 2] ?? 0) > 0x80 && isDigit(raw[at + 3]);
}

const pairTests = new Map<PairedCharset, (lead: number, trail: number) => boolean>();

// A lead byte that lost its trail (a field cut by length) must not swallow the delimiter behind it: only pairs that are a
// character count, as the decoder does it. Asked once for each pair.
function pairTest(charset: PairedCharset): (lead: number, trail: number) => boolean {
  const known = pairTests.get(charset);
  if (known !== undefined) return known;
  const answers = new Uint8Array(0x10000);
  const test = (lead: number, trail: number): boolean => {
    const pair = (lead << 8) | trail;
    answers[pair] ||= decodeMultiByte(Buffer.of(lead, trail), charset).includes('\ufffd') ? 1 : 2;
    return answers[pair] === 2;
  };
  pairTests.set(charset, test);
  return test;
}

/** Escape sequences, and what stands in a set other than ASCII until the next one or the end of the line. */
function shieldShifts(raw: Buffer, units: Uint16Array): void {
  let inAscii = true;
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at]!;
    const shift = byte === escapeByte ? shiftAt(raw, at) : undefined;
    if (shift !== undefined) {
      for (let next = at; next < at + shift.length; next++) units[next]! |= shielded;
      at += shift.length - 1;
      inAscii = shift.set === 'ascii';
    } else if (byte === 0x0d || byte === 0x0a) inAscii = true;
    else if (!inAscii && byte > 0x20 && byte < 0x7f) units[at]! |= shielded;
  }
}

/** `double`: JIS X 0208; `supplement`: JIS X 0212; `katakana`: JIS X 0201's right half in seven bits. */
export type JisSet = 'ascii' | 'double' | 'supplement' | 'katakana';

const shifts = new Map<string, JisSet>([
  ['(B', 'ascii'],
  ['(J', 'ascii'],
  ['(I', 'katakana'],
  ['$@', 'double'],
  ['$B', 'double'],
  ['$(@', 'double'],
  ['$(B', 'double'],
  ['$(D', 'supplement'],
]);

/** The escape sequence at `at`, where there is one; `length` in bytes. */
export function shiftAt(raw: Buffer, at: number): { set: JisSet; length: number } | undefined {
  for (const length of [2, 3]) {
    const set = shifts.get(raw.toString('latin1', at + 1, at + 1 + length));
    if (set !== undefined) return { set, length: length + 1 };
  }
  return undefined;
}

/** The set that `(B`, `$B` … (what stands behind ESC) switches to. */
export function jisSetOf(sequence: string): JisSet | undefined {
  return shifts.get(sequence);
}
