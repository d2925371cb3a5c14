// Who takes over the lock of a killed server.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { isLocked, lockFolder } from './lock.ts';

/** No process has that number: https://man7.org/linux/man-pages/man5/proc_sys_kernel.5.html, pid_max. */
const dead = '4999999 1@boot\n';

/** A folder with the lock of a killed process, and what stands in that of a living one. */
async function leftFolder(t: TestContext) {
  const folder = await mkdtemp(path.join(tmpdir(), 'cerebra-lock-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'cerebra.lock');
  const own = await lockFolder(folder);
  const alive = await readFile(file, 'utf8');
  await own.release();
  await writeFile(file, dead);
  return { folder, file, turn: path.join(folder, '.cerebra.lock.turn'), alive };
}

test('one that is left is not removed while another process is at it', async (t) => {
  const { folder, file, turn, alive } = await leftFolder(t);
  await writeFile(turn, alive);
  await assert.rejects(lockFolder(folder), { code: 'config', message: /^Another server is starting in / });
  assert.equal(await readFile(file, 'utf8'), dead);
  assert.equal(await readFile(turn, 'utf8'), alive);
});

test('one that is left is taken over, also where a process was killed at it', async (t) => {
  const { folder, file, turn, alive } = await leftFolder(t);
  await writeFile(turn, dead);
  const lock = await lockFolder(folder);
  assert.equal(await readFile(file, 'utf8'), alive);
  assert.equal(await isLocked(folder), true);
  await assert.rejects(lockFolder(folder), { code: 'config', message: /^Another server \(process \d+\) uses / });
  await lock.release();
  assert.deepEqual(await readdir(folder), []);
});
