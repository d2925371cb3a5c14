// The composition root: rooms are introduced to each other here and nowhere else.
import type { AddressInfo } from 'node:net';
import { createLifecycle, type Db, type Lifecycle } from '#platform';
import { wholeServer } from './beside.ts';
import { originsOf, ownOrigins } from './cors.ts';
import { baseUrlOf, createFhir, rootUrlOf } from './fhir.ts';
import { createHttpApp } from './http.ts';
import { closeServer, listen } from './listening.ts';
import { openBase, type ServerOptions, startFeeds } from './parts.ts';
import { acceptWebSockets } from './web-sockets.ts';

export type { ServerOptions } from './parts.ts';

/** Where the parts of a running server are to be found. */
export interface RunningServer {
  fhirBaseUrl: string;
  /** `http://127.0.0.1:8080` */
  rootUrl: string;
  host: string;
  mllpPort: number;
  /** Of all MLLP listeners, by name. */
  mllpPorts: ReadonlyMap<string, number>;
  /** The embedded broker's port, or undefined with an external one. */
  mqttPort: number | undefined;
  embedded: { postgres: boolean; mqtt: boolean; queue: 'postgresql' | 'redis' };
  db: Db;
  stop(): Promise<void>;
}

async function assemble(options: ServerOptions, lifecycle: Lifecycle): Promise<RunningServer> {
  const { config } = options;
  const server = await listen(config);
  const stopHttp = () => closeServer(server, config.SHUTDOWN_TIMEOUT_MS / 2);
  lifecycle.onStop('http', stopHttp);
  const base = await openBase(options, lifecycle);
  const { port } = server.address() as AddressInfo;
  const rootUrl = rootUrlOf(config, port);
  const fhirBaseUrl = baseUrlOf(config, port);
  const fhir = await createFhir(base, fhirBaseUrl, wholeServer);
  const { adminRoutes, mqttReady, hl7Post, webSockets, ...where } = await startFeeds(base, fhir, fhirBaseUrl, rootUrl);
  const origins = { allowed: originsOf(config.CORS_ORIGINS), own: ownOrigins(rootUrl, fhirBaseUrl) };
  const app = createHttpApp({ base, fhir, adminRoutes, mqttReady, hl7Post, origins });
  server.removeAllListeners('request').on('request', app.callback());
  // Once more, as the first to stop: requests under way need all the other parts.
  lifecycle.onStop('http', stopHttp);
  acceptWebSockets(server, { fhirBaseUrl, origins, take: webSockets.upgrade });
  // Before http, which waits for its connections to end.
  lifecycle.onStop('web sockets', webSockets.close);
  return { ...{ fhirBaseUrl, rootUrl, db: base.db, host: config.HOST }, ...where, stop: () => lifecycle.stop() };
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
