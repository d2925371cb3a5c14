// An HTTP worker of `start --workers N`: FHIR, health and metrics on the shared port; all else is the primary's.
import type { Socket } from 'node:net';
import process from 'node:process';
import {
  type AdminRoute,
  type Config,
  connectDb,
  createLifecycle,
  createLog,
  endOnUncaught,
  type Lifecycle,
  type Log,
  readConfig,
} from '#platform';
import { wholeServer } from '../beside.ts';
import { originsOf, ownOrigins } from '../cors.ts';
import { createFhir, rootUrlOf } from '../fhir.ts';
import { keepHeap, tidyHeap } from '../heap.ts';
import { createHttpApp } from '../http.ts';
import { closeServer, hasReusePort, listen } from '../listening.ts';
import { createBase } from '../parts.ts';
import { acceptWebSockets, type WebSocketEntry } from '../web-sockets.ts';
import { type Asking, createAsking } from './asking.ts';
import { type Beginning, failureOf, type Message } from './messages.ts';

const send = (message: Message): void => {
  // The primary may just have gone; then this process ends too.
  if (process.connected) process.send!(message, undefined, undefined, () => undefined);
};

/** The primary's dispatcher looks no more often (subscriptions/dispatch/pace.ts). */
const TELL_MS = 10;

/** Tells the primary of a commit at once, of those within TELL_MS after it together. */
function createTelling(): () => void {
  let isResting = false;
  let isDue = false;
  const tell = (): void => {
    isResting = true;
    isDue = false;
    send({ kind: 'committed' });
    setTimeout(() => {
      isResting = false;
      if (isDue) tell();
    }, TELL_MS);
  };
  return () => {
    if (isResting) isDue = true;
    else tell();
  };
}

/**
 * Web sockets are the primary's, where events are told. Node would keep account of a connection that another process has
 * got from a server (net.Socket.server), and this one could not close before they all end: it is given as a bare socket.
 */
const handOver: WebSocketEntry['take'] = ({ method, url, headers }, socket, head) => {
  const message: Message = { kind: 'web socket', request: { method, url, headers }, head };
  Reflect.set(socket, 'server', undefined);
  process.send!(message, socket as Socket, { keepOpen: true }, () => socket.destroy());
};

/** The primary's routes: what is asked here is answered there. */
const remoteRoutes = (asking: Asking, routes: Beginning['adminRoutes']): AdminRoute[] =>
  routes.map((route, i) => ({
    ...route,
    handle: ({ params, query, headers = {}, body }) =>
      asking.ask('admin', { route: i, params, query: query.toString(), headers, body }),
  }));

interface Worker {
  config: Config;
  log: Log;
  lifecycle: Lifecycle;
  asking: Asking;
}

async function begin({ config, log, lifecycle, asking }: Worker, beginning: Beginning, answers: Own) {
  const { connection, port, fhirBaseUrl, poolMax } = beginning;
  const db = connectDb({
    ...connection,
    poolMax,
    statementTimeoutMs: config.STATEMENT_TIMEOUT_MS,
    idleTransactionTimeoutMs: config.IDLE_TRANSACTION_TIMEOUT_MS,
    acquireTimeoutMs: config.ACQUIRE_TIMEOUT_MS,
    log,
  });
  lifecycle.onStop('database pool', () => db.close());
  const base = createBase({ config, log, lifecycle, db, connection, embedded: !config.DATABASE_URL });
  lifecycle.onStop('queue', () => base.jobs.close());
  answers.snapshot = () => base.metrics.registry.getMetricsAsJSON();
  const fhir = await createFhir({ ...base, readsFeed: false }, fhirBaseUrl, wholeServer);
  fhir.feed.onCommit(createTelling());
  const origins = { allowed: originsOf(config.CORS_ORIGINS), own: ownOrigins(rootUrlOf(config, port), fhirBaseUrl) };
  const app = createHttpApp({
    ...{ base, fhir, origins },
    adminRoutes: remoteRoutes(asking, beginning.adminRoutes),
    mqttReady: () => asking.ask('mqttReady', undefined),
    hl7Post: (request) => asking.ask('hl7', request),
    metricsText: () => asking.ask('metricsText', undefined),
  });
  await tidyHeap();
  return { app, fhirBaseUrl, origins };
}

interface Own {
  snapshot?: () => ReturnType<ReturnType<typeof createBase>['metrics']['registry']['getMetricsAsJSON']>;
}

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = createLog({ level: config.LOG_LEVEL, pretty: config.LOG_FORMAT === 'pretty' });
  endOnUncaught(log);
  keepHeap();
  const lifecycle = createLifecycle({ log, timeoutMs: config.SHUTDOWN_TIMEOUT_MS });
  const own: Own = {};
  const asking = createAsking(send, { snapshot: async () => (own.snapshot ? own.snapshot() : []) });
  const worker: Worker = { config, log, lifecycle, asking };
  const server = await listen(config, hasReusePort);
  const stop = (): void => {
    lifecycle.onStop('http', () => closeServer(server, config.SHUTDOWN_TIMEOUT_MS / 2));
    void lifecycle.stop().finally(() => process.exit(0));
  };
  // Ctrl-C at a terminal reaches all processes; the primary then tells when to stop.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', stop);
  process.on('disconnect', () => process.exit(1));
  process.on('message', (message: Message) => {
    if (asking.take(message)) return;
    if (message.kind === 'stop') stop();
    if (message.kind !== 'begin') return;
    begin(worker, message.beginning, own).then(
      ({ app, ...entry }) => {
        server.removeAllListeners('request').on('request', app.callback());
        acceptWebSockets(server, { ...entry, take: handOver });
        send({ kind: 'ready' });
      },
      (error: unknown) => send({ kind: 'failed', failure: failureOf(error) }),
    );
  });
  send({ kind: 'listening' });
}

main().catch((error: unknown) => {
  send({ kind: 'failed', failure: failureOf(error) });
});
