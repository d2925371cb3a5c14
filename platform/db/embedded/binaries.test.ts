import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { it, type TestContext } from 'node:test';
import { testLog } from '../../testing/index.ts';
import { usableBinaries } from './binaries.ts';

const stranger = { uid: 65533, gid: 65533, name: 'stranger' };

/** A package with one program and one library that wants a symbolic link, and a folder for copies. */
async function packageIn(t: TestContext) {
  const root = await realpath(await mkdtemp(path.join(os.tmpdir(), 'cerebra-binaries-')));
  t.after(() => rm(root, { recursive: true, force: true }));
  await chmod(root, 0o711);
  const folder = path.join(root, 'package');
  for (const name of ['bin', 'lib']) await mkdir(path.join(folder, 'native', name), { recursive: true });
  for (const name of ['postgres', 'initdb']) {
    await writeFile(path.join(folder, 'native/bin', name), name);
    await chmod(path.join(folder, 'native/bin', name), 0o755);
  }
  await writeFile(path.join(folder, 'native/lib/libx.so.1.2'), 'library');
  const links = [{ source: 'native/lib/libx.so.1.2', target: 'native/lib/libx.so.1' }];
  await writeFile(path.join(folder, 'native/pg-symlinks.json'), JSON.stringify(links));
  return { folder, copies: path.join(root, 'copies') };
}

const link = (postgres: string) => path.join(path.dirname(postgres), '../lib/libx.so.1');

it('makes the missing links of a package and runs it where it is', async (t) => {
  const { folder, copies } = await packageIn(t);
  for (let round = 0; round < 2; round++) {
    const { postgres } = await usableBinaries({ folder, version: '18' }, stranger, copies, testLog());
    assert.equal(postgres, path.join(folder, 'native/bin/postgres'));
    assert.ok((await lstat(link(postgres))).isSymbolicLink());
    assert.equal(await readFile(link(postgres), 'utf8'), 'library');
  }
});

it('copies a package that the account cannot enter, whatever the umask, and once', async (t) => {
  const { folder, copies } = await packageIn(t);
  await chmod(folder, 0o700);
  const umask = process.umask(0o077);
  t.after(() => process.umask(umask));
  const find = () => usableBinaries({ folder, version: '18' }, stranger, copies, testLog());
  const [{ postgres }] = await Promise.all([find(), find()]);
  assert.ok(postgres.startsWith(copies));
  assert.equal(await readFile(link(postgres), 'utf8'), 'library');
  assert.equal((await stat(postgres)).mode & 0o777, 0o755);
  assert.equal((await stat(path.join(copies))).mode & 0o055, 0o055);
  assert.equal((await stat(link(postgres))).mode & 0o777, 0o644);
  assert.deepEqual(await find(), { postgres, initdb: path.join(path.dirname(postgres), 'initdb') });
  assert.deepEqual(await readdir(copies), [`postgresql-18-${process.platform}-${process.arch}`]);
});
