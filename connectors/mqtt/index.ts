// Device readings over MQTT become Observations. Topics, shapes, metrics and reasons: docs/devices.md.
import { isIP } from 'node:net';
import type { AccessScope, ChangeFeed, ResourceReader, ResourceWriter } from '#fhir-model';
import { CerebraError, type Clock, type Db, type Log, type Metrics } from '#platform';
import type { Connector } from '../contract.ts';
import { deadLetterRoutes } from './admin.ts';
import { createAvailability } from './availability.ts';
import { createBatcher } from './batch.ts';
import { createDeadLetters } from './dead-letters.ts';
import { createDevices } from './devices.ts';
import { type Credentials, createEmbeddedBroker } from './embedded-broker.ts';
import { createExternalBroker } from './external-broker.ts';
import { createGate } from './gate.ts';
import { createHolders } from './holders.ts';
import { createIngest } from './ingest.ts';
import { mqttMetrics } from './metrics.ts';

export type { Connector, ConnectorAddress, ConnectorHealth } from '../contract.ts';
export { pruneDeviceDeadLetters } from './dead-letters.ts';

export interface MqttConnectorOptions extends Partial<MqttLimits> {
  db: Db;
  reader: ResourceReader;
  writer: ResourceWriter;
  /** Tells who had a device before; without it every reading is of who has it now. */
  feed?: Pick<ChangeFeed, 'bodies'> | undefined;
  scope: AccessScope;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  /** An external broker, `mqtt://user:password@host:1883`, `mqtts:`, `ws:` or `wss:`; without it one is embedded. */
  mqttUrl?: string | undefined;
  /** Session name at the external broker. */
  clientId?: string | undefined;
  /** Group of servers that share the readings of an external broker; each needs its own `clientId`. */
  shareGroup?: string | undefined;
  /** Where the embedded broker listens. Beyond loopback only with `credentials`. */
  host: string;
  /** 0 means any free port. */
  port: number;
  credentials?: Credentials | undefined;
}

export interface MqttLimits {
  /** Larger payloads are put aside unread. */
  payloadBytesMax: number;
  /** A client of the embedded broker that announces a larger packet is disconnected. */
  packetBytesMax: number;
  readingsPerMessageMax: number;
  batchReadingsMax: number;
  lingerMs: number;
  batchesInFlightMax: number;
  /** Payloads being decoded and stored at once; the rest waits as it came. */
  pendingBytesMax: number;
  connectionsMax: number;
  /** Messages a broker or MQTT 5 client may have unacknowledged. */
  inFlightMax: number;
  reconnectDelayMs: number;
  /** How long stop() waits for what is under way. */
  drainTimeoutMs: number;
}

/** What each figure rests on stands in docs/devices.md. */
const mqttDefaults: MqttLimits = {
  payloadBytesMax: 1_048_576,
  packetBytesMax: 16_777_216,
  readingsPerMessageMax: 10_000,
  batchReadingsMax: 250,
  lingerMs: 2,
  batchesInFlightMax: 2,
  pendingBytesMax: 4_194_304,
  connectionsMax: 10_000,
  inFlightMax: 1_000,
  reconnectDelayMs: 500,
  drainTimeoutMs: 5_000,
};

/**
 * Throws CerebraError `config` when the embedded broker would listen beyond loopback without credentials, and for a URL
 * that is not MQTT's. `start` throws it when the port cannot be opened.
 */
export function createMqttConnector(options: MqttConnectorOptions): Connector {
  const limits = limitsOf(options);
  const { log, clock, mqttUrl, host, port } = options;
  if (mqttUrl !== undefined) refuseOtherSchemes(mqttUrl);
  else if (options.credentials === undefined) refuseOpenHost(host);

  const metrics = mqttMetrics(options.metrics);
  const availability = createAvailability(log, metrics.retries);
  const deadLetters = createDeadLetters(options.db);
  const gate = createGate(limits.pendingBytesMax);
  const devices = createDevices(options);
  const batcher = createBatcher({ ...options, ...limits, availability, metrics });
  const holders = createHolders(options);
  const ingest = createIngest({
    ...{ devices, holders, batcher, deadLetters, availability, gate, clock, log, metrics, limits },
  });
  const accept = (topic: string, payload: Buffer) => ingest.accept(topic, payload);
  const broker =
    mqttUrl === undefined
      ? createEmbeddedBroker({ ...limits, host, port, credentials: options.credentials, log, metrics, accept })
      : createExternalBroker({
          ...limits,
          url: mqttUrl,
          clientId: options.clientId ?? 'cerebra-devices',
          shareGroup: options.shareGroup,
          log,
          metrics,
          accept,
          full: gate.full,
        });

  return {
    name: 'mqtt',
    async start() {
      const taken = await broker.start();
      return taken === undefined ? { embedded: false } : { embedded: true, port: taken };
    },
    async stop() {
      broker.stopIntake();
      await within(ingest.idle(), limits.drainTimeoutMs);
      availability.stop();
      await broker.close();
    },
    health() {
      const connected = broker.connected();
      const stored = availability.available();
      const detail = connected ? (stored ? 'connected' : 'waiting for the database') : 'not connected to the broker';
      return { ready: connected && stored, detail };
    },
    adminRoutes: deadLetterRoutes(deadLetters, ingest),
  };
}

function limitsOf(options: Partial<MqttLimits>): MqttLimits {
  const given = Object.keys(mqttDefaults).filter((name) => options[name as keyof MqttLimits] !== undefined);
  const limits = {
    ...mqttDefaults,
    ...Object.fromEntries(given.map((name) => [name, options[name as keyof MqttLimits]])),
  };
  // A payload that may be read has to get in: topic and header take up to 64 kB more.
  return { ...limits, packetBytesMax: Math.max(limits.packetBytesMax, limits.payloadBytesMax + 65_600) };
}

function refuseOpenHost(host: string): void {
  const loopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  if (loopback) return;
  throw new CerebraError(
    'config',
    `The embedded MQTT broker does not listen on ${host} without a user name and password`,
  );
}

/** The URL itself may hold a password, so it is not quoted. */
function refuseOtherSchemes(url: string): void {
  if (URL.canParse(url) && ['mqtt:', 'mqtts:', 'ws:', 'wss:'].includes(new URL(url).protocol)) return;
  throw new CerebraError('config', 'The MQTT URL has to begin with mqtt://, mqtts://, ws:// or wss://');
}

async function within(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
