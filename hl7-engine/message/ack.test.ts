import assert from 'node:assert/strict';
import test from 'node:test';
import { ackPlan, buildAck, buildCommitAck, isAckDue, saysAgain } from './ack.ts';
import { type Hl7Message, parseMessage } from './message.ts';
import { Refusal } from './refusal.ts';

const nowMs = Date.UTC(2026, 0, 31, 12, 34, 56);
const raw = 'MSH|^~\\&|LAB^1.2^ISO|N\\T\\S|EHR|SOUTH|20260131||ORU^R01^ORU_R01|M\\S\\1|T|2.5.1||||||8859/1';

const read = (text: string): Hl7Message => parseMessage(Buffer.from(text));
const ofVersion = (version: string): Hl7Message => read(raw.replace('2.5.1', version));

function lines(ack: Buffer): string[] {
  return ack.toString('latin1').split('\r');
}

test('AA: sender and receiver change places, bytes as they were', () => {
  assert.deepEqual(lines(buildAck(read(raw), { controlId: 'CB7', nowMs })), [
    'MSH|^~\\&|EHR|SOUTH|LAB^1.2^ISO|N\\T\\S|20260131123456+0000||ACK^R01^ACK|CB7|T|2.5.1||||||8859/1',
    'MSA|AA|M\\S\\1',
    '',
  ]);
});

test('AE: location, condition, severity and text', () => {
  const refusal = new Refusal('AE', '101', 'PID-3 has no | identifier', {
    location: { segment: 'PID', field: 3, component: 4 },
  });
  assert.deepEqual(lines(buildAck(read(raw), { controlId: 'CB7', nowMs, refusal })).slice(1), [
    'MSA|AE|M\\S\\1|PID-3 has no \\F\\ identifier',
    'ERR||PID^1^3^1^4|101^Required field missing^HL70357|E|||PID-3 has no \\F\\ identifier',
    '',
  ]);
});

test('a transient refusal says that sending again helps', () => {
  const refusal = new Refusal('AE', '207', 'The store is not available', { transient: true });
  const [, , err] = lines(buildAck(read(raw), { controlId: 'CB7', nowMs, refusal }));
  assert.equal(
    err,
    'ERR|||207^Application internal error^HL70357|E|||The store is not available|Not processed for a passing reason. Send the message again.',
  );
  assert.deepEqual(lines(buildAck(ofVersion('2.3'), { controlId: 'CB7', nowMs, refusal })).slice(1), [
    'MSA|AE|M\\S\\1|The store is not available. Not processed for a passing reason. Send the message again.|||207^Application internal error^HL70357',
    'ERR|^^^207&Application internal error&HL70357',
    '',
  ]);
});

test('several faults: an ERR each, before 2.5 a repetition of ERR-1 each, and the gravest decides', () => {
  const refusal = new Refusal('AE', '101', 'PID-3 is missing', {
    location: { segment: 'PID', field: 3 },
    more: [
      new Refusal('AE', '103', 'PID-8 is no sex', { location: { segment: 'PID', field: 8, repetition: 2 } }),
      new Refusal('AR', '200', 'No such type', { location: { segment: 'MSH', field: 9 } }),
    ],
  });
  assert.deepEqual(lines(buildAck(read(raw), { controlId: 'CB7', nowMs, refusal })).slice(1), [
    'MSA|AR|M\\S\\1|PID-3 is missing',
    'ERR||PID^1^3|101^Required field missing^HL70357|E|||PID-3 is missing',
    'ERR||PID^1^8^2|103^Table value not found^HL70357|E|||PID-8 is no sex',
    'ERR||MSH^1^9|200^Unsupported message type^HL70357|E|||No such type',
    '',
  ]);
  assert.deepEqual(lines(buildAck(ofVersion('2.4'), { controlId: 'CB7', nowMs, refusal })).slice(1), [
    'MSA|AR|M\\S\\1|PID-3 is missing; PID-8 is no sex; No such type|||101^Required field missing^HL70357',
    'ERR|PID^1^3^101&Required field missing&HL70357~PID^1^8^103&Table value not found&HL70357~MSH^1^9^200&Unsupported message type&HL70357',
    '',
  ]);
});

test('the form is that of the version: MSH-9, MSA-3, MSA-6, ERR', () => {
  const refusal = new Refusal('AE', '102', 'No date', { location: { segment: 'PID', field: 7 } });
  const old = 'ERR|PID^1^7^102&Data type error&HL70357';
  const err = 'ERR||PID^1^7|102^Data type error^HL70357|E|||No date';
  const [text, coded, bare] = [
    'MSA|AE|M\\S\\1|No date',
    'MSA|AE|M\\S\\1|No date|||102^Data type error^HL70357',
    'MSA|AE|M\\S\\1',
  ];
  const expected: [version: string, type: string, msa: string, err: string][] = [
    ['2.1', 'ACK', text, old],
    ['2.2', 'ACK^R01', coded, old],
    ['2.3', 'ACK^R01', coded, old],
    ['2.3.1', 'ACK^R01^ACK', coded, old],
    ['2.4', 'ACK^R01^ACK', coded, old],
    ['2.5', 'ACK^R01^ACK', text, err],
    ['2.6^DEU', 'ACK^R01^ACK', text, err],
    ['2.7', 'ACK^R01^ACK', bare, err],
    ['2.8.2', 'ACK^R01^ACK', bare, err],
    ['', 'ACK^R01^ACK', text, err],
    ['3.0', 'ACK^R01^ACK', text, err],
  ];
  for (const [version, type, ...rest] of expected) {
    const ack = lines(buildAck(ofVersion(version), { controlId: 'CB7', nowMs, refusal }));
    const msh = ack[0]!.split('|');
    assert.deepEqual([msh[8], ...ack.slice(1)], [type, ...rest, ''], `version ${version}`);
    assert.equal(msh[11], version || '2.5.1');
  }
});

test('enhanced mode: the commit acknowledgment has codes of its own, and neither wants an answer', () => {
  const commit = { controlId: 'CB7C', nowMs };
  assert.deepEqual(lines(buildCommitAck(read(raw), commit)), [
    'MSH|^~\\&|EHR|SOUTH|LAB^1.2^ISO|N\\T\\S|20260131123456+0000||ACK^R01^ACK|CB7C|T|2.5.1|||NE|NE||8859/1',
    'MSA|CA|M\\S\\1',
    '',
  ]);
  const stored = new Refusal('AE', '207', 'The journal is not available', { transient: true });
  const unknown = new Refusal('AR', '203', 'No such version', { location: { segment: 'MSH', field: 12 } });
  assert.equal(lines(buildCommitAck(read(raw), { ...commit, refusal: stored }))[1]!.slice(0, 7), 'MSA|CE|');
  assert.deepEqual(lines(buildCommitAck(read(raw), { ...commit, refusal: unknown })).slice(1), [
    'MSA|CR|M\\S\\1|No such version',
    'ERR||MSH^1^12|203^Unsupported version id^HL70357|E|||No such version',
    '',
  ]);
  const [msh, msa] = lines(buildAck(read(raw), { controlId: 'CB7', nowMs, enhanced: true }));
  assert.equal(msh!.split('|').slice(14, 16).join(), 'NE,NE');
  assert.equal(msa, 'MSA|AA|M\\S\\1');
});

test('what could not be read gets the least possible header', () => {
  const refusal = new Refusal('AR', '100', 'Not an HL7 v2 message');
  assert.deepEqual(lines(buildAck(undefined, { controlId: 'CB8', nowMs, refusal })), [
    'MSH|^~\\&|||||20260131123456+0000||ACK|CB8|P|2.5.1',
    'MSA|AR||Not an HL7 v2 message',
    'ERR|||100^Segment sequence error^HL70357|E|||Not an HL7 v2 message',
    '',
  ]);
});

test("the message's own delimiters are used, senseless ones are not", () => {
  const own = read('MSH#*+?%#A*B#C#D#E###ADT*A01#9#P#2.4');
  const refusal = new Refusal('AR', '102', 'MSH-2', { location: { segment: 'MSH', field: 2 } });
  assert.deepEqual(lines(buildAck(own, { controlId: 'X', nowMs, refusal })), [
    'MSH#*+?%#D#E#A*B#C#20260131123456+0000##ACK*A01*ACK#X#P#2.4',
    'MSA#AR#9#MSH-2###102*Data type error*HL70357',
    'ERR#MSH*1*2*102%Data type error%HL70357',
    '',
  ]);
  const senseless = read('MSH|&&&&|A|B|C|D|||ORU&R01|9|P|2.5');
  const [msh, msa] = lines(buildAck(senseless, { controlId: 'X', nowMs, refusal }));
  assert.equal(msh, 'MSH|^~\\&|||||20260131123456+0000||ACK|X|P|2.5.1');
  assert.equal(msa, 'MSA|AR|9|MSH-2');
});

test('the character set is that of the message, also for our own text', () => {
  const refusal = new Refusal('AE', '102', 'PID-5: „MÜLLER“ \u0001', { location: { segment: 'PID', field: 5 } });
  const msh = 'MSH|^~\\&|LÄB|N|E|S|||ORU^R01|7|P|2.4||||||';
  const errors = (content: Buffer): string[] =>
    lines(buildAck(parseMessage(content), { controlId: 'X', nowMs, refusal })).slice(1, 2);
  const text = (said: string): string[] => [`MSA|AE|7|${said}|||102^Data type error^HL70357`];
  const latin1 = Buffer.from(`${msh}8859/1`, 'latin1');
  // ISO 8859-1 is windows-1252, which has the quotes.
  assert.deepEqual(errors(latin1), text('PID-5: \x84M\xdcLLER\x93 ?'));
  const utf8 = Buffer.from(`${msh}UNICODE UTF-8`);
  assert.deepEqual(errors(utf8), text(Buffer.from('PID-5: „MÜLLER“ ?').toString('latin1')));
  assert.deepEqual(errors(Buffer.from(`${msh}ASCII`)), text('PID-5: ?M?LLER? ?'));
  assert.deepEqual(errors(Buffer.from(msh)), text('PID-5: ?M?LLER? ?'));
  for (const order of ['\ufeff', '']) {
    const wide = Buffer.from(`${order}${msh}UNICODE UTF-16`, 'utf16le');
    const ack = buildAck(parseMessage(wide), { controlId: 'X', nowMs, refusal }).toString('utf16le');
    assert.equal(ack.split('|')[4], 'LÄB');
    assert.ok(ack.startsWith(`${order}MSH|`));
    assert.equal(ack.split('\r')[1], 'MSA|AE|7|PID-5: „MÜLLER“ ?|||102^Data type error^HL70357');
  }
  const again = new Refusal('AE', '207', 'Away', { transient: true });
  const away = buildAck(parseMessage(Buffer.from(msh, 'utf16le')), { controlId: 'X', nowMs, refusal: again });
  assert.deepEqual(
    [saysAgain(away), saysAgain(buildAck(undefined, { controlId: 'X', nowMs, refusal }))],
    [true, false],
  );
});

test('which acknowledgments are due: MSH-15, MSH-16 and the mode of the route', () => {
  const asking = (accept: string, application: string, type = 'ORU^R01'): Hl7Message =>
    read(`MSH|^~\\&|A|B|C|D|||${type}|9|P|2.5|||${accept}|${application}`);
  const names = { AL: 'always', NE: 'never', ER: 'error', SU: 'success' } as const;
  for (const [accept, commit] of Object.entries(names)) {
    for (const [code, application] of Object.entries(names)) {
      assert.deepEqual(ackPlan(asking(accept, code), 'auto'), { enhanced: true, commit, application });
    }
  }
  const original = { enhanced: false, commit: 'never', application: 'always' };
  const silent = { enhanced: false, commit: 'never', application: 'never' };
  assert.deepEqual(ackPlan(asking('', ''), 'auto'), original);
  assert.deepEqual(ackPlan(asking('""', '""'), 'auto'), original);
  assert.deepEqual(ackPlan(asking('AL', 'NE'), 'original'), original);
  assert.deepEqual(ackPlan(asking('AL', 'AL'), 'none'), silent);
  assert.deepEqual(ackPlan(undefined, 'auto'), original);
  assert.deepEqual(ackPlan(undefined, 'none'), silent);
  assert.deepEqual(ackPlan(asking('al', ''), 'auto'), { enhanced: true, commit: 'always', application: 'never' });
  assert.deepEqual(ackPlan(asking('', 'ER'), 'auto'), { enhanced: true, commit: 'never', application: 'error' });
  assert.deepEqual(ackPlan(asking('YES', ''), 'auto'), { enhanced: true, commit: 'always', application: 'never' });
  assert.deepEqual(ackPlan(asking('', ''), 'enhanced'), { enhanced: true, commit: 'always', application: 'never' });
  // An acknowledgment is never acknowledged but by a commit that it asks for.
  assert.equal(ackPlan(asking('', '', 'ACK^R01'), 'auto').application, 'never');
  assert.deepEqual(ackPlan(asking('', 'AL', 'ACK'), 'original'), {
    enhanced: true,
    commit: 'never',
    application: 'never',
  });
  assert.equal(ackPlan(asking('AL', 'AL', 'ACK'), 'auto').commit, 'always');
});

test('a condition and an outcome: whether it is sent', () => {
  const due = (['always', 'never', 'error', 'success'] as const).map((when) => [
    isAckDue(when, true),
    isAckDue(when, false),
  ]);
  assert.deepEqual(due, [
    [true, true],
    [false, false],
    [false, true],
    [true, false],
  ]);
});
