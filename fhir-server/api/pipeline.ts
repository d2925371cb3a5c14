// The way of a request, top to bottom: id → access scope → negotiation → route → interaction → answer, with one error
// boundary around all. https://hl7.org/fhir/R4/http.html
import type { Context, Middleware } from 'koa';
import { type AccessScope, issuesOf, operationOutcome, stringify } from '#fhir-model';
import { CerebraError, type Histogram, isCerebraError, type Log, type Metrics, span } from '#platform';
import type { Core } from '../interactions/core.ts';
import { etag } from '../interactions/etag.ts';
import { searchPairs } from '../interactions/search.ts';
import { type Answer, assertAccepts, type FhirRequest, parsePrefer } from './request.ts';
import { type Route, routes } from './routes.ts';

export interface PipelineParts {
  core: Core;
  log: Log;
  metrics: Metrics;
  /** A request id for requests that bring none. */
  newId(): string;
  /** Who may see what; today everybody on the loopback interface sees everything. */
  scopeOf(ctx: Context): AccessScope;
}

/** `metadata` is one only where it stands alone: it may be an id. */
const isLiteral = (part: string, segments: readonly string[]): boolean =>
  part === '_history' || part === '_search' || (part === 'metadata' && segments.length === 1);

/** `GET :/:/_history/:`; paths of the same shape take the same route. */
const shape = (method: string, segments: readonly string[]): string =>
  `${method} ${segments.map((part) => (isLiteral(part, segments) ? part : ':')).join('/')}`;

const byShape = new Map<string, Route>(
  routes.map((route) => {
    const segments = route.path === '' ? [] : route.path.split('/');
    return [shape(route.method, segments), route];
  }),
);

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];

function findRoute(method: string, segments: readonly string[]): Route {
  const route = byShape.get(shape(method === 'HEAD' ? 'GET' : method, segments));
  if (route) return route;
  const allowed = METHODS.filter((other) => byShape.has(shape(other, segments)));
  if (allowed.length === 0) throw new CerebraError('not-found', 'There is nothing at this path');
  throw new CerebraError('method-not-allowed', `${method} is not possible here; ${allowed.join(', ')} are`);
}

function decodeSegments(path: string): string[] {
  if (path === '' || path === '/') return [];
  const parts = path.slice(1).split('/');
  if (!path.includes('%')) return parts;
  try {
    return parts.map(decodeURIComponent);
  } catch {
    throw new CerebraError('invalid', 'The path is not valid percent-encoding');
  }
}

function requestOf(parts: PipelineParts, ctx: Context, path: string, onFault: (error: unknown) => void): FhirRequest {
  const queryString = ctx.querystring;
  const { strict, prefer } = parsePrefer(ctx.headers.prefer);
  return {
    req: ctx.req,
    segments: decodeSegments(path),
    pairs: searchPairs(queryString),
    queryString,
    scope: parts.scopeOf(ctx),
    strict,
    prefer,
    bodyBytesMax: parts.core.limits.bodyBytesMax,
    onFault,
  };
}

function send(ctx: Context, answer: Answer): void {
  ctx.status = answer.status;
  if (answer.version !== undefined) ctx.set('ETag', etag(answer.version));
  if (answer.updatedMs !== undefined) ctx.set('Last-Modified', new Date(answer.updatedMs).toUTCString());
  if (answer.location !== undefined) ctx.set('Location', answer.location);
  if (answer.body === undefined) {
    ctx.body = null;
    ctx.status = answer.status;
    // Without it Node sends an empty chunked body; 204 and 304 have none at all.
    if (answer.status !== 204 && answer.status !== 304) ctx.set('Content-Length', '0');
    return;
  }
  ctx.set('Content-Type', 'application/fhir+json; charset=utf-8');
  ctx.body = answer.body;
}

function sendError(ctx: Context, error: unknown, log: Log): void {
  const known = isCerebraError(error) ? error : undefined;
  const status = known?.status ?? 500;
  if (status >= 500) log.error({ err: error, method: ctx.method }, 'request failed');
  send(ctx, { status, body: stringify(operationOutcome(issuesOf(error))) });
  if (status === 503) ctx.set('Retry-After', '1');
}

/** The client's own id if it is a harmless one, so that a request can be followed through several systems. */
function requestId(ctx: Context, newId: () => string): string {
  const given = ctx.get('X-Request-Id');
  return /^[A-Za-z0-9\-._]{1,64}$/.test(given) ? given : newId();
}

/** Koa middleware for everything under `basePath` (`/fhir/R4`); other paths are passed on. */
export function fhirMiddleware(parts: PipelineParts, basePath: string): Middleware {
  const durations: Histogram = parts.metrics.histogram(
    'cerebra_http_request_duration_seconds',
    'FHIR requests by interaction and status',
    ['interaction', 'status'],
  );
  return async (ctx, next) => {
    const { path } = ctx;
    if (!path.startsWith(basePath) || (path.length > basePath.length && path[basePath.length] !== '/')) return next();
    const started = performance.now();
    const id = requestId(ctx, parts.newId);
    ctx.set('X-Request-Id', id);
    let interaction = 'none';
    const fault = (error: unknown) => parts.log.error({ requestId: id, err: error, interaction }, 'entry failed');
    try {
      const request = requestOf(parts, ctx, path.slice(basePath.length), fault);
      const route = findRoute(ctx.method, request.segments);
      interaction = route.interaction;
      const format = request.queryString.includes('_format')
        ? request.pairs.find(([name]) => name === '_format')?.[1]
        : undefined;
      assertAccepts(ctx.headers.accept, format);
      send(
        ctx,
        await span(`fhir ${interaction}`, { 'cerebra.request_id': id }, () => route.handle(parts.core, request)),
      );
    } catch (error) {
      sendError(ctx, error, parts.log.child({ requestId: id, interaction }));
    }
    const seconds = (performance.now() - started) / 1000;
    durations.observe({ interaction, status: String(ctx.status) }, seconds);
    parts.log.debug({ requestId: id, interaction, status: ctx.status, seconds }, 'request');
  };
}
