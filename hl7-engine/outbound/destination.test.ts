import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { createEgress, isCerebraError } from '#platform';
import { expectedAnswer, readAnswer } from './answer.ts';
import { checkDestinations, readDestinations, refusedHost, targetOf } from './destination.ts';

const faultOf = (value: unknown): string => {
  try {
    checkDestinations(value);
    return '';
  } catch (error) {
    assert.ok(isCerebraError(error, 'config'));
    return error.message;
  }
};

test('destinations are filled in with defaults', () => {
  const [ris, web, drop] = checkDestinations([
    { name: 'ris', kind: 'mllp', host: 'ris.test', port: 2575 },
    { name: 'web', kind: 'http', url: 'https://hl7.test/in?key=secret', headers: { Authorization: 'Bearer x' } },
    { name: 'drop', kind: 'file', folder: '/drop' },
  ]);
  assert.ok(ris?.kind === 'mllp' && web?.kind === 'http' && drop?.kind === 'file');
  assert.deepEqual(ris.retry, { minMs: 1000, maxMs: 60_000, attemptsMax: 3, unansweredMax: 0 });
  assert.deepEqual([ris.connections, ris.ackTimeoutMs, ris.answer, ris.order], [1, 30_000, 'strict', 'patient']);
  assert.equal(drop.fileName, '{id}-{controlId}.hl7');
  assert.deepEqual([ris, web, drop].map(targetOf), ['ris.test:2575', 'https://hl7.test/in', '/drop']);
});

test('a wrong destination is refused by the place of its fault', () => {
  assert.match(faultOf([{ name: 'a', kind: 'mllp', host: 'h', port: 70_000 }]), /0\.port: /);
  assert.match(faultOf([{ name: 'a', kind: 'mllp', host: 'h', port: 1, conections: 2 }]), /conections/);
  assert.match(faultOf([{ name: 'a', kind: 'fax' }]), /0\.kind: must be mllp, http or file/);
  assert.match(faultOf([{ name: 'a/b', kind: 'file', folder: 'x' }]), /0\.name: /);
  assert.match(faultOf([{ name: 'a', kind: 'file', folder: 'x', fileName: '{controlId}' }]), /needs \{id\}/);
  assert.match(faultOf([{ name: 'a', kind: 'file', folder: 'x', fileName: '../{id}' }]), /0\.fileName: /);
  assert.match(
    faultOf([{ name: 'a', kind: 'file', folder: 'x', fileName: '{id}-{patient}' }]),
    /0\.fileName: has \{patient\}; it may have \{id\}, .*\{type\}/,
  );
  assert.match(faultOf([{ name: 'a', kind: 'http', url: 'ftp://x' }]), /0\.url: /);
  const one = { name: 'a', kind: 'file', folder: 'x' };
  assert.match(faultOf([one, one]), /two destinations have one name/);
});

test('an HTTP destination that could never be asked is told at the start, without its secrets', () => {
  const fault = (more: object) => faultOf([{ name: 'web', kind: 'http', url: 'https://ris.test/', ...more }]);
  const text = 'HL7_DESTINATIONS: 0.headers:';
  assert.equal(fault({ headers: { 'X Key': 'secret' } }), `${text} "X Key" is no name of a header`);
  assert.equal(fault({ headers: { Key: 'secret\n' } }), `${text} Key has a character that no header may have`);
  assert.equal(fault({ headers: { 'content-length': '1' } }), `${text} content-length is the server's to set`);
  assert.equal(
    fault({ url: 'https://kim:secret@ris.test/' }),
    'HL7_DESTINATIONS: 0.url: must not hold a user name or password: headers can have Authorization',
  );
});

test('HL7_DESTINATIONS is JSON or a file of JSON', (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cerebra-out-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'destinations.json');
  const text = '[{"name":"drop","kind":"file","folder":"/drop"}]';
  writeFileSync(file, text);
  assert.deepEqual(readDestinations(file), readDestinations(text));
  assert.deepEqual(readDestinations(undefined), []);
  assert.throws(() => readDestinations('[{'), /HL7_DESTINATIONS is not JSON/);
  assert.throws(() => readDestinations(' {"headers":{"Authorization":"Bearer hush"}}'), {
    message: 'HL7_DESTINATIONS: the list: Invalid input: expected array, received object',
  });
  assert.throws(() => readDestinations('{"hush"'), { message: 'HL7_DESTINATIONS is not JSON' });
  assert.throws(() => readDestinations(path.join(folder, 'none.json')), /cannot be read/);
});

test('metadata and link-local addresses are no receivers, the own network is', () => {
  const egress = createEgress(['loopback', 'private']);
  for (const host of ['169.254.169.254', 'fe80::1', '::ffff:169.254.169.254', 'a b']) {
    assert.notEqual(refusedHost(egress, host), undefined, host);
  }
  for (const host of ['127.0.0.1', '10.1.2.3', '::1', 'ris.test'])
    assert.equal(refusedHost(egress, host), undefined, host);
});

const header = 'MSH|^~\\&|A|B|C|D|20260101||ACK|X|P|2.5.1';

test('an acknowledgment is read: code, control id, what it says', () => {
  const read = (text: string) => {
    const answer = readAnswer(Buffer.from(text));
    return answer && [answer.code, answer.accepted, answer.commit, answer.controlId, answer.text];
  };
  assert.deepEqual(read(`${header}\rMSA|AA|M1\r`), ['AA', true, false, 'M1', '']);
  assert.deepEqual(read(`${header}\rMSA|ca|M1\r`), ['CA', true, true, 'M1', '']);
  const error = 'ERR||PID^1^3|101^Required field missing^HL70357|E||||MRN is missing';
  assert.deepEqual(read(`${header}\rMSA|AE|M1|no\r${error}\r`), [
    'AE',
    false,
    false,
    'M1',
    'no; MRN is missing (101 Required field missing)',
  ]);
  assert.deepEqual(read(`${header}\nMSA|CR|M1\n`), ['CR', false, true, 'M1', '']);
  assert.deepEqual(read(`${header}\rMSA|AA| M1 \r`), ['AA', true, false, 'M1', '']);
  assert.deepEqual(read(`\x0b${header}\rMSA|AR|M1\x1c\r`), ['AR', false, false, 'M1', '']);
  const xml = (msa: string) =>
    `<?xml version="1.0"?><ACK xmlns="urn:hl7-org:v2xml"><MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2></MSH>${msa}</ACK>`;
  const refused = '<MSA><MSA.1>AE</MSA.1><MSA.2>M1</MSA.2><MSA.3>no such patient</MSA.3></MSA>';
  assert.deepEqual(read(xml(refused)), ['AE', false, false, 'M1', 'no such patient']);
  assert.deepEqual(read(`\x0b${xml(refused)}\x1c\r`), ['AE', false, false, 'M1', 'no such patient']);
  for (const text of ['', 'MSA|AA|M1', header, `${header}\rMSA||M1\r`, `${header}\rMSA|OK|M1\r`, xml(''), '<html>']) {
    assert.equal(read(text), undefined, JSON.stringify(text));
  }
});

test('which answer a message asks for', () => {
  const expected = (msh15: string, msh16: string) =>
    expectedAnswer(Buffer.from(`MSH|^~\\&|A|B|C|D|20260101||ADT^A01|X|P|2.5.1|||${msh15}|${msh16}\r`));
  assert.deepEqual(expected('', ''), { first: 'answer', second: true });
  assert.deepEqual(expected('AL', 'AL'), { first: 'answer', second: true });
  assert.deepEqual(expected('AL', 'NE'), { first: 'answer', second: false });
  assert.deepEqual(expected('NE', 'AL'), { first: 'answer', second: true });
  assert.deepEqual(expected('NE', 'NE'), { first: 'nothing', second: false });
  assert.deepEqual(expected('ER', 'NE'), { first: 'objection', second: false });
  assert.deepEqual(expected('SU', 'NE'), { first: 'answer', second: false });
  assert.deepEqual(expectedAnswer(Buffer.from('no HL7')), { first: 'answer', second: true });
});
