import assert from 'node:assert/strict';
import test from 'node:test';
import { random } from '#platform/testing';
import { corpusMessages, corpusMissing } from '../testing/corpus.ts';
import { escapeText, standardDelimiters } from './escape.ts';
import { checkHeader, read } from './header.ts';
import { delimitersFault, parseMessage, segmentsMax } from './message.ts';
import { Refusal } from './refusal.ts';

const head = 'MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260131120000+0200||ORU^R01^ORU_R01|M1|P|2.5.1';

function parse(...lines: string[]) {
  return parseMessage(Buffer.from([head, ...lines].join('\r')));
}

test('fields, repetitions, components and subcomponents by path', () => {
  const message = parse('PID|1||A^^^X&1.2.3&ISO^MR~B^^^Y', 'OBX|1|NM|K||5.1', 'OBX|2|NM|NA||140');
  assert.equal(message.get('MSH-1'), '|');
  assert.equal(message.get('MSH-2'), '^~\\&');
  assert.equal(message.get('MSH-3'), 'LAB');
  assert.equal(message.get('MSH-9.2'), 'R01');
  assert.equal(message.get('PID-3'), 'A');
  assert.equal(message.get('PID-3.4.2'), '1.2.3');
  assert.equal(message.get('PID-3[2].1'), 'B');
  assert.equal(message.get('PID-3[2].4.1'), 'Y');
  assert.equal(message.get('PID-3[3].1'), undefined);
  assert.equal(message.get('OBX[2]-5'), '140');
  assert.equal(message.get('OBX[3]-5'), undefined);
  assert.equal(message.get('ZZZ-1'), undefined);
  assert.equal(message.part('PID-3').repetitions().length, 2);
  assert.throws(() => message.get('PID3'), RangeError);
});

test('every repetition and every segment by one path', () => {
  const message = parse('PID|1||A^^^X~B', 'OBX|1||K1~K2', 'OBX|2||K3', 'NTE|1');
  const texts = (path: string) => message.parts(path).map(({ text }) => text);
  assert.deepEqual(texts('PID-3[*].1'), ['A', 'B']);
  assert.deepEqual(texts('OBX[*]-3'), ['K1', 'K3']);
  assert.deepEqual(texts('OBX[*]-3[*]'), ['K1', 'K2', 'K3']);
  assert.deepEqual(texts('OBX[2]-3[*]'), ['K3']);
  assert.deepEqual(texts('OBX-3[2]'), ['K2']);
  assert.deepEqual(texts('OBX-9[*]'), []);
  assert.deepEqual(texts('ZZZ[*]-1'), []);
  assert.deepEqual(
    message.all('OBX').map(({ raw }) => raw),
    ['OBX|1||K1~K2', 'OBX|2||K3'],
  );
  for (const path of ['PID', 'PID-0', 'PID-3[0]', 'PID-3.1.1.1', 'pid-3', 'PID-3[*', '']) {
    const isSegment = path === 'PID';
    if (isSegment) assert.equal(message.get(path), undefined);
    else assert.throws(() => message.get(path), RangeError, path);
  }
});

test('"" is kept apart from empty, and neither is text', () => {
  const message = parse('PID|1||""||X^""^Z|');
  const pid = message.segment('PID')!;
  assert.equal(pid.field(3).isNull, true);
  assert.equal(pid.field(3).isEmpty, false);
  assert.equal(pid.field(3).text, undefined);
  assert.equal(pid.field(4).isNull, false);
  assert.equal(pid.field(4).isEmpty, true);
  assert.equal(pid.field(5).component(2).isNull, true);
  assert.equal(pid.field(5).component(2).text, undefined);
  assert.equal(pid.field(99).isEmpty, true);
});

test('other delimiters, and a first leaf where a version put components', () => {
  const message = parseMessage(Buffer.from('MSH#*+?%#LAB*1.2*ISO#N\rPID#1##A*B%C+D?T?E'));
  assert.equal(message.get('MSH-3.2'), '1.2');
  assert.equal(message.get('PID-3.2.2'), 'C');
  assert.equal(message.get('PID-3[2]'), 'D%E');
  assert.equal(message.get('MSH-3'), 'LAB');
  assert.equal(delimitersFault(message.delimiters), undefined);
});

test('text put into a field comes back from it', () => {
  const wild = 'a|b^c~d\\e&f\ng';
  const message = parse(`OBX|1|ST|A||${escapeText(wild, standardDelimiters)}`);
  assert.equal(message.part('OBX-5').whole, wild);
});

test('segment ends of all three kinds, mixed; blank lines; Z-segments', () => {
  const raw = Buffer.from(`${head}\r\nPID|1\nZPI|x|y\rOBX|1\r\n\r\n`);
  const message = parseMessage(raw);
  assert.deepEqual(
    message.segments.map(({ name, end }) => [name, end]),
    [
      ['MSH', '\r\n'],
      ['PID', '\n'],
      ['ZPI', '\r'],
      ['OBX', '\r\n'],
      ['', '\r\n'],
    ],
  );
  assert.equal(message.get('ZPI-2'), 'y');
  assert.ok(message.toBuffer().equals(raw));
});

test('character sets: declared, undeclared, and declared wrongly', () => {
  const name = (bytes: Buffer, charset: string) => {
    const raw = Buffer.concat([Buffer.from(`${head}||||||${charset}\rPID|1||1||`), bytes]);
    const message = parseMessage(raw);
    assert.ok(message.toBuffer().equals(raw));
    return [message.get('PID-5'), message.charset, message.charsetMismatch];
  };
  const utf8 = Buffer.from('Müller');
  const latin1 = Buffer.from('Müller', 'latin1');
  assert.deepEqual(name(utf8, ''), ['Müller', 'utf-8', false]);
  assert.deepEqual(name(utf8, 'UNICODE UTF-8'), ['Müller', 'utf-8', false]);
  assert.deepEqual(name(latin1, ''), ['Müller', 'windows-1252', false]);
  assert.deepEqual(name(latin1, '8859/1'), ['Müller', 'windows-1252', false]);
  assert.deepEqual(name(latin1, 'UNICODE UTF-8'), ['Müller', 'windows-1252', true]);
  assert.deepEqual(name(Buffer.from([0xbb, 0xd0, 0xd2]), '8859/5'), ['Лав', 'iso-8859-5', false]);
  // The second byte of this character is a backslash.
  assert.deepEqual(name(Buffer.from([0xa5, 0x5c]), 'BIG-5'), ['功', 'big5', false]);
});

test('a byte order mark before MSH is passed over and kept', () => {
  const raw = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(`${head}\rPID|1||7`)]);
  const message = parseMessage(raw);
  assert.equal(message.get('PID-3'), '7');
  assert.ok(message.toBuffer().equals(raw));
});

test('what is no HL7 is refused with AR', () => {
  for (const text of [
    '',
    'MSH',
    'MSH\r',
    'PID|1',
    'GET / HTTP/1.1\r\n',
    '{"resourceType":"Patient"}',
    '\u0000\u0001\u0002',
  ]) {
    assert.throws(
      () => parseMessage(Buffer.from(text)),
      (error: unknown) => error instanceof Refusal && error.acknowledgment === 'AR',
      JSON.stringify(text),
    );
  }
});

test('headers that no message may have', () => {
  const refused = (text: string): string | undefined => {
    try {
      checkHeader(parseMessage(Buffer.from(text)));
      return undefined;
    } catch (error) {
      assert.ok(error instanceof Refusal);
      return `${error.acknowledgment} ${error.condition}`;
    }
  };
  assert.equal(refused(head), undefined);
  assert.equal(refused('MSH|&&&&|A|B|||||ORU^R01|1|P|2.5'), 'AR 102');
  assert.equal(refused('MSH|^^^^|A|B|||||ORU^R01|1|P|2.5'), 'AR 102');
  assert.equal(refused('MSH||A|B|||||ORU^R01|1|P|2.5'), 'AR 102');
  assert.equal(refused('MSH|^~\\&|A|B|||||ORU^R01||P|2.5'), 'AR 101');
  assert.equal(refused('MSH|^~\\&|A|B||||||1|P|2.5'), 'AR 101');
  assert.equal(refused('MSH|^~\\&|A|B|||||ORU^R01|1|P|3.0'), 'AR 203');
  assert.equal(refused(`${head}\r${head}`), 'AR 100');
  assert.equal(refused('MSH|^~\\&|A|B|||||ORU^R01|1|P|'), undefined);
});

test('500 messages of random bytes come back byte for byte, and every field can be asked for', () => {
  for (let seed = 1; seed <= 500; seed++) {
    const next = random(seed);
    const noise = Buffer.from(Array.from({ length: 300 }, () => next(256)));
    const raw = Buffer.concat([Buffer.from(seed % 2 === 0 ? `${head}\r` : 'MSH'), noise]);
    const known = read(raw);
    if (known.message instanceof Refusal) continue;
    assert.ok(known.message.toBuffer().equals(raw), `seed ${seed}`);
    for (const segment of known.message.segments) {
      for (let field = 0; field < 30; field++) {
        const part = segment.field(field);
        for (const repetition of part.repetitions()) repetition.component(2).subcomponent(2).text;
        part.whole;
      }
    }
  }
});

test('every message of the corpus comes back byte for byte', { skip: corpusMissing }, () => {
  const messages = corpusMessages();
  assert.ok(messages.length >= 170, `${messages.length} messages`);
  for (const { name, raw } of messages) assert.ok(parseMessage(raw).toBuffer().equals(raw), name);
});

test('a field of a megabyte', () => {
  const long = 'x'.repeat(1024 * 1024);
  const message = parse(`OBX|1|TX|A||${long}~${long}`);
  assert.equal(message.part('OBX-5').repetition(2).whole?.length, long.length);
});

test('a message of sixteen million line ends is read up to the limit, and comes back byte for byte', () => {
  const raw = Buffer.concat([Buffer.from(head), Buffer.alloc(16 * 1024 * 1024, '\r')]);
  const message = parseMessage(raw);
  assert.equal(message.segments.length, segmentsMax + 1);
  assert.ok(message.toBuffer().equals(raw));
  assert.throws(() => checkHeader(message), /more than 10000 segments/);
});
