// Runs that process all messages of a search once more, kept in the database: a run survives its process and whatever the
// job queue keeps its jobs in.
import { createRuns, type Db, isPassing, type RunOutcome, RunTaken, type Statement, type Turn } from '#platform';
import type { FilterInput } from './filter.ts';
import { instant } from './message-row.ts';

type RunStatus = 'waiting' | 'running' | 'paused' | 'cancelled' | 'done' | 'failed';

/** A message that failed again. */
interface Failure {
  message: string;
  error: string;
}

export interface Run {
  id: string;
  filter: FilterInput;
  status: RunStatus;
  /** The last message done, and the last there was when the run was made. */
  at: bigint;
  until: bigint;
  total: bigint | null;
  done: bigint;
  failures: bigint;
  failed: Failure[];
  error: string | null;
  requested_by: string | null;
  /** Milliseconds since 1970 UTC. */
  created: number;
  started: number | null;
  ended: number | null;
  worked_ms: bigint;
}

/** Who was killed gives a run free after this long. */
const LEASE_MS = 60_000;
/** The last failures are kept by name; the journal has all of them. */
const FAILURES_KEPT = 20;

const columns = `id, filter, status, at, until, total, done, failures, failed, error, requested_by, created, started, ended, worked_ms`;

const insertRun: Statement = {
  name: 'hl7_run_insert',
  text: `insert into hl7_reprocess_run (id, filter, until, requested_by, created)
    values ($1, $2, (select coalesce(max(id), 0) from hl7_message), $3, $4) returning ${columns}`,
};
const selectRuns: Statement = {
  name: 'hl7_runs',
  text: `select ${columns} from hl7_reprocess_run order by created desc, id desc limit $1`,
};
const selectOpen: Statement = {
  name: 'hl7_runs_open',
  text: `select id from hl7_reprocess_run where status in ('waiting', 'running') order by created`,
};
const selectLeft: Statement = {
  name: 'hl7_runs_left',
  text: `select id, at from hl7_reprocess_run
    where status in ('waiting', 'running') and (leased_until is null or leased_until < clock_timestamp()) order by created`,
};

const advanceRun: Statement = {
  name: 'hl7_run_advance',
  text: `update hl7_reprocess_run set at = $3, done = done + $4, failures = failures + $5, worked_ms = worked_ms + $6,
      failed = $7, leased_until = clock_timestamp() + $8 * interval '1 millisecond'
    where id = $1 and worker = $2 returning status`,
};
const totalRun: Statement = {
  name: 'hl7_run_total',
  text: `update hl7_reprocess_run set total = $3, leased_until = clock_timestamp() + $4 * interval '1 millisecond'
    where id = $1 and worker = $2 and status = 'running'`,
};
const runs = createRuns<Run>({ table: 'hl7_reprocess_run', columns, leaseMs: LEASE_MS });

const changes = {
  pause: { from: ['waiting', 'running'], to: 'paused' },
  resume: { from: ['paused', 'failed'], to: 'waiting' },
  cancel: { from: ['waiting', 'running', 'paused'], to: 'cancelled' },
} as const satisfies Record<string, { from: RunStatus[]; to: RunStatus }>;

export type RunChange = keyof typeof changes;

const changeRun: Statement = {
  name: 'hl7_run_change',
  text: `update hl7_reprocess_run set status = $3, error = null,
      ended = case when $3 = 'cancelled' then clock_timestamp() end
    where id = $1 and status = any($2) returning ${columns}`,
};

export async function createRun(db: Db, id: string, filter: FilterInput, who: string, nowMs: number): Promise<Run> {
  const [run] = await db.query<Run>(insertRun, [id, JSON.stringify(filter), who, new Date(nowMs)]);
  return run!;
}

export const findRun = runs.find;

/** Newest first. */
export const listRuns = (db: Db, limit: number): Promise<Run[]> => db.query<Run>(selectRuns, [limit]);

/** Those that somebody has to go on with. */
export const openRuns = async (db: Db): Promise<string[]> =>
  (await db.query<{ id: string }>(selectOpen)).map(({ id }) => id);

/** Those of them that nobody is at in this moment. */
export const leftRuns = (db: Db): Promise<Pick<Run, 'id' | 'at'>[]> => db.query<Pick<Run, 'id' | 'at'>>(selectLeft);

const voidLeases: Statement = {
  name: 'hl7_runs_void',
  text: `update hl7_reprocess_run set leased_until = null where status = 'running' and worker is distinct from $1`,
};

/** For a server that knows itself to be the only one: what a killed one was at is nobody's. */
export const freeRuns = (db: Db, worker: string): Promise<number> => db.queryCount(voidLeases, [worker]);

/** Undefined where the run is not in a state for it, or not there. */
export async function changeTo(db: Db, id: string, change: RunChange): Promise<Run | undefined> {
  const { from, to } = changes[change];
  return (await db.query<Run>(changeRun, [id, from, to]))[0];
}

const seconds = (ms: bigint): number => Number(ms) / 1000;

/** Progress as operators see it. */
export function shownRun(run: Run): Record<string, unknown> {
  const { total, done } = run;
  const worked = seconds(run.worked_ms);
  return {
    id: run.id,
    status: run.status,
    filter: run.filter,
    total: total === null ? null : Number(total),
    done: Number(done),
    // What matches may have changed since it was counted.
    remaining: total === null ? null : run.status === 'done' ? 0 : Math.max(0, Number(total - done)),
    failures: Number(run.failures),
    failed: run.failed,
    messagesPerSecond: worked === 0 ? null : Math.round((Number(done) / worked) * 10) / 10,
    requestedBy: run.requested_by,
    createdAt: instant(run.created),
    startedAt: instant(run.started),
    endedAt: instant(run.ended),
    error: run.error,
  };
}

/** What became of a batch. */
export interface Batch {
  last: bigint;
  done: number;
  failures: Failure[];
}

/** The work on a run, as its loop needs it. */
export interface RunWork {
  /** How many match up to `until`; undefined: too many to count. */
  count(run: Run): Promise<number | undefined>;
  /** The next messages after `at`; undefined at the end. */
  next(run: Run): Promise<Batch | undefined>;
}

/** Then the run goes back to the queue: a server that stops waits for no more than this. */
const SLICE_MS = 2_000;

async function workOn(db: Db, run: Run, worker: string, work: RunWork): Promise<boolean> {
  if (run.at === 0n && run.total === null) {
    const total = await work.count(run);
    if ((await db.queryCount(totalRun, [run.id, worker, total ?? null, LEASE_MS])) === 0) throw new RunTaken();
  }
  const untilMs = performance.now() + SLICE_MS;
  let place = run;
  for (;;) {
    const startMs = performance.now();
    if (startMs > untilMs) return false;
    const batch = await work.next(place);
    if (batch === undefined) return true;
    const failed = [...place.failed, ...batch.failures].slice(-FAILURES_KEPT);
    const workedMs = Math.round(performance.now() - startMs);
    const counts = [batch.last, batch.done, batch.failures.length, workedMs, JSON.stringify(failed), LEASE_MS];
    // Also of a run that was paused meanwhile: what has been done is done.
    const [now] = await db.query<Pick<Run, 'status'>>(advanceRun, [run.id, worker, ...counts]);
    if (now?.status !== 'running') throw new RunTaken();
    place = { ...place, at: batch.last, failed };
  }
}

/** A database that is away as the run is taken up does not end it: it goes on as soon as that is back. */
function heldWhileAway(error: unknown): RunOutcome {
  if (isPassing(error)) return 'held';
  throw error;
}

/** Goes on with the run where it was left. */
export const continueRun = (db: Db, turn: Turn, work: RunWork): Promise<RunOutcome> =>
  runs.goOn(db, turn, (run) => workOn(db, run, turn.worker, work)).catch(heldWhileAway);
