// Forward-only numbered SQL files. Each is claimed before it runs, and runs once, however many servers start together.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { CerebraError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Db, Tx } from './types.ts';

export interface MigrationFile {
  number: number;
  name: string;
  sql: string;
  /** SHA-256 of the file, hexadecimal. */
  checksum: string;
}

interface AppliedMigration {
  number: number;
  name: string;
  checksum: string;
}

/** Any number; it keeps two migrators of one database apart. Spells "crbm". */
const migrationLock = 0x6372626d;

/** The NNNN_name.sql files of a folder, in order; throws `config` when a name has another form or a number repeats. */
export async function readMigrations(folder: string): Promise<MigrationFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  const files = await Promise.all(names.map((name) => readMigration(folder, name)));
  const repeated = files.find((file, index) => file.number === files[index - 1]?.number);
  if (repeated) throw new CerebraError('config', `Migration ${repeated.name}: its number is taken`);
  return files;
}

async function readMigration(folder: string, name: string): Promise<MigrationFile> {
  const digits = /^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1];
  if (digits === undefined)
    throw new CerebraError('config', `Migration ${name}: expected a name like 0007_add_things.sql`);
  const sql = await readFile(path.join(folder, name), 'utf8');
  return { number: Number(digits), name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
}

/**
 * Brings the database to the state of the folder's last file: one transaction a file, under an advisory lock, its row
 * inserted before its SQL runs. Throws `config` when an applied file has changed or the database is ahead of the folder.
 */
export async function migrate(db: Db, folder: string, log: Log): Promise<void> {
  const files = await readMigrations(folder);
  await refuseOtherServers(db, log);
  await db.tx(createLedger);
  for (const file of files) {
    const startedMs = performance.now();
    if (await db.tx((tx) => applyOnce(tx, file))) {
      log.info({ migration: file.name, durationMs: Math.round(performance.now() - startedMs) }, 'migration applied');
    }
  }
  await refuseLaterMigrations(db, files.at(-1)?.number ?? 0);
}

const OLDEST_VERSION = 150_000;

/**
 * Told before anything is made. In another encoding characters cannot be stored, or (SQL_ASCII, which initdb takes where
 * no locale is set) are bytes to PostgreSQL: full-text search then finds no word with an umlaut.
 */
async function refuseOtherServers(db: Db, log: Log): Promise<void> {
  const [server] = await db.query<{ number: number; version: string; encoding: string; folds: boolean }>({
    text: `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
             current_setting('server_encoding') AS encoding, lower('\u00c4\u0416') = '\u00e4\u0436' AS folds`,
  });
  const { number, version, encoding, folds } = server!;
  if (number < OLDEST_VERSION) {
    throw new CerebraError('config', `The database is of PostgreSQL ${version}: 15 or newer is needed`);
  }
  if (encoding === 'UTF8') {
    if (!folds) log.warn(ASCII_ONLY);
    return;
  }
  const advice = `make one by CREATE DATABASE name ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0, and name it in DATABASE_URL`;
  throw new CerebraError('config', `The encoding of the database is ${encoding}, not UTF8: ${advice}`);
}

/** What initdb takes with --no-locale; whoever has data in such a database goes on with it. */
const ASCII_ONLY = `The locale of the database (LC_CTYPE) is C, in which only the letters A to Z have a lower case: searches by _content miss words with other capital letters. Move it to one made by CREATE DATABASE name ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0`;

async function createLedger(tx: Tx): Promise<void> {
  await lock(tx);
  await tx.query({
    text: `CREATE TABLE IF NOT EXISTS migration (
             number int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied timestamptz NOT NULL DEFAULT now())`,
  });
}

async function lock(tx: Tx): Promise<void> {
  // DDL of 150 tables may take longer than a request is allowed to.
  await tx.query({ text: 'SET LOCAL statement_timeout = 0' });
  await tx.query({ text: 'SELECT pg_advisory_xact_lock($1)' }, [migrationLock]);
}

async function applyOnce(tx: Tx, file: MigrationFile): Promise<boolean> {
  await lock(tx);
  const claimed = await tx.queryCount(
    { text: 'INSERT INTO migration (number, name, checksum) VALUES ($1, $2, $3) ON CONFLICT (number) DO NOTHING' },
    [file.number, file.name, file.checksum],
  );
  if (claimed === 0) {
    await verifyApplied(tx, file);
    return false;
  }
  try {
    await tx.query({ text: await forThisServer(tx, file.sql) });
  } catch (cause) {
    throw new CerebraError('internal', `Migration ${file.name} failed: ${(cause as Error).message}`, { cause });
  }
  return true;
}

/**
 * lz4 packs and unpacks several times as fast as pglz, so migrations ask for it; but the embedded PostgreSQL 18.4 is
 * built without. There `COMPRESSION lz4` becomes `COMPRESSION default`: https://www.postgresql.org/docs/18/sql-createtable.html
 */
async function forThisServer(tx: Tx, sql: string): Promise<string> {
  const clause = /\bcompression\s+lz4\b/gi;
  if (!clause.test(sql)) return sql;
  const [server] = await tx.query<{ lz4: boolean }>({
    text: `SELECT 'lz4' = ANY (enumvals) AS lz4 FROM pg_settings WHERE name = 'default_toast_compression'`,
  });
  return server?.lz4 ? sql : sql.replace(clause, 'compression default');
}

async function verifyApplied(tx: Tx, file: MigrationFile): Promise<void> {
  const [applied] = await tx.query<AppliedMigration>(
    { text: 'SELECT number, name, checksum FROM migration WHERE number = $1' },
    [file.number],
  );
  if (applied?.checksum !== file.checksum) {
    throw new CerebraError(
      'config',
      `Migration ${file.name} was changed after it was applied to this database (as ${applied?.name}), so this is no later version of what made it. Start the version that did, or name another database (DATABASE_URL, DATA_DIR)`,
    );
  }
}

async function refuseLaterMigrations(db: Db, last: number): Promise<void> {
  const [row] = await db.query<{ number: number | null }>({ text: 'SELECT max(number) AS number FROM migration' });
  if ((row?.number ?? 0) > last) {
    throw new CerebraError(
      'config',
      `The database is at migration ${row?.number}, this version knows ${last}: start a version as new as the one that used it last`,
    );
  }
}
