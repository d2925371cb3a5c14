// Files of lines cut into chunks: whatever the pieces they are read in, each line comes once, with its number.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { random } from '#platform/testing';
import { type Chunk, type ChunkLimits, chunksOf, type DoneRange } from './chunks.ts';

const limits: ChunkLimits = { linesMax: 3, bytesMax: 40, lineBytesMax: 60 };

async function* pieces(content: Buffer, next: (below: number) => number): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; ) {
    const size = 1 + next(50);
    yield content.subarray(at, at + size);
    at += size;
  }
}

const cut = (content: Buffer, done: DoneRange[], next: (below: number) => number): Promise<Chunk[]> =>
  Array.fromAsync(chunksOf(pieces(content, next), limits, done));

/** Lines of up to 30 characters, blank ones too, the last one perhaps without an end. */
function randomLines(next: (below: number) => number): string[] {
  const lines = Array.from({ length: next(30) }, (_, i) => `${i}${'é'.repeat(next(10))}\n`);
  if (next(2) === 0) lines.push('the last');
  return lines;
}

interface Numbered {
  line: number;
  text: string;
}

function linesOf(chunk: Chunk): Numbered[] {
  const text = Buffer.from(chunk.bytes).toString();
  return text
    .split(/(?<=\n)/)
    .filter((line) => line !== '')
    .map((line, i) => ({ line: chunk.line + i, text: line }));
}

describe('chunks', () => {
  test('hold every line once, in order, with its number and place', async () => {
    const next = random(1);
    for (let round = 0; round < 300; round++) {
      const lines = randomLines(next);
      const content = Buffer.from(lines.join(''));
      const chunks = await cut(content, [], next);
      const wanted = lines.map((text, i) => ({ line: i + 1, text }));
      assert.deepEqual(chunks.flatMap(linesOf), wanted);
      let at = 0;
      for (const { from, to, bytes } of chunks) {
        assert.deepEqual([from, to], [at, at + bytes.length]);
        assert.ok(bytes.length > 0);
        at = to;
      }
      assert.equal(at, content.length);
    }
  });

  test('leave out what is done', async () => {
    const next = random(2);
    for (let round = 0; round < 300; round++) {
      const lines = randomLines(next);
      const content = Buffer.from(lines.join(''));
      const all = await cut(content, [], random(round));
      const isDone = all.map(() => next(2) === 0);
      const done = all
        .filter((_, i) => isDone[i])
        .map((chunk) => ({ from: chunk.from, to: chunk.to, lines: linesOf(chunk).length }));
      const chunks = await cut(content, done, next);
      const wanted = all.filter((_, i) => !isDone[i]).flatMap(linesOf);
      assert.deepEqual(chunks.flatMap(linesOf), wanted);
    }
  });

  test('have at most so many lines, and end after so many bytes', async () => {
    const content = Buffer.from(`${'a\n'.repeat(7)}${'b'.repeat(39)}\nc\nd\n`);
    const chunks = await cut(content, [], () => 49);
    assert.deepEqual(
      chunks.map(({ bytes }) => Buffer.from(bytes).toString()),
      ['a\na\na\n', 'a\na\na\n', `a\n${'b'.repeat(39)}\n`, 'c\nd\n'],
    );
  });

  test('tell of a line that is too long without keeping it', async () => {
    const next = random(3);
    const content = Buffer.from(`a\n${'x'.repeat(1000)}\nb\n${'y'.repeat(1000)}`);
    const chunks = await cut(content, [], next);
    assert.deepEqual(
      chunks.map(({ bytes, from, to, line, tooLong }) => [Buffer.from(bytes).toString(), from, to, line, tooLong]),
      [
        ['a\n', 0, 2, 1, false],
        ['', 2, 1003, 2, true],
        ['b\n', 1003, 1005, 3, false],
        ['', 1005, 2005, 4, true],
      ],
    );
  });
});
