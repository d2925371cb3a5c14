// What the listeners of the change stream are given, and within what limits they work.
import type {
  AccessScope,
  ChangeFeed,
  MessageChannel,
  ResourceReader,
  ResourceWriter,
  SearchParameters,
  XmlCodec,
} from '#fhir-model';
import type { Clock, Db, EgressAllow, Jobs, Log, Metrics } from '#platform';
import type { FeedFailures } from './alerts/timers.ts';
import type { OwnerScope } from './channels/notification/notifications.ts';
import type { HostCertificates } from './channels/rest-hook.ts';
import type { WebSocketLimits } from './channels/websocket/websocket.ts';
import type { HostLimits } from './dispatch/hosts.ts';
import type { EscalationSettings } from './escalation/escalation.ts';
import type { KafkaSettings } from './kafka/kafka.ts';
import type { ScoreOptions } from './scores/scores.ts';
import type { PatientStreamLimits } from './stream/patient-stream.ts';

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

export const deliveryLeaseMsOf = ({
  deliveryLeaseMs,
  timeoutMs,
}: Pick<SubscriptionLimits, 'deliveryLeaseMs' | 'timeoutMs'>): number =>
  deliveryLeaseMs ?? Math.max(5_000, 3 * timeoutMs);

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
  /** Where this server listens, `http://127.0.0.1:8080`, whatever it is called from outside. */
  rootUrl?: string;
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
  mail?: { url: string; from: string } | undefined;
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
