// What an operator sees of the dead letters, and can do about them.
import { type AdminResponse, type AdminRoute, CerebraError, withKnownQuery } from '#platform';
import {
  afterParameter,
  filterOf,
  limitOf,
  limitParameter,
  patientParameter,
  reasonParameter,
  whoseOf,
} from './admin-query.ts';
import type { DeadLetter, DeadLetters } from './dead-letters.ts';
import type { Ingest, Whose } from './ingest.ts';

const retriedMax = 1000;
const retriedAtOnce = 20;
const previewBytesMax = 2_000;

/** Payloads are clinical data: these routes are the operator's, never the public's. */
export function deadLetterRoutes(deadLetters: DeadLetters, ingest: Ingest): AdminRoute[] {
  const routes: AdminRoute[] = [
    {
      method: 'GET',
      path: '/admin/mqtt/dead-letters',
      summary: 'Device messages put aside, by id: ?reason=, ?after= (an id), ?limit= (at most 500)',
      parameters: [reasonParameter, afterParameter, limitParameter],
      handle: ({ query }) => list(deadLetters, query),
    },
    {
      method: 'GET',
      path: '/admin/mqtt/dead-letters/:id',
      summary: 'One of them, with its whole payload in base64',
      async handle({ params }) {
        const letter = await find(deadLetters, params.id);
        return { status: 200, body: { ...summary(letter), payloadBase64: letter.payload.toString('base64') } };
      },
    },
    {
      method: 'POST',
      path: '/admin/mqtt/dead-letters/:id/retry',
      summary: 'Takes the message in again; when nothing is wrong any more it leaves the table',
      parameters: [patientParameter],
      async handle({ params, query }) {
        const whose = whoseOf(query);
        return { status: 200, body: await retry(deadLetters, ingest, await find(deadLetters, params.id), whose) };
      },
    },
    {
      method: 'POST',
      path: '/admin/mqtt/dead-letters/retry',
      summary: 'Retries up to 1,000 by id: ?reason=, ?after= (go on with `next` of the answer)',
      parameters: [reasonParameter, afterParameter, patientParameter],
      handle: ({ query }) => retryAll(deadLetters, ingest, query),
    },
  ];
  return routes.map(withKnownQuery);
}

async function list(deadLetters: DeadLetters, query: URLSearchParams): Promise<AdminResponse> {
  const limit = limitOf(query);
  const filter = filterOf(query);
  const letters = await deadLetters.list({ ...filter, limit: limit + 1 });
  const page = letters.slice(0, limit);
  return {
    status: 200,
    body: {
      total: await deadLetters.count(filter.reason),
      items: page.map(summary),
      ...(letters.length > page.length ? { next: String(page.at(-1)!.id) } : {}),
    },
  };
}

function summary(letter: DeadLetter) {
  const { id, topic, reason, diagnostics, faults, faultCount, seen, payload } = letter;
  return {
    id: String(id),
    topic,
    reason,
    diagnostics,
    faults,
    faultCount,
    seen,
    firstReceivedAt: new Date(letter.firstReceivedMs).toISOString(),
    receivedAt: new Date(letter.receivedMs).toISOString(),
    payloadBytes: payload.length,
    payloadStart: payload.toString('utf8', 0, previewBytesMax),
  };
}

async function find(deadLetters: DeadLetters, id: string | undefined): Promise<DeadLetter> {
  const letter = /^\d{1,18}$/.test(id ?? '') ? await deadLetters.get(BigInt(id!)) : undefined;
  if (letter === undefined) throw new CerebraError('not-found', `There is no dead letter ${id}`);
  return letter;
}

async function retry(deadLetters: DeadLetters, ingest: Ingest, letter: DeadLetter, whose: Whose | undefined) {
  const result = await ingest.accept(letter.topic, letter.payload, whose);
  // When it failed again, `accept` has put it aside again: the same row, by its fingerprint.
  if (result.faults.length === 0) await deadLetters.remove(letter.id);
  return { id: String(letter.id), resolved: result.faults.length === 0, ...result };
}

async function retryAll(deadLetters: DeadLetters, ingest: Ingest, query: URLSearchParams): Promise<AdminResponse> {
  const filter = filterOf(query);
  const whose = whoseOf(query);
  let retried = 0;
  let resolved = 0;
  let last: DeadLetter[] = [];
  do {
    last = await deadLetters.list({ ...filter, limit: retriedAtOnce });
    const results = await Promise.all(last.map((letter) => retry(deadLetters, ingest, letter, whose)));
    retried += results.length;
    resolved += results.filter((result) => result.resolved).length;
    filter.afterId = last.at(-1)?.id ?? filter.afterId;
  } while (last.length === retriedAtOnce && retried < retriedMax);
  const next = last.length === retriedAtOnce ? { next: String(filter.afterId) } : {};
  return { status: 200, body: { retried, resolved, ...next } };
}
