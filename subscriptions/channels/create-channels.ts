// All channels of clients' Subscriptions, and what they share.
import type { AccessScope, ChangeFeed, MessageChannel, ResourceReader, XmlCodec } from '#fhir-model';
import type { Clock, Db, Egress, Log } from '#platform';
import type { Handshakes } from '../dispatch/checks.ts';
import type { Channel } from '../dispatch/deliver.ts';
import type { Hosts } from '../dispatch/hosts.ts';
import { createKafkaSender, type KafkaOptions } from '../kafka/producer.ts';
import { createKeyOf } from '../match/patient-key.ts';
import type { SubscriptionMetrics } from '../metrics.ts';
import type { RegistrationRules } from '../registration.ts';
import { emailChannel, restHookChannel, webSocketChannel } from './channels.ts';
import { createEmail } from './email.ts';
import { kafkaChannel } from './kafka.ts';
import { messageChannel } from './message.ts';
import { createHandshake } from './notification/handshake.ts';
import { createNotifications, type OwnerScope } from './notification/notifications.ts';
import type { ShapeOf } from './notification/related.ts';
import { messaging, posting } from './notification/sending.ts';
import { createRestHook, type HostCertificates } from './rest-hook.ts';
import {
  createWebSockets,
  defaultWebSocketLimits,
  type WebSocketLimits,
  type WebSockets,
} from './websocket/websocket.ts';

export interface ChannelsOptions {
  db: Db;
  feed: ChangeFeed;
  reader: ResourceReader;
  /** What the server itself may see. */
  scope: AccessScope;
  /** Default: what the server itself may. */
  ownerScope?: OwnerScope | undefined;
  rules: RegistrationRules;
  shapeOf?: ShapeOf | undefined;
  egress: Egress;
  hosts: Hosts;
  xml: XmlCodec;
  mail?: { url: string; from: string } | undefined;
  messages?: MessageChannel | undefined;
  kafka?: KafkaOptions | undefined;
  certificates?: HostCertificates | undefined;
  timeoutMs: number;
  /** Of one subscription's deliverer. */
  leaseMs: number;
  webSocketLimits?: Partial<WebSocketLimits> | undefined;
  clock: Clock;
  log: Log;
  metrics: SubscriptionMetrics;
  /** A handshake has been answered. */
  onHandshake(): void;
}

export interface Channels {
  channels: Record<'rest-hook' | 'websocket' | 'email' | 'message' | 'kafka', Channel>;
  webSockets: WebSockets;
  handshakes: Handshakes;
  /** Breaks handshakes off and waits for them. */
  stop(): Promise<void>;
  close(): void;
}

export function createChannels(options: ChannelsOptions): Channels {
  const { db, log, metrics, xml, timeoutMs, egress, mail, clock } = options;
  const baseUrl = options.rules.baseUrl ?? '';
  const ownerScope = options.ownerScope ?? (() => options.scope);
  const notifications = createNotifications({ ...options, ownerScope, baseUrl });
  const content = { ...options, ownerScope };
  const parts = { content, notifications, xml };
  const certificates = options.certificates && telling(options.certificates, log);
  const hook = createRestHook({ egress, timeoutMs, certificates, clock });
  const sendings = { 'rest-hook': posting(hook, xml), message: messaging({ hook, xml, baseUrl, clock }) };
  const sender = options.kafka && createKafkaSender(options.kafka);
  const email = mail && createEmail({ ...mail, timeoutMs, baseUrl, xml });
  const webSockets = createWebSockets({
    ...{ db, log, metrics, notifications, xml, clock, reader: options.reader, scope: options.scope },
    limits: { ...defaultWebSocketLimits, ...options.webSocketLimits },
  });
  const stopping = new AbortController();
  const running = new Map<string, Promise<void>>();
  const handshakes: Handshakes = {
    ...createHandshake({ db, sendings, hosts: options.hosts, notifications }),
    ...{ running, accepted: new Map(), signal: stopping.signal, onEnd: options.onHandshake },
  };
  return {
    channels: {
      'rest-hook': restHookChannel(hook, sendings['rest-hook'], parts),
      websocket: webSocketChannel(webSockets),
      email: emailChannel(email, parts),
      message: messageChannel(options.messages, sendings.message, parts),
      kafka: kafkaChannel(sender, createKeyOf(options.rules.parameters, baseUrl), parts, options.leaseMs),
    },
    webSockets,
    handshakes,
    async stop() {
      stopping.abort();
      await Promise.all(running.values());
    },
    close() {
      hook.close();
      email?.close();
      void sender?.close();
    },
  };
}

const telling =
  (certificates: HostCertificates, log: Log): HostCertificates =>
  (host) =>
    certificates(host, (err) => log.warn({ err }, 'certificates of SUBSCRIPTION_TLS were changed and can not be used'));
