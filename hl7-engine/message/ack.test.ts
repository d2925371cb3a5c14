import assert from 'node:assert/strict';
import test from 'node:test';
import { buildAck } from './ack.ts';
import { parseMessage } from './message.ts';
import { Refusal } from './refusal.ts';

const nowMs = Date.UTC(2026, 0, 31, 12, 34, 56);
const raw = 'MSH|^~\\&|LAB^1.2^ISO|N\\T\\S|EHR|SOUTH|20260131||ORU^R01^ORU_R01|M\\S\\1|T|2.3.1||||||8859/1';

function lines(ack: Buffer): string[] {
  return ack.toString('latin1').split('\r');
}

test('AA: sender and receiver change places, bytes as they were', () => {
  assert.deepEqual(lines(buildAck(parseMessage(Buffer.from(raw)), { controlId: 'CB7', nowMs })), [
    'MSH|^~\\&|EHR|SOUTH|LAB^1.2^ISO|N\\T\\S|20260131123456+0000||ACK^R01^ACK|CB7|T|2.3.1||||||8859/1',
    'MSA|AA|M\\S\\1',
    '',
  ]);
});

test('AE: location, condition, severity and text', () => {
  const refusal = new Refusal('AE', '101', 'PID-3 has no | identifier', {
    location: { segment: 'PID', field: 3, component: 4 },
  });
  assert.deepEqual(lines(buildAck(parseMessage(Buffer.from(raw)), { controlId: 'CB7', nowMs, refusal })).slice(1), [
    'MSA|AE|M\\S\\1|PID-3 has no \\F\\ identifier',
    'ERR||PID^1^3^1^4|101^Required field missing^HL70357|E|||PID-3 has no \\F\\ identifier',
    '',
  ]);
});

test('a transient refusal says that sending again helps', () => {
  const refusal = new Refusal('AE', '207', 'The store is not available', { transient: true });
  const [, , err] = lines(buildAck(parseMessage(Buffer.from(raw)), { controlId: 'CB7', nowMs, refusal }));
  assert.equal(
    err,
    'ERR|||207^Application internal error^HL70357|E|||The store is not available|Not processed for a passing reason. Send the message again.',
  );
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
  const own = parseMessage(Buffer.from('MSH#*+?%#A*B#C#D#E###ADT*A01#9#P#2.5'));
  assert.deepEqual(lines(buildAck(own, { controlId: 'X', nowMs })), [
    'MSH#*+?%#D#E#A*B#C#20260131123456+0000##ACK*A01*ACK#X#P#2.5',
    'MSA#AA#9',
    '',
  ]);
  const senseless = parseMessage(Buffer.from('MSH|&&&&|A|B|C|D|||ORU&R01|9|P|2.5'));
  const refusal = new Refusal('AR', '102', 'MSH-2');
  const [msh, msa] = lines(buildAck(senseless, { controlId: 'X', nowMs, refusal }));
  assert.equal(msh, 'MSH|^~\\&|||||20260131123456+0000||ACK|X|P|2.5.1');
  assert.equal(msa, 'MSA|AR|9|MSH-2');
});
