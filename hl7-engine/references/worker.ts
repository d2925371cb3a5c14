// Does what is left of moved references, a portion a transaction. The runs stand in the database: a server that dies leaves the rest to
// the next start, or to another server.
import type { AccessScope } from '#fhir-model';
import { createLoop, type Db, isPassing, type JobData, type Jobs, type Log } from '#platform';
import { type MovingWriter, movePortion, RESOURCES_MAX } from './move.ts';
import { takeBack } from './record.ts';
import { advance, noteFailure, type ReferenceRun, takeTurn } from './runs.ts';

export interface ReferenceWork {
  /** There is something to do. */
  wake(): void;
  /** Goes on with what the last process left. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ReferenceWorkOptions {
  db: Db;
  writer: MovingWriter;
  scope: AccessScope;
  log: Log;
  /** Without it the work is done in this process. */
  jobs?: Jobs | undefined;
}

const JOB = 'hl7-references';
/** A job goes back to the queue after so long: a server that stops waits for no more. */
const SLICE_MS = 2_000;
/** When another server is at work, the database was away, or a portion failed. */
const HELD_MS = 5_000;
/** What no job was added for, because a server died, is found so soon. */
const LOOK_EVERY_MS = 60_000;

type Turn = 'more' | 'held' | 'none';

/** The next portion of the run whose turn it is. */
async function portion({ writer, scope }: ReferenceWorkOptions): Promise<Turn> {
  let turn: Turn = 'none';
  await writer.transaction([], {
    scope,
    async within(tx) {
      const run = await takeTurn(tx);
      turn = run === undefined ? 'none' : run === 'held' ? 'held' : 'more';
      if (run === undefined || run === 'held') return;
      await advance(tx, run, await share({ writer, tx, scope }, run));
    },
  });
  return turn;
}

async function share(
  within: Parameters<typeof movePortion>[0],
  { kind, from_id: from, to_id: to, about, remaining }: ReferenceRun,
): Promise<{ moved: number; kept: number; left: number }> {
  if (kind === 'merge') {
    // Counted once: looking through all that is left costs as much as moving a portion of it.
    const found = await movePortion(within, { from, to, about: about ?? undefined }, remaining === null);
    const moved = found.moved.length;
    // What has no reference that can be moved would be found for ever.
    if (!found.more || moved === 0) return { moved, kept: 0, left: 0 };
    return { moved, kept: 0, left: found.left ?? Math.max(1, Number(remaining) - moved) };
  }
  const { writer, tx, scope } = within;
  const { kept, restored, left } = await takeBack(writer, tx, scope, { merged: to, survivor: from }, RESOURCES_MAX);
  return { moved: restored, kept: kept.length, left };
}

export function createReferenceWork(options: ReferenceWorkOptions): ReferenceWork {
  const { db, jobs, log } = options;
  let stopping = false;

  /** Until all is done, the slice is over, or somebody else is at work. */
  async function slice(): Promise<Turn> {
    const untilMs = performance.now() + SLICE_MS;
    for (;;) {
      const turn = await portion(options);
      if (turn !== 'more' || stopping || performance.now() > untilMs) return turn;
    }
  }

  async function failed(error: unknown): Promise<void> {
    if (isPassing(error)) return;
    log.error({ err: error }, 'references of merged patients');
    await noteFailure(db, 'Internal error: the log tells more').catch((err: unknown) => log.warn({ err }, 'not noted'));
  }

  // Without a queue.
  const loop = createLoop({
    work: async () => (await slice()) === 'more',
    onError: (error) => void failed(error),
    ...{ idleMsMin: HELD_MS, idleMsMax: LOOK_EVERY_MS, errorMs: HELD_MS },
  });
  const add = (data: JobData = {}, delayMs = 0): Promise<void> => jobs!.add(JOB, data, { delayMs });
  /** Until then one that was added here is sure to come back. */
  let backMs = Number.NEGATIVE_INFINITY;
  jobs?.define(JOB, async ({ once }) => {
    const turn = await slice().catch(async (error: unknown) => {
      await failed(error);
      return 'held' as const;
    });
    if (turn === 'none' || stopping) return;
    // A run that waits may have its job, which comes back by itself: with one more each minute, or for each message that leaves
    // references meanwhile, a night would make hundreds of them.
    if (turn === 'more') return add(once ? { once } : {});
    if (once || performance.now() < backMs) return;
    await add({}, HELD_MS);
    backMs = performance.now() + HELD_MS / 2;
  });

  return {
    wake() {
      if (jobs === undefined) loop.wake();
      else void add().catch((err: unknown) => log.warn({ err }, 'references of merged patients'));
    },
    async start() {
      if (jobs === undefined) loop.start();
      else await Promise.all([jobs.every(JOB, LOOK_EVERY_MS, { once: true }), add()]);
    },
    async stop() {
      stopping = true;
      await loop.stop();
    },
  };
}
