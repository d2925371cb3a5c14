// One destination at work: takes what waits in order, a lane's messages one after the other, lanes side by side.
import { createLoop } from '#platform';
import type { Channel, Parcel } from './channel.ts';
import { connectionsOf, type Destination } from './destination.ts';
import { createFloor } from './floor.ts';
import { createLanes, loadable } from './lanes.ts';
import { glanceAt, loadQueued, type Queued, readBody } from './queue.ts';
import { paused, settle, settleLate, written } from './settle.ts';
import { type DestinationState, pauseDrained } from './state.ts';
import type { Failing, RunnerOptions, Work } from './work.ts';

export interface Runner {
  readonly destination: Destination;
  /** This process delivers, until `untilMs` of performance.now() at least: so the database said, asked at `askedMs`. */
  hold(state: DestinationState, untilMs: number, askedMs: number): void;
  lose(): void;
  held(): DestinationState | undefined;
  /** There may be something new. */
  wake(): void;
  /**
   * An application acknowledgment, after the attempt at message `id` and what is written of it, however long that takes; false: a
   * stop came before.
   */
  answered(id: bigint, refusal: string | null, answer: Buffer): Promise<boolean>;
  status(): RunnerStatus;
  /** Takes nothing new; what is under way may still end within `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

export interface RunnerStatus {
  delivering: boolean;
  failing: Failing | undefined;
  inFlight: number;
  connections: number;
}

const idsMax = 500;
const depthMin = 1024;
const depthMax = 65_536;
const bodyBytesMax = 8 * 1024 * 1024;
const snapshotEveryMs = 250;
/** A glance at a time, and not more often. */
const glanceEveryMs = 5;
const idMax = 2n ** 63n - 1n;

export function createRunner(options: RunnerOptions): Runner {
  const { destination, channel, log, pollMs } = options;
  const { minMs, maxMs } = destination.retry;
  const work: Work = {
    ...{ options, backoff: { backoffMsMin: minMs, backoffMsMax: maxMs } },
    ...{ lanes: createLanes(), floor: createFloor(), stop: new AbortController(), active: new Map() },
    ...{ state: undefined, leaseMs: 0, failing: undefined, unanswered: 0, inFlight: 0, generation: 0 },
    ...{ more: true, behind: false },
    ...{ depth: depthMin, snapshotMs: Number.NEGATIVE_INFINITY, timer: undefined, stopping: false },
    ...{ pausedMs: Number.NEGATIVE_INFINITY, pausedEpoch: -1n },
    wake: () => loop.wake(),
    onFree: () => void pump(work),
  };
  const loop = createLoop({
    work: () => refill(work),
    onError: (err) => log.error({ err, destination: destination.name }, 'queued HL7 messages could not be read'),
    ...{ idleMsMin: pollMs, idleMsMax: pollMs, errorMs: pollMs, everyMsMin: glanceEveryMs },
  });
  const wake = (): void => {
    work.more = true;
    loop.wake();
  };
  loop.start();
  return {
    destination,
    hold(read, untilMs, askedMs) {
      const former = work.state;
      // What was read before this process wrote its pause may be heard of after it; what is asked later is what counts.
      const isOlder = askedMs < work.pausedMs && read.epoch <= work.pausedEpoch;
      const state = isOlder ? { ...read, epoch: work.pausedEpoch, paused: true } : read;
      Object.assign(work, { state, leaseMs: untilMs });
      if (former?.epoch === state.epoch && former.lease_token === state.lease_token && former.paused === state.paused) {
        return;
      }
      if (former?.epoch !== state.epoch) Object.assign(work, { failing: undefined, unanswered: 0 });
      forget(work);
      wake();
    },
    lose() {
      work.state = undefined;
      forget(work);
    },
    held: () => work.state,
    wake,
    async answered(id, refusal, answer) {
      await work.active.get(id);
      return written(work, () => settleLate(work, id, refusal, answer));
    },
    status: () => ({
      delivering: work.state !== undefined,
      failing: work.failing,
      inFlight: work.inFlight,
      connections: channel.connections(),
    }),
    async stop(graceMs) {
      work.stopping = true;
      clearTimeout(work.timer);
      await loop.stop();
      const grace = setTimeout(() => work.stop.abort(), graceMs);
      await Promise.all(work.active.values());
      clearTimeout(grace);
      clearTimeout(work.timer);
      channel.close();
    },
  };
}

/** What was read counts no more: an operator changed it, or another process may have sent it. */
function forget(work: Work): void {
  work.generation++;
  work.lanes.forget();
  work.floor.reset();
}

/** A message may be sent only while the lease surely holds: a process that slept must not send what another has taken over. */
function maySend(work: Work): boolean {
  return !work.stopping && work.state !== undefined && !work.state.paused && performance.now() < work.leaseMs;
}

/** Reads what waits beyond what is known; true: there is more to read. */
async function refill(work: Work): Promise<boolean> {
  const { options, lanes, floor } = work;
  const { db, destination, channel } = options;
  if (!maySend(work)) return false;
  const wanted = 2 * connectionsOf(destination);
  // Of a batch that is not full yet all is read anew: a lane that is known gets no more.
  if (channel.parcelsMax > 1 && work.active.size === 0) lanes.forget();
  if (lanes.ready(performance.now()) >= wanted && channel.parcelsMax === 1) return pump(work);
  const { generation } = work;
  const { drain_to: drainTo, epoch } = work.state!;
  const nowMs = performance.now();
  const snapshot = drainTo === null && nowMs - work.snapshotMs >= snapshotEveryMs;
  if (snapshot) work.snapshotMs = nowMs;
  work.more = false;
  const before = [...lanes.keys()];
  const range = { fromId: floor.id(), toId: drainTo ?? idMax, limit: work.depth, snapshot };
  const glance = await glanceAt(db, destination.name, range);
  const unknown = loadable(glance.rows, [...before, ...lanes.keys()]);
  const picked = unknown.slice(0, Math.max(idsMax, channel.parcelsMax)).map(({ id }) => id);
  const rows = picked.length === 0 ? [] : await loadQueued(db, picked, bodyBytesMax);
  if (generation !== work.generation) return true;
  if (drainTo === null) floor.saw(glance);
  lanes.add(rows);
  work.behind = unknown.length < glance.rows.length;
  if (picked.length < unknown.length || (glance.rows.length === work.depth && work.depth < depthMax)) work.more = true;
  // Messages of lanes that wait or are busy may stand before all others: look further.
  if (glance.rows.length === work.depth && rows.length === 0) work.depth = Math.min(depthMax, 8 * work.depth);
  else work.depth = depthMin;
  if (drainTo !== null && glance.rows.length === 0 && work.active.size === 0) await endDrain(work, epoch);
  pump(work);
  return false;
}

/** Of the drain that was worked on: an operator may have resumed since, which this process has not heard of yet. */
async function endDrain(work: Work, epoch: bigint): Promise<void> {
  const { db, destination } = work.options;
  if (await pauseDrained(db, destination.name, epoch)) paused(work, epoch);
}

/** Starts what can be started; false, for the loop: nothing more is to be read for it. */
export function pump(work: Work): false {
  const { lanes, options } = work;
  const { channel, destination, gate } = options;
  const connections = connectionsOf(destination);
  clearTimeout(work.timer);
  while (maySend(work)) {
    const nowMs = performance.now();
    const failing = work.failing;
    const limit = failing === undefined ? connections : nowMs < failing.untilMs ? 0 : 1;
    // Outcomes being written hold their lanes; without this limit a slow database would let them grow without bounds.
    if (work.inFlight >= limit || work.active.size >= 4 * connections) break;
    if (!isBatchDue(work, nowMs)) break;
    if (lanes.ready(nowMs) === 0 || (channel.host !== undefined && !gate.enter(channel.host, work.onFree))) break;
    start(work, lanes.take(nowMs, channel.parcelsMax)!);
  }
  if (work.stopping) return false;
  if (work.more && lanes.ready(performance.now()) < 2 * connections) work.wake();
  arm(work);
  return false;
}

/** Who drains waits for what is there, not for more. */
function isBatchDue({ lanes, options, state }: Work, nowMs: number): boolean {
  const { parcelsMax, waitMs } = options.channel;
  const head = parcelsMax === 1 || state?.drain_to != null ? undefined : lanes.head(nowMs);
  return head === undefined || head.waiting >= parcelsMax || head.queued_at + waitMs <= options.clock.now();
}

/** Wakes when the next pause ends. */
function arm(work: Work): void {
  const nowMs = performance.now();
  const dueMs = [work.lanes.dueMs(nowMs), work.failing?.untilMs].filter((ms) => ms !== undefined && ms > nowMs);
  if (dueMs.length === 0) return;
  work.timer = setTimeout(() => pump(work), Math.ceil(Math.min(...(dueMs as number[])) - nowMs));
}

function start(work: Work, taken: Queued[]): void {
  work.inFlight++;
  const id = taken[0]!.id;
  const running = run(work, taken)
    .catch((err: unknown) => {
      work.options.log.error({ err, destination: work.options.destination.name }, 'sending HL7 messages failed');
      work.lanes.putBack(taken, performance.now() + work.backoff.backoffMsMin);
    })
    .finally(() => {
      work.active.delete(id);
      if (work.behind && !work.lanes.has(taken[0]!.lane)) work.more = true;
      pump(work);
    });
  work.active.set(id, running);
}

async function run(work: Work, taken: Queued[]): Promise<void> {
  const { channel, gate, metrics, destination } = work.options;
  const startMs = performance.now();
  let attempt: Awaited<ReturnType<Channel['send']>>;
  try {
    const parcels = await parcelsOf(work, taken);
    if (parcels === undefined) return work.lanes.done(taken[0]!.lane);
    attempt = await channel.send(parcels, work.stop.signal);
  } finally {
    work.inFlight--;
    if (channel.host !== undefined) gate.leave(channel.host);
  }
  metrics.exchange.observe({ destination: destination.name }, (performance.now() - startMs) / 1000);
  // What the attempt says of the receiver counts before the next message is started; its row is written meanwhile.
  const settled = settle(work, taken, attempt);
  pump(work);
  await settled;
}

/** Undefined when a row has gone. */
async function parcelsOf(work: Work, taken: Queued[]): Promise<Parcel[] | undefined> {
  const parcels: Parcel[] = [];
  for (const { id, control_id, body, queued_at } of taken) {
    const bytes = body ?? (await readBody(work.options.db, id));
    if (bytes === undefined) return undefined;
    parcels.push({ id, controlId: control_id, body: bytes, queuedMs: queued_at });
  }
  return parcels;
}
