// The parts of a server, each started with what it needs of the others and stopped in the reverse order.
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMqttConnector } from '#connectors/mqtt';
import { createXmlCodec, loadDefinitions } from '#fhir-model';
import { type FhirServer, readValidation } from '#fhir-server';
import { createHl7Engine, type Hl7Engine, type Hl7Http, readDestinations, readListeners } from '#hl7-engine';
import {
  type AdminRoute,
  type Config,
  type Connection,
  connectDb,
  createEgress,
  createJobs,
  createMetrics,
  type Db,
  type Jobs,
  type Lifecycle,
  type Log,
  listOf,
  type Metrics,
  migrate,
  observePool,
  openApiRoute,
  startEmbeddedPostgres,
  systemClock,
} from '#platform';
import {
  createSubscriptions,
  readAlertEndpoints,
  readHostCertificates,
  readScores,
  type Subscriptions,
} from '#subscriptions';
import { egressAllowOf, everything, mailOf, scoresOf, validationOf } from './fhir.ts';
import { defineMaintenance, scheduleMaintenance } from './maintenance.ts';
import { takeUpRestored } from './restored.ts';
import { startPackages } from './start-packages.ts';

export interface ServerOptions {
  config: Config;
  log: Log;
  /** Instead of DATABASE_URL or the embedded PostgreSQL: tests give their own database. */
  connection?: Connection;
  /** The embedded PostgreSQL ended and cannot be started again: the server is of no more use. */
  onLost?(error: unknown): void;
}

export interface Base {
  config: Config;
  log: Log;
  lifecycle: Lifecycle;
  metrics: Metrics;
  db: Db;
  connection: Connection | { url: string };
  /** The database is the embedded PostgreSQL. */
  embedded: boolean;
  jobs: Jobs;
}

/** Of each process for jobs (platform/queue.ts). */
const QUEUE_CONNECTIONS = 4;
/** For `load` beside the server, and a look by hand. */
const OTHER_CONNECTIONS = 12;
const EMBEDDED_CONNECTIONS_MIN = 60;

/** What the embedded PostgreSQL has to allow, so that POOL_MAX is never more than it takes. POOL_MAX is that of one process here. */
export const embeddedConnections = ({ POOL_MAX, WORKERS }: Pick<Config, 'POOL_MAX' | 'WORKERS'>): number => {
  const processes = WORKERS > 1 ? WORKERS + 1 : 1;
  return Math.max(EMBEDDED_CONNECTIONS_MIN, processes * (POOL_MAX + QUEUE_CONNECTIONS) + OTHER_CONNECTIONS);
};

async function openDatabase(options: ServerOptions, lifecycle: Lifecycle): Promise<Connection | { url: string }> {
  const { config, log } = options;
  if (options.connection) return options.connection;
  if (config.DATABASE_URL) return { url: config.DATABASE_URL };
  const { onLost = (err) => log.fatal({ err }, 'the database is lost') } = options;
  const settings = { max_connections: String(embeddedConnections(config)) };
  const postgres = await startEmbeddedPostgres({ dataDir: config.DATA_DIR, log, onLost, settings });
  lifecycle.onStop('postgresql', postgres.stop);
  return postgres.connection;
}

/** On a connection of its own: one that has made all tables keeps 25 MB of catalogue for as long as it lives. */
async function migrateApart({ config, log }: ServerOptions, connection: Connection | { url: string }): Promise<void> {
  const db = connectDb({ ...connection, poolMax: 1, acquireTimeoutMs: config.ACQUIRE_TIMEOUT_MS, log });
  try {
    await migrate(db, path.join(import.meta.dirname, '../migrations'), log);
    await takeUpRestored(db, log);
  } finally {
    await db.close();
  }
}

function openPool(options: ServerOptions, connection: Connection | { url: string }, lifecycle: Lifecycle): Db {
  const { config, log } = options;
  const db = connectDb({
    ...connection,
    poolMax: config.POOL_MAX,
    statementTimeoutMs: config.STATEMENT_TIMEOUT_MS,
    idleTransactionTimeoutMs: config.IDLE_TRANSACTION_TIMEOUT_MS,
    acquireTimeoutMs: config.ACQUIRE_TIMEOUT_MS,
    log,
  });
  lifecycle.onStop('database pool', () => db.close());
  return db;
}

/** Faults of what has a form of its own are told before the database is opened and migrated. Throws `config`. */
async function checkSettings({ config }: ServerOptions): Promise<void> {
  createEgress(egressAllowOf(config));
  readListeners(config.HL7_LISTENERS);
  readDestinations(config.HL7_DESTINATIONS);
  readHostCertificates(config.SUBSCRIPTION_TLS);
  readAlertEndpoints(config.ALERT_ENDPOINTS, process.env);
  readScores(scoresOf(config));
  await checkValidation(config);
}

/** Which types there are the definitions say; where nothing is set they are read while the database starts. */
async function checkValidation(config: Config): Promise<void> {
  const { VALIDATION, VALIDATION_PROFILES: profiles, VALIDATION_RECORD: record } = config;
  if (VALIDATION === 'claimed' && profiles === undefined && record === undefined) return;
  readValidation(await loadDefinitions(), validationOf(config));
}

/** The database, migrated, and what every part needs. */
export async function openBase(options: ServerOptions, lifecycle: Lifecycle): Promise<Base> {
  const { config, log } = options;
  await checkSettings(options);
  // What a request needs of the definitions is read meanwhile.
  const [connection] = await allOf([openDatabase(options, lifecycle), loadDefinitions()]);
  await migrateApart(options, connection);
  const db = openPool(options, connection, lifecycle);
  const embedded = !options.connection && !config.DATABASE_URL;
  return createBase({ config, log, lifecycle, db, connection, embedded });
}

/** Around a database that is there. */
export function createBase(found: Omit<Base, 'metrics' | 'jobs'>): Base {
  const metrics = createMetrics();
  metrics.collectProcess();
  observePool(metrics, () => found.db.stats());
  return { ...found, metrics, jobs: openJobs({ ...found, metrics }) };
}

/** `PLAIN:user:password` */
function kafkaOf(config: Config) {
  if (config.KAFKA_BROKERS === undefined) return undefined;
  const [mechanism, username = '', ...password] = (config.KAFKA_SASL ?? '').split(':');
  const sasl = {
    mechanism: mechanism as 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512',
    username,
    password: password.join(':'),
  };
  return {
    brokers: listOf(config.KAFKA_BROKERS),
    tls: config.KAFKA_TLS === 'on',
    ...(config.KAFKA_SASL === undefined ? {} : { sasl }),
    timeoutMs: config.SUBSCRIPTION_TIMEOUT_MS,
    changesTopic: config.KAFKA_CHANGES_TOPIC,
    messageBytesMax: config.KAFKA_MESSAGE_BYTES_MAX,
  };
}

interface Listening {
  rootUrl: string;
  resourceTypes: readonly string[];
  messages: Hl7Engine['messageChannel'];
  feedFailures: Hl7Engine['failures'];
}

async function startSubscriptions(
  base: Base,
  fhir: FhirServer,
  baseUrl: string,
  { rootUrl, resourceTypes, messages, feedFailures }: Listening,
) {
  const { config, db, log, metrics, lifecycle } = base;
  const subscriptions = createSubscriptions({
    ...{ db, log, metrics, baseUrl, rootUrl, resourceTypes, messages, feedFailures, scope: everything },
    clock: systemClock,
    feed: fhir.feed,
    reader: fhir.reader,
    writer: fhir.writer,
    parameters: fhir.parameters,
    random: Math.random,
    xml: createXmlCodec(await loadDefinitions()),
    // The embedded database is guarded by the data folder's lock.
    alone: base.embedded,
    egressAllow: egressAllowOf(config),
    certificates: readHostCertificates(config.SUBSCRIPTION_TLS),
    mail: mailOf(config),
    kafka: kafkaOf(config),
    fullResource: config.SUBSCRIPTION_FULL_RESOURCE,
    scores: scoresOf(config),
    jobs: base.jobs,
    escalation: {
      endpoints: readAlertEndpoints(config.ALERT_ENDPOINTS, process.env),
      timeZone: config.ALERT_TIME_ZONE,
      limits: { linkMs: config.ALERT_LINK_MINUTES * 60_000, messagesMax: config.ALERT_RECIPIENT_MAX },
    },
    limits: {
      failingMsMax: config.SUBSCRIPTION_RETRY_HOURS * 3_600_000,
      timeoutMs: config.SUBSCRIPTION_TIMEOUT_MS,
      hostRequestsMax: config.SUBSCRIPTION_HOST_MAX,
    },
    patientStreamLimits: { viewersMax: config.WEBSOCKET_CONNECTIONS_MAX, heartbeatMs: config.WEBSOCKET_HEARTBEAT_MS },
    webSocketLimits: {
      connectionsMax: config.WEBSOCKET_CONNECTIONS_MAX,
      bindingsMax: config.WEBSOCKET_BINDINGS_MAX,
      heartbeatMs: config.WEBSOCKET_HEARTBEAT_MS,
      idleMs: config.WEBSOCKET_IDLE_TIMEOUT_MS,
    },
  });
  await startWhole(subscriptions);
  lifecycle.onStop('subscriptions', () => subscriptions.stop());
  return subscriptions;
}

function createHl7(base: Base, fhir: FhirServer, baseUrl: string): Hl7Engine {
  const { config, db, jobs, log, metrics } = base;
  return createHl7Engine({
    ...{ db, jobs, log, metrics, scope: everything, clock: systemClock },
    writer: fhir.writer,
    reader: fhir.reader,
    config: {
      host: config.HOST,
      port: config.MLLP_PORT,
      messageBytesMax: config.HL7_MESSAGE_BYTES_MAX,
      connectionsMax: config.MLLP_CONNECTIONS_MAX,
      idleTimeoutMs: config.MLLP_IDLE_TIMEOUT_MS,
      frameTimeoutMs: config.MLLP_FRAME_TIMEOUT_MS,
      listeners: readListeners(config.HL7_LISTENERS),
      destinations: readDestinations(config.HL7_DESTINATIONS),
      outboundRetentionHours: config.HL7_OUTBOUND_RETENTION_HOURS,
      outboundHostExchangesMax: config.HL7_OUTBOUND_HOST_MAX,
      alone: base.embedded,
      timeZone: config.HL7_TIME_ZONE,
      routesFolder: config.HL7_ROUTES_DIR ?? path.join(config.DATA_DIR, 'hl7-routes'),
      profilesFolder: config.HL7_PROFILES_DIR ?? path.join(config.DATA_DIR, 'hl7-profiles'),
      sendingApplication: config.HL7_SENDING_APPLICATION,
      sendingFacility: config.HL7_SENDING_FACILITY,
      baseUrl,
    },
  });
}

/** A start that fails half-way, for a port that is taken, leaves parts that have begun: they are stopped before what they stand on. */
export async function startWhole<T>(part: { start(): Promise<T>; stop(): Promise<void> }): Promise<T> {
  try {
    return await part.start();
  } catch (error) {
    await part.stop().catch(() => undefined);
    throw error;
  }
}

async function startHl7({ lifecycle }: Base, hl7: Hl7Engine) {
  const { port, ports } = await startWhole(hl7);
  lifecycle.onStop('hl7', () => hl7.stop());
  return { hl7, port, ports };
}

async function startMqtt(base: Base, fhir: FhirServer) {
  const { config, db, log, metrics, lifecycle } = base;
  const mqtt = createMqttConnector({
    ...{ db, log, metrics, scope: everything, clock: systemClock },
    reader: fhir.reader,
    feed: fhir.feed,
    writer: fhir.writer,
    mqttUrl: config.MQTT_URL,
    clientId: config.MQTT_CLIENT_ID,
    shareGroup: config.MQTT_SHARE_GROUP,
    host: config.HOST,
    port: config.MQTT_PORT,
    payloadBytesMax: config.MQTT_PAYLOAD_BYTES_MAX,
    readingsPerMessageMax: config.MQTT_READINGS_MAX,
    batchReadingsMax: config.MQTT_BATCH_MAX,
    connectionsMax: config.MQTT_CONNECTIONS_MAX,
  });
  const address = await startWhole(mqtt);
  lifecycle.onStop('mqtt', () => mqtt.stop());
  return { mqtt, address };
}

/** A Redis that is away must not keep clinical data out: after this long the server starts without its queue. */
const REDIS_WAIT_MS = 3_000;

/** Not connected yet: the parts define their jobs first. */
function openJobs({ config, log, metrics, connection }: Omit<Base, 'jobs'>): Jobs {
  return createJobs({ database: connection, redisUrl: config.REDIS_URL, log, metrics });
}

async function startJobs(base: Base, fhir: FhirServer): Promise<void> {
  const { config, log, lifecycle, db, jobs } = base;
  defineMaintenance(jobs, { db, config, log, reader: fhir.reader });
  lifecycle.onStop('queue', () => jobs.close());
  const schedule = () => Promise.all([scheduleMaintenance(jobs), fhir.schedule()]);
  const started = jobs.start().then(async () => void (await schedule()));
  if (!config.REDIS_URL) return started;
  started.catch((err: unknown) => log.error({ err }, 'the job queue did not start'));
  const late = new AbortController();
  const waited = sleep(REDIS_WAIT_MS, 'late' as const, { signal: late.signal }).catch(() => undefined);
  const outcome = await Promise.race([started.catch(() => undefined), waited]);
  late.abort();
  if (outcome === 'late') log.warn('Redis (REDIS_URL) cannot be reached: jobs wait for it, everything else works');
}

/** Promise.all that fails only when all have ended: what had started can then be stopped. */
export async function allOf<T extends readonly Promise<unknown>[]>(parts: readonly [...T]) {
  await Promise.allSettled(parts);
  return Promise.all(parts);
}

/** Everything but HTTP: what feeds the store and what listens to it. */
export interface Feeds {
  adminRoutes: AdminRoute[];
  mllpPort: number;
  /** Of all MLLP listeners, by name. */
  mllpPorts: ReadonlyMap<string, number>;
  hl7Post: Hl7Http['post'];
  /** The embedded broker's port, or undefined with an external one. */
  mqttPort: number | undefined;
  embedded: { postgres: boolean; mqtt: boolean; queue: 'postgresql' | 'redis' };
  mqttReady(): Promise<boolean>;
  /** Something was committed elsewhere: the dispatcher looks at once and not only at its next poll. */
  wake(): void;
  webSockets: Subscriptions['webSockets'];
}

/** `baseUrl`: `https://fhir.example.org/fhir/R4`; `rootUrl`, where this server listens: `http://127.0.0.1:8080` */
export async function startFeeds(base: Base, fhir: FhirServer, baseUrl: string, rootUrl: string): Promise<Feeds> {
  const { resourceTypes } = await loadDefinitions();
  // Made before what sends messages through it, started beside the others: what is sent meanwhile is tried again.
  const engine = createHl7(base, fhir, baseUrl);
  const subscriptions = await startSubscriptions(base, fhir, baseUrl, {
    rootUrl,
    resourceTypes,
    messages: engine.messageChannel,
    feedFailures: engine.failures,
  });
  const [{ hl7, port, ports }, { mqtt, address }] = await allOf([
    startHl7(base, engine),
    startMqtt(base, fhir),
    startJobs(base, fhir),
  ]);
  startPackages(base, fhir, listOf(base.config.IG_PACKAGES));
  const adminRoutes = [...subscriptions.adminRoutes, ...hl7.adminRoutes, ...mqtt.adminRoutes];
  return {
    adminRoutes: [...adminRoutes, openApiRoute(adminRoutes)],
    mllpPort: port,
    mllpPorts: ports,
    hl7Post: hl7.http.post,
    mqttPort: address.port,
    embedded: {
      postgres: base.embedded,
      mqtt: address.embedded,
      queue: base.config.REDIS_URL ? 'redis' : 'postgresql',
    },
    mqttReady: async () => mqtt.health().ready,
    wake: subscriptions.wake,
    webSockets: subscriptions.webSockets,
  };
}
