// The HTTP application: FHIR, operations and admin endpoints on one port.
import type { RequestListener } from 'node:http';
import Koa from 'koa';
import { issuesOf, operationOutcome } from '#fhir-model';
import type { FhirServer } from '#fhir-server';
import type { Hl7Http } from '#hl7-engine';
import {
  type AdminRoute,
  adminRouter,
  CerebraError,
  type Config,
  type Db,
  type Log,
  type Metrics,
  operationsRouter,
} from '#platform';
import { allowOrigins, type Origins, refuseForeignChanges, refuseForeignHosts } from './cors.ts';
import { basePathOf } from './fhir.ts';
import { hl7Endpoint } from './hl7-http.ts';

export interface HttpAppParts {
  /** Origins whose pages may call, and those under which this server is reached. */
  origins: Origins;
  base: { config: Config; db: Db; log: Log; metrics: Metrics };
  fhir: FhirServer;
  adminRoutes: AdminRoute[];
  mqttReady(): Promise<boolean>;
  hl7Post: Hl7Http['post'];
  /** Of all processes, where there are several; default: this one's. */
  metricsText?(): Promise<string>;
}

const rootOf = (fhir: string) => ({
  name: 'Cerebra',
  fhir,
  capabilities: `${fhir}/metadata`,
  health: '/healthz',
  ready: '/readyz',
  metrics: '/metrics',
  hl7: '/hl7',
  webSockets: { subscriptions: `${fhir}/ws`, patient: '/ws/patient/:id' },
});

const STARTING = new CerebraError('unavailable', 'The server is starting: try again in a moment');

/** The answers while there is no application yet: alive, but not ready. */
export function answerStarting(fhirPath: string): RequestListener {
  return (request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    const alive = path === '/healthz';
    const fhir = path === fhirPath || path.startsWith(`${fhirPath}/`);
    const body = alive
      ? { status: 'ok' }
      : fhir
        ? operationOutcome(issuesOf(STARTING))
        : { status: 'not ready', parts: {} };
    response.writeHead(alive ? 200 : STARTING.status, {
      'Content-Type': fhir ? 'application/fhir+json; charset=utf-8' : 'application/json; charset=utf-8',
      ...(alive ? {} : { 'Retry-After': '1' }),
    });
    response.end(JSON.stringify(body));
  };
}

/** Broken off or malformed while it came: what was wrong has been answered, if anybody was there. */
const isClientsFault = ({ code }: NodeJS.ErrnoException): boolean =>
  code !== undefined &&
  (code.startsWith('HPE_') || code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED');

/** FHIR requests that are no browser page's need nothing of koa, whose context and answer cost 6 µs. */
function withoutDetour(rest: RequestListener, fhir: FhirServer, { allowed }: Origins): RequestListener {
  if (allowed.size > 0) return rest;
  return (request, response) => {
    if (request.headers.origin !== undefined || !fhir.takes(request, response)) rest(request, response);
  };
}

export function createHttpApp(parts: HttpAppParts): { callback(): RequestListener } {
  const app = createKoa(parts);
  return {
    callback: () => refuseForeignHosts(parts.origins, withoutDetour(app.callback(), parts.fhir, parts.origins)),
  };
}

function createKoa(parts: HttpAppParts): Koa {
  const { base, fhir, adminRoutes, mqttReady, hl7Post, origins, metricsText } = parts;
  const app = new Koa();
  const root = rootOf(basePathOf(base.config));
  app.on('error', (err) => base.log[isClientsFault(err) ? 'debug' : 'warn']({ err }, 'response could not be sent'));
  if (origins.allowed.size > 0) app.use(allowOrigins(origins.allowed));
  app.use(refuseForeignChanges(origins.own, origins.allowed));
  app.use(fhir.middleware);
  app.use(
    operationsRouter(
      [
        { name: 'database', ready: async () => (await base.db.query({ text: 'select 1' })).length === 1 },
        { name: 'mqtt', ready: mqttReady },
      ],
      base.metrics,
      metricsText,
    ),
  );
  app.use(adminRouter(adminRoutes, base.log));
  app.use(hl7Endpoint(hl7Post, base.config.HL7_MESSAGE_BYTES_MAX, base.log));
  app.use((ctx) => {
    if (ctx.path === '/') {
      ctx.body = { ...root, admin: adminRoutes.map(({ method, path, summary }) => ({ method, path, summary })) };
      return;
    }
    ctx.status = 404;
    ctx.body = {
      error: {
        code: 'not-found',
        message: `There is nothing at this path; FHIR is at ${root.fhir}, GET / lists the rest`,
      },
    };
  });
  return app;
}
