// One POST to another system, within the egress policy: https://www.rfc-editor.org/rfc/rfc9110#name-post
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Egress, endpointFault } from '#platform';
import type { SendResult } from '../channels/rest-hook.ts';
import { retryAfterMs } from '../channels/retry-after.ts';

export interface Outgoing {
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** What is sent first tells people; what follows it puts in order what was sent before. */
export type Messages = [Outgoing, ...Outgoing[]];

export interface Answer {
  status: number;
  /** Of Retry-After; undefined without. */
  retryAfterMs?: number;
  /** The first `answerBytesMax` bytes. */
  body: string;
}

export interface Poster {
  egress: Egress;
  /** For the whole exchange, connecting included. */
  timeoutMs: number;
}

export const answerBytesMax = 64 * 1024;

/** The answer, or why there is none. Never throws. Redirects are not followed: they would lead where nobody checked. */
export async function post(
  { url: address, headers, body }: Outgoing,
  { egress, timeoutMs }: Poster,
): Promise<Answer | (SendResult & { ok: false })> {
  const url = URL.parse(address);
  const refusal = url === null ? 'The endpoint has no URL' : egress.refuseUrl(url);
  if (url === null || refusal !== undefined) return { ok: false, error: refusal ?? '', permanent: true };
  const settings: RequestOptions = {
    ...{ method: 'POST', lookup: egress.lookup, agent: false, signal: AbortSignal.timeout(timeoutMs) },
    headers: { ...headers, 'Content-Length': String(Buffer.byteLength(body)) },
  };
  const { promise, resolve } = Promise.withResolvers<Answer | (SendResult & { ok: false })>();
  const request = url.protocol === 'https:' ? httpsRequest(url, settings) : httpRequest(url, settings);
  request.on('response', (response) => void gather(response).then((text) => resolve(answerOf(response, text))));
  request.on('error', (error) => resolve(faultOf(error, timeoutMs)));
  request.end(body);
  return promise;
}

function answerOf({ statusCode = 0, headers }: IncomingMessage, body: string): Answer {
  const pauseMs = retryAfterMs(headers, Date.now);
  return { status: statusCode, body, ...(pauseMs === undefined ? {} : { retryAfterMs: pauseMs }) };
}

function faultOf(error: Error & { code?: string }, timeoutMs: number): SendResult & { ok: false } {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return { ok: false, error: `The endpoint did not answer within ${timeoutMs} ms` };
  }
  return { ok: false, error: endpointFault(error), permanent: error.code === 'EGRESS' };
}

/** Of an answer that breaks off what there is: its status has said what counts. */
function gather(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve) => {
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > answerBytesMax) response.destroy();
    });
    response.on('error', () => {});
    response.on('close', () => resolve(Buffer.concat(chunks).subarray(0, answerBytesMax).toString()));
  });
}

/** Statuses that say "not now": https://www.rfc-editor.org/rfc/rfc9110#section-15.5.9, RFC 6585 and 8470. */
const passing = new Set([408, 425, 429]);

/** By the status alone; the answer's own words are left out, since they may repeat the message. */
export function resultOf({ status, retryAfterMs }: Answer): SendResult {
  if (status >= 200 && status < 300) return { ok: true };
  const error = `The endpoint answered with HTTP ${status}`;
  if (status < 500 && !passing.has(status)) return { ok: false, error, permanent: true };
  return retryAfterMs === undefined ? { ok: false, error } : { ok: false, error, retryAfterMs };
}
