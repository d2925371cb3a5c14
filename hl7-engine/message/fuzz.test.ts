// Any bytes: seeded noise, the corpus's messages with bytes changed, every prefix of a message, megabytes of one thing
import assert from 'node:assert/strict';
import test from 'node:test';
import { random } from '#platform/testing';
import { corpusMessages, corpusMissing } from '../testing/corpus.ts';
import { readBatch } from './batch.ts';
import { joinAdd } from './continuation.ts';
import { edit } from './edit.ts';
import { read } from './header.ts';
import { type Hl7Message, parseMessage } from './message.ts';
import { Refusal } from './refusal.ts';
import { fromXml } from './v2xml/read.ts';

const charsets = [
  ['', '8859/1', 'UNICODE UTF-8', 'UNICODE UTF-16', 'UNICODE UTF-32', 'ASCII', 'KLINGON'],
  ['SHIFT_JIS', 'BIG-5', 'GB 18030-2000', 'KS X 1001', 'EUC-JP', '~ISO IR87', 'ISO IR14~ISO IR159'],
].flat();

const msh = (charset: string) => `MSH|^~\\&#|LAB|NORTH|EHR|SOUTH|20260131||ORU^R01|M1|P|2.7||||||${charset}\r`;

/** Asks for everything that can be asked for; its bytes come back, also when one value was changed and changed back. */
function exercise(message: Hl7Message, label: string): void {
  assert.ok(message.toBuffer().equals(message.raw), label);
  assert.ok(edit(message, []).raw.equals(message.raw), label);
  for (const segment of message.segments.slice(0, 50)) {
    for (let field = 0; field < 30; field++) {
      const part = segment.field(field);
      part.whole;
      for (const repetition of part.repetitions().slice(0, 3)) repetition.component(2).subcomponent(2).text;
    }
  }
}

function exerciseBytes(raw: Buffer, label: string): void {
  const { message } = read(raw);
  if (!(message instanceof Refusal)) exercise(message, label);
  const { groups } = readBatch(raw);
  for (const { raw: one, offset } of groups.flatMap(({ messages }) => messages)) {
    assert.ok(raw.subarray(offset, offset + one.length).equals(one), label);
  }
}

test('noise of any bytes, in every character set', () => {
  const interesting = Buffer.from('|^~\\&#\r\n\x1b$B(J\x00\x81\x83\x7c\xe5\xff\xc3\xbc"XCM.br', 'latin1');
  for (let seed = 1; seed <= 1500; seed++) {
    const number = random(seed);
    const noise = Buffer.from(
      Array.from({ length: 200 }, () => (number(2) === 0 ? number(256) : interesting[number(interesting.length)]!)),
    );
    const start = seed % 5 === 0 ? 'MSH' : msh(charsets[seed % charsets.length]!);
    const encoding = (['latin1', 'utf16le'] as const)[seed % 7 === 0 ? 1 : 0];
    exerciseBytes(Buffer.concat([Buffer.from(start, encoding), noise]), `seed ${seed}`);
  }
});

test('messages of the corpus with bytes changed, taken out and put in', { skip: corpusMissing }, () => {
  for (const [at, { name, raw }] of corpusMessages().entries()) {
    const number = random(at + 1);
    for (let round = 0; round < 5; round++) {
      const bytes = [...raw];
      for (let change = 0; change < 20; change++) {
        const place = number(bytes.length);
        bytes.splice(place, number(3), ...Array.from({ length: number(3) }, () => number(256)));
      }
      exerciseBytes(Buffer.from(bytes), `${name} ${round}`);
    }
  }
});

test('every prefix of a message', () => {
  const raw = Buffer.from(`${msh('UNICODE UTF-8')}PID|1||A^^^X&1.2&ISO~B||Müller^Zoë||""|\\X41\\\r\nADD|x\rOBX|1\r`);
  for (const bytes of [raw, Buffer.from(raw.toString(), 'utf16le'), Buffer.concat([Buffer.from('BHS|^~\\&\r'), raw])]) {
    for (let length = 0; length <= bytes.length; length++) exerciseBytes(bytes.subarray(0, length), `${length} bytes`);
  }
});

test('text in every character set comes back as it was put in', () => {
  const samples: Record<string, string> = {
    '8859/1': 'Müller|\\F\\ é^ÿ~&',
    '8859/5': 'Иванов|',
    'UNICODE UTF-8': '山田\u{1f600}|ü',
    'UNICODE UTF-16': '山田\u{1f600}|ü',
    'UNICODE UTF-32': '山田\u{1f600}|ü',
    SHIFT_JIS: 'ポ―タ表示|ﾔﾏ',
    'BIG-5': '功許蓋|',
    'GB 18030-2000': '亅ï联通|\u{20000}',
    'KS X 1001': '김|뷁',
    'EUC-JP': '山ポ丂|ﾔ',
    'ISO IR87': '山ポ丂|ﾔ\\^',
  };
  for (const [charset, text] of Object.entries(samples)) {
    const bare = parseMessage(Buffer.from(`${msh('')}PID|1||1||x|y\r`));
    const declared = edit(bare, [{ path: 'MSH-18', value: charset }]);
    const filled = edit(declared, [{ path: 'PID-5', value: text }]);
    assert.equal(filled.get('PID-5'), text.trim(), charset);
    assert.equal(filled.get('PID-6'), 'y', charset);
    assert.equal(filled.charsetMismatch, false, charset);
    assert.equal(parseMessage(filled.raw).part('PID-5').whole, text, charset);
    exercise(filled, charset);
  }
});

test('16 MiB of one thing', () => {
  const bytesMax = 16 * 1024 * 1024;
  const fill = (start: string, what: string) =>
    Buffer.concat([Buffer.from(start), Buffer.alloc(bytesMax, what, 'latin1')]);
  for (const what of [
    '|',
    '^',
    '~',
    'a~',
    '&',
    '\\',
    '\r',
    '\r\n',
    'x',
    '\0',
    '"',
    '\u0083',
    '\u001b$B',
    'ADD|\r',
    'MSH',
  ]) {
    for (const charset of /[^\0-\x1a\x20-\x7f]/.test(what) ? ['UNICODE UTF-8', 'SHIFT_JIS'] : ['UNICODE UTF-8']) {
      const message = parseMessage(fill(`${msh(charset)}OBX|1|`, what));
      assert.ok(message.toBuffer().equals(message.raw), JSON.stringify(what));
      assert.equal(message.get('OBX-1'), '1');
      assert.equal(message.get('OBX-900[9000].900.900'), undefined);
      const field = message.segment('OBX')!.field(2);
      field.text;
      field.isEmpty;
      if (what === 'a~') assert.throws(() => field.repetitions(), Refusal);
    }
  }
  const added = joinAdd(parseMessage(Buffer.from(`${msh('')}OBX|1\r${'ADD|abc\r'.repeat(9990)}`)));
  assert.equal(added.segment('OBX')!.raw.length, 5 + 3 * 9990);
  assert.throws(() => fromXml(fill('<A>', '<a>')), Refusal);
  assert.throws(() => fromXml(fill('<A><MSH><MSH.3>', '&amp;')), Refusal);
});
