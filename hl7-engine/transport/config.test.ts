import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { SecureContextOptions } from 'node:tls';
import { isCerebraError } from '#platform';
import { createTestAuthority, testLog, waitFor } from '#platform/testing';
import { type MllpListenerConfig, readListeners } from './config.ts';
import { readTls, stateOfTls, watchTls } from './tls.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-listeners-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const refuses = (listeners: unknown, pattern: RegExp): void =>
  assert.throws(
    () => readListeners(typeof listeners === 'string' ? listeners : JSON.stringify(listeners)),
    (error) =>
      isCerebraError(error, 'config') && pattern.test(error.message) && error.message.startsWith('HL7_LISTENERS: '),
    String(pattern),
  );

test('nothing, an array, a file with one: paths count from the file', async (t) => {
  assert.deepEqual(readListeners(undefined), []);
  assert.deepEqual(readListeners(' '), []);
  assert.deepEqual(readListeners('[{"name":"a","port":1}]'), [{ kind: 'mllp', name: 'a', host: '127.0.0.1', port: 1 }]);
  const folder = await folderOf(t);
  const tls = { cert: 'cert.pem', key: '/keys/key.pem' };
  const listeners = [
    { name: 'lab', port: 2576, tls },
    { kind: 'file', name: 'drop', folder: 'in', error: '../bad' },
  ];
  await writeFile(path.join(folder, 'listeners.json'), JSON.stringify(listeners));
  const [lab, drop] = readListeners(path.join(folder, 'listeners.json'));
  assert.deepEqual((lab as MllpListenerConfig).tls, {
    cert: path.join(folder, 'cert.pem'),
    key: '/keys/key.pem',
    requestCert: false,
  });
  const place = (...names: string[]): string => path.join(folder, ...names);
  assert.deepEqual(drop, {
    ...{ kind: 'file', name: 'drop', folder: place('in'), done: place('in', 'done'), error: place('bad') },
    ...{ pattern: '*.hl7', pollMs: 1_000, stableMs: 2_000 },
  });
});

test('what is wrong is told, with the name of the listener or the place', () => {
  refuses('/no/such/file.json', /neither a JSON array nor a file that can be read: \/no\/such\/file.json/);
  refuses('[{]', /not JSON/);
  refuses([{ name: 'a' }], /port/);
  refuses([{ name: 'a', port: 1, prot: 2 }], /prot/);
  refuses([{ name: 'a b', port: 1 }], /letters, digits/);
  refuses([{ kind: 'ftp', name: 'a' }], /kind/);
  refuses([{ name: 'default', port: 1 }], /'default' is the name of MLLP_PORT/);
  refuses(
    [
      { name: 'a', port: 1 },
      { name: 'a', port: 2 },
    ],
    /two listeners of kind mllp have the name 'a'/,
  );
  refuses([{ name: 'a', port: 1, allow: ['0.0.0.0/0'] }], /CIDR/);
  refuses([{ name: 'a', port: 1, allow: [] }], /allow/);
  refuses([{ name: 'a', port: 1, tls: { cert: 'c', key: 'k', requestCert: true } }], /requestCert needs ca/);
  refuses([{ kind: 'file', name: 'a', folder: 'x', pattern: '../*.hl7' }], /without folders/);
  refuses([{ kind: 'file', name: 'a', folder: 'x', done: '.' }], /'a': folder, done and error must be three folders/);
  refuses([{ kind: 'file', name: 'a', folder: 'x', charset: 'utf-16le' }], /character set/);
  refuses([{ kind: 'file', name: 'a', folder: 'x', charset: 'klingon' }], /character set/);
});

test('beyond loopback a listener needs certificates of its clients, or their addresses', () => {
  const open = { name: 'lab', port: 2576, host: '0.0.0.0' };
  const tls = { cert: 'c.pem', key: 'k.pem', ca: 'ca.pem' };
  refuses(
    [open],
    /listener 'lab' would take messages from everybody who reaches 0.0.0.0:2576: give it tls with requestCert/,
  );
  refuses([{ ...open, tls }], /from everybody who reaches/);
  refuses([{ ...open, host: 'hospital.example' }], /from everybody who reaches/);
  assert.equal(readListeners(JSON.stringify([{ ...open, tls: { ...tls, requestCert: true } }])).length, 1);
  assert.equal(readListeners(JSON.stringify([{ ...open, allow: ['10.1.0.0/16'] }])).length, 1);
  assert.equal(readListeners(JSON.stringify([{ ...open, host: '::1' }])).length, 1);
});

test('certificates are read again when they change; what does not fit leaves those that were', async (t) => {
  const folder = await folderOf(t);
  const authority = createTestAuthority('Authority');
  const [first, second] = [authority.issue('one'), authority.issue('two')];
  const files = { cert: path.join(folder, 'cert.pem'), key: path.join(folder, 'key.pem'), requestCert: false };
  /** As whoever renews certificates should: the file is there whole or not at all. */
  const put = async (file: string, text: string): Promise<void> => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };
  assert.throws(() => readTls('lab', files), /^CerebraError: HL7_LISTENERS: listener 'lab', tls: ENOENT.*cert.pem/);
  await Promise.all([put(files.cert, first.cert), put(files.key, first.key)]);
  const known = stateOfTls(files);
  assert.equal(String(readTls('lab', files).cert), first.cert);
  const seen: SecureContextOptions[] = [];
  const watch = watchTls('lab', files, { everyMs: 10, log: testLog(), onChange: (context) => seen.push(context) });
  t.after(() => watch.stop());
  await put(files.cert, second.cert);
  assert.throws(() => readTls('lab', files), /listener 'lab', tls: .*key/);
  await put(files.key, second.key);
  await waitFor(() => seen.length > 0, 'the new ones');
  // Once more where the key came between the look and the reading.
  for (const { cert, key } of seen) assert.deepEqual([String(cert), String(key)], [second.cert, second.key]);
  // Those that were renewed between the reading and the start of the watch.
  const late: SecureContextOptions[] = [];
  const since = { everyMs: 10, log: testLog(), onChange: (context: SecureContextOptions) => late.push(context), known };
  const lateWatch = watchTls('lab', files, since);
  t.after(() => lateWatch.stop());
  await waitFor(() => late.length > 0, 'the renewed ones');
  assert.equal(String(late[0]!.cert), second.cert);
});
