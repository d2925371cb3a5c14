// The way of a request, top to bottom: id → access scope → negotiation → route → interaction → answer, with one error
// boundary around all. https://hl7.org/fhir/R4/http.html
import type { Context, Middleware } from 'koa';
import {
  type AccessScope,
  issuesOf,
  operationOutcome,
  stringify,
  type TransactionEntry,
  type XmlCodec,
} from '#fhir-model';
import {
  bodyEncodings,
  CerebraError,
  type Histogram,
  isCerebraError,
  type Log,
  type Metrics,
  newHeld,
  span,
} from '#platform';
import type { Core } from '../interactions/core.ts';
import { searchPairs } from '../interactions/search.ts';
import { PATCH_TYPES } from '../patch/apply.ts';
import { entryRequest } from './entry.ts';
import { allowedAt, findRoute } from './find-route.ts';
import { createRooms, holdAnswer, type Rooms } from './large.ts';
import { type Asked, negotiate, plainJson, queryValue } from './negotiate.ts';
import { type Answer, type FhirRequest, parsePrefer } from './request.ts';
import { send } from './send.ts';

export interface PipelineParts {
  core: Core;
  log: Log;
  metrics: Metrics;
  /** A request id for requests that bring none. */
  newId(): string;
  /** Who may see what; today everybody on the loopback interface sees everything. */
  scopeOf(ctx: Context): AccessScope;
}

function decodeSegments(path: string): string[] {
  // https://hl7.org/fhir/R4/http.html#general: `Patient/?…` is `Patient?…`.
  const end = path.endsWith('/') ? path.length - 1 : path.length;
  if (end <= 0) return [];
  const parts = path.slice(1, end).split('/');
  if (!path.includes('%')) return parts;
  try {
    return parts.map(decodeURIComponent);
  } catch {
    throw new CerebraError('invalid', 'The path is not valid percent-encoding');
  }
}

function requestOf(
  parts: PipelineParts,
  { bodies }: Rooms,
  ctx: Context,
  path: string,
  asked: Asked,
  onFault: (error: unknown) => void,
): FhirRequest {
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
    room: bodies,
    isEntry: false,
    held: newHeld(),
    asked,
    xml: parts.core.xml,
    onFault,
    answerEntry,
  };
}

/** An entry of the Bundle that `outer` posts, through the same routes as a request that comes alone. */
async function answerEntry(core: Core, outer: FhirRequest, entry: TransactionEntry): Promise<Answer> {
  const segments = decodeSegments(`/${entry.url.split('?')[0]}`);
  const { handle } = findRoute(entry.method, segments);
  return handle(core, entryRequest(outer, entry, segments));
}

/** What helps a client to do better. */
function errorHeaders(status: number, method: string, segments: string[]): Record<string, string> | undefined {
  if (status === 503) return { 'Retry-After': '1' };
  if (status === 405)
    return {
      Allow: allowedAt(segments)
        .filter((allowed) => allowed !== method)
        .join(', '),
    };
  if (status !== 415) return undefined;
  return {
    'Accept-Encoding': bodyEncodings,
    ...(method === 'PATCH' ? { 'Accept-Patch': PATCH_TYPES.join(', ') } : {}),
  };
}

/** NDJSON is for resources that were asked for; an error is one of its own. */
function sendError(
  ctx: Context,
  error: unknown,
  log: Log,
  request: FhirRequest | undefined,
  before: Asked,
  xml: XmlCodec,
): Promise<void> | undefined {
  const known = isCerebraError(error) ? error : undefined;
  const status = known?.status ?? 500;
  if (status >= 500) log.error({ err: error, method: ctx.method }, 'request failed');
  const answer: Answer = { status, body: stringify(operationOutcome(issuesOf(error))) };
  const headers = errorHeaders(status, ctx.method, request?.segments ?? []);
  if (headers) answer.headers = headers;
  const asked = request?.asked ?? before;
  return send(ctx, answer, asked.format === 'ndjson' ? plainJson : asked, xml);
}

/** A Binary's own type may be asked for, whatever it is: https://hl7.org/fhir/R4/binary.html#rest */
const isBinary = (path: string): boolean => path === '/Binary' || path.startsWith('/Binary/');

function askedBy(ctx: Context, path: string): Asked {
  try {
    const { querystring } = ctx;
    return negotiate(ctx.headers.accept, queryValue(querystring, '_format'), queryValue(querystring, '_pretty'));
  } catch (error) {
    if (isBinary(path) && queryValue(ctx.querystring, '_format') === undefined) return plainJson;
    throw error;
  }
}

/** The client's own id if it is a harmless one, so that a request can be followed through several systems. */
function requestId(ctx: Context, newId: () => string): string {
  const given = ctx.get('X-Request-Id');
  return /^[A-Za-z0-9\-._]{1,64}$/.test(given) ? given : newId();
}

/** Who has written a SearchParameter, alone or in a Bundle, is answered when it is in force. */
function inForce({ store }: Core, method: string, { segments: [type] }: FhirRequest): Promise<void> | undefined {
  if (method === 'GET' || (type !== 'SearchParameter' && type !== undefined)) return undefined;
  return store.registry.settled;
}

/** Koa middleware for everything under `basePath` (`/fhir/R4`); other paths are passed on. */
export function fhirMiddleware(parts: PipelineParts, basePath: string): Middleware {
  const durations: Histogram = parts.metrics.histogram(
    'cerebra_http_request_duration_seconds',
    'FHIR requests by interaction and status',
    ['interaction', 'status'],
  );
  const rooms = createRooms(parts.core.limits.bodyBytesMax);
  return async (ctx, next) => {
    const { path } = ctx;
    if (!path.startsWith(basePath) || (path.length > basePath.length && path[basePath.length] !== '/')) return next();
    const started = performance.now();
    const id = requestId(ctx, parts.newId);
    ctx.set('X-Request-Id', id);
    let interaction = 'none';
    const fault = (error: unknown) => parts.log.error({ requestId: id, err: error, interaction }, 'entry failed');
    const { xml } = parts.core;
    let asked = plainJson;
    let request: FhirRequest | undefined;
    try {
      asked = askedBy(ctx, path.slice(basePath.length));
      request = requestOf(parts, rooms, ctx, path.slice(basePath.length), asked, fault);
      const { handle, interaction: name } = findRoute(ctx.method, request.segments);
      interaction = name;
      const parsed = request;
      const answer = await span(`fhir ${name}`, { 'cerebra.request_id': id }, () => handle(parts.core, parsed));
      await inForce(parts.core, ctx.method, parsed);
      if (ctx.method === 'GET' || name.startsWith('search')) holdAnswer(ctx, rooms, answer);
      const sending = send(ctx, answer, parsed.asked, xml);
      if (sending !== undefined) await sending;
    } catch (error) {
      const log = parts.log.child({ requestId: id, interaction });
      await sendError(ctx, error, log, request, asked, xml);
    }
    if (request !== undefined) rooms.bodies.release(request.held);
    const seconds = (performance.now() - started) / 1000;
    durations.observe({ interaction, status: String(ctx.status) }, seconds);
    parts.log.debug({ requestId: id, interaction, status: ctx.status, seconds }, 'request');
  };
}
