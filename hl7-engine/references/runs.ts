// Moves of references that are too many for the transaction of their message: table hl7_reference_run. They are done in the order in
// which they were asked for, one after the other, so that what is moved twice ends where the last message wants it.
import type { Db, Queryable, Statement, Tx } from '#platform';

export interface ReferenceRun {
  id: bigint;
  kind: 'merge' | 'unmerge';
  from_id: string;
  to_id: string;
  about: string | null;
  /** For late arrivals. */
  sweep: boolean;
  status: 'waiting' | 'done' | 'cancelled' | 'failed';
  moved: bigint;
  kept: bigint;
  remaining: bigint | null;
  error: string | null;
  /** Milliseconds since 1970 UTC. */
  created: number;
  ended: number | null;
}

const columns = 'id, kind, from_id, to_id, about, sweep, status, moved, kept, remaining, error, created, ended';

const insertRun: Statement = {
  name: 'hl7_reference_run_insert',
  text: `insert into hl7_reference_run (kind, from_id, to_id, about, sweep, due)
    values ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 millisecond')`,
};

/** A message that found the patient before the merge has written by then. */
const SWEEP_AFTER_MS = 120_000;

const openRuns: Statement = {
  name: 'hl7_reference_run_open',
  text: `select 1 from hl7_reference_run
    where status in ('waiting', 'failed') and not sweep and (from_id = any($1::text[]) or to_id = any($1::text[])) limit 1`,
};

const cancelRuns: Statement = {
  name: 'hl7_reference_run_cancel',
  text: `update hl7_reference_run set status = 'cancelled', ended = clock_timestamp()
    where status in ('waiting', 'failed') and kind = $1 and from_id = $2 and to_id = $3 and about is null returning id`,
};

// The locked row: whoever cancels the run waits for the portion that is under way, and finds it done.
const turn = `(select min(id) from hl7_reference_run where status in ('waiting', 'failed') and due <= clock_timestamp())`;

const firstRun: Statement = {
  name: 'hl7_reference_run_first',
  text: `select ${columns} from hl7_reference_run
    where id = ${turn} for update`,
};

const advanceRun: Statement = {
  name: 'hl7_reference_run_advance',
  text: `update hl7_reference_run set moved = moved + $2, kept = kept + $3, remaining = $4, error = null,
      status = case when $4::bigint = 0 then 'done' else 'waiting' end,
      ended = case when $4::bigint = 0 then clock_timestamp() end
    where id = $1`,
};

const forgetRun: Statement = {
  name: 'hl7_reference_run_forget',
  text: 'delete from hl7_reference_run where id = $1',
};

const failRun: Statement = {
  name: 'hl7_reference_run_fail',
  text: `update hl7_reference_run set status = 'failed', error = $1
    where id = ${turn}`,
};

const listRuns: Statement = {
  name: 'hl7_reference_run_list',
  text: `select ${columns} from hl7_reference_run where not sweep or moved > 0 order by id desc limit $1`,
};

const selectRun: Statement = {
  name: 'hl7_reference_run_one',
  text: `select ${columns} from hl7_reference_run where id = $1`,
};

// One portion at a time over all servers.
const tryLock: Statement = {
  name: 'hl7_reference_run_lock',
  text: "select pg_try_advisory_xact_lock(hashtextextended('hl7_reference_run', 0)) as locked",
};

export interface Asked {
  kind: ReferenceRun['kind'];
  from: string;
  to: string;
  about?: string | undefined;
  sweep?: boolean;
}

export async function addRun(tx: Tx, { kind, from, to, about, sweep = false }: Asked): Promise<void> {
  await tx.query(insertRun, [kind, from, to, about ?? null, sweep, sweep ? SWEEP_AFTER_MS : 0]);
}

/** Whether work on one of the patients is left: what is asked now has to wait for it. */
export const isAwaited = async (tx: Tx, patients: readonly string[]): Promise<boolean> =>
  (await tx.query(openRuns, [patients])).length > 0;

/** Whether there was one. */
export const cancelRun = async (tx: Tx, { kind, from, to }: Asked): Promise<boolean> =>
  (await tx.query(cancelRuns, [kind, from, to])).length > 0;

/** The run whose turn it is, locked; undefined where there is none, `held` where another server is at work. */
export async function takeTurn(tx: Tx): Promise<ReferenceRun | 'held' | undefined> {
  const [lock] = await tx.query<{ locked: boolean }>(tryLock);
  if (!lock!.locked) return 'held';
  const [run] = await tx.query<ReferenceRun>(firstRun);
  return run;
}

/** A look for late arrivals that finds none leaves no trace. */
export async function advance(
  tx: Tx,
  run: ReferenceRun,
  { moved, kept, left }: { moved: number; kept: number; left: number },
): Promise<void> {
  if (run.sweep && left === 0 && moved + Number(run.moved) === 0) await tx.query(forgetRun, [run.id]);
  else await tx.query(advanceRun, [run.id, moved, kept, left]);
}

/** Of the run whose turn it is: it is tried again, so that those behind it don't overtake it. */
export const noteFailure = async (db: Db, text: string): Promise<void> => void (await db.query(failRun, [text]));

/** Newest first. */
export const lastRuns = (db: Queryable, limit: number): Promise<ReferenceRun[]> =>
  db.query<ReferenceRun>(listRuns, [limit]);

export const findReferenceRun = async (db: Queryable, id: bigint): Promise<ReferenceRun | undefined> =>
  (await db.query<ReferenceRun>(selectRun, [id]))[0];
