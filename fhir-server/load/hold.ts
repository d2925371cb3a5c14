// One load a file at a time: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
import { CerebraError, type Db, type Statement, type Tx } from '#platform';

/** First keys of the two-key locks, beside those of store/locks.ts. */
const WHOLE = 0x43_45_52_05;
const EACH = 0x43_45_52_06;
/** As in store/locks.ts: a load of more files keeps out all others. */
const LOCKS_MAX = 256;

const tryEach: Statement = {
  name: 'load_hold_each',
  text: `select pg_try_advisory_xact_lock_shared($1, 0) and bool_and(pg_try_advisory_xact_lock($2, f)) as held
    from unnest($3::int[]) as f`,
};

const tryWhole: Statement = { name: 'load_hold_whole', text: 'select pg_try_advisory_xact_lock($1, 0) as held' };

async function hold(tx: Tx, files: readonly number[]): Promise<void> {
  const [statement, values] = files.length > LOCKS_MAX ? [tryWhole, [WHOLE]] : [tryEach, [WHOLE, EACH, files]];
  const [row] = await tx.query<{ held: boolean }>(statement as Statement, values as unknown[]);
  if (!row!.held) {
    throw new CerebraError('config', 'Another load is at work on one of these files: wait until it has ended');
  }
}

class Ended extends Error {}

/**
 * Runs `work` while nobody else loads these files (load_file.file); throws `config` when somebody does. The transaction
 * that holds them writes and reads nothing else, so neither the change stream nor vacuum waits for it. Should its
 * connection be lost, the key of load_range still keeps two loads from storing the same piece.
 */
export async function holdFiles<T>(db: Db, files: readonly number[], work: () => Promise<T>): Promise<T> {
  if (files.length === 0) return work();
  let done: { result: T } | undefined;
  try {
    await db.tx(async (tx) => {
      await hold(tx, files);
      done = { result: await work() };
      throw new Ended();
    });
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
  }
  return done!.result;
}
