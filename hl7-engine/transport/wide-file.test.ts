import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMessage } from '../message/message.ts';
import { encodeWide } from '../message/wide.ts';
import { widePieces } from './wide-file.ts';

test('the end of a frame of MLLP is no part of the message in it, the last one neither', async () => {
  const framed = '\x0bMSH|^~\\&|A|B|||||ADT^A01|1|P|2.5\rZZZ|1|end\x1c\r';
  for (const charset of ['utf-16le', 'utf-16be', 'utf-32le', 'utf-32be'] as const) {
    async function* file(): AsyncGenerator<Buffer> {
      yield encodeWide(`\ufeff${framed}${framed}`, charset);
    }
    const pieces = await Array.fromAsync(widePieces(file(), 10_000));
    const lines = pieces.map((piece) => (piece.kind === 'fault' ? [] : parseMessage(piece.raw).segments));
    assert.deepEqual(
      lines.map((segments) => segments.map(({ name, raw }) => `${name} ${raw}`).at(-1)),
      ['ZZZ ZZZ|1|end', 'ZZZ ZZZ|1|end'],
      charset,
    );
  }
});
