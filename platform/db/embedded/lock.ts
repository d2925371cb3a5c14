// One server a data folder: a lock file with the process id.
import { constants, readFileSync } from 'node:fs';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CerebraError } from '../../errors.ts';

export interface FolderLock {
  release(): Promise<void>;
}

/**
 * Throws `config` if a living process holds the folder, called `what`. A lock left by a killed one is taken over, and so is
 * one of another machine: it guards against a second server on this one.
 */
export async function lockFolder(folder: string, what = `the data folder ${folder} (DATA_DIR)`): Promise<FolderLock> {
  const file = path.join(folder, 'cerebra.lock');
  const mine = `${process.pid} ${await startTime(process.pid)}\n`;
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await createWhole(file, mine)) return { release: () => releaseLock(file, mine) };
    const holder = await contentOf(file);
    if (holder === undefined) continue;
    if (await isAlive(holder)) {
      throw new CerebraError(
        'config',
        `Another server (process ${Number.parseInt(holder, 10)}) uses ${what}: stop it, or give this one another folder`,
      );
    }
    await removeLeft(file, holder, mine);
  }
  throw new CerebraError('config', `Another server is starting in ${what}`);
}

/** Undefined for what is not there; '' for what can't be read. */
const contentOf = (file: string): Promise<string | undefined> =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? undefined : ''));

/**
 * Removes the lock that a killed process has left. One at a time, each of whom looks once more: of two that start at once the later
 * one would else remove the lock that the first has made meanwhile, and both would have the folder.
 */
async function removeLeft(file: string, holder: string, mine: string): Promise<void> {
  // A drop folder passes over what begins with a dot.
  const turn = path.join(path.dirname(file), `.${path.basename(file)}.turn`);
  if (!(await createWhole(turn, mine))) {
    if (!(await isAlive((await contentOf(turn)) ?? mine))) await rm(turn, { force: true });
    return;
  }
  try {
    if ((await contentOf(file)) === holder) await rm(file, { force: true });
  } finally {
    await rm(turn, { force: true });
  }
}

/** Whether a living process holds the folder. */
export const isLocked = async (folder: string): Promise<boolean> =>
  isAlive(await readFile(path.join(folder, 'cerebra.lock'), 'utf8').catch(() => ''));

const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
/** Into a drop folder others may put links. */
const flag = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;

/** A link appears with its content or not at all. False if the file is there. */
async function createWhole(file: string, content: string): Promise<boolean> {
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, content, { flag });
  try {
    await link(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function releaseLock(file: string, mine: string): Promise<void> {
  if ((await readFile(file, 'utf8').catch(() => '')) === mine) await rm(file, { force: true });
}

async function isAlive(holder: string): Promise<boolean> {
  const [pid = '', started = ''] = holder.trim().split(' ');
  if (!processExists(Number(pid))) return false;
  // After a reboot, or in a new container, the number may belong to somebody else, or to us.
  return started === (await startTime(Number(pid)));
}

/** Whether the process runs; one that has ended but that nobody has waited for (a zombie) does not. */
export function processExists(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !isZombie(pid);
}

// Seen in containers whose first process does not wait for orphans.
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

/** Clock ticks from boot to the process's start (proc(5), stat field 22), with the boot's id; `-` where there is no /proc. */
async function startTime(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    return `${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}@${boot.trim()}`;
  } catch {
    return '-';
  }
}
