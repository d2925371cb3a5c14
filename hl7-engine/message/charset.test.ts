import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeText, isEncodable } from './codec.ts';
import { parseMessage } from './message.ts';
import { charsetLabel } from './names.ts';

const head = (charset: string) => `MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260131||ADT^A01|M1|P|2.5||||||${charset}`;

/** A message with a name in PID-5 and `x` behind it: text, character set, mismatch; its bytes come back. */
function name(bytes: Buffer, charset: string): [string | undefined, string, boolean] {
  const raw = Buffer.concat([Buffer.from(`${head(charset)}\rPID|1||1||`), bytes, Buffer.from('^x|||F\r')]);
  const message = parseMessage(raw);
  assert.ok(message.toBuffer().equals(raw), charset);
  assert.equal(message.get('PID-5.2'), 'x', charset);
  assert.equal(message.get('PID-8'), 'F', charset);
  return [message.get('PID-5'), message.charset, message.charsetMismatch];
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('character sets of table 0211 and what senders write', () => {
  const cases: [string, string, string, string][] = [
    ['8859/1', '4d fc 6c 6c 65 72', 'Müller', 'windows-1252'],
    ['ISO-8859-1', '4d fc 6c 6c 65 72', 'Müller', 'windows-1252'],
    ['ISO 8859/1', '4d fc 6c 6c 65 72', 'Müller', 'windows-1252'],
    ['WINDOWS-1252', '80', '€', 'windows-1252'],
    ['8859/2', '4d a3', 'MŁ', 'iso-8859-2'],
    ['8859/5', 'bb d0 d2', 'Лав', 'iso-8859-5'],
    ['8859/6', 'c7', 'ا', 'iso-8859-6'],
    ['8859/7', 'c1', 'Α', 'iso-8859-7'],
    ['8859/8', 'e0', 'א', 'iso-8859-8'],
    ['8859/9', 'fd', 'ı', 'windows-1254'],
    ['8859/15', 'a4', '€', 'iso-8859-15'],
    ['windows-1251', 'cc', 'М', 'windows-1251'],
    ['UNICODE UTF-8', 'c3 bc', 'ü', 'utf-8'],
    ['UTF-8', 'c3 bc', 'ü', 'utf-8'],
    ['UNICODE', 'c3 bc', 'ü', 'utf-8'],
    // Second bytes that are |, \, ^, ~ or & elsewhere.
    ['SHIFT_JIS', '83 7c 81 5c 83 5e', 'ポ―タ', 'shift_jis'],
    ['Windows-31J', '83 7c', 'ポ', 'shift_jis'],
    ['BIG-5', 'a5 5c', '功', 'big5'],
    ['CNS 11643-1992', 'a5 5c', '功', 'big5'],
    ['GB 18030-2000', '81 7c 81 30 8a 37', '亅ï', 'gb18030'],
    ['GBK', '81 7c', '亅', 'gb18030'],
    ['KS X 1001', 'b1 e8', '김', 'euc-kr'],
    ['EUC-JP', 'bb b3', '山', 'euc-jp'],
    ['~ISO IR87', '1b 24 42 3b 33 45 44 1b 28 42', '山田', 'iso-2022-jp'],
    ['ISO IR14~ISO IR87', '1b 24 42 25 5d 1b 28 42', 'ポ', 'iso-2022-jp'],
    ['~ISO IR87~ISO IR159', '1b 24 28 44 30 21 1b 28 42', '丂', 'iso-2022-jp'],
    ['ISO IR13', 'd4 cf', 'ﾔﾏ', 'iso-2022-jp'],
    // Behind an empty one or ASCII.
    ['~SHIFT_JIS', '83 7c 81 5c 83 5e', 'ポ―タ', 'shift_jis'],
    ['ASCII~8859/2', '4d a3', 'MŁ', 'iso-8859-2'],
    ['ASCII~KLINGON~GB 18030-2000', '81 7c', '亅', 'gb18030'],
    ['8859/1~8859/2', '4d a3', 'M£', 'windows-1252'],
  ];
  for (const [charset, bytes, text, label] of cases) {
    const isHalfWidth = charset === 'ISO IR13';
    const expected = isHalfWidth ? ['ﾔﾏ', 'shift_jis', true] : [text, label, false];
    assert.deepEqual(name(hex(bytes), charset), expected, charset);
  }
});

test('declared wrongly: what the bytes say counts, and it is told', () => {
  const utf8 = Buffer.from('Müller');
  const latin1 = Buffer.from('Müller', 'latin1');
  assert.deepEqual(name(utf8, ''), ['Müller', 'utf-8', false]);
  assert.deepEqual(name(latin1, ''), ['Müller', 'windows-1252', false]);
  assert.deepEqual(name(latin1, 'UNICODE UTF-8'), ['Müller', 'windows-1252', true]);
  assert.deepEqual(name(latin1, 'KLINGON'), ['Müller', 'windows-1252', true]);
  assert.deepEqual(name(utf8, '8859/1'), ['Müller', 'utf-8', true]);
  assert.deepEqual(name(Buffer.from('Łódź'), '8859/2'), ['Łódź', 'utf-8', true], 'bytes 80 to 9F');
  assert.deepEqual(name(utf8, 'UNICODE UTF-16'), ['Müller', 'utf-8', true]);
  assert.deepEqual(name(Buffer.from('山田'), 'SHIFT_JIS'), ['山田', 'utf-8', true]);
  assert.deepEqual(name(Buffer.from('山田'), '~ISO IR87'), ['山田', 'utf-8', true]);
  assert.deepEqual(name(hex('83 7c'), '~ISO IR87'), ['ポ', 'shift_jis', true]);
  assert.deepEqual(name(Buffer.from('Miller'), 'GB 18030-2000'), ['Miller', 'gb18030', false]);
});

test('one name cut within a character leaves the others as they are', () => {
  const raw = Buffer.concat([
    Buffer.from(`${head('UNICODE UTF-8')}\rPID|1||1||Jürgen^`),
    hex('c3'),
    Buffer.from('|Ärzte'),
  ]);
  const message = parseMessage(raw);
  assert.equal(message.get('PID-5.1'), 'Jürgen');
  assert.equal(message.get('PID-5.2'), 'Ã');
  assert.equal(message.get('PID-6'), 'Ärzte');
  assert.equal(message.charsetMismatch, true);
});

test('a lead byte without its trail swallows no delimiter', () => {
  const raw = Buffer.concat([
    Buffer.from(`${head('SHIFT_JIS')}\rPID|1||1||`),
    hex('83 7c 85'),
    Buffer.from('|x'),
    hex('fc0d'),
  ]);
  const message = parseMessage(raw);
  assert.equal(message.get('PID-5'), 'ポ\ufffd');
  assert.equal(message.get('PID-6'), 'x\ufffd');
  assert.equal(message.charsetMismatch, true);
  assert.ok(message.toBuffer().equals(raw));
});

test('MSH-18 is found behind a name that holds the separator', () => {
  const raw = Buffer.concat([
    Buffer.from('MSH|^~\\&|'),
    hex('83 7c 83 7c'),
    Buffer.from('|A|B|C|20260131||ADT^A01|M1|P|2.5||||||SHIFT_JIS\rPID|1||1||x'),
  ]);
  const message = parseMessage(raw);
  assert.equal(message.charset, 'shift_jis');
  assert.equal(message.get('MSH-3'), 'ポポ');
  assert.equal(message.get('MSH-10'), 'M1');
});

test('UTF-16 and UTF-32, with a byte order mark and without, bytes over at the end', () => {
  const text = `${head('UNICODE UTF-16')}\rPID|1||1||山\u{20000}\\X5C71\\\r`;
  const big = (value: string) => Buffer.from(value, 'utf16le').swap16();
  const points = (value: string, write: (bytes: Buffer, point: number) => void) =>
    Buffer.concat(
      Array.from(value, (character) => {
        const bytes = Buffer.alloc(4);
        write(bytes, character.codePointAt(0)!);
        return bytes;
      }),
    );
  const wide: [string, Buffer][] = [
    ['utf-16le', Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['utf-16le', Buffer.from(text, 'utf16le')],
    ['utf-16be', big(`\ufeff${text}`)],
    ['utf-16be', big(`\r\n${text}`)],
    ['utf-32le', points(`\ufeff${text}`, (bytes, point) => bytes.writeUInt32LE(point))],
    ['utf-32le', points(text, (bytes, point) => bytes.writeUInt32LE(point))],
    ['utf-32be', points(`\ufeff${text}`, (bytes, point) => bytes.writeUInt32BE(point))],
    ['utf-32be', points(text, (bytes, point) => bytes.writeUInt32BE(point))],
  ];
  for (const [label, raw] of wide) {
    for (const bytes of [raw, Buffer.concat([raw, hex('41')])]) {
      const message = parseMessage(bytes);
      assert.equal(message.charset, label);
      assert.equal(message.charsetMismatch, bytes !== raw);
      assert.equal(message.get('PID-5')?.slice(0, 3), '山\u{20000}');
      assert.equal(message.get('MSH-10'), 'M1');
      assert.ok(message.toBuffer().equals(bytes), label);
    }
  }
  assert.equal(parseMessage(wide[2]![1]).get('PID-5'), '山\u{20000}山');
  const half = Buffer.concat([Buffer.from(`${head('')}|`, 'utf16le'), hex('00d8 00dc 00dc')]);
  assert.ok(parseMessage(half).toBuffer().equals(half), 'half surrogates');
  assert.throws(() => parseMessage(Buffer.concat([points(head(''), (b, p) => b.writeUInt32LE(p)), hex('ffffffff')])));
});

test('text is written in the character set that is asked for', () => {
  const cases: [string, string, string][] = [
    ['Müller€', '8859/1', '4dfc6c6c657280'],
    ['Müller', '', '4dc3bc6c6c6572'],
    ['Müller', 'UNICODE UTF-8', '4dc3bc6c6c6572'],
    ['Łódź', '8859/2', 'a3f364bc'],
    ['ポ～', 'SHIFT_JIS', '837c8160'],
    ['\u301c\u00a5', 'SHIFT_JIS', '8160818f'],
    ['功', 'BIG-5', 'a55c'],
    ['亅ï', 'GB 18030-2000', '817c81308a37'],
    ['김', 'KS X 1001', 'b1e8'],
    ['a山田b丂ﾔ', 'ISO IR87', '611b24423b3345441b284262 1b2428443021 1b284954 1b2842'],
    ['a山', 'UNICODE UTF-16', '00615c71'],
    ['Ü', 'ASCII', '3f'],
    ['李', '8859/1', '3f'],
  ];
  for (const [text, charset, bytes] of cases) {
    assert.equal(encodeText(text, charset).toString('hex'), bytes.replaceAll(' ', ''), `${text} in ${charset}`);
    assert.equal(isEncodable(text, charset), !bytes.endsWith('3f'), `${text} in ${charset}`);
  }
  assert.equal(charsetLabel('KLINGON'), undefined);
});

test('every single byte comes back through every single-byte set', () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  for (const charset of ['8859/1', '8859/2', '8859/5', '8859/9', '8859/15', 'windows-1251']) {
    const text = new TextDecoder(charsetLabel(charset)).decode(bytes);
    assert.deepEqual(encodeText(text, charset), bytes, charset);
  }
});
