// A PostgreSQL 18 of our own in the data folder, reached over a private Unix socket.
import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readFile, realpath, rm, stat, symlink } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { CerebraError, isCerebraError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { connectDb } from '../connect.ts';
import type { Connection } from '../types.ts';
import { type Account, canReach, serverAccount } from './account.ts';
import { findBinaries, sharedRoot } from './binaries.ts';
import { type FolderLock, isLocked, lockFolder } from './lock.ts';
import { endLeftOver, initialise, launch, type PostgresFolders, readStatus } from './process.ts';
import { serverSettings } from './settings.ts';
import { type Supervised, supervise } from './supervise.ts';

export interface EmbeddedOptions {
  /** Created if it is not there; holds `postgres/`, its log and the lock file. */
  dataDir: string;
  log: Log;
  /** Override settings.ts: `{ max_connections: '100' }`. */
  settings?: Record<string, string>;
  /** PostgreSQL ended by itself and could not be started again; default: it is logged only. */
  onLost?(error: CerebraError): void;
}

/** PostgreSQL is started again when it ends by itself, and ends with this process. */
export interface EmbeddedPostgres extends Supervised {
  connection: Connection;
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
  const { dataDir, lock } = await takeFolder(options.dataDir);
  try {
    const account = await serverAccount();
    const binaries = await findBinaries(account, dataDir, log);
    const folders = await prepareFolders(dataDir, account, log);
    if (await isNew(folders.data)) await initialise(binaries, folders.data, user, account);
    const host = await socketFolder(folders.data, account);
    const settings = { ...serverSettings(host), port: String(port), ...options.settings };
    const running = await supervise({
      launch: async (onSpawn) => {
        await endLeftOver(folders.data, log);
        await removeSocket(host);
        return launch({ binaries, folders, settings, account, log, onSpawn });
      },
      isStopping: async (pid) => {
        const status = await readStatus(folders.data);
        return status?.pid === pid && status.state === 'stopping';
      },
      onLost: options.onLost ?? ((err) => log.fatal({ err }, 'embedded PostgreSQL is lost')),
      log,
    });
    return await serve(running, { host, port, user, database }, lock, log);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The data folder, made where it is not there, and locked. */
async function takeFolder(folder: string): Promise<{ dataDir: string; lock: FolderLock }> {
  try {
    await makeFolder(path.resolve(folder));
    const dataDir = await realpath(folder);
    return { dataDir, lock: await lockFolder(dataDir) };
  } catch (error) {
    if (isCerebraError(error)) throw error;
    const reason = `${(error as Error).message}: set DATA_DIR to a folder in which this user may write`;
    throw new CerebraError('config', `The data folder ${folder} (DATA_DIR) cannot be used: ${reason}`, {
      cause: error,
    });
  }
}

/**
 * With those above it. Node's own recursion (24.21) never ends where a folder that is there answers ENOENT to whoever makes
 * another in it, as /proc and automounters do.
 */
async function makeFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  const above = path.dirname(folder);
  if (found === undefined && above !== folder) await makeFolder(above);
  await mkdir(folder).catch(async (error: unknown) => {
    // Another server that starts beside this one may have made it.
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw error;
  });
}

async function serve(
  running: Supervised,
  connection: Connection,
  lock: FolderLock,
  log: Log,
): Promise<EmbeddedPostgres> {
  try {
    await createDatabase(connection, log);
  } catch (error) {
    await running.stop();
    throw error;
  }
  return {
    connection,
    get pid() {
      return running.pid;
    },
    stop: async () => {
      await running.stop();
      await lock.release();
    },
    abandon: running.abandon,
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
  await mkdir(path.dirname(elsewhere), { recursive: true });
  for (const folder of [sharedRoot, path.dirname(elsewhere)]) await chmod(folder, 0o755);
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

/**
 * How to reach the PostgreSQL that another process runs in this data folder, as the same user or as root; undefined when
 * nobody uses the folder.
 */
export async function findEmbeddedPostgres(dataDir: string): Promise<Connection | undefined> {
  const folder = await realpath(dataDir).catch(() => undefined);
  if (folder === undefined || !(await isLocked(folder))) return undefined;
  const home = await realpath(path.join(folder, 'postgres')).catch(() => undefined);
  if (home === undefined) return undefined;
  return { host: socketPlace(path.join(home, 'data')), port, user, database };
}

/** A socket's path may have 107 bytes (https://man7.org/linux/man-pages/man7/unix.7.html); 100 leave room for `.lock`. */
function socketPlace(data: string): string {
  const beside = path.join(path.dirname(data), 'socket');
  const short = Buffer.byteLength(`${beside}/.s.PGSQL.${port}`) <= 100;
  return short ? beside : path.join(os.tmpdir(), `cerebra-${shortHash(data)}`);
}

async function socketFolder(data: string, account: Account | undefined): Promise<string> {
  const folder = socketPlace(data);
  await ownedFolder(folder, account);
  return folder;
}

/** What a killed server left; PostgreSQL would ask whether the process named there runs (see disown() in process.ts). */
async function removeSocket(folder: string): Promise<void> {
  for (const suffix of ['', '.lock']) await rm(path.join(folder, `.s.PGSQL.${port}${suffix}`), { force: true });
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
