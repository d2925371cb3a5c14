// ISO-2022-JP with JIS X 0201, 0208 and 0212 (HL7 table 0211: ISO IR14, IR87, IR159), read and written by way of EUC-JP
import { decodeMultiByte, encodeMultiByte } from './multi-byte.ts';
import { type JisSet, shiftAt } from './shield.ts';

/** iconv-lite has no ISO-2022-JP; byte by byte it is EUC-JP but for bit 8. */
export function decodeJis(raw: Buffer): string {
  return decodeMultiByte(toEuc(raw), 'euc-jp');
}

function toEuc(raw: Buffer): Buffer {
  const euc: number[] = [];
  let set: JisSet = 'ascii';
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at]!;
    const shift = byte === 0x1b ? shiftAt(raw, at) : undefined;
    if (shift !== undefined) {
      set = shift.set;
      at += shift.length - 1;
    } else if (byte < 0x21 || byte === 0x7f) {
      if (byte === 0x0d || byte === 0x0a) set = 'ascii';
      euc.push(byte);
    } else if (byte > 0x7f) euc.push(...(byte >= 0xa1 && byte <= 0xdf ? [0x8e, byte] : [0xff]));
    else at += pushCharacter(euc, raw, at, set);
  }
  return Buffer.from(euc);
}

/** Yields how many further bytes it took. */
function pushCharacter(euc: number[], raw: Buffer, at: number, set: JisSet): number {
  const byte = raw[at]!;
  if (set === 'ascii') euc.push(byte);
  else if (set === 'katakana') euc.push(0x8e, byte | 0x80);
  else {
    const trail = raw[at + 1] ?? 0;
    if (trail < 0x21 || trail > 0x7e) {
      euc.push(0xff);
      return 0;
    }
    if (set === 'supplement') euc.push(0x8f);
    euc.push(byte | 0x80, trail | 0x80);
    return 1;
  }
  return 0;
}

const openings: Record<JisSet, string> = {
  ascii: '\u001b(B',
  katakana: '\u001b(I',
  double: '\u001b$B',
  supplement: '\u001b$(D',
};

/** Every line begins and ends in ASCII. What JIS has not becomes `?`. */
export function encodeJis(text: string): Buffer {
  const euc = encodeMultiByte(text, 'euc-jp');
  let result = '';
  let set: JisSet = 'ascii';
  for (let at = 0; at < euc.length; ) {
    const { set: next, from, to } = characterAt(euc, at);
    if (next !== set) result += openings[next];
    set = next;
    for (const byte of euc.subarray(from, to)) result += String.fromCharCode(byte & 0x7f);
    at = to;
  }
  if (set !== 'ascii') result += openings.ascii;
  return Buffer.from(result, 'latin1');
}

/** What a character of EUC-JP is in JIS: its set, and its bytes without the single shift. */
function characterAt(euc: Buffer, at: number): { set: JisSet; from: number; to: number } {
  const byte = euc[at]!;
  if (byte < 0x80) return { set: 'ascii', from: at, to: at + 1 };
  if (byte === 0x8e) return { set: 'katakana', from: at + 1, to: at + 2 };
  if (byte === 0x8f) return { set: 'supplement', from: at + 1, to: at + 3 };
  return { set: 'double', from: at, to: at + 2 };
}
