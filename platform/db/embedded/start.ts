// A PostgreSQL 18 of our own in the data folder, reached over a private Unix socket.
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readFile, realpath, stat, symlink } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { CerebraError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { connectDb } from '../connect.ts';
import type { Connection } from '../types.ts';
import { type Account, canReach, serverAccount } from './account.ts';
import { findBinaries, sharedRoot } from './binaries.ts';
import { type FolderLock, lockFolder } from './lock.ts';
import { endLeftOver, initialise, launch, type PostgresFolders, sendSignal, stopProcess } from './process.ts';
import { serverSettings } from './settings.ts';

export interface EmbeddedOptions {
  /** Created if it is not there; holds `postgres/`, its log and the lock file. */
  dataDir: string;
  log: Log;
  /** Override settings.ts, for tests: `{ fsync: 'off' }`. */
  settings?: Record<string, string>;
}

export interface EmbeddedPostgres {
  connection: Connection;
  pid: number;
  /** Sessions still open are cut. */
  stop(): Promise<void>;
  /** For a process that is exiting: signals an immediate stop (safe, with recovery at the next start), waits for nothing. */
  abandon(): void;
}

const user = 'cerebra';
const database = 'cerebra';
const port = 5432;
const majorVersion = '18';

/**
 * Starts PostgreSQL on the data folder, creating its cluster the first time. Throws `config` if another server uses
 * the folder or PostgreSQL of another major version wrote it.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { log } = options;
  await mkdir(options.dataDir, { recursive: true });
  const dataDir = await realpath(options.dataDir);
  const lock = await lockFolder(dataDir);
  try {
    const account = await serverAccount();
    const binaries = await findBinaries(account, dataDir, log);
    const folders = await prepareFolders(dataDir, account, log);
    await endLeftOver(folders.data, log);
    if (await isNew(folders.data)) await initialise(binaries, folders.data, user, account);
    const host = await socketFolder(folders.data, account);
    const settings = { ...serverSettings(host), port: String(port), ...options.settings };
    const child = await launch(binaries, folders, settings, account, log);
    await createDatabase({ host, port, user, database }, log).catch(async (error) => {
      await stopProcess(child.pid!, 'SIGINT');
      throw error;
    });
    return running(child, { host, port, user, database }, lock, log);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function running(child: ChildProcess, connection: Connection, lock: FolderLock, log: Log): EmbeddedPostgres {
  const pid = child.pid!;
  let stopping: Promise<void> | undefined;
  child.on('exit', (code, signal) => {
    if (!stopping) log.fatal({ code, signal }, 'embedded PostgreSQL has ended by itself');
  });
  return {
    connection,
    pid,
    stop: () => {
      stopping ??= stopProcess(pid, 'SIGINT').then(() => lock.release());
      return stopping;
    },
    abandon: () => {
      sendSignal(pid, 'SIGQUIT');
    },
  };
}

async function prepareFolders(dataDir: string, account: Account | undefined, log: Log): Promise<PostgresFolders> {
  const home = path.join(dataDir, 'postgres');
  if (!(await lstat(home).catch(() => undefined))) await createHome(home, dataDir, account, log);
  const folder = await realpath(home);
  await ownedFolder(folder, account);
  return { data: path.join(folder, 'data'), logFile: path.join(folder, 'postgres.log') };
}

/** DATA_DIR/postgres; where the account can't come, a link there to a folder that it can enter. */
async function createHome(home: string, dataDir: string, account: Account | undefined, log: Log): Promise<void> {
  if (account === undefined) return ownedFolder(home, account);
  // Of the data folder itself root may let the account through (not read it); folders above are not ours to open.
  if (await canReach(account, path.dirname(dataDir))) await chmod(dataDir, (await stat(dataDir)).mode | 0o001);
  if (await canReach(account, dataDir)) return ownedFolder(home, account);
  const elsewhere = path.join(sharedRoot, 'data', shortHash(dataDir));
  await mkdir(path.dirname(elsewhere), { recursive: true, mode: 0o755 });
  await ownedFolder(elsewhere, account);
  await symlink(elsewhere, home);
  log.info({ folder: elsewhere }, `the database lies outside DATA_DIR, which account ${account.name} cannot enter`);
}

/** A folder that only its owner enters; refuses one that belongs to somebody else. */
async function ownedFolder(folder: string, account: Account | undefined): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  const owner = account?.uid ?? process.getuid?.() ?? found.uid;
  if (!found.isDirectory() || (found.uid !== owner && found.uid !== process.getuid?.())) {
    throw new CerebraError('config', `${folder} belongs to another user`);
  }
  if (account) await chown(folder, account.uid, account.gid);
  await chmod(folder, 0o700);
}

const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** A socket's path may have 107 bytes (https://man7.org/linux/man-pages/man7/unix.7.html); 100 leave room for `.lock`. */
async function socketFolder(data: string, account: Account | undefined): Promise<string> {
  const beside = path.join(path.dirname(data), 'socket');
  const short = Buffer.byteLength(`${beside}/.s.PGSQL.${port}`) <= 100;
  const folder = short ? beside : path.join(os.tmpdir(), `cerebra-${shortHash(data)}`);
  await ownedFolder(folder, account);
  return folder;
}

async function isNew(data: string): Promise<boolean> {
  if (!(await stat(data).catch(() => undefined))) return true;
  const version = (await readFile(path.join(data, 'PG_VERSION'), 'utf8').catch(() => '')).trim();
  if (version !== majorVersion) {
    throw new CerebraError(
      'config',
      `${data} was written by PostgreSQL ${version || '?'}; this version runs ${majorVersion}`,
    );
  }
  return false;
}

async function createDatabase(connection: Connection, log: Log): Promise<void> {
  const db = connectDb({ ...connection, database: 'postgres', poolMax: 1, log });
  try {
    const found = await db.query({ text: 'SELECT 1 FROM pg_database WHERE datname = $1' }, [database]);
    if (found.length === 0) await db.query({ text: `CREATE DATABASE ${database}` });
  } finally {
    await db.close();
  }
}
