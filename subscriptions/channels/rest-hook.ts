// The rest-hook channel: https://hl7.org/fhir/R4/subscription.html#channels and
// http://hl7.org/fhir/subscription-channel-type: without payload a POST with no body goes to the endpoint; with one the
// endpoint is a FHIR service base and the resource is sent as an update, PUT [endpoint]/[type]/[id]. Notifications of topics
// are posted to the endpoint: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook
import { createHmac } from 'node:crypto';
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { type Clock, type Egress, endpointFault } from '#platform';
import type { Registration } from '../registration.ts';
import { splitHeader } from '../registration.ts';
import type { Fault } from './fault.ts';
import { retryAfterMs } from './retry-after.ts';

export interface Notification {
  registration: Pick<Registration, 'id' | 'endpoint' | 'payload' | 'header' | 'secret'> & Partial<Asking>;
  /** Number of the event within its Subscription, from 1: of the last one told; undefined where there is none. */
  number: bigint | undefined;
  /** `Observation/1`: the body is this resource. Undefined: it is a notification, for the endpoint itself. */
  resource?: string;
  /** Text of the resource or notification; unused without payload. */
  body: string;
  /** The result has what the receiver answered: it may say there that it refuses. */
  wantsAnswer?: true;
}

/** How long the client lets an attempt take. */
interface Asking {
  topic: { timeoutSeconds: number } | null | undefined;
}

/**
 * `permanent`: trying again makes no sense. `retryAfterMs`: the receiver asked for this pause. `hostFault`: its host can't be
 * reached, is overloaded or broken, whoever calls. `aside`: this one can't be sent, ever; the next follows.
 */
export type SendResult =
  | { ok: true; answer?: string }
  | ({ ok: false; permanent?: boolean; retryAfterMs?: number; hostFault?: boolean; aside?: boolean } & Fault);

export interface RestHook {
  /** Never throws. Any 2xx is success; redirects are not followed, since they would lead where nobody checked. */
  send(notification: Notification, signal: AbortSignal): Promise<SendResult>;
  close(): void;
}

export interface RestHookOptions {
  egress: Egress;
  /** For the whole exchange, connecting included. */
  timeoutMs: number;
  clock: Clock;
  /** Who this server is to some hosts, and whom it trusts there. */
  certificates?: HostCertificates | undefined;
}

/**
 * By `host:port` as a URL has it. https://nodejs.org/api/tls.html#tlscreatesecurecontextoptions. `onFault`: hears why those that have
 * been put in their place can't be used.
 */
export type HostCertificates = (
  host: string,
  onFault?: (fault: unknown) => void,
) => { cert?: string; key?: string; ca?: string } | undefined;

// Bodies of answers that nobody wants are thrown away; a receiver that sends more than this loses its connection.
const answerBytesMax = 64 * 1024;
/** Of an answer that says whether the receiver refuses: as much as a notification may have. */
const wantedBytesMax = 8 * 1024 * 1024;

export function createRestHook(options: RestHookOptions): RestHook {
  const agents = {
    http: new HttpAgent({ keepAlive: true, maxFreeSockets: 256 }),
    https: new HttpsAgent({ keepAlive: true, maxFreeSockets: 256 }),
  };
  const targets = new Map<string, Target>();
  const targetOf = (endpoint: string): Target => {
    const known = targets.get(endpoint);
    if (known) return known;
    if (targets.size >= targetsMax) targets.clear();
    const target = readTarget(endpoint, options.egress);
    targets.set(endpoint, target);
    return target;
  };
  return {
    async send(notification, signal) {
      const target = targetOf(notification.registration.endpoint);
      // The rules may have changed since the Subscription was activated. Whatever a name means is decided as it is connected.
      if (target.refusal) return { ok: false, error: target.refusal, permanent: true };
      const first = await attempt(target, notification, signal, true);
      if (first !== 'stale') return first;
      // A kept connection was closed just as it was used again: a new one decides.
      const second = await attempt(target, notification, signal, false);
      return second === 'stale' ? { ok: false, error: brokenOff, hostFault: true } : second;
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };

  function attempt(
    target: Target,
    notification: Notification,
    signal: AbortSignal,
    keptConnection: boolean,
  ): Promise<SendResult | 'stale'> {
    const timeoutMs = timeoutOf(notification, options.timeoutMs);
    const { payload } = notification.registration;
    const body = payload === '' ? '' : notification.body;
    const settings = {
      ...target.address,
      path: pathOf(target, notification),
      method: payload === '' || notification.resource === undefined ? 'POST' : 'PUT',
      headers: headersOf(target, notification, body),
      lookup: options.egress.lookup,
    };
    const secured = () => ({ ...settings, ...options.certificates?.(target.host) });
    return new Promise((resolve) => {
      const request =
        target.address.protocol === 'https:'
          ? httpsRequest({ ...secured(), agent: keptConnection && agents.https })
          : httpRequest({ ...settings, agent: keptConnection && agents.http });
      const over = breakOff(request, signal, timeoutMs);
      const end = (result: SendResult | 'stale') => {
        over();
        resolve(result);
      };
      let answered: SendResult | undefined;
      request.on('response', (response) => {
        answered = resultOf(response, options.clock);
        if (!answered.ok || !notification.wantsAnswer) return drain(response, answerBytesMax);
        // What was refused in a part that never came has not been taken.
        answered = { ok: false, error: 'The endpoint broke off its answer', hostFault: true };
        keep(response, (result) => {
          answered = result;
        });
      });
      request.on('error', (error) => end(answered ?? onError(error, request, signal, timeoutMs)));
      // Once the status has arrived, what becomes of an answer that nobody wants changes nothing; the next request waits for it.
      request.on('close', () => end(answered ?? { ok: false, error: brokenOff, hostFault: true }));
      request.end(body);
    });
  }
}

/** Of endpoints that are kept taken apart. */
const targetsMax = 10_000;

interface Target {
  /** Why it is not called, ever, as long as this server runs. */
  refusal: string | undefined;
  /** As a URL has it, `host:port`. */
  host: string;
  address: { protocol: string; hostname: string; port?: number };
  pathname: string;
  query: string;
}

function readTarget(endpoint: string, egress: Egress): Target {
  const url = new URL(endpoint);
  const { hostname, port } = urlToHttpOptions(url);
  return {
    refusal: egress.refuseUrl(url),
    host: url.host,
    address: { protocol: url.protocol, hostname: hostname ?? '', ...(url.port === '' ? {} : { port: Number(port) }) },
    pathname: url.pathname,
    query: url.search,
  };
}

const pathOf = ({ pathname, query }: Target, { registration, resource }: Notification): string =>
  registration.payload !== '' && resource !== undefined
    ? `${pathname.replace(/\/$/, '')}/${resource}${query}`
    : pathname + query;

/**
 * Ends the request when its time is over, or the server's is; what it yields forgets it. AbortSignal.any and AbortSignal.timeout
 * took as long as all the rest of a request: 20 to 40 µs.
 */
function breakOff(request: ClientRequest, signal: AbortSignal, timeoutMs: number): () => void {
  const late = () => request.destroy(Object.assign(new Error(), { name: 'TimeoutError' }));
  const stop = () => request.destroy(Object.assign(new Error(), { name: 'AbortError' }));
  const timer = setTimeout(late, timeoutMs);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop);
  return () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  };
}

/** The server's own limit is also the client's: a lease is made for it. */
function timeoutOf({ registration }: Notification, timeoutMs: number): number {
  const { timeoutSeconds = 0 } = registration.topic ?? {};
  return timeoutSeconds > 0 ? Math.min(timeoutSeconds * 1000, timeoutMs) : timeoutMs;
}

/** Names and values in turn, which node sends as they are: as an object they are checked and copied twice, 10 to 15 µs. */
function headersOf({ host }: Target, { registration, number }: Notification, body: string): string[] {
  const headers = ['Host', host];
  for (const line of registration.header) headers.push(...(splitHeader(line) ?? []));
  headers.push('Content-Length', String(Buffer.byteLength(body)));
  if (registration.payload !== '') headers.push('Content-Type', registration.payload);
  headers.push('X-Cerebra-Subscription', registration.id);
  if (number !== undefined) headers.push('X-Cerebra-Event-Number', String(number));
  // Of the body's bytes, hexadecimal, as receivers written for Medplum check it.
  if (registration.secret !== '') {
    headers.push('X-Signature', createHmac('sha256', registration.secret).update(body).digest('hex'));
  }
  return headers;
}

function drain(response: IncomingMessage, bytesMax: number, tooLong = () => {}): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= bytesMax) return;
    tooLong();
    response.destroy();
  });
  response.on('error', () => {});
}

/** Tells of the whole answer, and of one that is not read. */
function keep(response: IncomingMessage, tell: (result: SendResult) => void): void {
  const chunks: Buffer[] = [];
  const tooLong = () =>
    tell({ ok: false, error: `The endpoint's answer has more than the ${wantedBytesMax} bytes that are read` });
  drain(response, wantedBytesMax, tooLong);
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  response.on('end', () => tell({ ok: true, answer: Buffer.concat(chunks).toString() }));
}

function resultOf({ statusCode: status = 0, headers }: IncomingMessage, clock: Clock): SendResult {
  if (status >= 200 && status < 300) return { ok: true };
  const error = `The endpoint answered with HTTP ${status}`;
  // https://www.rfc-editor.org/rfc/rfc9110#status.410: the receiver says that it won't be back.
  if (status === 410) return { ok: false, error, permanent: true };
  const failure = { ok: false, error, hostFault: status >= 500 || status === 429 } as const;
  const pauseMs = retryAfterMs(headers, () => clock.now());
  return pauseMs === undefined ? failure : { ...failure, retryAfterMs: pauseMs };
}

const brokenOff = endpointFault(Object.assign(new Error(), { code: 'ECONNRESET' }));

function onError(
  error: Error & { code?: string },
  request: ClientRequest,
  stopped: AbortSignal,
  timeoutMs: number,
): SendResult | 'stale' {
  if (stopped.aborted) return { ok: false, error: 'The server shut down before the endpoint answered' };
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return { ok: false, error: `The endpoint did not answer within ${timeoutMs} ms`, hostFault: true };
  }
  const { code = '' } = error;
  if (request.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE')) return 'stale';
  return { ok: false, error: endpointFault(error), permanent: code === 'EGRESS', hostFault: code !== 'EGRESS' };
}
