// The composition root: rooms are introduced to each other here and nowhere else.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type Koa from 'koa';
import { createMqttConnector } from '#connectors/mqtt';
import { loadDefinitions } from '#fhir-model';
import type { FhirServer } from '#fhir-server';
import { createHl7Engine } from '#hl7-engine';
import {
  type AdminRoute,
  type Config,
  type Connection,
  connectDb,
  createJobs,
  createLifecycle,
  createMetrics,
  type Db,
  type Jobs,
  type Lifecycle,
  type Log,
  type Metrics,
  migrate,
  observePool,
  startEmbeddedPostgres,
  systemClock,
} from '#platform';
import { createSubscriptions } from '#subscriptions';
import { originsOf, ownOrigins } from './cors.ts';
import { baseUrlOf, createFhir, everything, rootUrlOf } from './fhir.ts';
import { answerStarting, createHttpApp } from './http.ts';
import { defineMaintenance, scheduleMaintenance } from './maintenance.ts';

/** Where the parts of a running server are to be found. */
export interface RunningServer {
  fhirBaseUrl: string;
  /** `http://127.0.0.1:8080` */
  rootUrl: string;
  host: string;
  mllpPort: number;
  /** The embedded broker's port, or undefined with an external one. */
  mqttPort: number | undefined;
  embedded: { postgres: boolean; mqtt: boolean; queue: 'postgresql' | 'redis' };
  db: Db;
  stop(): Promise<void>;
}

export interface ServerOptions {
  config: Config;
  log: Log;
  /** Instead of DATABASE_URL or the embedded PostgreSQL: tests give their own database. */
  connection?: Connection;
  /** The embedded PostgreSQL ended and cannot be started again: the server is of no more use. */
  onLost?(error: unknown): void;
}

interface Base {
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

async function openDatabase(options: ServerOptions, lifecycle: Lifecycle): Promise<Connection | { url: string }> {
  const { config, log } = options;
  if (options.connection) return options.connection;
  if (config.DATABASE_URL) return { url: config.DATABASE_URL };
  const { onLost = (err) => log.fatal({ err }, 'the database is lost') } = options;
  const postgres = await startEmbeddedPostgres({ dataDir: config.DATA_DIR, log, onLost });
  lifecycle.onStop('postgresql', postgres.stop);
  return postgres.connection;
}

function openPool(options: ServerOptions, connection: Connection | { url: string }, lifecycle: Lifecycle): Db {
  const { config, log } = options;
  const db = connectDb({
    ...connection,
    poolMax: config.POOL_MAX,
    statementTimeoutMs: config.STATEMENT_TIMEOUT_MS,
    acquireTimeoutMs: config.ACQUIRE_TIMEOUT_MS,
    log,
  });
  lifecycle.onStop('database pool', () => db.close());
  return db;
}

/**
 * Listens before anything else is up, so that the port is known and a taken one is told at once; until the rest is there
 * requests get 503.
 */
async function listen(config: Config): Promise<Server> {
  const server = createServer({ requestTimeout: config.REQUEST_TIMEOUT_MS, keepAliveTimeout: 65_000 }, answerStarting);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.PORT, config.HOST, 1024, resolve);
  });
  return server;
}

/**
 * Requests under way finish; connections that are idle end at once, busy ones after their answer, and whoever keeps
 * sending or reading is cut off after `graceMs`, so that what stops next still has time.
 */
async function closeServer(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

/** `a, b` → a and b. */
const listOf = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

async function startSubscriptions(base: Base, fhir: FhirServer, baseUrl: string, resourceTypes: readonly string[]) {
  const { config, db, log, metrics, lifecycle } = base;
  const subscriptions = createSubscriptions({
    ...{ db, log, metrics, baseUrl, resourceTypes, scope: everything, clock: systemClock },
    feed: fhir.feed,
    reader: fhir.reader,
    writer: fhir.writer,
    parameters: fhir.parameters,
    random: Math.random,
    // The embedded database is guarded by the data folder's lock.
    alone: base.embedded,
    // With AUTH=open whoever may register a Subscription reaches loopback anyway.
    egressAllow: [...(config.AUTH === 'open' ? ['loopback'] : []), ...listOf(config.EGRESS_ALLOW)],
    limits: { attemptsMax: config.SUBSCRIPTION_RETRY_MAX + 1, timeoutMs: config.SUBSCRIPTION_TIMEOUT_MS },
  });
  await subscriptions.start();
  lifecycle.onStop('subscriptions', () => subscriptions.stop());
  return subscriptions;
}

async function startHl7(base: Base, fhir: FhirServer) {
  const { config, db, log, metrics, lifecycle } = base;
  const hl7 = createHl7Engine({
    ...{ db, log, metrics, scope: everything, clock: systemClock },
    writer: fhir.writer,
    config: {
      host: config.HOST,
      port: config.MLLP_PORT,
      messageBytesMax: config.HL7_MESSAGE_BYTES_MAX,
      connectionsMax: config.MLLP_CONNECTIONS_MAX,
      idleTimeoutMs: config.MLLP_IDLE_TIMEOUT_MS,
      timeZone: config.HL7_TIME_ZONE,
    },
  });
  const { port } = await hl7.start();
  lifecycle.onStop('hl7', () => hl7.stop());
  return { hl7, port };
}

async function startMqtt(base: Base, fhir: FhirServer) {
  const { config, db, log, metrics, lifecycle } = base;
  const mqtt = createMqttConnector({
    ...{ db, log, metrics, scope: everything, clock: systemClock },
    reader: fhir.reader,
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
  const address = await mqtt.start();
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
  defineMaintenance(jobs, db, config, log);
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
async function allOf<T extends readonly Promise<unknown>[]>(parts: readonly [...T]) {
  await Promise.allSettled(parts);
  return Promise.all(parts);
}

async function assemble(options: ServerOptions, lifecycle: Lifecycle): Promise<RunningServer> {
  const { config, log } = options;
  const server = await listen(config);
  const stopHttp = () => closeServer(server, config.SHUTDOWN_TIMEOUT_MS / 2);
  lifecycle.onStop('http', stopHttp);
  const [connection, definitions] = await allOf([openDatabase(options, lifecycle), loadDefinitions()]);
  const db = openPool(options, connection, lifecycle);
  await migrate(db, path.join(import.meta.dirname, '../migrations'), log);
  const { port } = server.address() as AddressInfo;
  const rootUrl = rootUrlOf(config, port);
  const fhirBaseUrl = baseUrlOf(config, port);
  const embedded = !options.connection && !config.DATABASE_URL;
  const parts = { config, log, lifecycle, metrics: createMetrics(), db, connection, embedded };
  const base: Base = { ...parts, jobs: openJobs(parts) };
  base.metrics.collectProcess();
  observePool(base.metrics, () => db.stats());
  const fhir = await createFhir(base, fhirBaseUrl);
  const subscriptions = await startSubscriptions(base, fhir, fhirBaseUrl, definitions.resourceTypes);
  const [{ hl7, port: mllpPort }, { mqtt, address }] = await allOf([
    startHl7(base, fhir),
    startMqtt(base, fhir),
    startJobs(base, fhir),
  ]);
  const adminRoutes: AdminRoute[] = [...subscriptions.adminRoutes, ...hl7.adminRoutes, ...mqtt.adminRoutes];
  const origins = { allowed: originsOf(config.CORS_ORIGINS), own: ownOrigins(rootUrl, fhirBaseUrl) };
  const app: Koa = createHttpApp({ base, fhir, adminRoutes, mqtt, origins });
  server.off('request', answerStarting).on('request', app.callback());
  // Once more, as the first to stop: requests under way need all the other parts.
  lifecycle.onStop('http', stopHttp);
  return {
    ...{ fhirBaseUrl, rootUrl, mllpPort, db, host: config.HOST },
    mqttPort: address.port,
    embedded: {
      postgres: embedded,
      mqtt: address.embedded,
      queue: config.REDIS_URL ? 'redis' : 'postgresql',
    },
    stop: () => lifecycle.stop(),
  };
}

/** Starts all parts; resolves when every one of them takes requests. On failure what had started is stopped again. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const lifecycle = createLifecycle({ log: options.log, timeoutMs: options.config.SHUTDOWN_TIMEOUT_MS });
  try {
    return await assemble(options, lifecycle);
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}
