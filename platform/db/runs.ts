// Long work that is kept as a row of a table: it survives its process, and of several servers one at a time is at it.
import type { Clock } from '../clock.ts';
import { isPassing } from './errors.ts';
import type { Db, Statement } from './types.ts';

export interface RunTable {
  /**
   * Its name in the schema. It has the columns id, status (`waiting`, `running`, `done`, `failed`; others stand still), worker,
   * leased_until, started, ended, error.
   */
  table: string;
  /** What is read of a run. */
  columns: string;
  /** Who was killed gives a run free after this long; of who is at work it is renewed, however long a part of the work takes. */
  leaseMs: number;
}

/** `left`: there is more to do; `held`: somebody else is at work on it, or the database is away; `ended`: nothing is to be done. */
export type RunOutcome = 'left' | 'held' | 'ended';

/** Thrown by work that finds its run with another worker, or told to stand still. */
export class RunTaken extends Error {}

/** Who goes on with which run. `worker`: an id of its own. */
export interface Turn {
  id: string;
  worker: string;
  clock: Clock;
}

export interface Runs<R> {
  find(db: Db, id: string): Promise<R | undefined>;
  /**
   * Goes on with the run where it was left: `work` yields whether all is done; what it throws that does not pass by itself ends the
   * run as failed and is thrown on.
   */
  goOn(db: Db, turn: Turn, work: (run: R) => Promise<boolean>): Promise<RunOutcome>;
}

export function createRuns<R extends { status: string }>({ table, columns, leaseMs }: RunTable): Runs<R> {
  const { find, claim, renew, free, end } = statementsOf(table, columns);

  const findRun = async (db: Db, id: string): Promise<R | undefined> => (await db.query<R>(find, [id]))[0];
  const withoutUs = async (db: Db, id: string): Promise<RunOutcome> => {
    const run = await findRun(db, id);
    return run?.status === 'waiting' || run?.status === 'running' ? 'held' : 'ended';
  };
  return {
    find: findRun,
    async goOn(db, { id, worker, clock }, work) {
      const endAs = (status: 'done' | 'failed', error: string | null) =>
        db.query(end, [id, worker, status, error, new Date(clock.now())]);
      const [run] = await db.query<R>(claim, [id, worker, leaseMs, new Date(clock.now())]);
      if (run === undefined) return withoutUs(db, id);
      const renewing = setInterval(() => {
        db.query(renew, [id, worker, leaseMs]).catch(() => undefined);
      }, leaseMs / 3).unref();
      try {
        const isDone = await work(run);
        await (isDone ? endAs('done', null) : db.query(free, [id, worker]));
        return isDone ? 'ended' : 'left';
      } catch (error) {
        if (error instanceof RunTaken || isPassing(error)) {
          await db.query(free, [id, worker]).catch(() => undefined);
          return error instanceof RunTaken ? withoutUs(db, id) : 'held';
        }
        await endAs('failed', 'Internal error: the log tells more').catch(() => undefined);
        throw error;
      } finally {
        clearInterval(renewing);
      }
    },
  };
}

// Leases by the database's clock: servers' clocks differ.
function statementsOf(table: string, columns: string): Record<'find' | 'claim' | 'renew' | 'free' | 'end', Statement> {
  return {
    find: { name: `${table}_find`, text: `select ${columns} from ${table} where id = $1` },
    claim: {
      name: `${table}_claim`,
      text: `update ${table} set status = 'running', worker = $2, started = coalesce(started, $4),
          leased_until = clock_timestamp() + $3 * interval '1 millisecond'
        where id = $1 and status in ('waiting', 'running') and (leased_until is null or leased_until < clock_timestamp())
        returning ${columns}`,
    },
    // One that was given free in the meantime stays so.
    renew: {
      name: `${table}_renew`,
      text: `update ${table} set leased_until = clock_timestamp() + $3 * interval '1 millisecond'
        where id = $1 and worker = $2 and leased_until is not null`,
    },
    free: { name: `${table}_free`, text: `update ${table} set leased_until = null where id = $1 and worker = $2` },
    end: {
      name: `${table}_end`,
      text: `update ${table} set status = $3, error = $4, ended = $5, leased_until = null
        where id = $1 and worker = $2 and status = 'running'`,
    },
  };
}
