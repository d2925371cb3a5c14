// The database of a command that is no server: DATABASE_URL, or the embedded PostgreSQL, be it that a server runs it.
import path from 'node:path';
import {
  type Config,
  type Connection,
  connectDb,
  type Db,
  findEmbeddedPostgres,
  type Log,
  migrate,
  startEmbeddedPostgres,
} from '#platform';

interface Opened {
  connection: Connection | { url: string };
  stop(): Promise<void>;
}

async function openConnection({ DATABASE_URL, DATA_DIR }: Config, log: Log): Promise<Opened> {
  if (DATABASE_URL) return { connection: { url: DATABASE_URL }, stop: async () => undefined };
  const running = await findEmbeddedPostgres(DATA_DIR);
  if (running) return { connection: running, stop: async () => undefined };
  return startEmbeddedPostgres({ dataDir: DATA_DIR, log });
}

/** Runs `work` on the migrated database; statements may take as long as they need. */
export async function withDatabase<T>(
  config: Config,
  log: Log,
  poolMax: number,
  work: (db: Db) => Promise<T>,
): Promise<T> {
  const { connection, stop } = await openConnection(config, log);
  const db = connectDb({ ...connection, poolMax, log });
  try {
    await migrate(db, path.join(import.meta.dirname, '../migrations'), log);
    return await work(db);
  } finally {
    await db.close();
    await stop();
  }
}
