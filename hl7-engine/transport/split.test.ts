import assert from 'node:assert/strict';
import test from 'node:test';
import { random } from '#platform/testing';
import { createSplitter } from './split.ts';

function split(chunks: Buffer[], messageBytesMax = 1000): [kind: string, text: string][] {
  const splitter = createSplitter(messageBytesMax);
  const pieces = [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
  return pieces.map(({ kind, raw }) => [kind, raw.toString('latin1')]);
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

function inChunks(content: Buffer, size: number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < content.length; at += size) chunks.push(content.subarray(at, at + size));
  return chunks;
}

test('a batch, whatever the line ends and the chunking', () => {
  for (const end of ['\r', '\n', '\r\n']) {
    const lines = ['FHS|^~\\&', 'BHS|^~\\&', 'MSH|^~\\&|1', 'PID|1', 'MSH|^~\\&|2', 'OBX|MSH', 'BTS|2', 'FTS|1'];
    const content = bytes(lines.map((line) => line + end).join(''));
    const expected = [
      ['envelope', `FHS|^~\\&${end}`],
      ['envelope', `BHS|^~\\&${end}`],
      ['message', `MSH|^~\\&|1${end}PID|1${end}`],
      ['message', `MSH|^~\\&|2${end}OBX|MSH${end}`],
      ['envelope', `BTS|2${end}`],
      ['envelope', `FTS|1${end}`],
    ];
    for (let size = 1; size <= content.length; size++)
      assert.deepEqual(split(inChunks(content, size)), expected, `${size}`);
  }
});

test('block characters, byte order mark and blank lines are no content; a last line needs no end', () => {
  const content = bytes('\xef\xbb\xbf\r\n\x0bMSH|1\rPID|1\r\x1c\r\x0bMSH|2\rMSHA|text\rPID|2\x1a');
  const expected = [
    ['message', 'MSH|1\rPID|1\r\r'],
    ['message', 'MSH|2\rMSHA|text\rPID|2\x1a'],
  ];
  for (let size = 1; size <= content.length; size++)
    assert.deepEqual(split(inChunks(content, size)), expected, `${size}`);
});

test('a trailer needs neither fields nor, at the end, a line end', () => {
  const content = bytes('FHS|1\rBHS|1\rMSH|1\rBTS and so on\rBTS\rBHS|2\rMSH|2\rBTS\r\nFTS');
  const expected = [
    ['envelope', 'FHS|1\r'],
    ['envelope', 'BHS|1\r'],
    ['message', 'MSH|1\rBTS and so on\r'],
    ['envelope', 'BTS\r'],
    ['envelope', 'BHS|2\r'],
    ['message', 'MSH|2\r'],
    ['envelope', 'BTS\r\n'],
    ['envelope', 'FTS'],
  ];
  for (let size = 1; size <= content.length; size++)
    assert.deepEqual(split(inChunks(content, size)), expected, `${size}`);
});

test('what stands before a message is a piece of its own', () => {
  assert.deepEqual(split([bytes('hello\rworld\rMSH|1\rBTS|1\rlost\r')]), [
    ['message', 'hello\rworld\r'],
    ['message', 'MSH|1\r'],
    ['envelope', 'BTS|1\r'],
    ['message', 'lost\r'],
  ]);
  assert.deepEqual(split([bytes(' \r\n\t\r\n')]), []);
  assert.deepEqual(split([]), []);
});

test('a message beyond the limit is not kept, be it one line or many; the next one is whole', () => {
  const long = `MSH|${'x'.repeat(300_000)}\r`;
  const many = `MSH|1\r${'OBX|1|TX|||text\r'.repeat(20_000)}`;
  for (const large of [long, many]) {
    const found = split(inChunks(bytes(`MSH|0\r${large}MSH|2\r`), 4096), 100_000);
    assert.deepEqual(
      found.map(([kind, text]) => [kind, text.length]),
      [
        ['message', 6],
        ['oversize', 64 * 1024],
        ['message', 6],
      ],
    );
    assert.equal(found[1]![1], large.slice(0, 64 * 1024));
  }
});

test('any bytes: nothing but block characters, marks and blank lines between pieces is lost', () => {
  const next = random(7);
  const alphabet = ['MSH|', 'BTS|', 'FHS|', '\r', '\n', '\r\n', 'PID|', 'x', '\x0b', '\x1c', ' ', 'MS'];
  for (let round = 0; round < 300; round++) {
    const parts = Array.from({ length: 40 }, () => alphabet[next(alphabet.length)]!);
    const content = bytes(parts.join(''));
    const whole = split([content]);
    for (const size of [1, 2, 3, 7]) assert.deepEqual(split(inChunks(content, size)), whole);
    const letters = (text: string): string => text.replaceAll(/[\s\x0b\x1c]/g, '');
    assert.equal(letters(whole.map(([, text]) => text).join('')), letters(content.toString('latin1')));
  }
});
