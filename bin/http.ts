// The HTTP application: FHIR, operations and admin endpoints on one port.
import Koa from 'koa';
import type { Connector } from '#connectors/mqtt';
import type { FhirServer } from '#fhir-server';
import { type AdminRoute, adminRouter, type Db, type Log, type Metrics, operationsRouter } from '#platform';

export interface HttpAppParts {
  base: { db: Db; log: Log; metrics: Metrics };
  fhir: FhirServer;
  adminRoutes: AdminRoute[];
  mqtt: Connector;
}

const ROOT = {
  name: 'Cerebra',
  fhir: '/fhir/R4',
  capabilities: '/fhir/R4/metadata',
  health: '/healthz',
  ready: '/readyz',
  metrics: '/metrics',
};

export function createHttpApp({ base, fhir, adminRoutes, mqtt }: HttpAppParts): Koa {
  const app = new Koa();
  app.on('error', (err) => base.log.warn({ err }, 'response could not be sent'));
  app.use(fhir.middleware);
  app.use(
    operationsRouter(
      [
        { name: 'database', ready: async () => (await base.db.query({ text: 'select 1' })).length === 1 },
        { name: 'mqtt', ready: async () => mqtt.health().ready },
      ],
      base.metrics,
    ),
  );
  app.use(adminRouter(adminRoutes, base.log));
  app.use((ctx) => {
    if (ctx.path === '/') {
      ctx.body = { ...ROOT, admin: adminRoutes.map(({ method, path, summary }) => ({ method, path, summary })) };
      return;
    }
    ctx.status = 404;
    ctx.body = { error: { code: 'not-found', message: `There is nothing at this path; FHIR is at ${ROOT.fhir}` } };
  });
  return app;
}
