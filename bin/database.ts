// The database of a command that is no server: DATABASE_URL, or the embedded PostgreSQL, be it that a server runs it.
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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
  const { connection, stop } = await startEmbeddedPostgres({ dataDir: DATA_DIR, log });
  return {
    connection,
    stop: async () => {
      await untilUnused(() => othersOf(connection, log), log).catch((err: unknown) =>
        log.warn({ err }, 'who else uses it'),
      );
      await stop();
    },
  };
}

/** Connections of commands to it but the one that asks: a session that somebody left open, as of psql, would hold it up for ever. */
export async function othersOf(connection: Connection, log: Log): Promise<number> {
  const db = connectDb({ ...connection, poolMax: 1, log });
  try {
    const [row] = await db.query<{ count: number }>(others);
    return row!.count;
  } finally {
    await db.close();
  }
}

const others = {
  text: `select count(*)::int as count from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
      and application_name = current_setting('application_name')`,
};

/** Of two commands at once the second one uses what the first has started, which would else end in the midst of its work. */
export async function untilUnused(count: () => Promise<number>, log: Pick<Log, 'warn'>, pauseMs = 500): Promise<void> {
  for (let isTold = false; (await count()) > 0; await sleep(pauseMs)) {
    if (isTold) continue;
    isTold = true;
    log.warn('another command uses the database that this one has started: this one ends when that one has');
  }
}

/** Runs `work` on the migrated database; statements may take as long as they need. */
export async function withDatabase<T>(
  config: Config,
  log: Log,
  poolMax: number,
  work: (db: Db) => Promise<T>,
): Promise<T> {
  const { connection, stop } = await openConnection(config, log);
  // By that it is known that this command uses the database, also while it downloads or reads for minutes.
  const db = connectDb({ ...connection, poolMax, poolMin: 1, log });
  try {
    await migrate(db, path.join(import.meta.dirname, '../migrations'), log);
    return await work(db);
  } finally {
    await db.close();
    await stop();
  }
}
