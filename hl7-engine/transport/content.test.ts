import assert from 'node:assert/strict';
import test from 'node:test';
import iconv from 'iconv-lite';
import { readBatch } from '../message/batch.ts';
import { parseMessage } from '../message/message.ts';
import { encodeWide } from '../message/wide.ts';
import { frame } from '../mllp/frame.ts';
import { inCharset, withoutFrame } from './content.ts';

const message = (set = ''): string => `MSH|^~\\&|L|N|||20260131||ADT^A08|1|P|2.5||||||${set}\rPID|1||7^^^H||Dvořák\r`;
const nameOf = (raw: Buffer) => parseMessage(raw).get('PID-5.1');
const namesIn = (raw: Buffer) =>
  readBatch(raw).groups.flatMap(({ messages }) => messages.map((one) => nameOf(one.raw)));

test('each message of a batch is in the set that the transport tells, but for those that name theirs', () => {
  const silent = iconv.encode(message(), 'windows-1250');
  const own = iconv.encode(message('8859/2'), 'iso-8859-2');
  const batch = [Buffer.from('FHS|^~\\&\rBHS|^~\\&\r'), silent, own, silent, Buffer.from('BTS|3\rFTS|1\r')];
  const names = ['Dvořák', 'Dvořák', 'Dvořák'];
  assert.deepEqual(namesIn(inCharset(Buffer.concat(batch), 'windows-1250')), names);
  // Without an envelope, whichever of them comes first.
  assert.deepEqual(namesIn(inCharset(Buffer.concat([own, silent, own]), 'windows-1250')), names);
  assert.deepEqual(namesIn(inCharset(Buffer.concat([silent, own, silent]), 'windows-1250')), names);
  // In frames of MLLP as well.
  const framed = [silent, own, silent].map(frame);
  assert.deepEqual(namesIn(inCharset(Buffer.concat(framed), 'windows-1250')), names);
});

test('UTF-16 stays what it is beside a set of single bytes', () => {
  for (const mark of ['', '\ufeff']) {
    const wide = Buffer.from(mark + message(), 'utf16le');
    assert.equal(inCharset(wide, 'windows-1250'), wide);
    for (const charset of ['utf-16', 'utf-16le']) assert.equal(nameOf(inCharset(wide, charset)), 'Dvořák');
  }
});

test('a frame of MLLP around a message, or around several, is no part of them', () => {
  const one = Buffer.from(message());
  assert.ok(withoutFrame(frame(one)).equals(one));
  assert.equal(withoutFrame(one), one);
  const { groups } = readBatch(withoutFrame(Buffer.concat([frame(one), frame(one)])));
  assert.deepEqual(
    groups[0]!.messages.map(({ raw }) => raw.toString()),
    [message(), message()],
  );
});

test('what follows a frame in UTF-16 or UTF-32, or one behind a byte order mark or a blank line, is no line of the message', () => {
  const content = `\x0b${message()}`;
  const [sent, kept] = [`${content}\x1c\r`, content] as const;
  for (const charset of ['utf-16le', 'utf-16be', 'utf-32le', 'utf-32be'] as const) {
    for (const mark of ['', '\ufeff']) {
      const wide = encodeWide(mark + sent, charset);
      assert.ok(withoutFrame(wide).equals(encodeWide(mark + kept, charset)), charset);
      assert.equal(parseMessage(withoutFrame(wide)).segments.at(-1)!.name, 'PID');
    }
    const inner = encodeWide(message(), charset);
    for (const end of ['', '\r', '\r\n']) {
      const framed = Buffer.concat([Buffer.of(0x0b), inner, Buffer.from(`\x1c${end}`)]);
      assert.ok(withoutFrame(framed).equals(inner), `${charset} in a frame of single bytes`);
    }
    const more = Buffer.concat([encodeWide(sent, charset), Buffer.from('\n')]);
    assert.ok(withoutFrame(more).equals(encodeWide(kept, charset)), `${charset}, a line feed of one byte`);
  }
  for (const before of ['\ufeff', '\r\n'])
    assert.equal(withoutFrame(Buffer.from(`${before}${sent}\n`)).toString(), `${before}${kept}`);
});
