// For the tests of routes: a server's routes, and an operator who asks for them.
import type { AdminRequest, AdminRoute, Db } from '#platform';
import { isCerebraError } from '#platform';
import { testLog } from '#platform/testing';
import { fixedZone } from '../mapping/datetime.ts';
import { parseMessage } from '../message/message.ts';
import { routesAdmin } from './admin.ts';
import { createDryRun } from './dry-run.ts';
import { createRoutes, type RouteRegistry, type RoutesOptions } from './routes.ts';

const clock = { now: () => Date.UTC(2026, 0, 31) };

/** A server's routes; they are not followed by themselves unless started. */
export function openRoutes(db: Db, options: Partial<RoutesOptions> = {}): RouteRegistry {
  return createRoutes({ db, log: testLog(), mapping: { zone: fixedZone('Z'), identifierSystems: {} }, ...options });
}

export type Answer = { status: number; body: Record<string, unknown> };
export type Call = (method: AdminRoute['method'], address: string, request?: Request) => Promise<Answer>;
interface Request {
  body?: unknown;
  ifMatch?: string;
}

export function callerOf(registry: RouteRegistry): Call {
  return caller(
    routesAdmin(
      registry,
      createDryRun(registry, clock, async () => {}),
    ),
    '/admin/hl7/routes',
  );
}

/** Asks as the HTTP router would, addresses being below `base`; an error as its status and text. */
export function caller(routes: readonly AdminRoute[], base: string): Call {
  return async (method, address, { body, ifMatch } = {}) => {
    const url = new URL(`http://x${base}${address}`);
    for (const route of routes) {
      const form = new RegExp(`^${route.path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`);
      const match = form.exec(url.pathname);
      if (match === null || route.method !== method) continue;
      const request: AdminRequest = {
        params: { ...match.groups },
        query: url.searchParams,
        headers: ifMatch === undefined ? {} : { 'if-match': ifMatch },
        body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body ?? {})),
      };
      try {
        return (await route.handle(request)) as Answer;
      } catch (error) {
        if (!isCerebraError(error)) throw error;
        return { status: error.status, body: { error: error.message, code: error.code } };
      }
    }
    throw new Error(`no ${method} ${address}`);
  };
}

const message = parseMessage(Buffer.from('MSH|^~\\&|LAB|HOSP|||20260101||ORU^R01|1|P|2.5'));

/** Id and version of the route that a result takes. */
export function taken(registry: RouteRegistry): string {
  const { routeId, routeVersion } = registry.plan(message, { kind: 'mllp', name: 'default' });
  return `${routeId} ${routeVersion}`;
}

export const by = { author: 'operator', comment: 'because' };
export const route = (id: string, more: object = {}) => ({ id, name: `Test ${id}`, ...more });

export const put = (call: Call, input: { id: string }, ifMatch?: string): Promise<Answer> =>
  call('PUT', `/${input.id}`, { body: { route: input, ...by }, ...(ifMatch === undefined ? {} : { ifMatch }) });
