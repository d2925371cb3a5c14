// HTTP parts that know nothing of FHIR: admin routes, health, metrics.
import type { IncomingHttpHeaders } from 'node:http';
import type { Context, Middleware } from 'koa';
import { readBody } from './body.ts';
import { CerebraError } from './errors.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

export interface AdminRequest {
  params: Record<string, string>;
  query: URLSearchParams;
  /** By their names in lower case; none where it is not asked over HTTP. */
  headers?: Record<string, string>;
  body: Buffer;
}

export interface AdminResponse {
  status: number;
  /** Sent as JSON. */
  body?: unknown;
  /** Instead of `body`: what is no JSON, with its media type. */
  text?: { type: string; text: string };
  headers?: Record<string, string>;
}

/** https://spec.openapis.org/oas/v3.1.0#schema-object: JSON Schema 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** https://spec.openapis.org/oas/v3.1.0#parameter-object */
export interface AdminParameter {
  name: string;
  in: 'path' | 'query' | 'header';
  description: string;
  required?: boolean;
  schema: JsonSchema;
  example?: unknown;
}

/** A JSON body. */
export interface AdminContent {
  description?: string;
  schema: JsonSchema;
  example?: unknown;
}

/** An operator's endpoint, as data. */
export interface AdminRoute {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `/admin/mqtt/dead-letters/:id/retry`; a `:name` matches one path segment. */
  path: string;
  summary: string;
  /** What there is to tell beyond the summary. */
  description?: string;
  /** Those of the query and of headers; the path's own where there is something to tell of them. */
  parameters?: readonly AdminParameter[];
  request?: AdminContent;
  response?: AdminContent;
  /** Of success, each that it may have; 200 unless told. */
  statuses?: readonly number[];
  /** Whoever has its address may call it: it checks by itself whom it answers. */
  isOpen?: true;
  handle(request: AdminRequest): Promise<AdminResponse>;
}

/** True while the part can do its work. */
export interface ReadinessProbe {
  name: string;
  ready(): Promise<boolean>;
}

const adminBodyBytesMax = 1024 * 1024;

/** Koa middleware for the routes; what matches none is passed on. Errors become `{"error":{"code","message"}}`. */
export function adminRouter(routes: AdminRoute[], log: Log): Middleware {
  const compiled = routes.map((route) => ({ route, pattern: patternOf(route.path) }));
  return async (ctx, next) => {
    const candidates = compiled.filter(({ pattern }) => pattern.test(ctx.path));
    if (candidates.length === 0) return next();
    // A HEAD is a GET without the body, which koa leaves out: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2
    const method = ctx.method === 'HEAD' ? 'GET' : ctx.method;
    const found = candidates.find(({ route }) => route.method === method);
    if (!found) {
      const allowed = candidates.flatMap(({ route }) => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method]));
      ctx.set('Allow', allowed.join(', '));
      return sendError(ctx, new CerebraError('method-not-allowed', `${ctx.method} is not possible here`), log);
    }
    try {
      await answer(ctx, found.route, found.pattern);
    } catch (error) {
      sendError(ctx, error, log);
    }
  };
}

function patternOf(routePath: string): RegExp {
  const escaped = routePath.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`);
}

async function answer(ctx: Context, route: AdminRoute, pattern: RegExp): Promise<void> {
  const response = await route.handle({
    params: decodeParams(pattern.exec(ctx.path)?.groups ?? {}),
    query: new URLSearchParams(ctx.querystring),
    headers: textHeaders(ctx.headers),
    body: await readBody(ctx.req, adminBodyBytesMax),
  });
  ctx.status = response.status;
  // Messages and payloads of patients: neither a browser nor a proxy keeps them. https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5
  ctx.set({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', ...response.headers });
  if (response.text !== undefined) {
    ctx.type = response.text.type;
    ctx.body = response.text.text;
    return;
  }
  if (response.body === undefined) {
    ctx.body = null;
    ctx.status = response.status;
    return;
  }
  ctx.type = 'application/json';
  ctx.body = JSON.stringify(response.body, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
}

/** A header that came several times is one text with commas but for Set-Cookie, which no request has. */
function textHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((header): header is [string, string] => typeof header[1] === 'string'),
  );
}

function decodeParams(groups: Record<string, string>): Record<string, string> {
  try {
    return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]));
  } catch (cause) {
    throw new CerebraError('invalid', 'The path is not valid percent-encoding', { cause });
  }
}

/** `{"error":{"code","message"}}` with its status; what is our fault is logged. */
export function sendError(ctx: Context, error: unknown, log: Log): void {
  const known =
    error instanceof CerebraError ? error : new CerebraError('internal', 'Internal error', { cause: error });
  if (known.status >= 500) log.error({ err: error, path: ctx.path }, 'admin request failed');
  ctx.status = known.status;
  ctx.type = 'application/json';
  ctx.body = JSON.stringify({ error: { code: known.code, message: known.message } });
}

/**
 * `/healthz`: the process is alive. `/readyz`: 200 when all probes hold, else 503, with each part's state.
 * `/metrics`: Prometheus text format; `metricsText` where it tells of more than these.
 */
export function operationsRouter(
  probes: ReadinessProbe[],
  metrics: Metrics,
  metricsText: () => Promise<string> = () => metrics.registry.metrics(),
): Middleware {
  return async (ctx, next) => {
    if (ctx.path === '/healthz') {
      ctx.body = { status: 'ok' };
    } else if (ctx.path === '/readyz') {
      const parts = Object.fromEntries(await Promise.all(probes.map(probeState)));
      const ready = Object.values(parts).every((state) => state === 'ready');
      ctx.status = ready ? 200 : 503;
      ctx.body = { status: ready ? 'ready' : 'not ready', parts };
    } else if (ctx.path === '/metrics') {
      ctx.type = metrics.registry.contentType;
      ctx.body = await metricsText();
    } else {
      await next();
    }
  };
}

const probeTimeoutMs = 2_000;

async function probeState(probe: ReadinessProbe): Promise<[string, 'ready' | 'not ready']> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), probeTimeoutMs);
  });
  try {
    return [probe.name, (await Promise.race([probe.ready(), late])) ? 'ready' : 'not ready'];
  } catch {
    return [probe.name, 'not ready'];
  } finally {
    clearTimeout(timer);
  }
}
