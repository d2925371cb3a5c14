// Processing many messages once more, with the routes as they are now: in the order in which they came, and that of each
// patient kept while several patients' messages are processed at a time.
import { randomUUID } from 'node:crypto';
import { CerebraError, type Clock, type Db, type Jobs, type Log, uuidv7 } from '#platform';
import { saysAgain } from '../message/ack.ts';
import { inPatientsOrder } from '../patients-order.ts';
import { type FilterInput, readFilter } from './filter.ts';
import {
  type Batch,
  changeTo,
  continueRun,
  createRun,
  freeRuns,
  leftRuns,
  openRuns,
  type Run,
  type RunChange,
} from './reprocess-run.ts';
import { searchMessages } from './search.ts';
import { patientNumbers } from './terms.ts';

export interface Reprocessing {
  /** Begins a run over all messages that match now. */
  begin(filter: FilterInput, who: string): Promise<Run>;
  /** Undefined where the run is not in a state for it, or not there. */
  change(id: string, change: RunChange): Promise<Run | undefined>;
  /** Goes on with what the last process left. */
  resume(): Promise<void>;
  /** Waits for runs of this process where there is no job queue. */
  stop(): Promise<void>;
}

export interface ReprocessingOptions {
  db: Db;
  /** Yields the acknowledgment; undefined if there is no such message any more. `isKept`: it is tried again where that may help. */
  reprocess(id: bigint, who: string | undefined, isKept: boolean): Promise<Buffer | undefined>;
  /** Without it runs are worked on in this process, one slice after the other. */
  jobs?: Jobs | undefined;
  /** No other server uses this database: runs that a killed one was at are gone on with at once. */
  alone?: boolean | undefined;
  log: Log;
  clock: Clock;
}

const JOB = 'hl7-reprocess';
const SWEEP = 'hl7-reprocess-sweep';
const SWEEP_MS = 60_000;
const BATCH_MESSAGES = 100;
/** Patients whose messages are processed at a time. */
const AT_A_TIME = 4;
/** Of a message so much is read to find its patient. */
const HEAD_BYTES = 64 * 1024;
/** Counting goes on for so long at most. */
const COUNT_MS = 10_000;
const COUNT_PAGE = 1_000;
/** After which a run that another worker holds is looked at again. */
const HELD_MS = 5_000;

// What the run has processed already is left out: a server that is killed, or has to wait for one, has done a part of its batch,
// and each message's destinations would get it again. Also what failed: a run that waits for hours would fail it every 5 s, each
// time with an attempt that is kept. That of a message which had its effect before stands among the attempts alone.
const heads = {
  name: 'hl7_reprocess_left',
  text: `select m.id, substring(m.raw for $2) as head from hl7_message m
      left join hl7_attempt a on a.message = m.id and a.number = m.attempts
    where m.id = any($1) and not coalesce(m.state <> 'received' and coalesce(a.attempted_by, m.attempted_by) = $3
      and coalesce(a.finished_at, m.finished_at) >= $4, false)`,
};

const outcomes = {
  name: 'hl7_reprocess_outcomes',
  text: `select m.id, coalesce(a.error, m.error) as error from hl7_message m
      left join hl7_attempt a on a.message = m.id and a.number = m.attempts
    where m.id = any($1) and coalesce(a.state, m.state) = 'failed' order by m.id`,
};

interface Head {
  id: bigint;
  head: Buffer;
}

async function headsOf(db: Db, ids: bigint[], { requested_by, created }: Run): Promise<Head[]> {
  const rows = await db.query<Head>(heads, [ids, HEAD_BYTES, requested_by, new Date(created)]);
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function count(db: Db, { filter, until }: Run): Promise<number | undefined> {
  const read = readFilter(filter);
  const untilMs = performance.now() + COUNT_MS;
  let total = 0;
  for (let beyond = 0n; ; ) {
    const { rows, next } = await searchMessages(db, { filter: read, order: 'oldest', beyond, limit: COUNT_PAGE });
    total += rows.filter(({ id }) => id <= until).length;
    if (next === undefined || next >= until) return total;
    if (performance.now() > untilMs) return undefined;
    beyond = next;
  }
}

async function nextBatch({ db, reprocess, log }: ReprocessingOptions, run: Run): Promise<Batch | undefined> {
  const search = { filter: readFilter(run.filter), order: 'oldest', beyond: run.at, limit: BATCH_MESSAGES } as const;
  const { rows, next } = await searchMessages(db, search);
  const ids = rows.map(({ id }) => id).filter((id) => id <= run.until);
  // Where the index has fallen behind there may be more beyond, though nothing was found so far.
  const last = ids.at(-1) ?? (next !== undefined && next <= run.until ? next : undefined);
  if (last === undefined) return undefined;
  await inPatientsOrder(await headsOf(db, ids, run), {
    atATimeMax: AT_A_TIME,
    numbersOf: ({ head }) => patientNumbers(head),
    async work({ id }) {
      const ack = await reprocess(id, run.requested_by ?? undefined, true);
      // A full queue of a destination would else fail all that is left, and the patient's next message go before this one.
      if (ack === undefined || !saysAgain(ack)) return;
      log.warn({ run: run.id, message: String(id) }, 'HL7 reprocessing waits for a message that is to be tried again');
      throw new CerebraError('unavailable', `Message ${id} has to wait`);
    },
  });
  const failed = await db.query<{ id: bigint; error: string | null }>(outcomes, [ids]);
  const failures = failed.map(({ id, error }) => ({ message: String(id), error: error ?? '' }));
  return { last, done: ids.length, failures };
}

export function createReprocessing(options: ReprocessingOptions): Reprocessing {
  const { db, jobs, log, clock } = options;
  const worker = randomUUID();
  const work = { count: (run: Run) => count(db, run), next: (run: Run) => nextBatch(options, run) };
  const slice = (id: string) => continueRun(db, { id, worker, clock }, work);
  let stopping = false;
  const running = new Set<Promise<void>>();

  /** Without a queue: to the end, or until this process stops. */
  const here = async (id: string): Promise<void> => {
    while (!stopping && (await slice(id)) === 'left');
  };
  const schedule = async (id: string, delayMs = 0): Promise<void> => {
    if (jobs) return jobs.add(JOB, { id }, { delayMs });
    const run = here(id).catch((err: unknown) => log.error({ err, run: id }, 'HL7 reprocessing'));
    running.add(run);
    void run.then(() => running.delete(run));
  };
  jobs?.define(JOB, async ({ id, once }) => {
    const ended = await slice(String(id));
    if (ended === 'left' || (ended === 'held' && !once)) await schedule(String(id), ended === 'held' ? HELD_MS : 0);
  });
  /** Of runs that nobody was at when it was last looked, how far they had come. */
  let seen = new Map<string, bigint>();
  // A queue that has lost its jobs, a Redis that was emptied, knows of no run: each would stand still until the next start.
  jobs?.define(SWEEP, async () => {
    const left = await leftRuns(db);
    // Once: a run that waits may have its job, which comes back by itself.
    for (const { id, at } of left) if (seen.get(id) === at) await jobs.add(JOB, { id, once: true });
    seen = new Map(left.map(({ id, at }) => [id, at]));
  });
  return {
    async begin(filter, who) {
      const run = await createRun(db, uuidv7(clock.now()), filter, who, clock.now());
      await schedule(run.id);
      return run;
    },
    async change(id, change) {
      const run = await changeTo(db, id, change);
      if (run?.status === 'waiting') await schedule(id);
      return run;
    },
    async resume() {
      if (options.alone) await freeRuns(db, worker);
      await jobs?.every(SWEEP, SWEEP_MS);
      for (const id of await openRuns(db)) await schedule(id);
    },
    async stop() {
      stopping = true;
      await Promise.all(running);
    },
  };
}
