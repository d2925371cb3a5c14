// A database for each test: a clone of a template that is migrated once a run.
import { createHash } from 'node:crypto';
import path from 'node:path';
import { after, type TestContext } from 'node:test';
import { connectDb } from '../db/connect.ts';
import { migrate, readMigrations } from '../db/migrate.ts';
import type { Connection, Db } from '../db/types.ts';
import { testCluster } from './cluster.ts';
import { testLog } from './log.ts';
import { waitFor } from './wait.ts';

const migrationsFolder = path.join(import.meta.dirname, '../../migrations');
const templateLock = 0x63726274;
/** As long as a slow machine takes to end what a test has left under way. */
const restMs = 30_000;

/** A database of its own, migrated, dropped after the test `t` (or after the file without one); what to connect with. */
export async function testConnection(t?: TestContext): Promise<Connection> {
  const cluster = await testCluster();
  const template = await inMaintenance(cluster, ensureTemplate);
  return createDatabase(cluster, template, t);
}

/** The same with nothing in it: for testing migrations themselves. */
export async function emptyConnection(t?: TestContext): Promise<Connection> {
  return createDatabase(await testCluster(), 'template0', t);
}

/**
 * A pool on a database of its own (see testConnection). Afterwards the test fails if it left a connection checked out
 * of the pool.
 */
export async function testDatabase(t?: TestContext): Promise<Db> {
  const connection = await testConnection(t);
  // Tests that ask much at once are not about how long a slow machine takes for it.
  const waits = { acquireTimeoutMs: 120_000, closeTimeoutMs: 2_000 };
  const db = connectDb({ ...connection, poolMax: 20, log: testLog(), ...waits });
  const close = async () => {
    try {
      await waitFor(() => isAtRest(db), 'all connections to return to the pool', restMs);
    } finally {
      await db.close();
    }
  };
  // Hooks run in the order of registration; the one that drops the database cuts connections, so this one is put first.
  beforeDrop(connection.database, close);
  databaseOf.set(db, connection.database);
  return db;
}

const databaseOf = new WeakMap<object, string>();

/**
 * What works on a pool of testDatabase by itself ends before that waits for its connections, which would hardly ever be at rest at
 * one moment. `db` may be an object made of that pool by Object.create; of others nothing is known.
 */
export function beforeClose(db: Db, end: () => Promise<void>): void {
  for (let one: object | null = db; one !== null; one = Object.getPrototypeOf(one) as object | null) {
    const database = databaseOf.get(one);
    if (database !== undefined) closers.get(database)!.unshift(end);
  }
}

function isAtRest(db: Db): boolean {
  const { total, idle, waiting } = db.stats();
  return total === idle && waiting === 0;
}

const closers = new Map<string, (() => Promise<void>)[]>();

/**
 * What uses the database ends before it is dropped. A hook of the file's own would come after: cut off, a server connects
 * again and again, and a database that somebody connects to for 5 s is not dropped.
 */
export function beforeDrop(database: string, close: () => Promise<void>): void {
  closers.get(database)!.push(close);
}

async function createDatabase(cluster: Connection, template: string, t: TestContext | undefined): Promise<Connection> {
  const database = `t_${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
  // Its 27 MB take a quarter of the processor time as files than as pages that go through the WAL.
  const text = `CREATE DATABASE ${database} TEMPLATE ${template} STRATEGY file_copy`;
  await inMaintenance(cluster, (db) => db.query({ text }));
  closers.set(database, []);
  const drop = async () => {
    try {
      for (const close of closers.get(database)!) await close();
    } finally {
      await inMaintenance(cluster, (db) => db.query({ text: `DROP DATABASE IF EXISTS ${database} WITH (FORCE)` }));
    }
  };
  if (t) t.after(drop);
  else droppedAfterFile.push(drop);
  return { ...cluster, database };
}

const droppedAfterFile: (() => Promise<void>)[] = [];

/** Registered when the kit is imported, before the cluster's own end. */
export function dropDatabasesAfterFile(): void {
  after(async () => {
    for (const drop of droppedAfterFile) await drop();
  });
}

async function inMaintenance<T>(cluster: Connection, work: (db: Db) => Promise<T>): Promise<T> {
  const db = connectDb({ ...cluster, poolMax: 1, log: testLog() });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

let template: Promise<string> | undefined;

/** The template's name says which migrations it holds, so that a changed file makes a new one. */
function ensureTemplate(db: Db): Promise<string> {
  template ??= buildTemplate(db);
  return template;
}

async function buildTemplate(db: Db): Promise<string> {
  const checksums = (await readMigrations(migrationsFolder)).map(({ checksum }) => checksum);
  const name = `template_${createHash('sha256').update(checksums.join()).digest('hex').slice(0, 12)}`;
  // Session-level, on the pool's only connection: test files of one run start together.
  await db.query({ text: 'SELECT pg_advisory_lock($1)' }, [templateLock]);
  try {
    if ((await db.query({ text: 'SELECT 1 FROM pg_database WHERE datname = $1' }, [name])).length === 0) {
      await migrateTemplate(db, name);
    }
    return name;
  } finally {
    await db.query({ text: 'SELECT pg_advisory_unlock($1)' }, [templateLock]);
  }
}

async function migrateTemplate(db: Db, name: string): Promise<void> {
  await db.query({ text: `DROP DATABASE IF EXISTS ${name}_unfinished WITH (FORCE)` });
  await db.query({ text: `CREATE DATABASE ${name}_unfinished TEMPLATE template0` });
  await inMaintenance({ ...(await testCluster()), database: `${name}_unfinished` }, (target) =>
    migrate(target, migrationsFolder, testLog()),
  );
  await db.query({ text: `ALTER DATABASE ${name}_unfinished WITH ALLOW_CONNECTIONS false` });
  await db.query({ text: `ALTER DATABASE ${name}_unfinished RENAME TO ${name}` });
}
