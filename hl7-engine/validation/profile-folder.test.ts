// Which profiles a folder has.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { profileFiles } from './profile-folder.ts';

test('a folder and a file of one name are one profile, that of the folder', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'hl7-profiles-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(path.join(folder, 'lab'));
  await writeFile(path.join(folder, 'lab/profile.xml'), '<folder/>');
  await writeFile(path.join(folder, 'lab.xml'), '<file/>');
  await writeFile(path.join(folder, 'ward.XML'), '<file/>');
  const found = (await profileFiles(folder))!;
  assert.deepEqual(await Promise.all(found.map(async ({ name, read }) => [name, await read()])), [
    ['lab', ['<folder/>']],
    ['ward', ['<file/>']],
  ]);
});
