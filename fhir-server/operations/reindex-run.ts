// Runs of $reindex, kept in the database: a run survives its process and whatever the job queue keeps its jobs in.
import { createRuns, type Db, type RunOutcome, RunTaken, type Statement, type Tx } from '#platform';
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

const openRuns: Statement = {
  name: 'reindex_open_runs',
  text: `select id from reindex_run where status in ('waiting', 'running')
    and (leased_until is null or leased_until < clock_timestamp()) order by created`,
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

const runs = createRuns<ReindexRun>({ table: 'reindex_run', columns, leaseMs: LEASE_MS });

export const createRun = (db: Db, id: string, types: string[], nowMs: number): Promise<unknown> =>
  db.query(insertRun, [id, types, nowMs / 1000]);

export const findRun = runs.find;

/** Runs that have not ended and that nobody is at work on. */
export const unfinished = async (db: Db): Promise<string[]> =>
  (await db.query<{ id: string }>(openRuns)).map(({ id }) => id);

async function countAll(store: Store, types: readonly string[]): Promise<bigint> {
  let total = 0n;
  for (const type of types) {
    const rows = await store.db.query<{ n: bigint }>({ text: `select count(*) as n from ${currentTable(type)}` });
    total += rows[0]!.n;
  }
  return total;
}

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
      if ((await tx.queryCount(advanceRun, values)) === 0) throw new RunTaken();
      if (last === undefined) await completeType(tx, type, began, run.id);
    });
  } catch (error) {
    if (!(error instanceof Outdated)) throw error;
    await store.registry.refresh();
    return place;
  }
  return next;
}

/** Goes on with the run where it was left. */
export async function continueRun(store: Store, id: string, worker: string): Promise<RunOutcome> {
  const { db, clock, registry } = store;
  const outcome = await runs.goOn(db, { id, worker, clock }, async (run) => {
    await registry.refresh();
    return workOn(store, run, worker);
  });
  if (outcome === 'ended') await registry.refresh();
  return outcome;
}
