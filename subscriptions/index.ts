// The way into subscriptions/: the change stream's listeners.
import type {
  AccessScope,
  ChangeFeed,
  MessageChannel,
  ResourceReader,
  ResourceWriter,
  SearchParameters,
  XmlCodec,
} from '#fhir-model';
import {
  type AdminRoute,
  type Clock,
  createEgress,
  createLoop,
  type Db,
  type EgressAllow,
  type Log,
  type Metrics,
  uuidv7,
} from '#platform';
import { adminRoutes } from './admin.ts';
import { criticalPotassium } from './alerts/critical-potassium.ts';
import { defaultPotassiumLimits, type PotassiumLimits } from './alerts/potassium-level.ts';
import type { AlertRule } from './alerts/rule.ts';
import { alertSubscriber, createAlertChannel } from './channels/alert.ts';
import { emailChannel, restHookChannel, webSocketChannel } from './channels/channels.ts';
import { createEmail } from './channels/email.ts';
import { messageChannel } from './channels/message.ts';
import { createRestHook } from './channels/rest-hook.ts';
import {
  createWebSockets,
  defaultWebSocketLimits,
  type WebSocketLimits,
  type WebSockets,
} from './channels/websocket/websocket.ts';
import { recheckSubscriber, runChecks } from './dispatch/checks.ts';
import { createDeliverer } from './dispatch/deliver.ts';
import { createDispatcher } from './dispatch/dispatcher.ts';
import { createHosts, type HostLimits } from './dispatch/hosts.ts';
import { createLease, voidLeases } from './dispatch/lease.ts';
import { createPlanner } from './dispatch/plan.ts';
import { saveRegistration } from './dispatch/subscribers.ts';
import { parseCriteria } from './match/criteria.ts';
import { createMatcher } from './match/matcher.ts';
import { createStoredSearch, type StoredSearch } from './match/stored.ts';
import { subscriptionMetrics } from './metrics.ts';
import type { Registration, RegistrationRules } from './registration.ts';

export { alertSubscriber } from './channels/alert.ts';
export { refuseUpgrade, type UpgradeRequest, type WebSocketLimits } from './channels/websocket/websocket.ts';
export { changeFloor, type PruneLimits, pruneDeliveries } from './retention.ts';
export type { PotassiumLimits };

export interface SubscriptionLimits extends HostLimits {
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
  /** For one rest-hook request, and for one email. */
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
  hostRequestsMax: 16,
  hostFaultsMax: 5,
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
  /** Payloads in XML are made with it. */
  xml: XmlCodec;
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
  /** Where emails are handed in, and who they are from; without it none are sent. */
  mail?: { url: string; from: string };
  /** Where the messages of channels of type message go; without it none are sent. */
  messages?: MessageChannel | undefined;
  limits?: Partial<SubscriptionLimits>;
  webSocketLimits?: Partial<WebSocketLimits>;
}

export interface Subscriptions {
  /** Throws `unavailable` when the database can't be reached. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Looks at the feed and at the deliveries now. */
  wake(): void;
  webSockets: Pick<WebSockets, 'upgrade' | 'close'>;
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
    ...{ email: options.mail !== undefined, messages: options.messages },
    ...(options.baseUrl === undefined ? {} : { baseUrl: options.baseUrl }),
  };
  const alerts = [criticalPotassium(options.potassium ?? defaultPotassiumLimits)];
  const { timeoutMs } = limits;
  const { xml, baseUrl = '' } = options;
  const hook = createRestHook({ egress, timeoutMs });
  const email = options.mail && createEmail({ ...options.mail, timeoutMs, baseUrl, xml });
  const search = createStoredSearch(options.reader, options.scope);
  const webSockets = createWebSockets({
    ...{ db, log, metrics, reader: options.reader, scope: options.scope },
    limits: { ...defaultWebSocketLimits, ...options.webSocketLimits },
  });
  const content = { db, ...ports, rules, search };

  // Only the server that dispatches sets statuses, so that two don't answer the same Subscription.
  const checks = createLoop({
    work: async () => {
      if (dispatcher.leads() && (await runChecks({ db, ...ports, rules, search, log }))) {
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
      'rest-hook': restHookChannel(hook, content, xml),
      websocket: webSocketChannel(webSockets),
      email: emailChannel(email, content),
      message: messageChannel(options.messages, content),
      alert: createAlertChannel(alerts, ports, log),
    },
    hosts: createHosts({ limits, pause: limits, random: options.random }),
    concurrency: limits.deliverers,
    batchDeliveries: limits.batchDeliveries,
    leaseMs: limits.deliveryLeaseMs ?? Math.max(5_000, 3 * limits.timeoutMs),
    pollMs: limits.pollMs,
    onGivenUp: () => checks.wake(),
  });
  const { planner, registerAlerts } = createPlanning({ rules, alerts, search, limits, log });
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
      webSockets.start();
    },
    async stop() {
      await checks.stop();
      await dispatcher.stop();
      await deliverer.stop(limits.stopGraceMs);
      await webSockets.stop();
      hook.close();
      email?.close();
    },
    wake,
    webSockets,
    adminRoutes: adminRoutes({ db, ...ports, wake }),
  };
}

const alertRegistration = (rule: AlertRule): Registration => ({
  ...{ id: alertSubscriber(rule), channel: 'alert', criteria: rule.criteria },
  ...{ endpoint: '', host: '', payload: '', header: [], secret: '' },
});

interface Planning {
  rules: RegistrationRules;
  alerts: AlertRule[];
  search: StoredSearch;
  limits: SubscriptionLimits;
  log: Log;
}

function createPlanning({ rules, alerts, search, limits, log }: Planning) {
  const matcher = createMatcher(rules.baseUrl);
  const planner = createPlanner({
    ...{ matcher, rules, search, matchesMax: limits.batchMatches },
    onMatchError: (subscription, err) => log.error({ err, subscription }, 'criteria could not be evaluated'),
  });
  const registerAlerts = () => {
    for (const rule of alerts) {
      const { query } = parseCriteria(rule.criteria, rules);
      matcher.put({ id: alertSubscriber(rule), query, test: rule.test });
    }
  };
  return { planner, registerAlerts };
}
