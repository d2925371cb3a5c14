// The dispatcher: reads committed changes, matches them, and in one transaction numbers the deliveries, writes them and
// moves the cursor. A crash anywhere before COMMIT leaves nothing behind, after it everything.
// The changes are read and matched before the transaction begins: they lie below the horizon of the feed, so they are the
// same inside it, and a transaction open while matching would itself hold that horizon back. The cursor moves only from
// where it was read (lease.ts), which makes the whole as one step.
import type { Change, ChangeCursor, ChangeFeed, SearchParameters } from '#fhir-model';
import { CerebraError, type Clock, createLoop, type Db, type Log, type Statement } from '#platform';
import type { SubscriptionMetrics } from '../metrics.ts';
import { type Lease, moveText } from './lease.ts';
import { insertDeliveries, type Leased, oweMatches, owing, type Places } from './owe.ts';
import { createPace } from './pace.ts';
import type { Plan, Planner } from './plan.ts';
import { activeRegistrations, applySubscriberChanges, isBuiltIn, lockSubscribers } from './subscribers.ts';

export interface DispatcherOptions {
  db: Db;
  feed: ChangeFeed;
  lease: Lease;
  planner: Planner;
  /** What criteria are parsed with. */
  parameters: Pick<SearchParameters, 'revision' | 'refresh'>;
  /** Registers the server's own listeners; called whenever the planner starts afresh. */
  registerOwn: () => void;
  /** Subscriptions that were stored but can't be read any more go through the check again. */
  recheck: (id: string) => Promise<void>;
  /** Who delivers in this process: what it has room for is leased to it as it comes to be owed. */
  deliverer: {
    reserve(wanted: number): Places;
    take(places: Places, leased: readonly Leased[]): void;
  };
  /** Called after a commit that made deliveries due that nobody has leased. */
  onMatched: () => void;
  /** Called after a commit that left Subscriptions to be checked, and on taking the lease. */
  onChecks: () => void;
  leaseMs: number;
  batchChanges: number;
  pollMs: number;
  clock: Clock;
  metrics: SubscriptionMetrics;
  log: Log;
}

export interface Dispatcher {
  start(): void;
  stop(): Promise<void>;
  wake(): void;
  /** Whether this process held the lease when it last looked. */
  leads(): boolean;
  /** Changes up to this instant have been dispatched, milliseconds since 1970 UTC; undefined while another server leads. */
  caughtUpMs(): number | undefined;
}

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { db, feed, lease, log } = options;
  let unlisten: () => void = () => {};
  const horizon = watchHorizon(db);
  const definitions = watchDefinitions(options);
  /** How far the feed has been read; undefined while that must be asked of the database. */
  let known: ChangeCursor | undefined;
  /** The cursor as the database has it: at `known`, or before it with nothing in between that had any effect. */
  let saved: ChangeCursor | undefined;
  /** All that had been committed then has been dispatched. */
  let caughtUpMs: number | undefined;
  let renewedMs = 0;
  let savedMs = 0;
  /** Not `known`, which is undefined while a batch is at work: checks that came just then waited for their next poll. */
  let leads = false;
  /** The log says that this server dispatches. */
  let isTold = false;
  const pace = createPace();

  const lead = async (): Promise<ChangeCursor | undefined> => {
    // Renewing writes: three times a lease and not at each look.
    const startedMs = performance.now();
    if (known && startedMs - renewedMs < options.leaseMs / 3) return known;
    const cursor = await lease.acquire(db);
    if (!cursor) {
      if (isTold) log.info('another server dispatches now');
      isTold = false;
      known = undefined;
      leads = false;
      caughtUpMs = undefined;
      return undefined;
    }
    renewedMs = startedMs;
    if (known && saved && saved.xid === cursor.xid && saved.seq === cursor.seq) return known;
    known = undefined;
    await definitions.load();
    log.info({ seq: String(cursor.seq) }, 'dispatching changes');
    isTold = true;
    known = cursor;
    saved = cursor;
    leads = true;
    options.onChecks();
    return known;
  };

  const work = async (): Promise<boolean> => {
    const from = await lead();
    if (!from) return false;
    const readMs = options.clock.now();
    const { changes: batch, more } = await feed.read(db, from, options.batchChanges);
    pace.found(batch.length, performance.now());
    await horizon.look();
    observeLag(options, batch, horizon.ageSeconds());
    // What an open transaction has written shows later, with the instant at which it began.
    const allMs = more ? undefined : readMs - horizon.ageSeconds() * 1_000;
    if (batch.length === 0) {
      // They come into force a moment after the change that defines them.
      await definitions.keepUp(batch);
      caughtUpMs = allMs;
      return false;
    }
    // Until the commit is known to have happened, memory and database may differ.
    known = undefined;
    await definitions.keepUp(batch);
    const plan = await options.planner.plan(batch);
    const last = batch[plan.handled - 1]!;
    const to = { xid: last.xid, seq: last.seq };
    options.metrics.changes.inc(plan.handled);
    // Changes without effect have none again after a crash: what they are matched against is saved with the cursor.
    // Saving it each time cost a commit, that is a flush to disk, for every few writes.
    const idle = plan.matches.length === 0 && plan.subscribers.length === 0;
    if (!idle || performance.now() - savedMs >= saveEveryMs) {
      if (await commit(options, saved!, to, plan)) options.onMatched();
      saved = to;
      savedMs = performance.now();
    }
    known = to;
    if (plan.handled === batch.length) caughtUpMs = allMs ?? caughtUpMs;
    if (plan.subscribers.some(({ kind }) => kind === 'check' || kind === 'fail')) options.onChecks();
    return more || plan.handled < batch.length;
  };

  const loop = createLoop({
    work,
    onError: (err) => {
      known = undefined;
      leads = false;
      options.metrics.dispatchErrors.inc();
      log.error({ err }, 'dispatching failed');
    },
    // What just committed may lie above the horizon for some milliseconds: looking again at 1, 2, 4 … ms finds it.
    idleMsMin: 1,
    idleMsMax: options.pollMs,
    errorMs: options.pollMs,
    // The first change never waits.
    everyMsMin: pace.gapMs,
  });

  return {
    start() {
      loop.start();
      unlisten = feed.onCommit(loop.wake);
    },
    async stop() {
      unlisten();
      await loop.stop();
      const led = known !== undefined;
      known = undefined;
      leads = false;
      if (led) await lease.release(db);
    },
    wake: loop.wake,
    leads: () => leads,
    caughtUpMs: () => caughtUpMs,
  };
}

async function load({ db, planner, registerOwn, recheck, log }: DispatcherOptions): Promise<void> {
  planner.clear();
  registerOwn();
  await planner.load();
  for await (const page of activeRegistrations(db)) {
    for (const [registration, version] of page) {
      if (isBuiltIn(registration)) continue;
      try {
        planner.put(registration, version);
      } catch (err) {
        log.error({ err, subscription: registration.id }, 'a stored subscription can not be matched any more');
        await recheck(registration.id);
      }
    }
  }
}

const definitionsEveryMs = 1_000;
/** Of these the definitions may have changed, or be asked for the first time. */
const defining = new Set(['SearchParameter', 'Subscription', 'Basic', 'PlanDefinition']);

/** Criteria are parsed anew when search parameters are defined anew, by whichever server. */
function watchDefinitions(options: DispatcherOptions) {
  const { parameters } = options;
  let loaded: bigint | undefined;
  let lookedMs = Number.NEGATIVE_INFINITY;
  const loadAll = async (): Promise<void> => {
    loaded = parameters.revision;
    await load(options);
  };
  return {
    load: loadAll,
    async keepUp(batch: readonly Change[]): Promise<void> {
      const nowMs = performance.now();
      const isDue = batch.length > 0 && nowMs - lookedMs >= definitionsEveryMs;
      if (isDue || batch.some(({ type }) => defining.has(type))) {
        await parameters.refresh?.();
        lookedMs = nowMs;
      }
      if (parameters.revision !== loaded) await loadAll();
    },
  };
}

const saveEveryMs = 1_000;

/** True: there is something due that nobody has leased. */
async function commit(options: DispatcherOptions, from: ChangeCursor, to: ChangeCursor, plan: Plan): Promise<boolean> {
  const isPlain = plan.subscribers.length === 0;
  const waiting = await (isPlain ? commitMatches : commitAll)(options, from, to, plan);
  options.metrics.matched.inc(plan.matches.length);
  return waiting;
}

async function commitAll({ db, lease }: DispatcherOptions, from: ChangeCursor, to: ChangeCursor, plan: Plan) {
  await db.tx(async (tx) => {
    if (!(await lease.move(tx, from, to))) throw lost();
    await lockSubscribers(tx, plan);
    await applySubscriberChanges(tx, plan.subscribers);
    await insertDeliveries(tx, plan.matches);
  });
  return plan.matches.length > 0 || plan.subscribers.length > 0;
}

const moveAndOwe = owing('dispatcher_move_and_owe', moveText);

// One statement is one round trip in place of four.
async function commitMatches(
  { db, lease, deliverer }: DispatcherOptions,
  from: ChangeCursor,
  to: ChangeCursor,
  { matches }: Plan,
): Promise<boolean> {
  const places = deliverer.reserve(matches.length);
  let leased: readonly Leased[] = [];
  try {
    const owed = await oweMatches(db, moveAndOwe, lease.moving(from, to), matches, places);
    if (!owed) throw lost();
    ({ leased } = owed);
    return owed.waiting;
  } finally {
    deliverer.take(places, leased);
  }
}

const lost = () => new CerebraError('unavailable', 'Another server has taken over the dispatching of changes');

function observeLag({ metrics, clock }: DispatcherOptions, batch: Change[], horizonSeconds: number): void {
  const oldestSeconds = batch[0] ? Math.max(0, clock.now() - batch[0].updatedMs) / 1000 : 0;
  metrics.lagRows.set(batch.length);
  metrics.lagSeconds.set(Math.max(oldestSeconds, horizonSeconds));
}

const oldestWriter: Statement = {
  name: 'oldest_writer',
  text: `select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8 as seconds
    from pg_stat_activity where backend_xid is not null`,
};

const lookEveryMs = 1_000;

/**
 * The age of the oldest transaction that has written: what committed after it began is held back until it ends, and the
 * feed shows nothing of it. Transactions of other roles are seen with pg_read_all_stats only.
 */
function watchHorizon(db: Db) {
  let lookedMs = Number.NEGATIVE_INFINITY;
  let seconds = 0;
  return {
    ageSeconds: () => seconds,
    async look(): Promise<void> {
      if (performance.now() - lookedMs < lookEveryMs) return;
      lookedMs = performance.now();
      seconds = (await db.query<{ seconds: number }>(oldestWriter))[0]?.seconds ?? 0;
    },
  };
}
