// The way of a request, top to bottom: id → negotiation → access scope → route → interaction → answer, with one error
// boundary around all. https://hl7.org/fhir/R4/http.html
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Middleware } from 'koa';
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
import { type Below, below, type Exchange } from './exchange.ts';
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
  scopeOf(request: IncomingMessage): AccessScope;
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
  { req, path, queryString }: Exchange,
  asked: Asked,
  onFault: (error: unknown) => void,
): FhirRequest {
  const { strict, prefer } = parsePrefer(req.headers.prefer);
  return {
    req,
    segments: decodeSegments(path),
    pairs: searchPairs(queryString),
    queryString,
    scope: parts.scopeOf(req),
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
  const answer = await handle(core, entryRequest(outer, entry, segments));
  // Where a job tells how far it is: an entry of a Bundle has one place for both headers.
  const job = answer.headers?.['Content-Location'];
  return job === undefined ? answer : { ...answer, location: job };
}

const isReading = (method: string): boolean => method === 'GET' || method === 'HEAD';

/** What helps a client to do better. */
function errorHeaders(status: number, method: string, segments: string[]): Record<string, string> | undefined {
  if (status === 503) return { 'Retry-After': '1' };
  if (status === 405)
    return {
      Allow: allowedAt(segments)
        .filter((allowed) => allowed !== method && !(isReading(allowed) && isReading(method)))
        .join(', '),
    };
  if (status !== 415) return undefined;
  return {
    'Accept-Encoding': bodyEncodings,
    ...(method === 'PATCH' ? { 'Accept-Patch': PATCH_TYPES.join(', ') } : {}),
  };
}

/** NDJSON is for resources that were asked for; an error is one of its own. Yields the status. */
async function sendError(
  exchange: Exchange,
  error: unknown,
  log: Log,
  request: FhirRequest | undefined,
  before: Asked,
  xml: XmlCodec,
): Promise<number> {
  const known = isCerebraError(error) ? error : undefined;
  const status = known?.status ?? 500;
  const { method = '' } = exchange.req;
  if (status >= 500) log.error({ err: error, method }, 'request failed');
  const answer: Answer = { status, body: stringify(operationOutcome(issuesOf(error))) };
  const headers = errorHeaders(status, method, request?.segments ?? []);
  if (headers) answer.headers = headers;
  const asked = request?.asked ?? before;
  await send(exchange, answer, asked.format === 'ndjson' ? plainJson : asked, xml);
  return status;
}

/** A Binary's own type may be asked for, whatever it is: https://hl7.org/fhir/R4/binary.html#rest */
const isBinary = (path: string): boolean => path === '/Binary' || path.startsWith('/Binary/');

function askedBy({ req, path, queryString }: Exchange): Asked {
  try {
    return negotiate(req.headers.accept, queryValue(queryString, '_format'), queryValue(queryString, '_pretty'));
  } catch (error) {
    if (isBinary(path) && queryValue(queryString, '_format') === undefined) return plainJson;
    throw error;
  }
}

/** The client's own id if it is a harmless one, so that a request can be followed through several systems. */
function requestId({ headers }: IncomingMessage, newId: () => string): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[A-Za-z0-9\-._]{1,64}$/.test(given) ? given : newId();
}

/** Who has written a SearchParameter, alone or in a Bundle, is answered when it is in force. */
function inForce({ store }: Core, method: string, { segments: [type] }: FhirRequest): Promise<void> | undefined {
  if (method === 'GET' || (type !== 'SearchParameter' && type !== undefined)) return undefined;
  return store.registry.settled;
}

/** Answers one request; never rejects for what a client does. */
type Answering = (req: IncomingMessage, res: ServerResponse, where: Below) => Promise<void>;

function createAnswering(parts: PipelineParts): Answering {
  const durations: Histogram = parts.metrics.histogram(
    'cerebra_http_request_duration_seconds',
    'FHIR requests by interaction and status',
    ['interaction', 'status'],
  );
  const { core } = parts;
  const rooms = createRooms(core.limits.bodyBytesMax);
  return async (req, res, where) => {
    const started = performance.now();
    const id = requestId(req, parts.newId);
    const exchange: Exchange = { req, res, id, ...where };
    const { method = '' } = req;
    let interaction = 'none';
    const fault = (error: unknown) => parts.log.error({ requestId: id, err: error, interaction }, 'entry failed');
    let asked = plainJson;
    let request: FhirRequest | undefined;
    let status: number;
    try {
      asked = askedBy(exchange);
      request = requestOf(parts, rooms, exchange, asked, fault);
      const { handle, interaction: name } = findRoute(method, request.segments);
      interaction = name;
      const parsed = request;
      const answer = await span(`fhir ${name}`, { 'cerebra.request_id': id }, () => handle(core, parsed));
      const settled = inForce(core, method, parsed);
      if (settled !== undefined) await settled;
      holdAnswer(res, rooms, answer, { isRepeatable: method === 'GET' || name.startsWith('search') });
      const sending = send(exchange, answer, parsed.asked, core.xml);
      if (sending !== undefined) await sending;
      status = answer.status;
    } catch (error) {
      const log = parts.log.child({ requestId: id, interaction });
      status = await sendError(exchange, error, log, request, asked, core.xml);
    }
    if (request !== undefined) rooms.bodies.release(request.held);
    const seconds = (performance.now() - started) / 1000;
    durations.observe({ interaction, status: String(status) }, seconds);
    parts.log.debug({ requestId: id, interaction, status, seconds }, 'request');
  };
}

export interface Pipeline {
  /** Everything under the base; other paths are passed on. */
  middleware: Middleware;
  /** Takes a request without koa, whose context costs 6 µs; false, and untouched, where its URL isn't plainly under the base. */
  takes(req: IncomingMessage, res: ServerResponse): boolean;
}

/** Of everything under `basePath` (`/fhir/R4`). */
export function createPipeline(parts: PipelineParts, basePath: string): Pipeline {
  const answer = createAnswering(parts);
  return {
    middleware: async (ctx, next) => {
      const { path } = ctx;
      if (!path.startsWith(basePath) || (path.length > basePath.length && path[basePath.length] !== '/')) return next();
      ctx.respond = false;
      await answer(ctx.req, ctx.res, { path: path.slice(basePath.length), queryString: ctx.querystring });
    },
    takes(req, res) {
      const where = below(req.url ?? '', basePath);
      if (where === undefined) return false;
      answer(req, res, where).catch((err: unknown) => {
        parts.log.warn({ err }, 'response could not be sent');
        res.destroy();
      });
      return true;
    },
  };
}
