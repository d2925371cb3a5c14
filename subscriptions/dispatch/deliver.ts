// Deliverers: per subscriber one batch and one request in flight, in the order of the numbers, at least once. Any server
// may deliver; a lease with a fencing token keeps two from serving the same subscriber.
import { type BackoffLimits, backoffMs, type Clock, createLoop, type Db, type Log } from '#platform';
import type { SendResult } from '../channels/rest-hook.ts';
import type { SubscriptionMetrics } from '../metrics.ts';
import type { ChannelName } from '../registration.ts';
import {
  type Claim,
  claimDue,
  type Delivery,
  endDelivery,
  giveUpDelivery,
  type Outcome,
  pendingDeliveries,
  postponeDelivery,
  putBackClaim,
  releaseLease,
} from './deliveries.ts';
import type { Hosts } from './hosts.ts';

/** What a channel makes of one delivery. `gone`: there is nothing left to deliver. */
export type ChannelResult = SendResult | { ok: true; gone: true };

export interface Channel {
  /** Must not throw. After `signal` it should end soon. */
  deliver(claim: Claim, delivery: Delivery, signal: AbortSignal): Promise<ChannelResult>;
  /**
   * stop: after a permanent failure, or at the retry limits, the subscriber goes into error and keeps what it is owed.
   * park: that one delivery is set aside as failed and the next one follows.
   */
  onExhausted: 'stop' | 'park';
}

interface RetryLimits extends BackoffLimits {
  /** Failed attempts of one delivery after which the subscription is in error. */
  attemptsMax: number;
  /** Time since the first failure after which the subscription is in error. */
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

  // Sooner than the next poll when a retry falls due before it.
  const wakeIn = (delayMs: number) => {
    if (delayMs >= options.pollMs || stopping.signal.aborted) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      loop.wake();
    }, delayMs);
    timers.add(timer);
  };
  const serve = async (claim: Claim) => {
    try {
      await deliverBatch(options, claim, { stopping: stopping.signal, broken: broken.signal, wakeIn });
    } catch (err) {
      options.log.error({ err, subscription: claim.id }, 'delivering failed');
      unreleased.add(claim);
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
  const take = async (claim: Claim): Promise<void> => {
    const verdict = options.hosts.enter(claim.host);
    if (verdict !== 'entered') {
      unreleased.add(claim);
      await putBackClaim(options.db, claim, verdict.waitMs);
      unreleased.delete(claim);
      // Whoever leaves a host that is full wakes the loop.
      if (verdict.waitMs > 0) wakeIn(verdict.waitMs);
      return;
    }
    const batch = serve(claim).finally(() => {
      options.hosts.leave(claim.host);
      running.delete(batch);
      loop.wake();
    });
    running.add(batch);
  };
  const work = async (): Promise<boolean> => {
    await giveBack();
    const free = options.concurrency - running.size;
    if (free <= 0) return false;
    const claims = await claimDue(options.db, free, options.leaseMs, options.hosts.full());
    const before = running.size;
    // All at once: those that may go do so before any is put back.
    await Promise.all(claims.map(take));
    // As many as were asked for, and not all of them were to go: others may be waiting behind them.
    return claims.length === free && running.size < before + claims.length;
  };

  const loop = createLoop({
    work,
    onError: (err) => options.log.error({ err }, 'due deliveries could not be read'),
    idleMsMin: options.pollMs,
    idleMsMax: options.pollMs,
    errorMs: options.pollMs,
  });

  return {
    start: loop.start,
    wake: loop.wake,
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

interface Surroundings {
  stopping: AbortSignal;
  broken: AbortSignal;
  wakeIn: (delayMs: number) => void;
}

async function deliverBatch(options: DelivererOptions, claim: Claim, around: Surroundings): Promise<void> {
  const deliveries = await pendingDeliveries(options.db, claim, options.batchDeliveries);
  for (const [index, delivery] of deliveries.entries()) {
    if (around.stopping.aborted) break;
    const result = await options.channels[claim.channel].deliver(claim, delivery, around.broken);
    options.hosts.report(claim.host, !result.ok && result.hostFault === true && !around.broken.aborted);
    // A request broken off by the shutdown is nobody's failure.
    if (!result.ok && around.broken.aborted) break;
    if (!result.ok && !(await onFailure(options, claim, delivery, result, around))) return;
    if (result.ok) observe(options, claim, delivery);
    const outcome: Outcome = !result.ok ? 'failed' : 'gone' in result ? 'gone' : 'delivered';
    const ended = { outcome, ...(result.ok ? {} : { error: result.error }) };
    const release = index === deliveries.length - 1;
    const next = { release, leaseMs: options.leaseMs };
    if (!(await endDelivery(options.db, claim, delivery.number, ended, next)) || release) {
      return release ? undefined : releaseLease(options.db, claim);
    }
    // The counts were the first delivery's.
    claim.attempts = 0;
    claim.failing_ms = 0;
  }
  await releaseLease(options.db, claim);
}

/** Records the failure. True: this delivery is to be set aside and the next one follows. */
async function onFailure(
  options: DelivererOptions,
  claim: Claim,
  { number }: Delivery,
  failure: Extract<SendResult, { ok: false }>,
  around: Surroundings,
): Promise<boolean> {
  const { db, retry, metrics, log } = options;
  const attempts = claim.attempts + 1;
  const exhausted =
    failure.permanent || failure.aside || attempts >= retry.attemptsMax || claim.failing_ms >= retry.failingMsMax;
  const about = { subscription: claim.id, number: String(number), attempts, error: failure.error };
  if (!exhausted) {
    const delayMs = Math.max(
      backoffMs(attempts, retry, options.random),
      Math.min(failure.retryAfterMs ?? 0, retry.backoffMsMax),
    );
    await postponeDelivery(db, claim, number, failure.error, delayMs);
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
