// Where the databases of tests lie: in memory where there is room. A clone of the migrated template is 2,600 files, which a
// disk takes several times the processor time for, and nothing of it outlives the run.
import { accessSync, constants, mkdtempSync, realpathSync, statfsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** https://www.kernel.org/doc/html/latest/filesystems/tmpfs.html; containers often have 64 MiB of it. */
const memoryFolder = '/dev/shm';
const freeBytesMin = 4 * 1024 ** 3;

function hasRoom(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    return Math.min(bavail * bsize, process.availableMemory()) >= freeBytesMin;
  } catch {
    return false;
  }
}

/** A new folder, its name beginning with `prefix`: in TMPDIR if that is set, else in /dev/shm with 4 GiB free, else in /tmp. */
export function createDataFolder(prefix: string): string {
  const inMemory = process.env.TMPDIR === undefined && hasRoom(memoryFolder);
  return realpathSync(mkdtempSync(path.join(inMemory ? memoryFolder : os.tmpdir(), prefix)));
}
