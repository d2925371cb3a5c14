// The PostgreSQL cluster of a test run: given by environment, or one of the test file's own.
import { existsSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { after } from 'node:test';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../db/embedded/start.ts';
import type { Connection } from '../db/types.ts';
import { createDataFolder } from './data-folder.ts';
import { testLog } from './log.ts';

export interface TestCluster {
  /** To the database `postgres`, as superuser. */
  connection: Connection;
  stop(): Promise<void>;
}

// A machine that loses power loses its test data.
const testSettings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  // A segment that is used again costs less than a new one, and a checkpoint without fsync next to nothing.
  max_wal_size: '512MB',
  // Nothing in a test's database lives long enough to be worth vacuuming, and DROP DATABASE waits for the worker.
  autovacuum: 'off',
};

/** An embedded cluster in a folder of its own, which goes when it stops or the process exits. */
export async function startTestCluster(): Promise<TestCluster> {
  const folder = createDataFolder('cerebra-test-');
  await chmod(folder, 0o711);
  const postgres = await startEmbeddedPostgres({ dataDir: folder, log: testLog(), settings: testSettings });
  const abandon = () => {
    postgres.abandon();
    removeBusy(folder);
  };
  const onSignal = (signal: NodeJS.Signals) => process.exit(signal === 'SIGINT' ? 130 : 143);
  process.once('exit', abandon);
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  return {
    connection: { ...postgres.connection, database: 'postgres' },
    stop: async () => {
      process.off('exit', abandon);
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      await endCluster(postgres, folder);
    },
  };
}

/** Removes a folder in which processes that are ending still write and remove: each look can miss something for 5 s. */
function removeBusy(folder: string): void {
  const deadline = performance.now() + 5_000;
  do {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Not empty any more.
    }
    if (!existsSync(folder)) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  } while (performance.now() < deadline);
}

async function endCluster(postgres: EmbeddedPostgres, folder: string): Promise<void> {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Name of the variable by which test/run.ts tells the test files of its cluster: a Connection as JSON. */
export const clusterVariable = 'CEREBRA_TEST_CLUSTER';

let own: Promise<TestCluster> | undefined;

/** The run's cluster (test/run.ts), the one at TEST_DATABASE_URL, or else this file's own, started when first asked for. */
export async function testCluster(): Promise<Connection> {
  const given = process.env[clusterVariable];
  if (given) return JSON.parse(given) as Connection;
  if (process.env.TEST_DATABASE_URL) return connectionOf(process.env.TEST_DATABASE_URL);
  own ??= startTestCluster();
  return (await own).connection;
}

/** Of a URL like postgres://user:password@host:port/database. */
function connectionOf(url: string): Connection {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url);
  return {
    host: searchParams.get('host') ?? decodeURIComponent(hostname),
    port: Number(port || 5432),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)) || 'postgres',
  };
}

/** Registered when the kit is imported, so that it runs after the file's tests. */
export function stopOwnClusterAfterFile(): void {
  after(async () => {
    if (own) await (await own).stop();
  });
}
