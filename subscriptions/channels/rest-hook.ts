// The rest-hook channel: https://hl7.org/fhir/R4/subscription.html#channels and
// http://hl7.org/fhir/subscription-channel-type: without payload a POST with no body goes to the endpoint; with one the
// endpoint is a FHIR service base and the resource is sent as an update, PUT [endpoint]/[type]/[id]. Notifications of topics
// are posted to the endpoint: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook
import { createHmac } from 'node:crypto';
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { type Egress, endpointFault } from '#platform';
import type { Registration } from '../registration.ts';
import { splitHeader } from '../registration.ts';

export interface Notification {
  registration: Pick<Registration, 'id' | 'endpoint' | 'payload' | 'header' | 'secret'> & Partial<Asking>;
  /** Number of the event within its Subscription, from 1: of the last one told; undefined where there is none. */
  number: bigint | undefined;
  /** `Observation/1`: the body is this resource. Undefined: it is a notification, for the endpoint itself. */
  resource?: string;
  /** Text of the resource or notification; unused without payload. */
  body: string;
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
  | { ok: true }
  | { ok: false; error: string; permanent?: boolean; retryAfterMs?: number; hostFault?: boolean; aside?: boolean };

export interface RestHook {
  /** Never throws. Any 2xx is success; redirects are not followed, since they would lead where nobody checked. */
  send(notification: Notification, signal: AbortSignal): Promise<SendResult>;
  close(): void;
}

export interface RestHookOptions {
  egress: Egress;
  /** For the whole exchange, connecting included. */
  timeoutMs: number;
  /** Who this server is to some hosts, and whom it trusts there. */
  certificates?: HostCertificates | undefined;
}

/** By `host:port` as a URL has it. https://nodejs.org/api/tls.html#tlscreatesecurecontextoptions */
export type HostCertificates = (host: string) => { cert?: string; key?: string; ca?: string } | undefined;

// Bodies of answers are thrown away; a receiver that sends more than this loses its connection.
const answerBytesMax = 64 * 1024;

export function createRestHook(options: RestHookOptions): RestHook {
  const agents = {
    http: new HttpAgent({ keepAlive: true, maxFreeSockets: 256 }),
    https: new HttpsAgent({ keepAlive: true, maxFreeSockets: 256 }),
  };
  return {
    async send(notification, signal) {
      const url = targetUrl(notification);
      // The rules may have changed since the Subscription was activated.
      const refusal = options.egress.refuseUrl(url);
      if (refusal) return { ok: false, error: refusal, permanent: true };
      const first = await attempt(url, notification, signal, true);
      if (first !== 'stale') return first;
      // A kept connection was closed just as it was used again: a new one decides.
      const second = await attempt(url, notification, signal, false);
      return second === 'stale' ? { ok: false, error: brokenOff, hostFault: true } : second;
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };

  function attempt(
    url: URL,
    notification: Notification,
    signal: AbortSignal,
    keptConnection: boolean,
  ): Promise<SendResult | 'stale'> {
    const timeoutMs = timeoutOf(notification, options.timeoutMs);
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const { payload } = notification.registration;
    const body = payload === '' ? '' : notification.body;
    const settings = {
      method: payload === '' || notification.resource === undefined ? 'POST' : 'PUT',
      headers: headersOf(notification, body),
      lookup: options.egress.lookup,
      signal: deadline,
    };
    const secured = () => ({ ...settings, ...options.certificates?.(url.host) });
    return new Promise((resolve) => {
      const request =
        url.protocol === 'https:'
          ? httpsRequest(url, { ...secured(), agent: keptConnection && agents.https })
          : httpRequest(url, { ...settings, agent: keptConnection && agents.http });
      let answered: SendResult | undefined;
      request.on('response', (response) => {
        answered = resultOf(response.statusCode ?? 0, response.headers['retry-after']);
        discard(response);
      });
      request.on('error', (error) => resolve(answered ?? onError(error, request, signal, timeoutMs)));
      // Once the status has arrived, what becomes of the rest of the answer changes nothing; the next request waits for it.
      request.on('close', () => resolve(answered ?? { ok: false, error: brokenOff, hostFault: true }));
      request.end(body);
    });
  }
}

/** The server's own limit is also the client's: a lease is made for it. */
function timeoutOf({ registration }: Notification, timeoutMs: number): number {
  const { timeoutSeconds = 0 } = registration.topic ?? {};
  return timeoutSeconds > 0 ? Math.min(timeoutSeconds * 1000, timeoutMs) : timeoutMs;
}

function targetUrl({ registration, resource }: Notification): URL {
  const url = new URL(registration.endpoint);
  if (registration.payload !== '' && resource !== undefined) {
    url.pathname = `${url.pathname.replace(/\/$/, '')}/${resource}`;
  }
  return url;
}

function headersOf({ registration, number }: Notification, body: string): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const line of registration.header) {
    const [name, value] = splitHeader(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const former = headers[name];
    headers[name] = former === undefined ? value : [former, value].flat();
  }
  headers['Content-Length'] = String(Buffer.byteLength(body));
  if (registration.payload !== '') headers['Content-Type'] = registration.payload;
  headers['X-Cerebra-Subscription'] = registration.id;
  if (number !== undefined) headers['X-Cerebra-Event-Number'] = String(number);
  // Of the body's bytes, hexadecimal, as receivers written for Medplum check it.
  if (registration.secret !== '') {
    headers['X-Signature'] = createHmac('sha256', registration.secret).update(body).digest('hex');
  }
  return headers;
}

function discard(response: IncomingMessage): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > answerBytesMax) response.destroy();
  });
  response.on('error', () => {});
}

function resultOf(status: number, retryAfter: string | undefined): SendResult {
  if (status >= 200 && status < 300) return { ok: true };
  const error = `The endpoint answered with HTTP ${status}`;
  // https://www.rfc-editor.org/rfc/rfc9110#status.410: the receiver says that it won't be back.
  if (status === 410) return { ok: false, error, permanent: true };
  const seconds = /^\d{1,7}$/.test(retryAfter ?? '') ? Number(retryAfter) : undefined;
  const failure = { ok: false, error, hostFault: status >= 500 || status === 429 } as const;
  return seconds === undefined ? failure : { ...failure, retryAfterMs: seconds * 1000 };
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
