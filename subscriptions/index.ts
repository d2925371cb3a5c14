// The way into subscriptions/: the change stream's listeners.
import type { AccessScope, ChangeFeed, ResourceReader, ResourceWriter, SearchParameters } from '#fhir-model';
import {
  type AdminRoute,
  type Clock,
  createEgress,
  createLoop,
  type Db,
  type EgressAllow,
  isCerebraError,
  type Log,
  type Metrics,
  uuidv7,
} from '#platform';
import { adminRoutes } from './admin.ts';
import { criticalPotassium } from './alerts/critical-potassium.ts';
import { defaultPotassiumLimits, type PotassiumLimits } from './alerts/potassium-level.ts';
import type { AlertRule } from './alerts/rule.ts';
import { alertSubscriber, createAlertChannel } from './channels/alert.ts';
import { contentOf } from './channels/content.ts';
import { createRestHook, type RestHook } from './channels/rest-hook.ts';
import { recheckSubscriber, runChecks } from './dispatch/checks.ts';
import { type Channel, createDeliverer } from './dispatch/deliver.ts';
import { createDispatcher } from './dispatch/dispatcher.ts';
import { createLease, voidLeases } from './dispatch/lease.ts';
import { createPlanner } from './dispatch/plan.ts';
import { saveRegistration } from './dispatch/subscribers.ts';
import { createMatcher } from './match/matcher.ts';
import { subscriptionMetrics } from './metrics.ts';
import { parseCriteria, type Registration, type RegistrationRules } from './registration.ts';

export { alertSubscriber } from './channels/alert.ts';
export { changeFloor, type PruneLimits, pruneDeliveries } from './retention.ts';
export type { PotassiumLimits };

export interface SubscriptionLimits {
  /** Changes read at once. */
  batchChanges: number;
  /** Deliveries that one dispatching transaction writes at most, but for the last change's. */
  batchMatches: number;
  /** How often the feed and the deliveries are looked at when nothing wakes. Other servers' writes are seen after this. */
  pollMs: number;
  /** Lease of the dispatching server: how long after its death another takes over. */
  dispatchLeaseMs: number;
  /** Subscriptions that this server delivers to at once. */
  deliverers: number;
  /** Deliveries made under one lease. */
  batchDeliveries: number;
  /** For one rest-hook request. */
  timeoutMs: number;
  /**
   * Lease of one subscription's deliverer. Must be more than twice `timeoutMs`, or two may deliver at once; three times
   * that, and 5,000 at least, when it is not given.
   */
  deliveryLeaseMs?: number;
  backoffMsMin: number;
  backoffMsMax: number;
  /** A subscription goes into error at whichever of these two comes first. */
  attemptsMax: number;
  failingMsMax: number;
  /** On stop: how long requests in flight may still take. */
  stopGraceMs: number;
}

export const defaultSubscriptionLimits: SubscriptionLimits = {
  batchChanges: 500,
  batchMatches: 20_000,
  pollMs: 250,
  dispatchLeaseMs: 5_000,
  deliverers: 32,
  batchDeliveries: 50,
  timeoutMs: 10_000,
  backoffMsMin: 1_000,
  backoffMsMax: 600_000,
  attemptsMax: 20,
  failingMsMax: 24 * 3_600_000,
  stopGraceMs: 5_000,
};

export interface SubscriptionsOptions {
  db: Db;
  feed: ChangeFeed;
  reader: ResourceReader;
  writer: ResourceWriter;
  /** What the server itself may see and change. */
  scope: AccessScope;
  parameters: SearchParameters;
  resourceTypes: readonly string[];
  /** Our own FHIR base: absolute references below it count as local. */
  baseUrl?: string;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  /** 0 … 1, for the jitter of retries. */
  random: () => number;
  /** No other server uses this database: leases left by a killed one end at the start. Default: false. */
  alone?: boolean;
  /** Address ranges a rest-hook may call beyond the public ones: `loopback`, `private`, or CIDR. */
  egressAllow: EgressAllow;
  /** Critical potassium in mmol/L. */
  potassium?: PotassiumLimits;
  limits?: Partial<SubscriptionLimits>;
}

export interface Subscriptions {
  /** Throws `unavailable` when the database can't be reached. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Looks at the feed and at the deliveries now. */
  wake(): void;
  adminRoutes: AdminRoute[];
}

/** Throws `config` when an entry of `egressAllow` can't be understood. */
export function createSubscriptions(options: SubscriptionsOptions): Subscriptions {
  const limits = { ...defaultSubscriptionLimits, ...options.limits };
  const { db, log, metrics: registry, ...ports } = options;
  const metrics = subscriptionMetrics(registry);
  const egress = createEgress(options.egressAllow);
  const rules: RegistrationRules = {
    parameters: options.parameters,
    resourceTypes: options.resourceTypes,
    egress,
    ...(options.baseUrl === undefined ? {} : { baseUrl: options.baseUrl }),
  };
  const alerts = [criticalPotassium(options.potassium ?? defaultPotassiumLimits)];
  const hook = createRestHook({ egress, timeoutMs: limits.timeoutMs });

  // Only the server that dispatches sets statuses, so that two don't answer the same Subscription.
  const checks = createLoop({
    work: async () => {
      if (dispatcher.leads() && (await runChecks({ db, ...ports, rules, log }))) {
        throw new Error('a status could not be written');
      }
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
    channels: {
      'rest-hook': restHookChannel(hook, { db, ...ports, rules }),
      alert: createAlertChannel(alerts, ports, log),
    },
    concurrency: limits.deliverers,
    batchDeliveries: limits.batchDeliveries,
    leaseMs: limits.deliveryLeaseMs ?? Math.max(5_000, 3 * limits.timeoutMs),
    pollMs: limits.pollMs,
    onGivenUp: () => checks.wake(),
  });
  const { planner, registerAlerts } = createPlanning({ rules, alerts, limits, log });
  const dispatcher = createDispatcher({
    ...{ db, log, metrics, planner, registerAlerts, feed: options.feed, clock: options.clock },
    parameters: options.parameters,
    lease: createLease(uuidv7(options.clock.now()), limits.dispatchLeaseMs),
    leaseMs: limits.dispatchLeaseMs,
    recheck: (id) => recheckSubscriber(db, id),
    onMatched: () => deliverer.wake(),
    onChecks: () => checks.wake(),
    batchChanges: limits.batchChanges,
    pollMs: limits.pollMs,
  });
  const wake = () => {
    dispatcher.wake();
    deliverer.wake();
    checks.wake();
  };
  return {
    async start() {
      if (options.alone) await voidLeases(db);
      for (const rule of alerts) await saveRegistration(db, alertRegistration(rule), 0);
      dispatcher.start();
      deliverer.start();
      checks.start();
    },
    async stop() {
      await checks.stop();
      await dispatcher.stop();
      await deliverer.stop(limits.stopGraceMs);
      hook.close();
    },
    wake,
    adminRoutes: adminRoutes({ db, ...ports, wake }),
  };
}

const alertRegistration = (rule: AlertRule): Registration => ({
  ...{ id: alertSubscriber(rule), channel: 'alert', criteria: rule.criteria },
  ...{ endpoint: '', payload: '', header: [] },
});

interface Planning {
  rules: RegistrationRules;
  alerts: AlertRule[];
  limits: SubscriptionLimits;
  log: Log;
}

function createPlanning({ rules, alerts, limits, log }: Planning) {
  const matcher = createMatcher(rules.baseUrl);
  const planner = createPlanner({
    ...{ matcher, rules, matchesMax: limits.batchMatches },
    onMatchError: (subscription, err) => log.error({ err, subscription }, 'criteria could not be evaluated'),
  });
  const registerAlerts = () => {
    for (const rule of alerts) {
      const query = parseCriteria(rule.criteria, rules);
      matcher.put({ id: alertSubscriber(rule), query, test: rule.test });
    }
  };
  return { planner, registerAlerts };
}

function restHookChannel(hook: RestHook, content: Parameters<typeof contentOf>[0]): Channel {
  return {
    onExhausted: 'stop',
    async deliver(claim, delivery, signal) {
      try {
        const body = claim.payload === '' ? '' : await contentOf(content, claim, delivery);
        if (body === undefined) return { ok: true, gone: true };
        const { number, type, id } = delivery;
        return await hook.send({ registration: claim, number, type, id, body }, signal);
      } catch (err) {
        return { ok: false, error: isCerebraError(err) ? err.message : 'The resource could not be read' };
      }
    },
  };
}
