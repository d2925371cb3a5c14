import assert from 'node:assert/strict';
import test from 'node:test';
import { buildBatchAck, readBatch } from './batch.ts';
import { continuationOf, joinAdd, joinContinuation } from './continuation.ts';
import { parseMessage } from './message.ts';
import { Refusal } from './refusal.ts';

const msh = (id: string, more = '') => `MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260131||ORU^R01|${id}|P|2.5.1${more}`;
const bhs = 'BHS|^~\\&|LAB^1|NORTH|EHR|SOUTH|20260131||B^P|note|B7';
const nowMs = Date.UTC(2026, 0, 31, 12, 34, 56);

function read(...lines: string[]) {
  const raw = Buffer.from(lines.join('\r'));
  const batch = readBatch(raw);
  for (const { messages } of batch.groups) {
    for (const { raw: one, offset } of messages) assert.ok(raw.subarray(offset, offset + one.length).equals(one));
  }
  return {
    ...batch,
    ids: batch.groups.map(({ messages }) => messages.map((one) => parseMessage(one.raw).get('MSH-10'))),
  };
}

test('a batch: its messages byte for byte, counts that hold', () => {
  const batch = read(
    'FHS|^~\\&|LAB',
    bhs,
    msh('1'),
    'PID|1',
    msh('2'),
    'PID|2',
    'BTS|2',
    bhs,
    msh('3'),
    'BTS|1',
    'FTS|2',
    '',
  );
  assert.deepEqual(batch.ids, [['1', '2'], ['3']]);
  assert.deepEqual(batch.faults, []);
  assert.equal(batch.enveloped, true);
  assert.equal(batch.groups[0]!.messages[0]!.raw.toString(), `${msh('1')}\rPID|1\r`);
  assert.equal(batch.groups[0]!.header!.fields[11], 'B7');
});

test('a message alone, several alone, none', () => {
  const single = read(`\n${msh('1')}`, 'PID|1', '');
  assert.deepEqual([single.enveloped, single.ids, single.faults], [false, [['1']], []]);
  assert.equal(single.groups[0]!.messages[0]!.offset, 0);
  assert.deepEqual(read(msh('1'), 'PID|1', msh('2'), 'PID|MSH|').ids, [['1', '2']]);
  const none = readBatch(Buffer.from('hello'));
  assert.deepEqual(none.groups, [
    { header: undefined, messages: [{ raw: Buffer.from('hello'), offset: 0 }], faults: [] },
  ]);
  assert.deepEqual(readBatch(Buffer.alloc(0)).groups.length, 1);
  assert.deepEqual(read(bhs, 'BTS|0').groups[0]!.messages, []);
});

test('what is wrong with an envelope is told', () => {
  const faults = (...lines: string[]) => {
    const batch = read(...lines);
    return [...batch.groups.flatMap((group) => group.faults), ...batch.faults];
  };
  assert.deepEqual(faults(bhs, msh('1'), 'BTS|2'), ['BTS-1 counts 2, there are 1']);
  assert.deepEqual(faults(bhs, msh('1'), 'BTS|x'), ['BTS-1 counts no number, there are 1']);
  assert.deepEqual(faults(bhs, msh('1'), 'BTS'), []);
  assert.deepEqual(faults(bhs, msh('1')), ['BTS is missing: batch 1']);
  assert.deepEqual(faults('FHS|^~\\&', bhs, msh('1'), 'BTS|1'), ['FTS is missing']);
  assert.deepEqual(faults('FHS|^~\\&', bhs, msh('1'), 'BTS|1', 'FTS|3'), ['FTS-1 counts 3, there are 1']);
  assert.deepEqual(faults(bhs, 'PID|1', msh('1'), 'BTS|1', 'NTE|1'), ['Segments outside of any message']);
  assert.deepEqual(faults(msh('1'), 'BTS|1', 'FTS|1'), ['BTS without BHS', 'FTS without FHS']);
});

test('each header has delimiters of its own; UTF-16 and a byte order mark', () => {
  const own = read('FHS#*+?%#A', 'BHS$*+?%$A', msh('1'), 'BTS$1', 'FTS#1');
  assert.deepEqual([own.ids, own.faults], [[['1']], []]);
  const text = `\ufeff${bhs}\r${msh('1')}\rPID|1||1||山\r${msh('2')}\rBTS|2\r`;
  for (const raw of [Buffer.from(text, 'utf16le'), Buffer.from(text, 'utf16le').swap16(), Buffer.from(text)]) {
    const { groups, faults } = readBatch(raw);
    const ids = groups[0]!.messages.map((one) => parseMessage(one.raw).get('MSH-10'));
    assert.deepEqual([ids, faults], [['1', '2'], []]);
    assert.equal(parseMessage(groups[0]!.messages[0]!.raw).get('PID-5'), '山');
  }
});

test('a batch is acknowledged as a batch', () => {
  const batch = read(bhs, msh('1'), msh('2'), msh('3'), 'BTS|3');
  batch.groups[0]!.faults.push('a|b');
  const acks = [Buffer.from('MSH|1\rMSA|AA|1\r'), undefined, Buffer.from('MSH|3\rMSA|AE|3')];
  assert.deepEqual(buildBatchAck(batch, acks, { controlId: 'C1', nowMs }).toString().split('\r'), [
    'BHS|^~\\&|EHR|SOUTH|LAB^1|NORTH|20260131123456+0000||B^P||C1|B7',
    'MSH|1',
    'MSA|AA|1',
    'MSH|3',
    'MSA|AE|3',
    'BTS|2|a\\F\\b',
    '',
  ]);
  const file = read('FHS|^~\\&|F||||||n||F1', bhs, msh('1'), 'BTS|1', bhs, msh('2'), 'BTS|1', 'FTS|2');
  const answer = buildBatchAck(file, [Buffer.from('MSH|1\r'), Buffer.from('MSH|2\r')], { controlId: 'C', nowMs });
  assert.deepEqual(answer.toString().split('\r'), [
    'FHS|^~\\&|||F||20260131123456+0000||n||C|F1',
    'BHS|^~\\&|EHR|SOUTH|LAB^1|NORTH|20260131123456+0000||B^P||C-1|B7',
    'MSH|1',
    'BTS|1',
    'BHS|^~\\&|EHR|SOUTH|LAB^1|NORTH|20260131123456+0000||B^P||C-2|B7',
    'MSH|2',
    'BTS|1',
    'FTS|2',
    '',
  ]);
});

test('each batch of a file is told its own count, the file its own', () => {
  const answered = (lines: string[], acks: number) =>
    buildBatchAck(read(...lines), Array(acks).fill(Buffer.from('MSA')), { controlId: 'C', nowMs })
      .toString()
      .split('\r')
      .filter((text) => /^[BF]TS/.test(text));
  const batches = [bhs, msh('1'), 'BTS|2', bhs, msh('2'), msh('3'), 'BTS|2', bhs, msh('4'), 'BTS|1'];
  assert.deepEqual(answered(['FHS|^~\\&', ...batches, 'FTS|2'], 4), [
    'BTS|1|BTS-1 counts 2, there are 1',
    'BTS|2',
    'BTS|1',
    'FTS|3|FTS-1 counts 2, there are 3',
  ]);
  assert.deepEqual(answered([...batches, 'NTE|1', bhs, msh('5')], 5), [
    'BTS|1|BTS-1 counts 2, there are 1',
    'BTS|2',
    'BTS|1',
    'BTS|1|BTS is missing: batch 4; Segments outside of any message',
  ]);
});

test('the acknowledgment of a batch in UTF-16 is in it throughout', () => {
  const text = `${bhs.replace('NORTH', '北')}\r${msh('1')}\r${msh('2')}\rBTS|3\r`;
  for (const mark of ['', '\ufeff']) {
    const acks = [Buffer.from(`${mark}MSH|^~\\&|1\rMSA|AA|1\r`, 'utf16le'), Buffer.from('MSH|^~\\&|CEREBRA\rMSA|AR|')];
    const answer = buildBatchAck(readBatch(Buffer.from(mark + text, 'utf16le')), acks, { controlId: 'C1', nowMs });
    assert.equal(
      answer.toString('utf16le'),
      `${mark}${[
        'BHS|^~\\&|EHR|SOUTH|LAB^1|北|20260131123456+0000||B^P||C1|B7',
        ...['MSH|^~\\&|1', 'MSA|AA|1', 'MSH|^~\\&|CEREBRA', 'MSA|AR|', 'BTS|2|BTS-1 counts 3, there are 2', ''],
      ].join('\r')}`,
    );
  }
});

test('too many messages are refused', () => {
  assert.throws(() => readBatch(Buffer.from('MSH|\r'.repeat(100_001))), Refusal);
});

test('ADD goes on where the segment before it was cut', () => {
  const joined = (...lines: string[]) => joinAdd(parseMessage(Buffer.from([msh('1'), ...lines].join('\r'))));
  assert.equal(
    joined('OBX|1|TX|A||Hel', 'ADD|lo', 'ADD| world|||F', 'NTE|1').raw.toString(),
    `${msh('1')}\rOBX|1|TX|A||Hello world|||F\rNTE|1`,
  );
  assert.equal(joined('OBX|1|TX|', 'ADD', 'ADD|A||x').get('OBX-3'), 'A');
  const plain = parseMessage(Buffer.from(msh('1')));
  assert.equal(joinAdd(plain), plain);
  assert.throws(() => joined('ADD|x'), Refusal);
});

test('pieces of a message are joined by their pointer', () => {
  const parse = (...lines: string[]) => parseMessage(Buffer.from(lines.join('\r')));
  const first = parse(msh('1'), 'PID|1', 'OBX|1|TX|A||Hel', 'ADD', 'DSC|P1|F', '');
  const second = parse(msh('2', '||P1'), 'ADD|lo', 'OBX|2|TX|B||x', 'DSC|P2|F');
  const third = parse(msh('3', '||P2'), 'OBX|3|TX|C||ü');
  assert.deepEqual(continuationOf(first), { continues: undefined, continuedBy: 'P1' });
  assert.deepEqual(continuationOf(second), { continues: 'P1', continuedBy: 'P2' });
  assert.deepEqual(continuationOf(parse(msh('1'))), { continues: undefined, continuedBy: undefined });
  assert.deepEqual(continuationOf(parse(msh('1'), 'DSC|P1|I')), { continues: undefined, continuedBy: undefined });
  const joined = joinContinuation(joinContinuation(first, second), third);
  assert.equal(
    joined.raw.toString(),
    [msh('1'), 'PID|1', 'OBX|1|TX|A||Hello', 'OBX|2|TX|B||x', 'OBX|3|TX|C||ü', ''].join('\r'),
  );
  const refused = (one: typeof first, other: typeof first) =>
    assert.throws(() => joinContinuation(one, other), Refusal);
  refused(first, third);
  refused(third, first);
  refused(first, parse(msh('2', '||P1').replace('NORTH', 'WEST'), 'ADD|lo'));
  refused(first, parse('MSH#*+?%#LAB#NORTH#######2#P#2.5##P1', 'ADD#lo'));
});

test('messages in frames of MLLP, one after the other', () => {
  const raw = Buffer.from(['1', '2', '3'].map((id) => `\x0b${msh(id)}\rPID|1\r\x1c\r`).join(''));
  const { enveloped, groups, faults } = readBatch(raw);
  assert.deepEqual([enveloped, groups.length, faults], [false, 1, []]);
  assert.deepEqual(
    groups[0]!.messages.map((one) => one.raw.toString()),
    [`\x0b${msh('1')}\rPID|1\r`, `${msh('2')}\rPID|1\r`, `${msh('3')}\rPID|1\r\x1c\r`],
  );
});

test('a vertical tab within a text begins no message; a batch in a frame has nothing outside of its messages', () => {
  const text = `${msh('1')}\rNTE|1||soft\x0bMSH-9 and\x0bBTS\r`;
  const { enveloped, groups } = readBatch(Buffer.from(`${text}${msh('2')}\r`));
  assert.deepEqual([enveloped, groups[0]!.messages.map((one) => one.raw.toString())], [false, [text, `${msh('2')}\r`]]);
  const framed = `\x0bBHS|^~\\&\r${msh('1')}\rBTS|1\r\x1c\r`;
  const unended = framed.replace('\r\x1c', '\x1c');
  for (const raw of [framed, framed + framed, unended + unended]) {
    const batch = readBatch(Buffer.from(raw));
    assert.deepEqual([batch.faults, ...batch.groups.flatMap(({ faults }) => faults)], [[]]);
  }
});
