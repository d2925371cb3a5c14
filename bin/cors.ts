// Pages of other origins: https://fetch.spec.whatwg.org/#http-cors-protocol, https://hl7.org/fhir/R4/security.html#cors
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import cors from '@koa/cors';
import type { Middleware } from 'koa';
import { issuesOf, operationOutcome } from '#fhir-model';
import { CerebraError } from '#platform';

/** What scripts may read of an answer beyond the headers that they always may. */
const EXPOSED = [
  'ETag',
  'Location',
  'Content-Location',
  'Last-Modified',
  'Link',
  'Retry-After',
  'Allow',
  'Accept-Patch',
  'X-Progress',
  'X-Request-Id',
  'X-Security-Context',
];

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

const ALLOWED = [
  'Accept',
  'Authorization',
  'Content-Type',
  'If-Match',
  'If-Modified-Since',
  'If-None-Exist',
  'If-None-Match',
  'Prefer',
  'X-Request-Id',
  'X-Security-Context',
];

/** Seconds that a browser keeps the answer to a preflight. Browsers take two hours at most. */
const PREFLIGHT_SECONDS = 7200;

/** The origins of a configured list; `*` is all of them. */
export const originsOf = (text: string | undefined): ReadonlySet<string> =>
  new Set((text ?? '').split(',').flatMap((origin) => (origin.trim() === '' ? [] : [origin.trim()])));

/** Lets browsers give answers to pages of these origins, and send what is beyond a plain form. */
export function allowOrigins(origins: ReadonlySet<string>): Middleware {
  const all = origins.has('*');
  return cors({
    origin: (ctx) => (all ? '*' : origins.has(ctx.get('Origin')) ? ctx.get('Origin') : ''),
    exposeHeaders: EXPOSED,
    allowMethods: METHODS,
    allowHeaders: ALLOWED,
    maxAge: PREFLIGHT_SECONDS,
  });
}

const CHANGING = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

const REFUSAL = operationOutcome(
  issuesOf(new CerebraError('forbidden', 'Pages of this origin may not change anything here: see CORS_ORIGINS')),
);

const LOOPBACK = /\/\/(?:127\.0\.0\.1|\[::1\]|localhost)(?=:|$)/;

/** The origins under which this server is reached; `http://127.0.0.1:8080` has other names. */
export function ownOrigins(...urls: string[]): ReadonlySet<string> {
  const origins = urls.map((url) => new URL(url).origin);
  const local = origins.filter((origin) => LOOPBACK.test(origin));
  const named = ['//127.0.0.1', '//[::1]', '//localhost'].flatMap((host) =>
    local.map((origin) => origin.replace(LOOPBACK, host)),
  );
  return new Set([...origins, ...named]);
}

export interface Origins {
  allowed: ReadonlySet<string>;
  /** Those under which this server is reached. */
  own: ReadonlySet<string>;
}

/** Clients that are no browsers send no Origin. */
export const takesFrom = (origin: string | undefined, { own, allowed }: Origins): boolean =>
  origin === undefined || own.has(origin) || allowed.has('*') || allowed.has(origin);

/**
 * A page of any origin may send a plain form or text without asking first, and needs no answer to have changed something:
 * what changes something is taken from our own origins and the allowed ones only. The Host header doesn't tell which are
 * our own: an attacker's name may lead to this address.
 */
export function refuseForeignChanges(own: ReadonlySet<string>, allowed: ReadonlySet<string>): Middleware {
  return (ctx, next) => {
    if (!CHANGING.has(ctx.method) || takesFrom(ctx.req.headers.origin, { own, allowed })) return next();
    ctx.status = 403;
    ctx.set('Content-Type', 'application/fhir+json; charset=utf-8');
    ctx.body = JSON.stringify(REFUSAL);
    return undefined;
  };
}

/** `evil.example` of `Evil.example:8080`; the port tells nothing. */
const nameOf = (host: string): string => host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');

const isAddress = (name: string): boolean => isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;

/** Hosts that were found to be ours, by their text: a client sends the same one each time. */
const FOUND_MAX = 100;

/**
 * Whether a Host header names this server. A page whose own name is made to lead here (DNS rebinding) is of the same origin
 * for its browser, which lets it read every answer; only its name gives it away. An address or `localhost` cannot be
 * pointed elsewhere. Requests of HTTP/1.0, which no browser sends, have no Host.
 */
export function namesUs({ own, allowed }: Origins): (host: string | undefined) => boolean {
  if (allowed.has('*')) return () => true;
  const names = new Set([...own, ...allowed].map((origin) => nameOf(new URL(origin).host)));
  const found = new Set<string>();
  const isOurs = (name: string) =>
    name === '' || name === 'localhost' || name.endsWith('.localhost') || names.has(name) || isAddress(name);
  return (host) => {
    if (host === undefined || found.has(host)) return true;
    if (!isOurs(nameOf(host))) return false;
    if (found.size < FOUND_MAX) found.add(host);
    return true;
  };
}

export const FOREIGN_HOST =
  'The Host header names no address of this server: set BASE_URL to the one that clients use, or have the proxy send Host: localhost';

const FOREIGN_HOST_OUTCOME = JSON.stringify(operationOutcome(issuesOf(new CerebraError('forbidden', FOREIGN_HOST))));

/** What has no data and is asked by probes, under whatever name they have for this server. */
const OPEN_PATHS = new Set(['/healthz', '/readyz', '/metrics']);

const HOST_OUTCOME = JSON.stringify(
  operationOutcome(issuesOf(new CerebraError('structure', 'A request of HTTP/1.1 has one Host header: send it once'))),
);

/** None is for HTTP/1.0 only, and of two it isn't known which one others have judged by: https://www.rfc-editor.org/rfc/rfc9112#section-3.2 */
function isHostSound({ httpVersionMinor, rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts === 1 || (hosts === 0 && httpVersionMinor === 0);
}

/** `GET http://name/path`, as to a proxy: its name goes before the header's. https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2 */
export const hostOf = ({ url = '', headers }: IncomingMessage): string | undefined =>
  url.startsWith('/') ? headers.host : (URL.parse(url)?.host ?? headers.host);

function refuse(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'Content-Type': 'application/fhir+json; charset=utf-8', Connection: 'close' });
  response.end(body);
}

/** Before everything else: what asks under another name gets no data. */
export function refuseForeignHosts(origins: Origins, rest: RequestListener): RequestListener {
  const isOurs = namesUs(origins);
  return (request, response) => {
    if (!isHostSound(request)) return refuse(response, 400, HOST_OUTCOME);
    if (isOurs(hostOf(request)) || OPEN_PATHS.has(request.url ?? '')) return rest(request, response);
    refuse(response, 403, FOREIGN_HOST_OUTCOME);
  };
}
