// Runs of $reindex, kept in the database: a run survives its process and whatever the job queue keeps its jobs in.
import { type Db, isCerebraError, type Statement, sqlState, type Tx } from '#platform';
import { completeType, holdEpoch } from '../parameters/published.ts';
import { currentTable } from '../store/layout.ts';
import { lastGiven, reindexChunk } from '../store/reindex.ts';
import type { Store } from '../store/store.ts';

export interface ReindexRun {
  id: string;
  types: string[];
  at: number;
  rid: bigint;
  /** Of the type under way, the last to be looked at: whoever keeps writing does not keep the run from its end. */
  until: bigint | null;
  done: bigint;
  changed: bigint;
  total: bigint | null;
  /** Of the search parameters in force when the pass over the type under way began; null before its first resource. */
  epoch: number | null;
  status: 'waiting' | 'running' | 'done' | 'failed';
  error: string | null;
  /** Milliseconds since 1970 UTC. */
  created: number;
  started: number | null;
  ended: number | null;
}

/** Who was killed gives a run free after this long. */
export const LEASE_MS = 20_000;

const columns = 'id, types, at, rid, until, done, changed, total, epoch, status, error, created, started, ended';

const insertRun: Statement = {
  name: 'reindex_insert_run',
  text: `insert into reindex_run (id, types, created) values ($1, $2::text[], to_timestamp($3::float8))`,
};

const readRun: Statement = { name: 'reindex_read_run', text: `select ${columns} from reindex_run where id = $1` };

const openRuns: Statement = {
  name: 'reindex_open_runs',
  text: `select id from reindex_run where status in ('waiting', 'running')
    and (leased_until is null or leased_until < clock_timestamp()) order by created`,
};

/** Leases by the database's clock: servers' clocks differ. */
const claimRun: Statement = {
  name: 'reindex_claim_run',
  text: `update reindex_run set status = 'running', worker = $2, started = coalesce(started, to_timestamp($3::float8)),
      leased_until = clock_timestamp() + $4 * interval '1 millisecond'
    where id = $1 and status in ('waiting', 'running') and (leased_until is null or leased_until < clock_timestamp())
    returning ${columns}`,
};

const advanceRun: Statement = {
  name: 'reindex_advance_run',
  text: `update reindex_run set at = $3, rid = $4, epoch = $8, until = $9, done = done + $5, changed = changed + $6,
      leased_until = clock_timestamp() + $7 * interval '1 millisecond'
    where id = $1 and worker = $2 and status = 'running'`,
};

const setTotal: Statement = {
  name: 'reindex_set_total',
  text: 'update reindex_run set total = $3 where id = $1 and worker = $2',
};

const endRun: Statement = {
  name: 'reindex_end_run',
  text: `update reindex_run set status = $3, error = $4, ended = to_timestamp($5::float8), leased_until = null
    where id = $1 and worker = $2`,
};

export const createRun = (db: Db, id: string, types: string[], nowMs: number): Promise<unknown> =>
  db.query(insertRun, [id, types, nowMs / 1000]);

export async function findRun(db: Db, id: string): Promise<ReindexRun | undefined> {
  return (await db.query<ReindexRun>(readRun, [id]))[0];
}

/** Runs that have not ended and that nobody is at work on. */
export const unfinished = async (db: Db): Promise<string[]> =>
  (await db.query<{ id: string }>(openRuns)).map(({ id }) => id);

/** Another worker has taken the run over. */
class Taken extends Error {}

async function countAll(store: Store, types: readonly string[]): Promise<bigint> {
  let total = 0n;
  for (const type of types) {
    const rows = await store.db.query<{ n: bigint }>({ text: `select count(*) as n from ${currentTable(type)}` });
    total += rows[0]!.n;
  }
  return total;
}

const freeRun: Statement = {
  name: 'reindex_free_run',
  text: 'update reindex_run set leased_until = null where id = $1 and worker = $2',
};

/** Then the run goes back to the queue: a server that stops waits for no more than this. */
const SLICE_MS = 2_000;

/** Whether all is done; if not, the time is over. */
async function workOn(store: Store, run: ReindexRun, worker: string): Promise<boolean> {
  if (run.total === null) await store.db.query(setTotal, [run.id, worker, await countAll(store, run.types)]);
  const untilMs = performance.now() + SLICE_MS;
  let place: Place = run;
  while (place.at < run.types.length) {
    if (performance.now() > untilMs) return false;
    place = await advance(store, run, worker, place);
  }
  return true;
}

type Place = Pick<ReindexRun, 'at' | 'rid' | 'until' | 'epoch'>;

/** The search parameters have changed since the resources were looked at. */
class Outdated extends Error {}

/** One chunk; from the last of a type it goes to the first of the next. */
async function advance(store: Store, run: ReindexRun, worker: string, place: Place): Promise<Place> {
  const { at, rid, epoch } = place;
  const type = run.types[at]!;
  // In this order: who writes later than `until` knows the parameters of `began`.
  const began = epoch ?? store.registry.epoch;
  const until = place.until ?? (await lastGiven(store.db));
  let next = place;
  try {
    await reindexChunk(store, type, { after: rid, until }, async (tx: Tx, chunk) => {
      const { last, done, changed } = chunk;
      // Held to the commit: what is put in force later finds these resources as they are now.
      if ((await holdEpoch(tx, last === undefined)) !== chunk.epoch) throw new Outdated();
      next =
        last === undefined ? { at: at + 1, rid: 0n, until: null, epoch: null } : { at, rid: last, until, epoch: began };
      const values = [run.id, worker, next.at, next.rid, done, changed, LEASE_MS, next.epoch, next.until];
      if ((await tx.queryCount(advanceRun, values)) === 0) throw new Taken();
      if (last === undefined) await completeType(tx, type, began, run.id);
    });
  } catch (error) {
    if (!(error instanceof Outdated)) throw error;
    await store.registry.refresh();
    return place;
  }
  return next;
}

/** What goes by itself: the connection is lost, another writer was in the way, another worker has taken the run over. */
const isPassing = (error: unknown): boolean =>
  error instanceof Taken ||
  isCerebraError(error, 'unavailable') ||
  isCerebraError(error, 'timeout') ||
  ['40P01', '40001'].includes(sqlState(error) ?? '');

/**
 * Goes on with the run where it was left. `left`: there is more to do; `held`: somebody else is at work on it, or will be
 * once the lease has ended; `ended`: done, failed, or not there.
 */
export async function continueRun(store: Store, id: string, worker: string): Promise<'left' | 'held' | 'ended'> {
  const { db, clock } = store;
  const [run] = await db.query<ReindexRun>(claimRun, [id, worker, clock.now() / 1000, LEASE_MS]);
  if (!run) {
    const known = await findRun(db, id);
    return known && (known.status === 'waiting' || known.status === 'running') ? 'held' : 'ended';
  }
  const end = (status: 'done' | 'failed', error: string | null) =>
    db.query(endRun, [id, worker, status, error, clock.now() / 1000]);
  try {
    await store.registry.refresh();
    if (await workOn(store, run, worker)) {
      await end('done', null);
      await store.registry.refresh();
      return 'ended';
    }
    await db.query(freeRun, [id, worker]);
    return 'left';
  } catch (error) {
    if (isPassing(error)) return 'held';
    await end('failed', 'Internal error: the log tells more').catch(() => undefined);
    throw error;
  }
}
