import assert from 'node:assert/strict';
import test from 'node:test';
import { escapeText, standardDelimiters, unescapeToken } from './escape.ts';
import { parseMessage } from './message.ts';

const head = (charset: string) =>
  `MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260131120000+0200||ORU^R01|M1|P|2.5.1||||||${charset}`;

function whole(value: string | Buffer, charset = 'UNICODE UTF-8'): string | undefined {
  const raw = Buffer.concat([Buffer.from(`${head(charset)}\rOBX|1|FT|A||`), Buffer.from(value)]);
  return parseMessage(raw).part('OBX-5').whole;
}

test('delimiters, and bytes in hexadecimal', () => {
  assert.equal(whole('a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f'), 'a|b^c&d~e\\f');
  assert.equal(whole('\\X48656C6c6F\\'), 'Hello');
  assert.equal(whole('M\\XC3\\\\XBC\\ller'), 'Müller', 'one character, spread over two sequences');
  assert.equal(whole('M\\XFC\\ller', '8859/1'), 'Müller');
  assert.equal(whole('M\\XFC\\ller', ''), 'Müller', 'a letter of windows-1252 where nothing is declared');
  assert.equal(whole('M\\XFC\\ller, Zoë, \\XC3\\\\XA9\\'), 'Müller, Zoë, é', 'and one beside UTF-8');
  // No character of UTF-8, though their bytes look like one: too long, a half of a surrogate pair.
  assert.equal(whole('\\XE08080\\ \\XEDA080\\ \\X80\\'), 'à€€ í\u00a0€ €');
  assert.equal(
    whole('\\XF4908080\\ \\XE282\\ \\XF09F9880\\ \\XE282AC\\'),
    'ô\u0090€€ â‚ \u{1f600} €',
    'beyond U+10FFFF, half, whole',
  );
  const truncating = parseMessage(Buffer.from('MSH|^~\\&#|A|B|||||ORU^R01|1|P|2.7\rOBX|1|ST|A||50\\P\\ cut#'));
  assert.equal(truncating.part('OBX-5').whole, '50# cut#');
  assert.equal(truncating.part('OBX-5').isTruncated, true);
  assert.equal(truncating.part('OBX-3').isTruncated, false);
});

test('highlighting and filling vanish; lines and spaces come', () => {
  assert.equal(whole('\\H\\high\\N\\ and \\.fi\\filled\\.nf\\'), 'high and filled');
  assert.equal(whole('one\\.br\\two\\.sp\\three\\.sp2\\four'), 'one\ntwo\nthree\n\nfour');
  assert.equal(whole('a\\.sk3\\b\\.sk\\c'), 'a   b c');
  assert.equal(whole('\\.in4\\\\.ti-4\\first\\.br\\second\\.br\\third'), 'first\n    second\n    third');
  assert.equal(whole('\\.ti2\\first\\.br\\second'), '  first\nsecond');
  assert.equal(whole('title:\\.ce\\REPORT\\.br\\\\.ce\\TEXT'), 'title:\nREPORT\nTEXT');
});

test('what is unknown or has another form stays as it is', () => {
  for (const text of [
    '\\Zx1\\ local',
    '\\.sp 2\\',
    '\\.sp-1\\',
    '\\.sk0\\',
    '\\.sp9999\\',
    '\\.br2\\',
    '\\.xx\\',
    '\\.in\\',
    '\\X4\\',
    '\\X4G\\',
    '\\X\\',
    '\\C28\\',
    '\\C7F7F\\',
    '\\M24\\',
    '\\f\\',
    'C:\\temp',
    '\\',
    '\\\\',
    '\\\\\\',
  ]) {
    assert.equal(whole(text), text, text);
  }
  assert.equal(whole('a\\b\\F\\c'), 'a\\b|c');
  assert.equal(whole('\\P\\'), '\\P\\', 'MSH-2 names no truncation character');
});

test('switched to another character set, and back', () => {
  assert.equal(whole('Ma\\C2D42\\\u00b3\\C2842\\', '8859/1'), 'MaÂł', 'UTF-8 bytes of ³, read as 8859/2');
  assert.equal(whole(Buffer.from('Lo\\C2D41\\\xefc\\C2842\\ \xef', 'latin1'), '8859/5'), 'Loïc я');
  assert.equal(whole('\\M2442\\;3ED\\C2842\\ YAMADA', 'ASCII'), '山田 YAMADA');
  assert.equal(whole('\\C2949\\\\XD4CFC0DE\\\\C2842\\', 'ASCII'), 'ﾔﾏﾀﾞ');
});

test('text put into a field comes back from it', () => {
  const delimiters = { ...standardDelimiters, truncation: '#' };
  const decode = (token: string) => token;
  const reading = { delimiters, decode, fromBytes: (bytes: Buffer) => bytes.toString('latin1') };
  const wild = 'a|b^c~d\\e&f\ng\\F\\#h\u000b\u001c\t\u0000 \\.br\\';
  const token = escapeText(wild, delimiters);
  assert.equal(token, 'a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f\\.br\\g\\E\\F\\E\\\\P\\h\\X0B\\\\X1C\\\t\\X00\\ \\E\\.br\\E\\');
  assert.equal(unescapeToken(token, reading), wild);
  assert.equal(escapeText('a\r\nb\rc', standardDelimiters), 'a\\.br\\b\\.br\\c');
  assert.equal(escapeText('a|b\nc', { ...standardDelimiters, escape: '' }), 'a b c');
});

test('megabytes of escapes are read in one pass, and grow no further than their padding allows', () => {
  const million = 1_000_000;
  assert.equal(whole('\\'.repeat(4 * million))!.length, 4 * million);
  assert.equal(whole('\\X4'.repeat(million))!.length, 3 * million);
  assert.equal(whole('\\F'.repeat(million))!.length, million, 'every other mark closes');
  assert.equal(whole('\\.sp999\\'.repeat(million))!.length, million + 10_000);
  assert.equal(whole(`\\.in999\\${'\\.br\\x'.repeat(million)}`)!.length, 2 * million + 10_000);
  assert.equal(whole('\\X41\\'.repeat(million))!.length, million);
  assert.equal(whole(`\\X${'41'.repeat(4 * million)}\\`)!.length, 4 * million);
  assert.equal(whole(`\\X${'41'.repeat(4 * million)}4\\`)!.length, 8 * million + 4);
  assert.equal(whole('\\C2842\\a'.repeat(million / 10))!.length, million / 10);
});
