// `start --workers N`: this process has the database, MLLP, MQTT, the dispatcher and the jobs; N others answer HTTP on one
// port. https://nodejs.org/api/cluster.html
import { aggregateMetrics, type Config, createLifecycle, type Lifecycle } from '#platform';
import { wholeServer } from '../beside.ts';
import { baseUrlOf, createFhir, rootUrlOf } from '../fhir.ts';
import { takePort } from '../listening.ts';
import { type Base, type Feeds, openBase, type ServerOptions, startFeeds } from '../parts.ts';
import type { RunningServer } from '../server.ts';
import type { Answers } from './asking.ts';
import { type Flock, type FlockOptions, startFlock } from './flock.ts';

export interface RunningCluster extends RunningServer {
  /** Of the HTTP workers that run now. */
  workerPids(): number[];
}

/** Connections that are left to requests of one process at least. */
const POOL_MIN = 4;

/** POOL_MAX in all: the primary and each worker get the same part of it. */
const poolShare = (poolMax: number, workers: number): number => Math.max(POOL_MIN, Math.floor(poolMax / (workers + 1)));

/** What the workers ask for, once the parts are there. */
interface Late {
  base?: Base;
  feeds?: Feeds;
  flock?: Flock;
}

const answersOf = (late: Late): Answers => ({
  admin: ({ route, params, query, body, headers }) =>
    late.feeds!.adminRoutes[route]!.handle({
      ...{ params, headers },
      query: new URLSearchParams(query),
      body: Buffer.from(body),
    }),
  hl7: (request) => late.feeds!.hl7Post(request),
  mqttReady: async () => (await late.feeds?.mqttReady()) ?? false,
  async metricsText() {
    const own = await late.base!.metrics.registry.getMetricsAsJSON();
    return aggregateMetrics([own, ...(await late.flock!.snapshots())]);
  },
});

async function assemble(options: ServerOptions, workers: number, lifecycle: Lifecycle): Promise<RunningCluster> {
  const { log } = options;
  const late: Late = {};
  const { port, give } = await takePort(options.config);
  const poolMax = poolShare(options.config.POOL_MAX, workers);
  const config: Config = { ...options.config, PORT: port, POOL_MAX: poolMax };
  const stopFlock = async (): Promise<void> => late.flock?.stop(config.SHUTDOWN_TIMEOUT_MS / 2);
  const onCommit = () => late.feeds?.wake();
  const onWebSocket: FlockOptions['onWebSocket'] = (request, socket, head) => {
    if (late.feeds) late.feeds.webSockets.upgrade(request, socket, head);
    else socket.destroy();
  };
  const starting = startFlock({ count: workers, port, log, answers: answersOf(late), onCommit, onWebSocket });
  const flock = await starting.finally(give);
  late.flock = flock;
  lifecycle.onStop('http workers', stopFlock);
  const base = await openBase({ ...options, config }, lifecycle);
  late.base = base;
  const fhirBaseUrl = baseUrlOf(config, port);
  const fhir = await createFhir(base, fhirBaseUrl, wholeServer);
  const feeds = await startFeeds(base, fhir, fhirBaseUrl, rootUrlOf(config, port));
  late.feeds = feeds;
  const adminRoutes = feeds.adminRoutes.map(({ handle: _, ...route }) => route);
  await flock.begin({ connection: base.connection, port, fhirBaseUrl, poolMax, adminRoutes });
  // Once more, as the first to stop: requests under way need all the other parts.
  lifecycle.onStop('http workers', stopFlock);
  lifecycle.onStop('web sockets', feeds.webSockets.close);
  const { mllpPort, mllpPorts, mqttPort, embedded } = feeds;
  return {
    ...{ fhirBaseUrl, mllpPort, mllpPorts, mqttPort, embedded, db: base.db, host: config.HOST },
    rootUrl: rootUrlOf(config, port),
    workerPids: flock.pids,
    stop: () => lifecycle.stop(),
  };
}

/** As startServer, with HTTP in `workers` processes of its own. One a process: it takes node:cluster. */
export async function startCluster(options: ServerOptions, workers: number): Promise<RunningCluster> {
  const lifecycle = createLifecycle({ log: options.log, timeoutMs: options.config.SHUTDOWN_TIMEOUT_MS });
  try {
    return await assemble(options, workers, lifecycle);
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}
