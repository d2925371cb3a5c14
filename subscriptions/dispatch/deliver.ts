// Deliverers: per subscriber one batch and one request in flight, in the order of the numbers, at least once. Any server
// may deliver; a lease with a fencing token keeps two from serving the same subscriber.
import { type BackoffLimits, backoffMs, type Clock, createLoop, type Db, type Log } from '#platform';
import { loggedFault } from '../channels/fault.ts';
import type { SendResult } from '../channels/rest-hook.ts';
import type { SubscriptionMetrics } from '../metrics.ts';
import type { ChannelName } from '../registration.ts';
import {
  type Claim,
  claimDue,
  createPending,
  type Delivery,
  giveUpDelivery,
  isStillLeased,
  type Outcome,
  postponeDelivery,
  putBackClaim,
  releaseLease,
} from './deliveries.ts';
import { claimHeartbeats, createResendEnd, endHeartbeat, resendDeliveries } from './deliveries-again.ts';
import { createEnd, type End } from './ends.ts';
import type { Hosts } from './hosts.ts';
import type { Leased, Places } from './owe.ts';
import { createRecorder, type Recorder } from './record.ts';

/** What a channel makes of a delivery. `gone`: there is nothing left to deliver. `told`: of several, only the first so many. */
export type ChannelResult = SendResult | { ok: true; gone: true } | { ok: true; told: number };

export interface Channel {
  /** Told of what a claim has to be delivered, in order, before the first of it. */
  begin?(claim: Claim, deliveries: readonly Delivery[]): void;
  /** Must not throw. After `signal` it should end soon. */
  deliver(claim: Claim, delivery: Delivery, signal: AbortSignal): Promise<ChannelResult>;
  /**
   * Several in one go, where it has this: the next ones in order, as many as `atOnce` says. They end together, or none does, or
   * the first `told` of them do. Where `park` sets aside what failed for good, each of them is then delivered by itself. Must not throw.
   */
  many?: {
    atOnce(claim: Claim): number;
    deliver(claim: Claim, deliveries: readonly Delivery[], signal: AbortSignal): Promise<ChannelResult>;
  };
  /** So many may have been sent before their end is recorded: a crash repeats them. Without it none. */
  unrecordedMax?: number;
  /** Deliveries made under one lease, if not as many as of the others. */
  batchDeliveries?: number;
  /** Tells that the connection is alive, where the subscriber asks for that; without it nothing is sent. Must not throw. */
  heartbeat?(claim: Claim, signal: AbortSignal): Promise<SendResult>;
  /**
   * stop: after a permanent failure, or at the retry limits, the subscriber goes into error and keeps what it is owed.
   * park: that one delivery is set aside as failed and the next one follows.
   */
  onExhausted: 'stop' | 'park';
}

interface RetryLimits extends BackoffLimits {
  /** Failed attempts of one delivery after which the subscription is in error. */
  attemptsMax: number;
  /** Time since the first failure after which the subscription is in error, whatever the attempts. */
  failingMsMax: number;
}

export interface DelivererOptions {
  db: Db;
  channels: Record<ChannelName, Channel>;
  hosts: Hosts;
  /** Subscribers served at once by this process. */
  concurrency: number;
  batchDeliveries: number;
  leaseMs: number;
  pollMs: number;
  retry: RetryLimits;
  random: () => number;
  clock: Clock;
  /** Called when a subscriber went into error, so that its Subscription is told. */
  onGivenUp: () => void;
  metrics: SubscriptionMetrics;
  log: Log;
}

export interface Deliverer {
  start(): void;
  wake(): void;
  /** `wanted` places at most, for subscribers that are about to be leased to this process; none while others wait for theirs. */
  reserve(wanted: number): Places;
  /** Gives the places back, and delivers what has been leased. */
  take(places: Places, leased: readonly Leased[]): void;
  /** Takes nothing new, lets requests in flight end, breaks them off after `graceMs`; leases are given back. */
  stop(graceMs: number): Promise<void>;
}

export function createDeliverer(options: DelivererOptions): Deliverer {
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  const broken = new AbortController();
  const timers = new Set<NodeJS.Timeout>();
  /** Leases that could not be given back. */
  const unreleased = new Set<Claim>();
  const parts: Parts = {
    ...options,
    pending: createPending(options.db),
    end: createEnd(options.db),
  };
  /** Places for what is being leased at this moment. */
  let reserved = 0;
  const freePlaces = () => Math.max(0, options.concurrency - running.size - reserved);
  /** The last look found as many as there were places. */
  let othersWait = false;
  /** A look is under way: what it finds may need the place that has just become free. */
  let looking = false;

  // Sooner than the next poll when a retry falls due before it.
  const wakeIn = (delayMs: number) => {
    if (delayMs >= options.pollMs || stopping.signal.aborted) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      loop.wake();
    }, delayMs);
    timers.add(timer);
  };
  const serve = async (claim: Claim, deliveries?: readonly Delivery[]): Promise<'idle' | 'over'> => {
    try {
      return await deliverBatch(parts, claim, deliveries, { stopping: stopping.signal, broken: broken.signal, wakeIn });
    } catch (err) {
      options.log.error({ err, subscription: claim.id }, 'delivering failed');
      unreleased.add(claim);
      return 'over';
    }
  };
  // The database that failed may be back in a moment; to wait for the leases' end would take half a minute. Should this
  // process not come to it, they end by themselves, and whoever is alive then goes on.
  const giveBack = async (): Promise<void> => {
    for (const claim of unreleased) {
      await releaseLease(options.db, claim);
      unreleased.delete(claim);
    }
  };
  const take = async (claim: Claim, deliveries?: readonly Delivery[]): Promise<void> => {
    const verdict = options.hosts.enter(claim.host);
    if (verdict !== 'entered') {
      unreleased.add(claim);
      await putBackClaim(options.db, claim, verdict.waitMs);
      unreleased.delete(claim);
      // Whoever leaves a host that is full wakes the loop.
      if (verdict.waitMs > 0) wakeIn(verdict.waitMs);
      return;
    }
    const batch = serve(claim, deliveries).then((step) => {
      const placeWanted = options.hosts.leave(claim.host);
      running.delete(batch);
      if (step !== 'idle' || placeWanted || othersWait || looking || unreleased.size > 0) loop.wake();
    });
    running.add(batch);
  };
  let lookedMs = Number.NEGATIVE_INFINITY;
  // Seconds are what heartbeats are counted in: looking at each wake would be a statement for each batch.
  const claimQuiet = async (limit: number): Promise<Claim[]> => {
    if (limit === 0 || performance.now() - lookedMs < options.pollMs) return [];
    lookedMs = performance.now();
    return claimHeartbeats(options.db, limit, options.leaseMs, options.hosts.full());
  };
  const work = async (): Promise<boolean> => {
    await giveBack();
    const free = freePlaces();
    if (free === 0) {
      othersWait = true;
      return false;
    }
    reserved += free;
    looking = true;
    let claims: Claim[];
    try {
      const due = await claimDue(options.db, free, options.leaseMs, options.hosts.full());
      claims = [...due, ...(await claimQuiet(free - due.length))];
      othersWait = due.length === free;
    } finally {
      reserved -= free;
      looking = false;
    }
    const before = running.size;
    // All at once: those that may go do so before any is put back.
    await Promise.all(claims.map((claim) => take(claim)));
    // As many as were asked for, and not all of them were to go: others may be waiting behind them.
    return claims.length === free && running.size < before + claims.length;
  };

  const loop = createLoop({
    work,
    onError: (err) => options.log.error({ err }, 'due deliveries could not be read'),
    idleMsMin: options.pollMs,
    idleMsMax: options.pollMs,
    errorMs: options.pollMs,
    // Each batch that ends while something may be due wakes it: what becomes due meanwhile is claimed together.
    everyMsMin: claimEveryMs,
  });

  return {
    start: loop.start,
    wake: loop.wake,
    reserve(wanted) {
      const most = othersWait || stopping.signal.aborted ? 0 : Math.min(wanted, freePlaces());
      reserved += most;
      return { most, leaseMs: options.leaseMs, without: options.hosts.full() };
    },
    take({ most }, leased) {
      reserved -= most;
      // Who came for a place meanwhile found none.
      if (othersWait) loop.wake();
      const onError = (err: unknown) => options.log.error({ err }, 'a lease could not be given back');
      for (const { claim, deliveries } of leased) take(claim, deliveries).catch(onError);
    },
    async stop(graceMs) {
      stopping.abort();
      for (const timer of timers) clearTimeout(timer);
      await loop.stop();
      const grace = setTimeout(() => broken.abort(), graceMs);
      await Promise.all(running);
      clearTimeout(grace);
      await giveBack().catch(() => {});
    },
  };
}

const claimEveryMs = 5;

interface Surroundings {
  stopping: AbortSignal;
  broken: AbortSignal;
  wakeIn: (delayMs: number) => void;
}

/** What all batches share. */
interface Parts extends DelivererOptions {
  pending: ReturnType<typeof createPending>;
  end: End;
}

/**
 * `owed`: what is known to be owed without a look. idle: the subscriber is owed nothing more, so that nobody need look for what is
 * due. A look after each batch was two statements an event, for nothing where the dispatcher leases all there is.
 */
async function deliverBatch(
  options: Parts,
  claim: Claim,
  owed: readonly Delivery[] | undefined,
  around: Surroundings,
): Promise<'idle' | 'over'> {
  const { db, end } = options;
  const { batchDeliveries: limit = options.batchDeliveries } = options.channels[claim.channel];
  if (claim.beats) {
    if (await isStillLeased(db, claim, options.leaseMs)) await beat(options, claim, around);
    return 'over';
  }
  const pending = owed?.slice(0, limit) ?? (await options.pending({ claim, limit }));
  const again = claim.resends > 0 ? await resendDeliveries(db, claim, limit) : [];
  const isLast = again.length === 0;
  const step = await deliverAll(options, claim, pending, { ...around, isLast, end });
  if (step !== 'on') return step;
  // What has been asked for again keeps nothing new waiting for more than a batch.
  const told = { ...around, isLast: true, end: createResendEnd(db, again) };
  const last = await deliverAll(options, claim, again, told);
  return last === 'idle' ? 'idle' : 'over';
}

interface Batch extends Surroundings {
  /** The lease is given back at its end. */
  isLast: boolean;
  end: End;
}

/** over: nothing more is sent under this claim. idle: nothing more is owed, either. */
async function deliverAll(
  options: DelivererOptions,
  claim: Claim,
  deliveries: readonly Delivery[],
  batch: Batch,
): Promise<'on' | 'over' | 'idle'> {
  const { begin, many, unrecordedMax = 0 } = options.channels[claim.channel];
  begin?.(claim, deliveries);
  const recorder = createRecorder({ claim, end: batch.end, leaseMs: options.leaseMs, unrecordedMax });
  let atOnce = many?.atOnce(claim) ?? 1;
  let at = 0;
  while (at < deliveries.length && !batch.stopping.aborted) {
    if (!(await isStillLeased(options.db, claim, options.leaseMs))) break;
    const some = deliveries.slice(at, at + atOnce);
    const release = batch.isLast && at + some.length === deliveries.length;
    const step = await deliverSome(options, claim, some, { ...batch, release, recorder });
    if (step === 'over' || step === 'idle') return step;
    if (step === 'broken') break;
    if (step === 'singly') atOnce = 1;
    else at += step;
    if (release && at === deliveries.length) return 'over';
  }
  const isHeld = await recorder.drain();
  if (isHeld && at === deliveries.length && !batch.isLast) return 'on';
  await releaseLease(options.db, claim);
  return 'over';
}

/**
 * A number: so many have ended. over: the lease has been given back, or is another's. idle: it has, and nothing more is owed. broken:
 * the server stops. singly: together they fail for good.
 */
type Step = number | 'over' | 'idle' | 'broken' | 'singly';

async function deliverSome(
  options: DelivererOptions,
  claim: Claim,
  some: readonly Delivery[],
  batch: Batch & { release: boolean; recorder: Recorder },
): Promise<Step> {
  const channel = options.channels[claim.channel];
  const [first] = some as [Delivery];
  const several = some.length > 1;
  const startedMs = performance.now();
  const result = several
    ? await channel.many!.deliver(claim, some, batch.broken)
    : await channel.deliver(claim, first, batch.broken);
  options.hosts.report(claim.host, !result.ok && result.hostFault === true && !batch.broken.aborted);
  // A request broken off by the shutdown is nobody's failure.
  if (!result.ok && batch.broken.aborted) return 'broken';
  const { recorder } = batch;
  if (!result.ok && !(await recorder.drain())) return 'broken';
  if (!result.ok && several && channel.onExhausted === 'park' && isExhausted(options, claim, result)) return 'singly';
  if (!result.ok && !(await onFailure(options, claim, first, { ...result, startedMs }, batch))) return 'over';
  // What is set aside is one: the others of its notification follow.
  const count = !result.ok ? 1 : 'told' in result ? result.told : some.length;
  if (result.ok) for (const delivery of some.slice(0, count)) observe(options, claim, delivery);
  const outcome: Outcome = !result.ok ? 'failed' : 'gone' in result ? 'gone' : 'delivered';
  const ended = { outcome, ...(result.ok ? {} : { error: result.error }) };
  const next = { release: batch.release && count === some.length, leaseMs: options.leaseMs, count };
  const { number } = some[count - 1]!;
  const together = outcome === 'delivered' && !next.release;
  if (!(await (together ? recorder.delivered(number, count) : recorder.drain()))) return 'broken';
  const hold = together ? 'held' : await batch.end(claim, number, ended, next);
  if (hold === 'lost') return 'broken';
  // The counts were the first delivery's.
  claim.attempts = 0;
  claim.failing_ms = 0;
  return next.release && hold === 'held' ? 'idle' : count;
}

/** A failed heartbeat is told to nobody and is no event: the next one follows, sooner if the pause between attempts is shorter. */
async function beat(options: DelivererOptions, claim: Claim, { broken }: Surroundings): Promise<void> {
  const { db, hosts, retry, log } = options;
  const periodMs = (claim.topic?.heartbeatSeconds ?? 0) * 1000;
  const result = (await options.channels[claim.channel].heartbeat?.(claim, broken)) ?? { ok: true };
  if (!result.ok && broken.aborted) return releaseLease(db, claim);
  hosts.report(claim.host, !result.ok && result.hostFault === true);
  if (result.ok) return endHeartbeat(db, claim, null, periodMs);
  log.info({ subscription: claim.id, ...loggedFault(result) }, 'heartbeat failed');
  if (!result.permanent) return endHeartbeat(db, claim, result.error, Math.min(periodMs, retry.backoffMsMax));
  await giveUpDelivery(db, claim, claim.done_number + 1n, result.error);
  options.onGivenUp();
}

const isExhausted = (
  { retry }: Pick<DelivererOptions, 'retry'>,
  claim: Claim,
  failure: Extract<SendResult, { ok: false }>,
): boolean =>
  failure.permanent === true ||
  failure.aside === true ||
  claim.attempts + 1 >= retry.attemptsMax ||
  claim.failing_ms >= retry.failingMsMax;

/** Records the failure. True: this delivery is to be set aside and the next one follows. */
async function onFailure(
  options: DelivererOptions,
  claim: Claim,
  { number }: Delivery,
  failure: Extract<SendResult, { ok: false }> & { startedMs: number },
  around: Surroundings,
): Promise<boolean> {
  const { db, retry, metrics, log } = options;
  const attempts = claim.attempts + 1;
  const about = { subscription: claim.id, number: String(number), attempts, ...loggedFault(failure) };
  if (!isExhausted(options, claim, failure)) {
    const delayMs = Math.max(
      backoffMs(attempts, retry, options.random),
      Math.min(failure.retryAfterMs ?? 0, retry.backoffMsMax),
    );
    const attemptMs = performance.now() - failure.startedMs;
    await postponeDelivery(db, claim, number, failure.error, { delayMs, attemptMs });
    around.wakeIn(delayMs);
    metrics.retried.inc({ channel: claim.channel });
    log.info({ ...about, delayMs }, 'delivery failed, will be repeated');
    return false;
  }
  metrics.failed.inc({ channel: claim.channel });
  log.warn(about, 'delivery given up');
  if (failure.aside || options.channels[claim.channel].onExhausted === 'park') return true;
  await giveUpDelivery(db, claim, number, failure.error);
  options.onGivenUp();
  return false;
}

function observe({ metrics, clock }: DelivererOptions, claim: Claim, delivery: Delivery): void {
  metrics.delivered.inc({ channel: claim.channel });
  metrics.latency.observe({ channel: claim.channel }, Math.max(0, clock.now() - delivery.changed_at) / 1000);
}
