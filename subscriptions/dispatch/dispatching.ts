// The dispatching of changes as one part: what reads and matches them, what delivers, and what tells Subscriptions their status.
import type { ChangeFeed, SearchParameters } from '#fhir-model';
import { type Clock, createLoop, type Db, type Log, uuidv7 } from '#platform';
import type { Entry, Matcher } from '../match/matcher.ts';
import type { StoredSearch } from '../match/stored.ts';
import type { SubscriptionMetrics } from '../metrics.ts';
import { deliveryLeaseMsOf, type SubscriptionLimits } from '../options.ts';
import type { ChannelName } from '../registration.ts';
import { type ChecksOptions, recheckSubscriber, runChecks } from './checks.ts';
import { watchClockSteps } from './clock-steps.ts';
import { type Channel, createDeliverer } from './deliver.ts';
import { createDispatcher } from './dispatcher.ts';
import type { Hosts } from './hosts.ts';
import { createLease } from './lease.ts';
import { createPlanner, type PlannerOptions } from './plan.ts';
import { createRefusals } from './refusals.ts';

export interface DispatchingOptions extends Omit<ChecksOptions, 'refusals'> {
  db: Db;
  feed: ChangeFeed;
  parameters: SearchParameters;
  matcher: Matcher;
  search: StoredSearch;
  channels: Record<ChannelName, Channel>;
  hosts: Hosts;
  topics: NonNullable<PlannerOptions['topics']>;
  definers: NonNullable<PlannerOptions['definers']>;
  /** Listeners of the server's own, whenever matching starts afresh. */
  entries(): Iterable<Entry>;
  limits: SubscriptionLimits;
  clock: Clock;
  random: () => number;
  metrics: SubscriptionMetrics;
  log: Log;
}

export interface Dispatching {
  start(): void;
  stop(): Promise<void>;
  wake(): void;
  /** Statuses of Subscriptions are looked at soon. */
  wakeChecks(): void;
  /** See Dispatcher. */
  caughtUpMs(): number | undefined;
}

export function createDispatching(options: DispatchingOptions): Dispatching {
  const { db, log, metrics, limits } = options;
  const leaseMs = deliveryLeaseMsOf(limits);
  const clockSteps = watchClockSteps(db, { backoffMsMax: limits.backoffMsMax, leaseMs });
  const refusals = createRefusals(options);
  // Only the server that dispatches sets statuses, so that two don't answer the same Subscription.
  const checks = createLoop({
    work: async () => {
      if (!dispatcher.leads()) return false;
      if (await clockSteps()) deliverer.wake();
      if (await runChecks({ ...options, refusals })) throw new Error('a status could not be written');
      return false;
    },
    onError: (err) => log.debug({ err }, 'statuses of subscriptions will be written later'),
    // Subscription.end passes without a change that would wake this.
    idleMsMin: 4 * limits.pollMs,
    idleMsMax: 4 * limits.pollMs,
    errorMs: 4 * limits.pollMs,
  });
  const deliverer = createDeliverer({
    ...{ db, log, metrics, retry: limits, clock: options.clock, random: options.random },
    ...{ channels: options.channels, hosts: options.hosts },
    concurrency: limits.deliverers,
    batchDeliveries: limits.batchDeliveries,
    leaseMs,
    pollMs: limits.pollMs,
    onGivenUp: () => checks.wake(),
  });
  const dispatcher = createDispatcher({
    ...{ db, log, metrics, feed: options.feed, clock: options.clock, parameters: options.parameters },
    planner: plannerOf(options),
    registerOwn: () => {
      for (const entry of options.entries()) options.matcher.put(entry);
    },
    lease: createLease(uuidv7(options.clock.now()), limits.dispatchLeaseMs),
    leaseMs: limits.dispatchLeaseMs,
    recheck: (id) => recheckSubscriber(db, id),
    deliverer,
    onMatched: () => deliverer.wake(),
    onChecks: () => checks.wake(),
    batchChanges: limits.batchChanges,
    pollMs: limits.pollMs,
  });
  return {
    start() {
      dispatcher.start();
      deliverer.start();
      checks.start();
    },
    async stop() {
      await checks.stop();
      await dispatcher.stop();
      await deliverer.stop(limits.stopGraceMs);
    },
    wake() {
      dispatcher.wake();
      deliverer.wake();
      checks.wake();
    },
    wakeChecks: checks.wake,
    caughtUpMs: dispatcher.caughtUpMs,
  };
}

function plannerOf(options: DispatchingOptions) {
  const { matcher, rules, search, limits, topics, definers, handshakes, log } = options;
  return createPlanner({
    ...{ matcher, rules, search, matchesMax: limits.batchMatches, topics, definers },
    bodies: (versions) => options.feed.bodies(options.db, versions),
    isAccepted: (one, version) => !handshakes.isNeeded(one) || handshakes.accepted.get(one.id) === version,
    onMatchError: (subscription, err) => log.error({ err, subscription }, 'criteria could not be evaluated'),
  });
}
