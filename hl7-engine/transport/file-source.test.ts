import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { createMetrics, lockFolder, systemClock } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import { buildAck } from '../message/ack.ts';
import { parseMessage, tryParse } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import type { HandleMessage } from '../seams.ts';
import { type FileListenerConfig, readListeners } from './config.ts';
import { createFileSource, type FileSource } from './file-source.ts';
import { trafficMetrics } from './traffic.ts';

const message = (id: string): string => `MSH|^~\\&|A|B|C|D|||ADT^A08|${id}|P|2.5\rPID|1\r`;
const idOf = (raw: Buffer): string => parseMessage(raw).get('MSH-10')!;

interface Rig {
  folder: string;
  source: FileSource;
  /** Control ids, in the order they were handled. */
  handled: string[];
  drop(name: string, content: string | Buffer): Promise<void>;
  listing(): Promise<string[]>;
}

interface RigOptions {
  config?: Partial<FileListenerConfig>;
  messageBytesMax?: number;
  /** Of a message: why it is refused; undefined: it is taken. */
  judge?(id: string): Refusal | undefined | Promise<Refusal | undefined>;
}

async function rig(
  t: TestContext,
  { config = {}, messageBytesMax = 10_000, judge = () => undefined }: RigOptions = {},
): Promise<Rig> {
  const folder = await realpath(await mkdtemp(path.join(os.tmpdir(), 'cerebra-files-')));
  const settings = { kind: 'file', name: 'lab', folder, pollMs: 50, stableMs: 0, ...config };
  const handled: string[] = [];
  const handle: HandleMessage = async (raw, { kind, name, peer }, send) => {
    assert.deepEqual([kind, name, typeof peer], ['file', 'lab', 'string']);
    const id = idOf(raw);
    const refusal = await judge(id);
    handled.push(id);
    await send(buildAck(parseMessage(raw), { controlId: `CB-${id}`, nowMs: 0, refusal }));
  };
  const source = createFileSource(readListeners(JSON.stringify([settings]))[0] as FileListenerConfig, {
    messageBytesMax,
    log: testLog(),
    traffic: trafficMetrics(createMetrics(), systemClock)('file', 'lab'),
    handle,
    refuse: async (head, _source, refusal) => buildAck(tryParse(head), { controlId: 'CB', nowMs: 0, refusal }),
    errorMs: 20,
  });
  t.after(async () => {
    await source.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    ...{ folder, source, handled },
    drop: (name, content) => writeFile(path.join(folder, name), content),
    listing: async () => (await readdir(folder, { recursive: true })).sort(),
  };
}

const codes = (acks: string): string[] =>
  acks
    .split('\r')
    .filter((line) => line.startsWith('MSA'))
    .map((line) => line.slice(4));

test('files in the order of their names, none deleted, each with its acknowledgments', async (t) => {
  const { source, drop, listing, handled, folder } = await rig(t);
  await drop('2.hl7', message('C'));
  await drop('1.hl7', message('A') + message('B'));
  await drop('10.hl7', message('D'));
  await source.start();
  await waitFor(() => source.status().filesDone === 3, 'three files');
  assert.deepEqual(handled, ['A', 'B', 'D', 'C']);
  await source.stop();
  const done = ['1.hl7', '1.hl7.ack', '10.hl7', '10.hl7.ack', '2.hl7', '2.hl7.ack'].map((name) => `done/${name}`);
  assert.deepEqual(await listing(), ['done', ...done, 'error']);
  assert.deepEqual(codes(await readFile(path.join(folder, 'done/1.hl7.ack'), 'latin1')), ['AA|A', 'AA|B']);
  assert.equal(await readFile(path.join(folder, 'done/1.hl7'), 'latin1'), message('A') + message('B'));
});

test('a passing fault: the file waits, nothing overtakes it, what was taken is not lost', async (t) => {
  let isAway = true;
  const { source, drop, handled, listing } = await rig(t, {
    judge: (id) =>
      isAway && id === 'B' ? new Refusal('AE', '207', 'The store is away', { transient: true }) : undefined,
  });
  await drop('1.hl7', message('A') + message('B'));
  await drop('2.hl7', message('C'));
  await source.start();
  await waitFor(() => handled.filter((id) => id === 'B').length >= 3, 'it to be tried again');
  const { state, fault, waiting } = source.status();
  assert.deepEqual(
    { state: state === 'watching', fault, waiting },
    { state: false, fault: 'The store does not take messages: the file waits', waiting: 2 },
  );
  assert.ok(!handled.includes('C'));
  isAway = false;
  await waitFor(() => source.status().filesDone === 2, 'both files');
  assert.equal(handled.at(-1), 'C');
  assert.equal(source.status().fault, undefined);
  assert.deepEqual(
    (await listing()).filter((name) => name.startsWith('.')),
    [],
  );
});

test('a refused message takes its file to error; the others of it count', async (t) => {
  const { source, drop, handled, folder } = await rig(t, {
    judge: (id) => (id === 'B' ? new Refusal('AE', '101', 'PID-3 is missing') : undefined),
  });
  await drop('1.hl7', ['A', 'B', 'C'].map(message).join(''));
  await drop('2.hl7', `MSH|^~\\&|A|B|C|D|||ADT^A08|L|P|2.5\rOBX|${'x'.repeat(20_000)}\r${message('E')}`);
  await source.start();
  await waitFor(() => source.status().filesRefused === 2, 'the files');
  assert.deepEqual(handled, ['A', 'B', 'C', 'E']);
  const acks = (name: string) => readFile(path.join(folder, 'error', `${name}.ack`), 'latin1');
  assert.deepEqual(codes(await acks('1.hl7')), ['AA|A', 'AE|B|PID-3 is missing', 'AA|C']);
  assert.deepEqual(codes(await acks('2.hl7')), ['AR|L|The message is larger than 10000 bytes', 'AA|E']);
  assert.deepEqual(source.status().frames, { whole: 4, oversize: 1 });
});

test('a batch that is cut, or counts otherwise, is told', async (t) => {
  const { source, drop, folder } = await rig(t);
  await drop('cut.hl7', `FHS|^~\\&\rBHS|^~\\&\r${message('A')}`);
  await drop('less.hl7', `BHS|^~\\&\r${message('B')}BTS|2\r`);
  await drop('second.hl7', `FHS|^~\\&\rBHS|^~\\&\r${message('F')}BTS|1\rBHS|^~\\&\r${message('G')}BTS|3\rFTS|1\r`);
  await drop(
    'right.hl7',
    `FHS|^~\\&\rBHS|^~\\&\r${message('C')}${message('D')}BTS|2\rBHS|^~\\&\r${message('E')}BTS|1\rFTS|2\r`,
  );
  await source.start();
  await waitFor(() => source.status().filesDone + source.status().filesRefused === 4, 'the files');
  const faults = async (name: string) => (await readFile(path.join(folder, name), 'latin1')).split('\r').at(-1);
  assert.equal(
    await faults('error/cut.hl7.ack'),
    '# The file ends within FHS: FTS is missing\n# The file ends within BHS: BTS is missing\n',
  );
  assert.equal(await faults('error/less.hl7.ack'), '# BTS-1 of batch 1 tells 2 messages, the batch has 1\n');
  assert.equal(
    await faults('error/second.hl7.ack'),
    '# BTS-1 of batch 2 tells 3 messages, the batch has 1\n# FTS-1 tells 1 batches, the file has 2\n',
  );
  assert.equal(await faults('done/right.hl7.ack'), '');
});

test('of a batch that is cut within a segment the last message is refused; a last line without its end is none', async (t) => {
  const { source, drop, handled, folder } = await rig(t);
  await drop('1.hl7', `BHS|^~\\&\r${message('A')}${message('B')}OBX|1|NM|K||4`);
  await drop('2.hl7', `${message('C')}OBX|1|NM|K||4.5`);
  await drop('3.hl7', `BHS|^~\\&\r${message('D')}BTS|1`);
  await drop('4.hl7', `BHS|^~\\&\r${message('E')}BTS`);
  await source.start();
  await waitFor(() => source.status().filesDone === 3 && source.status().filesRefused === 1, 'the files');
  assert.deepEqual(handled, ['A', 'C', 'D', 'E']);
  const acks = await readFile(path.join(folder, 'error/1.hl7.ack'), 'latin1');
  const refusal = 'AE|B|The file ends within this message, and its batch has no end: it was cut';
  assert.deepEqual(codes(acks), ['AA|A', refusal]);
  assert.match(acks, /# The file ends within BHS: BTS is missing\n$/);
});

test('batches without BHS end with their BTS', async (t) => {
  const { source, drop, folder } = await rig(t);
  const [a, b, c] = ['A', 'B', 'C'].map(message);
  await drop('right.hl7', `FHS|^~\\&\r${a}${b}BTS|2\r${c}BTS|1\rFTS|2\r`);
  await drop('wrong.hl7', `FHS|^~\\&\r${a}BTS|2\r${c}FTS|1\r`);
  await source.start();
  await waitFor(() => source.status().filesDone === 1 && source.status().filesRefused === 1, 'both files');
  const acks = await readFile(path.join(folder, 'error/wrong.hl7.ack'), 'latin1');
  assert.deepEqual(
    acks.split(/[\r\n]/).filter((line) => line.startsWith('#')),
    ['# BTS-1 of batch 1 tells 2 messages, the batch has 1', '# FTS-1 tells 1 batches, the file has 2'],
  );
});

test('where acknowledgments cannot be written no file stays open', {
  skip: !existsSync('/proc/self/fd'),
}, async (t) => {
  const { source, drop, folder } = await rig(t);
  await drop('1.hl7', message('A'));
  const hash = createHash('sha256').update('1.hl7').digest('hex').slice(0, 16);
  await mkdir(path.join(folder, `.${hash}.ack`));
  await source.start();
  await waitFor(() => source.status().state === 'failing', 'the fault');
  await source.stop();
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  assert.equal(links.includes(path.join(folder, '1.hl7')), false);
});

test('a file in UTF-16: its messages whole, one that is refused or waits makes the file so', async (t) => {
  let away = true;
  const { source, drop, listing, handled, folder } = await rig(t, {
    judge(id) {
      if (id === 'B') return new Refusal('AE', '101', 'PID-3 is missing');
      return id === 'D' && away ? new Refusal('AE', '207', 'no store', { transient: true }) : undefined;
    },
  });
  // ਜ is 1C 0A, and ജ 1C 0D: line ends and block characters, were they bytes.
  const letters = (id: string): string => `${message(id)}PID|1||1||\u0a1c\u0a1c\u0d1c\u0d1c\r`;
  await drop('1.hl7', Buffer.from(`\ufeffBHS|^~\\&\r${letters('A')}${letters('B')}BTS|1\r`, 'utf16le'));
  await drop('2.hl7', Buffer.from(letters('C') + letters('D'), 'utf16le').swap16());
  await drop('3.hl7', Buffer.from(`\ufeff${'x'.repeat(5000)}`, 'utf16le'));
  await source.start();
  await waitFor(() => source.status().fault !== undefined, 'the file to wait');
  assert.deepEqual([source.status().filesRefused, (await listing()).includes('2.hl7')], [1, true]);
  away = false;
  await waitFor(() => source.status().filesDone + source.status().filesRefused === 3, 'the files');
  assert.deepEqual([...new Set(handled)], ['A', 'B', 'C', 'D']);
  const acks = async (name: string): Promise<string> =>
    (await readFile(path.join(folder, name), 'latin1')).replaceAll('\0', '');
  assert.deepEqual(codes(await acks('error/1.hl7.ack')), ['AA|A', 'AE|B|PID-3 is missing']);
  assert.match(await acks('error/1.hl7.ack'), /# Batch 1: BTS-1 counts 1, there are 2\n/);
  assert.deepEqual(codes(await acks('done/2.hl7.ack')), ['AA|C', 'AA|D']);
  assert.match(await acks('error/3.hl7.ack'), /read as a whole, and this one is larger than 10000 bytes: write UTF-8/);
});

test('a stop half-way leaves the file; the next start begins it anew', async (t) => {
  let release = (): void => {};
  let gate: Promise<undefined> | undefined = new Promise((resolve) => {
    release = () => resolve(undefined);
  });
  const seen: string[] = [];
  const { source, drop, handled, listing } = await rig(t, {
    judge(id) {
      seen.push(id);
      return id === 'B' ? gate : undefined;
    },
  });
  await drop('1.hl7', ['A', 'B', 'C'].map(message).join(''));
  await source.start();
  await waitFor(() => seen.includes('B'), 'the second message in work');
  const stopped = source.stop();
  release();
  await stopped;
  assert.deepEqual(handled, ['A', 'B']);
  assert.deepEqual(await listing(), ['1.hl7', 'done', 'error']);
  gate = undefined;
  await source.start();
  await waitFor(() => source.status().filesDone === 1, 'the file');
  assert.deepEqual(handled, ['A', 'B', 'A', 'B', 'C']);
});

test('a file that changes while it is read is read again', async (t) => {
  const { source, drop, handled, folder } = await rig(t, {
    judge: async (id) => {
      if (id === 'A' && handled.length === 0) await appendFile(path.join(folder, '1.hl7'), message('B'));
      return undefined;
    },
  });
  await drop('1.hl7', message('A'));
  await source.start();
  await waitFor(() => source.status().filesDone === 1, 'the file');
  assert.deepEqual([handled[0], handled.at(-1)], ['A', 'B']);
  assert.equal(await readFile(path.join(folder, 'done/1.hl7'), 'latin1'), message('A') + message('B'));
});

test('a file that another one replaces while it is read: the other one is read too', async (t) => {
  const { source, drop, handled, folder, listing } = await rig(t, {
    judge: async (id) => {
      if (id !== 'A') return undefined;
      await drop('next.tmp', message('B'));
      await rename(path.join(folder, 'next.tmp'), path.join(folder, 'export.hl7'));
      return undefined;
    },
  });
  await drop('export.hl7', message('A'));
  await source.start();
  await waitFor(() => source.status().filesDone === 1, 'the file');
  await source.stop();
  assert.deepEqual(handled, ['A', 'B']);
  assert.deepEqual(await listing(), ['done', 'done/export.hl7', 'done/export.hl7.ack', 'error']);
  assert.equal(await readFile(path.join(folder, 'done/export.hl7'), 'latin1'), message('B'));
  assert.deepEqual(codes(await readFile(path.join(folder, 'done/export.hl7.ack'), 'latin1')), ['AA|B']);
});

test('a file that is removed while it is read leaves nothing behind, and the next one follows', async (t) => {
  const { source, drop, handled, folder, listing } = await rig(t, {
    judge: async (id) => {
      if (id === 'A') await rm(path.join(folder, '1.hl7'));
      return undefined;
    },
  });
  await drop('1.hl7', message('A'));
  await drop('2.hl7', message('B'));
  await source.start();
  await waitFor(() => source.status().filesDone === 1, 'the second file');
  await source.stop();
  assert.deepEqual(handled, ['A', 'B']);
  assert.deepEqual(await listing(), ['done', 'done/2.hl7', 'done/2.hl7.ack', 'error']);
});

test('names of any bytes and any length are read; a long one is cut where it is kept', async (t) => {
  const { source, handled, folder } = await rig(t);
  // ISO 8859-1, as older systems write it: no UTF-8.
  const old = Buffer.from('m\u00fcller.hl7', 'latin1');
  const long = (letter: string): string => `${'ä'.repeat(125)}${letter}.hl7`;
  assert.equal(Buffer.byteLength(long('a')), 255);
  await writeFile(Buffer.concat([Buffer.from(`${folder}/`), old]), message('O'));
  await writeFile(path.join(folder, 'm\u00fcller.hl7'), message('U'));
  await writeFile(path.join(folder, long('a')), message('A'));
  await writeFile(path.join(folder, long('b')), message('B'));
  await source.start();
  await waitFor(() => source.status().filesDone === 4, 'the files');
  assert.deepEqual(handled.toSorted(), ['A', 'B', 'O', 'U']);
  const places = await readdir(path.join(folder, 'done'));
  assert.deepEqual(places.filter((name) => name.startsWith('m')).sort(), [
    'm\u00fcller.hl7',
    'm\u00fcller.hl7.2',
    'm\u00fcller.hl7.2.ack',
    'm\u00fcller.hl7.ack',
  ]);
  const cut = places.filter((name) => /^ä{109}~[0-9a-f]{16}\.hl7$/.test(name));
  assert.equal(cut.length, 2);
  assert.ok(cut.every((name) => places.includes(`${name}.ack`)));
});

test('links, folders, hidden files and other names are left alone', async (t) => {
  const { source, drop, handled, folder, listing } = await rig(t);
  await drop('.hidden.hl7', message('H'));
  await drop('x.hl7.tmp', message('T'));
  await mkdir(path.join(folder, 'sub.hl7'));
  await writeFile(path.join(folder, 'sub.hl7', 'in.hl7'), message('S'));
  await symlink(path.join(folder, 'sub.hl7', 'in.hl7'), path.join(folder, 'link.hl7'));
  await drop('z.hl7', message('Z'));
  await source.start();
  await waitFor(() => source.status().filesDone === 1, 'the one file');
  await source.stop();
  assert.deepEqual(handled, ['Z']);
  assert.deepEqual(
    (await listing()).filter((name) => !/^(done|error)/.test(name)),
    ['.hidden.hl7', 'link.hl7', 'sub.hl7', 'sub.hl7/in.hl7', 'x.hl7.tmp'],
  );
});

test('a folder that another server reads waits until it is free', async (t) => {
  const { source, drop, handled, folder } = await rig(t);
  const lock = await lockFolder(folder);
  await drop('1.hl7', message('A'));
  await source.start();
  await waitFor(() => source.status().state === 'failing', 'the fault');
  assert.match(
    source.status().fault!,
    new RegExp(`^Another server \\(process ${process.pid}\\) uses the drop folder `),
  );
  assert.deepEqual(handled, []);
  await lock.release();
  await waitFor(() => source.status().filesDone === 1, 'the file');
});

test('a folder for done files that they cannot be moved to is told before any is read', async (t) => {
  const elsewhere = await mkdtemp('/dev/shm/cerebra-done-').catch(() => undefined);
  if (elsewhere === undefined) return t.skip('no second file system');
  t.after(() => rm(elsewhere, { recursive: true, force: true }));
  const { source, drop, handled, folder } = await rig(t, { config: { done: elsewhere } });
  if ((await stat(folder)).dev === (await stat(elsewhere)).dev) return t.skip('no second file system');
  await drop('1.hl7', message('A'));
  await source.start();
  await waitFor(() => source.status().fault, 'the fault');
  assert.equal(
    source.status().fault,
    `The folders done and error must be on the file system of the drop folder ${folder}`,
  );
  assert.deepEqual(handled, []);
});

test('a folder that cannot be written to is a fault that is told, and passes', async (t) => {
  const { source, drop, folder } = await rig(t);
  await writeFile(path.join(folder, 'done'), 'a file in the way');
  await drop('1.hl7', message('A'));
  await source.start();
  await waitFor(() => source.status().fault?.includes('EEXIST'), 'the fault');
  await rm(path.join(folder, 'done'));
  await waitFor(() => source.status().filesDone === 1, 'the file');
});
