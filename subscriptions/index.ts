// The way into subscriptions/: the change stream's listeners.
import { type AdminRoute, createEgress, type Egress } from '#platform';
import { adminRoutes } from './admin.ts';
import { createAlerting } from './alerts/alerting.ts';
import { createChannels } from './channels/create-channels.ts';
import type { WebSockets } from './channels/websocket/websocket.ts';
import { createDispatching } from './dispatch/dispatching.ts';
import { createHosts } from './dispatch/hosts.ts';
import { voidLeases } from './dispatch/lease.ts';
import { saveRegistration } from './dispatch/subscribers.ts';
import { createEscalation, defaultEscalation } from './escalation/escalation.ts';
import { createKafka } from './kafka/kafka.ts';
import { createMatcher } from './match/matcher.ts';
import { createKeyOf } from './match/patient-key.ts';
import { createStoredSearch } from './match/stored.ts';
import { subscriptionMetrics } from './metrics.ts';
import { defaultSubscriptionLimits, deliveryLeaseMsOf, type SubscriptionsOptions } from './options.ts';
import type { RegistrationRules } from './registration.ts';
import { createScores, noScores } from './scores/scores.ts';
import { createPatientStreams, defaultPatientStreamLimits } from './stream/patient-stream.ts';
import { createTopics } from './topics/topics.ts';

export { forgetOldMemory } from './alerts/state/forget.ts';
export type { FeedFailures } from './alerts/timers.ts';
export { readHostCertificates } from './channels/certificates.ts';
export { refuseUpgrade } from './channels/websocket/open-sockets.ts';
export type { UpgradeRequest, WebSocketLimits } from './channels/websocket/websocket.ts';
export { endpointNames as alertEndpointNames, readEndpoints as readAlertEndpoints } from './escalation/endpoints.ts';
export { pruneEscalations } from './escalation/state.ts';
export { subscriptionOperations } from './operations/operations.ts';
export type { SubscriptionsOptions } from './options.ts';
export { changeFloor, type PruneLimits, pruneDeadLetters, pruneDeliveries } from './retention.ts';
export { readScores } from './scores/scores.ts';
export { triageOperation } from './scores/triage/operation.ts';
export { activeTopicUrls } from './topics/admin.ts';
export { subscriptionAdmissions } from './topics/admission.ts';
export { subscriptionMeanings } from './topics/meaning.ts';
export { createTopics } from './topics/topics.ts';

export interface Subscriptions {
  /** Throws `unavailable` when the database can't be reached. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Looks at the feed and at the deliveries now. */
  wake(): void;
  webSockets: Pick<WebSockets, 'upgrade' | 'close'>;
  adminRoutes: AdminRoute[];
}

function rulesOf(options: SubscriptionsOptions, egress: Egress): RegistrationRules {
  const { parameters, resourceTypes, messages, baseUrl, rootUrl, fullResource } = options;
  return {
    ...{ parameters, resourceTypes, egress, messages },
    ...{ email: options.mail !== undefined, kafka: options.kafka !== undefined },
    ...(baseUrl === undefined ? {} : { baseUrl }),
    ...(rootUrl === undefined ? {} : { rootUrl }),
    ...(fullResource === undefined ? {} : { fullResource }),
  };
}

/** Throws `config` when an entry of `egressAllow` can't be understood. */
export function createSubscriptions(options: SubscriptionsOptions): Subscriptions {
  const limits = { ...defaultSubscriptionLimits, ...options.limits };
  const { db, log, metrics: registry, ...ports } = options;
  const metrics = subscriptionMetrics(registry);
  const egress = createEgress(options.egressAllow);
  const rules = rulesOf(options, egress);
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
    leaseMs: deliveryLeaseMsOf(limits),
    failures: options.feedFailures,
    caughtUpMs: () => dispatching.caughtUpMs(),
  });
  const search = createStoredSearch(db, options.reader, options.scope);
  const hosts = createHosts({ limits, pause: limits, random: options.random });
  const outward = createChannels({
    ...{ db, ...ports, rules, egress, hosts, log, metrics, timeoutMs: limits.timeoutMs },
    leaseMs: deliveryLeaseMsOf(limits),
    shapeOf: topics.shapeOf,
    // It may have kept a delivery to its host waiting.
    onHandshake: () => dispatching.wake(),
  });
  const { webSockets, handshakes } = outward;
  const dispatching = createDispatching({
    ...{ db, ...ports, rules, search, matcher, hosts, handshakes, limits, metrics, log },
    channels: { ...outward.channels, alert: alerting.channel, score: scores.channel },
    ...{ topics: topics.matching, definers: [topics.definer, alerting.definer], entries: scores.entries },
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
  const { wake } = dispatching;
  return {
    async start() {
      if (options.alone) await voidLeases(db);
      await alerting.install();
      for (const one of scores.registrations) await saveRegistration(db, one, 0);
      dispatching.start();
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
      await outward.stop();
      await dispatching.stop();
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
