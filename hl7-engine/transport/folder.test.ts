// Which file of a drop folder comes next, and when it is whole.
import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { createFolder } from './folder.ts';

async function dropFolder(t: TestContext) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-folder-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const place = (name: string): string => path.join(folder, name);
  return { folder, place, drop: (name: string, content: string) => writeFile(place(name), content) };
}

test('a file that still grows waits, and what comes after it', async (t) => {
  const { folder, drop, place } = await dropFolder(t);
  let nowMs = 0;
  const names = { folder, done: place('done'), error: place('error') };
  const looking = createFolder({ ...names, pattern: '?.hl7', stableMs: 300, pollMs: 50, nowMs: () => nowMs });
  await looking.prepare();
  await drop('1.hl7', 'A');
  await drop('2.hl7', 'B');
  await drop('10.hl7', 'C');
  const look = async () => {
    const { file, waiting } = await looking.first();
    return { name: file?.name, waiting };
  };
  const nothing = { name: undefined, waiting: 2 };
  assert.deepEqual(await look(), nothing);
  nowMs = 299;
  assert.deepEqual(await look(), nothing);
  await utimes(place('1.hl7'), 1, 1);
  nowMs = 300;
  // The second file has been still for long enough, but the first goes before it.
  assert.deepEqual(await look(), nothing);
  await appendFile(place('1.hl7'), 'D');
  nowMs = 599;
  assert.deepEqual(await look(), nothing);
  nowMs = 899;
  assert.deepEqual(await look(), { name: '1.hl7', waiting: 2 });
  await rm(place('1.hl7'));
  assert.deepEqual(await look(), { name: '2.hl7', waiting: 1 });
});

test('a folder of many files is listed now and then, not for each of them', async (t) => {
  const { folder, drop, place } = await dropFolder(t);
  let nowMs = 0;
  const names = { folder, done: place('done'), error: place('error') };
  const looking = createFolder({ ...names, pattern: '*.hl7', stableMs: 0, pollMs: 1_000, nowMs: () => nowMs });
  await looking.prepare();
  /** Reads what comes first, as a source does. */
  const take = async (): Promise<[string | undefined, number]> => {
    const { file, waiting } = await looking.first();
    if (file === undefined) return [undefined, waiting];
    await drop('.ack', '');
    await looking.finish(file, await stat(place(file.name)), 'done', place('.ack'));
    return [file.name, waiting];
  };
  for (const name of ['b.hl7', 'c.hl7', 'd.hl7', 'e.hl7']) await drop(name, 'A');
  assert.deepEqual(await take(), ['b.hl7', 4]);
  await drop('a.hl7', 'A');
  await rm(place('c.hl7'));
  assert.deepEqual(await take(), ['d.hl7', 2], 'of the first listing');
  nowMs = 1_000;
  assert.deepEqual(await take(), ['a.hl7', 2], 'listed again');
  assert.deepEqual(await take(), ['e.hl7', 1]);
  assert.deepEqual(await take(), [undefined, 0]);
  await drop('f.hl7', 'A');
  assert.deepEqual(await take(), ['f.hl7', 1], 'where nothing waits each look is a listing');
});
