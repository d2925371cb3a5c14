// Readings from somebody else's broker, over a session that outlives us: what was not acknowledged comes again.
// https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html#_Toc3901230
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import type { Log } from '#platform';
import type { Broker } from './embedded-broker.ts';
import type { MqttMetrics } from './metrics.ts';
import { isReadingsTopic, readingsTopicFilter } from './topic.ts';

export interface ExternalBrokerOptions {
  url: string;
  /** Names the session at the broker; another one for each server of a cluster. */
  clientId: string;
  /** Servers of one group share the readings among them: `$share/{group}/devices/+/readings`. Default: each takes all. */
  shareGroup?: string | undefined;
  inFlightMax: number;
  reconnectDelayMs: number;
  log: Log;
  metrics: MqttMetrics;
  accept(topic: string, payload: Buffer): Promise<unknown>;
  /** True when no more should be read for now. */
  full(): boolean;
}

const reconnectDelayMsMax = 30_000;
const closeTimeoutMs = 2_000;
/** A connection that stood for so long was well: the pauses begin anew. */
const wellMs = 5_000;
/** "The session does not expire": it is for the broker's operator to set an end. */
const neverExpires = 0xffff_ffff;

/**
 * mqtt.js hands over one message at a time and sends PUBACK when it is dealt with, which would make batches of one. Its
 * handleMessage sends none when called back with an error, so each message is called back so at once and acknowledged
 * here, after the commit, on the connection it came by: an acknowledgement on a later connection could hit another
 * message of the same identifier.
 * How many are in flight is the broker's choice: MQTT 5 lets us ask (Receive Maximum), 3.1.1 brokers have a setting
 * (`max_inflight_messages` of Mosquitto, default 20).
 */
export function createExternalBroker(options: ExternalBrokerOptions): Broker {
  const { url, log, metrics } = options;
  let protocolVersion: 4 | 5 = 5;
  let client: MqttClient | undefined;
  let timer: NodeJS.Timeout | undefined;
  let delayMs = options.reconnectDelayMs;
  let taking = true;
  let closed = false;
  /** Connected is not enough: until the subscription stands, the broker keeps nothing for us. */
  let subscribed = false;
  let subscribedMs = 0;

  const open = (): void => {
    const opened = mqtt.connect(url, clientOptions(options, protocolVersion));
    client = opened;
    opened.handleMessage = (packet, done) => {
      if (packet.cmd === 'publish') take(opened, packet, done);
    };
    opened.on('connect', (connack) => void subscribe(opened, connack));
    opened.on('disconnect', ({ reasonCode, properties }) => {
      log.warn({ reasonCode, reason: properties?.reasonString }, disconnectText(reasonCode));
    });
    opened.on('error', (error) => {
      log.warn({ code: (error as { code?: unknown }).code, reason: error.message }, 'MQTT broker');
      if (isVersionRefusal(error)) protocolVersion = 4;
      opened.end(true);
    });
    opened.on('close', () => reopen(opened));
  };

  const reopen = (ended: MqttClient): void => {
    if (client !== ended) return;
    if (subscribed && performance.now() - subscribedMs > wellMs) delayMs = options.reconnectDelayMs;
    subscribed = false;
    metrics.connected.set(0);
    client = undefined;
    if (closed) return;
    log.info({ delayMs }, 'MQTT broker is not connected, trying again');
    timer = setTimeout(open, delayMs);
    delayMs = Math.min(delayMs * 2, reconnectDelayMsMax);
  };

  const subscribe = async (opened: MqttClient, connack: mqtt.IConnackPacket): Promise<void> => {
    const group = hasShares(connack, protocolVersion) ? options.shareGroup : undefined;
    if (group !== options.shareGroup)
      log.warn('MQTT broker without shared subscriptions: this server takes all readings');
    const filter = group === undefined ? readingsTopicFilter : `$share/${group}/${readingsTopicFilter}`;
    try {
      // Retained readings come with a subscription that is new, not with each connection.
      const [granted] = await opened.subscribeAsync(filter, { qos: 1, ...(protocolVersion === 5 ? { rh: 1 } : {}) });
      if (granted === undefined || granted.qos > 2) throw new Error('the subscription was refused');
      // The session may have it from a time without the group.
      if (group !== undefined) await opened.unsubscribeAsync(readingsTopicFilter);
      subscribed = true;
      subscribedMs = performance.now();
      metrics.connected.set(1);
      log.info({ protocolVersion }, 'MQTT broker connected');
    } catch (error) {
      log.warn({ reason: (error as Error).message }, 'MQTT broker: cannot subscribe to device readings');
      opened.end(true);
    }
  };

  const take = (from: MqttClient, packet: mqtt.IPublishPacket, done: (error?: Error) => void): void => {
    const release = () => done(packet.qos === 0 ? undefined : acknowledgedLater);
    if (!taking || !isReadingsTopic(packet.topic)) {
      release();
      return;
    }
    metrics.messages.inc({ qos: packet.qos });
    const { stream } = from;
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const accepted = options.accept(packet.topic, payload).then(
      () => {
        if (packet.qos === 1 && !stream.destroyed) stream.write(puback(packet.messageId!));
      },
      () => undefined,
    );
    if (options.full()) void accepted.then(release);
    else release();
  };

  return {
    async start() {
      open();
      return undefined;
    },
    stopIntake() {
      taking = false;
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      if (client) await end(client);
    },
    connected: () => subscribed,
  };
}

/** Shared subscriptions are MQTT 5's: a broker of 3.1.1 would take the filter for a topic that nobody publishes to. */
const hasShares = ({ properties }: mqtt.IConnackPacket, protocolVersion: 4 | 5): boolean =>
  protocolVersion === 5 && properties?.sharedSubscriptionAvailable !== false;

const sessionTakenOver = 0x8e;

const disconnectText = (reasonCode: number | undefined): string =>
  reasonCode === sessionTakenOver
    ? 'MQTT broker: another client has taken over the session; each server needs an MQTT_CLIENT_ID of its own'
    : 'MQTT broker ends the connection';

const acknowledgedLater = new Error('acknowledged after the commit');

/** The same four bytes in MQTT 3.1.1 and 5. */
function puback(messageId: number): Buffer {
  return Buffer.from([0x40, 2, messageId >> 8, messageId & 0xff]);
}

function clientOptions({ clientId, inFlightMax }: ExternalBrokerOptions, protocolVersion: 4 | 5): IClientOptions {
  return {
    clientId,
    clean: false,
    protocolVersion,
    // A new client each time: it starts without anything the last one left, and the delay can grow.
    reconnectPeriod: 0,
    resubscribe: false,
    ...(protocolVersion === 5
      ? { properties: { sessionExpiryInterval: neverExpires, receiveMaximum: inFlightMax } }
      : {}),
  };
}

/** CONNACK 1 of 3.1.1, 132 of 5: unacceptable, unsupported protocol version. Or a 3.1.1 CONNACK that is no MQTT 5. */
function isVersionRefusal(error: Error & { code?: unknown }): boolean {
  return error.code === 1 || error.code === 132 || /protocol version|Cannot parse/i.test(error.message);
}

/** DISCONNECT after what is written; by force when the broker does not answer. */
function end(client: MqttClient): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => client.end(true, () => resolve()), closeTimeoutMs);
    client.end(false, {}, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
