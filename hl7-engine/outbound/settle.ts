// What follows from an attempt: the next message, a pause of the patient's or of all, or giving up.
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs, type Queryable } from '#platform';
import type { Attempt } from './channel.ts';
import { connectionsOf } from './destination.ts';
import { markApplicationAnswer, markFailed, type Queued } from './queue.ts';
import { pauseDestination } from './state.ts';
import type { Work } from './work.ts';

type Failure = Exclude<Attempt, { kind: 'delivered' }>;

/** How long a database that does not take outcomes is left alone. */
const againMs = 250;

export async function settle(work: Work, taken: Queued[], attempt: Attempt): Promise<void> {
  if (attempt.kind === 'delivered') return settleDelivered(work, taken, attempt.answer);
  // Broken off by the stop: nobody's failure.
  if (work.stop.signal.aborted) return work.lanes.putBack(taken, 0);
  const { metrics, destination } = work.options;
  metrics.failed.inc({ destination: destination.name, kind: attempt.kind });
  if (attempt.kind === 'unreachable') return settleUnreachable(work, taken, attempt);
  if (attempt.kind === 'unanswered') countUnanswered(work, attempt);
  else reached(work);
  await settleFailed(work, taken, attempt);
}

async function settleDelivered(work: Work, taken: Queued[], answer: Buffer | null): Promise<void> {
  const { clock, destination, markDelivered, metrics } = work.options;
  reached(work);
  const label = { destination: destination.name };
  for (const { queued_at } of taken) {
    metrics.latency.observe(label, Math.max(0, clock.now() - queued_at) / 1000);
  }
  metrics.delivered.inc(label, taken.length);
  // The lane goes on when it is written: after a crash a receiver gets at most one message of a patient twice.
  await written(work, () => Promise.all(taken.map(({ id }) => markDelivered({ id, answer }))));
  work.lanes.done(taken[0]!.lane);
}

/** A fact has to be written, however long the database is away; false: a stop gave it up, and the message is sent once more. */
export async function written(work: Work, write: () => Promise<unknown>): Promise<boolean> {
  for (;;) {
    try {
      await write();
      return true;
    } catch (err) {
      work.options.log.error({ err, destination: work.options.destination.name }, 'a delivery could not be recorded');
      if (work.stopping) return false;
      await sleep(againMs, undefined, { signal: work.stop.signal }).catch(() => undefined);
    }
  }
}

function reached(work: Work): void {
  if (work.failing !== undefined) {
    work.options.log.info({ destination: work.options.destination.name }, 'HL7 destination works again');
  }
  work.failing = undefined;
  work.unanswered = 0;
}

/** All messages wait, none is to blame. */
function settleUnreachable(work: Work, taken: Queued[], failure: Failure & { kind: 'unreachable' }): void {
  fail(work, failure.error, failure.retryAfterMs);
  work.lanes.putBack(taken, 0);
}

function fail(work: Work, error: string, retryAfterMs = 0): void {
  const { destination, log, random } = work.options;
  const nowMs = performance.now();
  // Several connections that break together are one failure.
  if (work.failing !== undefined && nowMs < work.failing.untilMs) return;
  const count = (work.failing?.count ?? 0) + 1;
  const pauseMs = Math.max(backoffMs(count, work.backoff, random), Math.min(retryAfterMs, retryAfterMsMax));
  work.failing = { count, sinceMs: work.failing?.sinceMs ?? work.options.clock.now(), untilMs: nowMs + pauseMs, error };
  const about = { destination: destination.name, failures: count, reason: error, pauseMs };
  if (count === 1) log.warn(about, 'HL7 destination fails');
  else log.debug(about, 'HL7 destination fails');
}

/** Whoever asks for a longer pause gets this. */
const retryAfterMsMax = 3_600_000;

/** One message without an answer is that message's; as many in a row as there are connections are the receiver's. */
function countUnanswered(work: Work, failure: Failure & { kind: 'unanswered' }): void {
  work.unanswered++;
  if (work.unanswered >= Math.max(3, connectionsOf(work.options.destination))) {
    fail(work, failure.error, failure.retryAfterMs);
  }
}

async function settleFailed(work: Work, taken: Queued[], failure: Failure): Promise<void> {
  const { db, destination, log, metrics, random } = work.options;
  const [head] = taken;
  const refused = failure.kind !== 'unanswered';
  const attempts = head!.attempts + 1;
  const refusals = head!.refusals + (refused ? 1 : 0);
  const exhausted = isExhausted(work, failure, attempts, refusals);
  const dead = exhausted && destination.onFailure === 'dead-letter';
  const answer = 'answer' in failure ? (failure.answer ?? null) : null;
  const ids = taken.map(({ id }) => id);
  const waits = await markFailed(db, ids, { error: failure.error, refused, answer, dead });
  const about = { destination: destination.name, outbound: String(head!.id), kind: failure.kind, attempts };
  if (!waits || dead) {
    if (dead) metrics.dead.inc({ destination: destination.name }, ids.length);
    log.warn(about, dead ? 'HL7 message given up' : 'HL7 message failed that nobody waits for');
    return work.lanes.done(head!.lane);
  }
  for (const row of taken)
    Object.assign(row, { attempts: row.attempts + 1, refusals: row.refusals + (refused ? 1 : 0) });
  if (exhausted) {
    log.warn(about, 'HL7 destination paused: a message can not be delivered');
    paused(work, await pauseFor(work, db, head!.id, failure.error));
  }
  const failures = refused ? refusals : attempts - refusals;
  const retryAfterMs = 'retryAfterMs' in failure ? Math.min(failure.retryAfterMs ?? 0, retryAfterMsMax) : 0;
  const pauseMs = exhausted ? 0 : Math.max(backoffMs(failures, work.backoff, random), retryAfterMs);
  work.lanes.putBack(taken, performance.now() + pauseMs);
}

/** Until an operator says so nothing goes out. */
const pauseFor = (work: Work, db: Queryable, id: bigint, error: string): Promise<bigint | undefined> =>
  pauseDestination(db, work.options.destination.name, `Message ${id}: ${error}`);

/** Once that is committed; a resume may have been heard of before. */
export function paused(work: Work, epoch: bigint | undefined): void {
  if (epoch !== undefined && epoch >= work.pausedEpoch)
    Object.assign(work, { pausedMs: performance.now(), pausedEpoch: epoch });
  const { state } = work;
  if (state !== undefined && epoch !== undefined && state.epoch <= epoch)
    work.state = { ...state, epoch, paused: true };
}

/**
 * The application acknowledgment of a message that was delivered with a CA. One that refuses it makes it a dead letter, or, where
 * failures pause the destination, the one to go first again.
 */
export async function settleLate(work: Work, id: bigint, refusal: string | null, answer: Buffer): Promise<void> {
  const { db, destination, log, metrics } = work.options;
  if (refusal === null || destination.onFailure === 'dead-letter') {
    await markApplicationAnswer(db, id, answer, refusal);
    if (refusal !== null) metrics.dead.inc({ destination: destination.name });
    return;
  }
  const epoch = await db.tx(async (tx) => {
    await markApplicationAnswer(tx, id, answer, refusal, 'queued');
    return pauseFor(work, tx, id, refusal);
  });
  paused(work, epoch);
  const about = { destination: destination.name, outbound: String(id) };
  log.warn(about, 'HL7 destination paused: a message that was taken is refused');
}

function isExhausted(work: Work, failure: Failure, attempts: number, refusals: number): boolean {
  const { attemptsMax, unansweredMax } = work.options.destination.retry;
  if (failure.kind === 'impossible') return true;
  if (failure.kind === 'refused') return refusals >= attemptsMax;
  return unansweredMax > 0 && attempts - refusals >= unansweredMax;
}
