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
  type Jobs,
  type Log,
  type Metrics,
  uuidv7,
} from '#platform';
import { adminRoutes } from './admin.ts';
import { type Alerting, createAlerting } from './alerts/alerting.ts';
import type { FeedFailures } from './alerts/timers.ts';
import { createChannels } from './channels/create-channels.ts';
import type { OwnerScope } from './channels/notification/notifications.ts';
import type { HostCertificates } from './channels/rest-hook.ts';
import type { WebSocketLimits, WebSockets } from './channels/websocket/websocket.ts';
import { type Handshakes, recheckSubscriber, runChecks } from './dispatch/checks.ts';
import { createDeliverer } from './dispatch/deliver.ts';
import { createDispatcher } from './dispatch/dispatcher.ts';
import { createHosts, type HostLimits } from './dispatch/hosts.ts';
import { createLease, voidLeases } from './dispatch/lease.ts';
import { createPlanner } from './dispatch/plan.ts';
import { saveRegistration } from './dispatch/subscribers.ts';
import { createEscalation, defaultEscalation, type EscalationSettings } from './escalation/escalation.ts';
import { createKafka, type KafkaSettings } from './kafka/kafka.ts';
import { createMatcher, type Matcher } from './match/matcher.ts';
import { createKeyOf } from './match/patient-key.ts';
import { createStoredSearch, type StoredSearch } from './match/stored.ts';
import { subscriptionMetrics } from './metrics.ts';
import type { RegistrationRules } from './registration.ts';
import { createScores, noScores, type ScoreOptions, type Scores } from './scores/scores.ts';
import { createPatientStreams, defaultPatientStreamLimits, type PatientStreamLimits } from './stream/patient-stream.ts';
import { createTopics, type Topics } from './topics/topics.ts';

export type { FeedFailures } from './alerts/timers.ts';
export { readHostCertificates } from './channels/certificates.ts';
export { refuseUpgrade, type UpgradeRequest, type WebSocketLimits } from './channels/websocket/websocket.ts';
export { endpointNames as alertEndpointNames, readEndpoints as readAlertEndpoints } from './escalation/endpoints.ts';
export { pruneEscalations } from './escalation/state.ts';
export { subscriptionOperations } from './operations/operations.ts';
export { changeFloor, type PruneLimits, pruneDeliveries } from './retention.ts';
export { triageOperation } from './scores/triage/operation.ts';
export { activeTopicUrls } from './topics/admin.ts';
export { subscriptionMeanings } from './topics/meaning.ts';
export { createTopics } from './topics/topics.ts';

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
  /** A subscription goes into error at whichever of these two comes first. Default: only the time counts. */
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
  attemptsMax: Number.POSITIVE_INFINITY,
  failingMsMax: 72 * 3_600_000,
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
  /** How many messages of each feed failed since an instant; without it rules of that kind find nothing. */
  feedFailures?: ((sinceMs: number) => Promise<FeedFailures[]>) | undefined;
  /** Where emails are handed in, and who they are from; without it none are sent. */
  mail?: { url: string; from: string };
  /** Where the messages of channels of type message go; without it none are sent. */
  messages?: MessageChannel | undefined;
  /** Early warning scores that are computed; without it none are. */
  scores?: ScoreOptions;
  /** How alerts reach people; by email only without it. */
  escalation?: EscalationSettings;
  /** Wakes escalation in time, over restarts; before its start(). */
  jobs?: Jobs | undefined;
  /** Brokers, and what goes there. */
  kafka?: KafkaSettings | undefined;
  /** Whether whole resources of topics may also go by email and over plain http. */
  fullResource?: 'secure' | 'any';
  /** What the owner of a Subscription may see, asked at each notification; default: what the server may. */
  ownerScope?: OwnerScope;
  /** Who this server is to the hosts of rest-hooks, and whom it trusts there. */
  certificates?: HostCertificates | undefined;
  limits?: Partial<SubscriptionLimits>;
  webSocketLimits?: Partial<WebSocketLimits>;
  patientStreamLimits?: Partial<PatientStreamLimits>;
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
    ...{ email: options.mail !== undefined, messages: options.messages, kafka: options.kafka !== undefined },
    ...(options.baseUrl === undefined ? {} : { baseUrl: options.baseUrl }),
    ...(options.fullResource === undefined ? {} : { fullResource: options.fullResource }),
  };
  const topics = createTopics({ db, ...ports, rules, log });
  rules.topics = topics;
  const matcher = createMatcher(rules.baseUrl);
  const scores = createScores(options.scores ?? noScores, rules, { db, ...ports, log });
  const escalation = createEscalation({
    ...{ db, ...ports, log, metrics: registry, egress, baseUrl: options.baseUrl ?? 'http://localhost/fhir/R4' },
    ...{ limits: {}, ...(options.escalation ?? defaultEscalation), alerts: () => alerting.alerts },
  });
  const alerting = createAlerting({
    ...{ db, ...ports, matcher, criteria: rules, log, pollMs: 4 * limits.pollMs, escalation },
    failures: options.feedFailures,
    caughtUpMs: () => dispatcher.caughtUpMs(),
  });
  const search = createStoredSearch(options.reader, options.scope);
  const hosts = createHosts({ limits, pause: limits, random: options.random });
  const outward = createChannels({
    ...{ db, ...ports, rules, search, egress, hosts, log, metrics, timeoutMs: limits.timeoutMs },
    shapeOf: topics.shapeOf,
    onHandshake: () => checks.wake(),
  });
  const { webSockets, handshakes } = outward;

  // Only the server that dispatches sets statuses, so that two don't answer the same Subscription.
  const checks = createLoop({
    work: async () => {
      if (dispatcher.leads() && (await runChecks({ db, ...ports, rules, search, log, handshakes }))) {
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
      ...outward.channels,
      alert: alerting.channel,
      score: scores.channel,
    },
    hosts,
    concurrency: limits.deliverers,
    batchDeliveries: limits.batchDeliveries,
    leaseMs: limits.deliveryLeaseMs ?? Math.max(5_000, 3 * limits.timeoutMs),
    pollMs: limits.pollMs,
    onGivenUp: () => checks.wake(),
  });
  const { planner, registerAlerts } = createPlanning({
    ...{ rules, matcher, alerting, scores, search, limits, log, topics, handshakes },
  });
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
  const streams = createPatientStreams({
    ...{ db, ...ports, log, scopeOf: () => options.scope },
    keyOf: createKeyOf(options.parameters, options.baseUrl),
    limits: { ...defaultPatientStreamLimits, ...options.patientStreamLimits },
  });
  const kafka = createKafka(options.kafka, {
    ...{ db, ...ports, log, metrics, leaseMs: limits.dispatchLeaseMs },
    ...{ batchChanges: limits.batchChanges, pollMs: limits.pollMs },
  });
  const wake = () => {
    dispatcher.wake();
    deliverer.wake();
    checks.wake();
  };
  return {
    async start() {
      if (options.alone) await voidLeases(db);
      await alerting.install();
      for (const one of scores.registrations) await saveRegistration(db, one, 0);
      dispatcher.start();
      deliverer.start();
      checks.start();
      webSockets.start();
      streams.start();
      alerting.start();
      await escalation.start();
      await kafka.start();
    },
    async stop() {
      await kafka.stop();
      await alerting.stop();
      await escalation.stop();
      await checks.stop();
      await outward.stop();
      await dispatcher.stop();
      await deliverer.stop(limits.stopGraceMs);
      await webSockets.stop();
      await streams.stop();
      outward.close();
    },
    wake,
    webSockets: {
      upgrade: (request, ...connection) =>
        (streams.takes(request) ? streams : webSockets).upgrade(request, ...connection),
      close: async () => void (await Promise.all([webSockets.close(), streams.close()])),
    },
    adminRoutes: [
      ...adminRoutes({ db, ...ports, wake }),
      ...topics.adminRoutes,
      ...kafka.adminRoutes,
      ...scores.adminRoutes,
      ...escalation.adminRoutes,
      ...alerting.adminRoutes,
    ],
  };
}

interface Planning {
  rules: RegistrationRules;
  matcher: Matcher;
  alerting: Alerting;
  scores: Scores;
  search: StoredSearch;
  limits: SubscriptionLimits;
  log: Log;
  topics: Topics;
  handshakes: Handshakes;
}

function createPlanning({ matcher, alerting, scores, topics, handshakes, ...rest }: Planning) {
  const { rules, search, limits, log } = rest;
  const planner = createPlanner({
    ...{ matcher, rules, search, matchesMax: limits.batchMatches },
    topics: topics.matching,
    definers: [topics.definer, alerting.definer],
    isAccepted: (one, version) => !handshakes.isNeeded(one) || handshakes.accepted.get(one.id) === version,
    onMatchError: (subscription, err) => log.error({ err, subscription }, 'criteria could not be evaluated'),
  });
  const registerAlerts = () => {
    for (const entry of scores.entries()) matcher.put(entry);
  };
  return { planner, registerAlerts };
}
