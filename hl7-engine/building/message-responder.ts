// Answers of FHIR messages to where they are wanted: https://hl7.org/fhir/R4/messageheader-operation-process-message.html
// (response-url). The answer is a stored Bundle; a job of the queue names it and sends it, again if it must.
import { type ClientRequest, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AccessScope, ResourceReader } from '#fhir-model';
import { createEgress, type Egress, type EgressAllow, endpointFault, type Jobs } from '#platform';

export interface MessageResponder {
  /** Why nothing is sent to this address; undefined if it can be. */
  refuse(url: string): string | undefined;
  /** Resolves when the queue has it. `bundleId`: of the stored answer. */
  send(url: string, bundleId: string): Promise<void>;
}

export interface ResponderOptions {
  jobs: Jobs;
  reader(): ResourceReader;
  scope: AccessScope;
  egressAllow: EgressAllow;
}

const job = 'fhir-message-response';
/** Waits of 1 s, 2 s … 1,024 s between them: half an hour in all. */
const attemptsMax = 12;
const timeoutMs = 30_000;

/** Before the jobs are started. Throws `config` when an entry of `egressAllow` can't be understood. */
export function createMessageResponder({ jobs, reader, scope, egressAllow }: ResponderOptions): MessageResponder {
  const egress = createEgress(egressAllow);
  jobs.define(job, async ({ url, bundleId }) => {
    const stored = await reader().read('Bundle', String(bundleId), scope);
    if (stored === undefined || stored.deleted) return;
    await post(new URL(String(url)), stored.body, egress);
  });
  return {
    refuse: (url) => (URL.canParse(url) ? egress.refuseUrl(new URL(url)) : 'It is no absolute URL'),
    // Without an id of its own: the queue keeps jobs that are done or given up for days, and would take no second one of
    // that id, so that whoever sends the message again because no answer came would wait in vain.
    send: (url, bundleId) => jobs.add(job, { url, bundleId }, { attempts: attemptsMax }),
  };
}

/** Answers are accepted, not answered: `async=true`. The rest of the query stays byte for byte, as it may be signed. What is no URL stays. */
export function withAsync(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.searchParams.get('async') !== 'true') url.search += `${url.search === '' ? '?' : '&'}async=true`;
  return url.href;
}

/** `[endpoint]/$process-message?async=true`; a query of the endpoint stays. */
export function processMessageAt(endpoint: string): string {
  if (!URL.canParse(endpoint)) return endpoint;
  const url = new URL(endpoint);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return endpoint;
  url.pathname = `${url.pathname.replace(/\/+$|\/\$process-message\/*$/, '')}/$process-message`;
  return withAsync(url.href);
}

/** Any 2xx is success; redirects are not followed, since they would lead where nobody checked. */
function post(url: URL, body: string, egress: Egress): Promise<void> {
  const refusal = egress.refuseUrl(url);
  if (refusal !== undefined) throw new Error(refusal);
  const headers = { 'Content-Type': 'application/fhir+json', 'Content-Length': String(Buffer.byteLength(body)) };
  const settings = { method: 'POST', headers, lookup: egress.lookup, signal: AbortSignal.timeout(timeoutMs) };
  return new Promise((resolve, reject) => {
    const request: ClientRequest = url.protocol === 'https:' ? httpsRequest(url, settings) : httpRequest(url, settings);
    request.on('response', (response) => {
      const { statusCode = 0 } = response;
      response.resume();
      if (statusCode >= 200 && statusCode < 300) resolve();
      else reject(new Error(`The receiver of the answer answered ${statusCode}`));
    });
    request.on('error', (error) => reject(new Error(endpointFault(error))));
    request.end(body);
  });
}
