// Dead letters and reviews for operators: what they are, and what somebody has decided about them.
import { z } from 'zod';
import {
  type AdminParameter,
  type AdminRequest,
  type AdminResponse,
  type AdminRoute,
  CerebraError,
  type Clock,
  type Db,
} from '#platform';
import { deadLetterPage, resolutionContent, reviewContent, reviewPage } from './admin-content.ts';
import { listDeadLetters, listReviews, type Openness, resolveMessages, resolveOne } from './decisions.ts';
import { numberOf, pageParameters, readPage } from './filter.ts';
import { author, comment, readBody } from './read-body.ts';

interface DecisionOptions {
  db: Db;
  clock: Clock;
}

const resolutionBody = z.strictObject({ author, comment });

const stateParameter: AdminParameter = {
  name: 'state',
  in: 'query',
  description: 'Whether somebody has decided about it',
  schema: { type: 'string', enum: ['open', 'resolved', 'all'], default: 'open' },
  example: 'open',
};

const kinds = ['identity', 'merge', 'order', 'content', 'continuation'];
const kindParameter: AdminParameter = {
  name: 'kind',
  in: 'query',
  description: 'What the question is about',
  schema: { type: 'string', enum: kinds },
  example: 'identity',
};

/** Throws CerebraError `invalid-parameter`. */
function pageOf(query: URLSearchParams) {
  const which = query.get('state') ?? 'open';
  if (which !== 'open' && which !== 'resolved' && which !== 'all') {
    throw new CerebraError('invalid-parameter', 'state is one of open, resolved, all');
  }
  return { which: which as Openness, ...readPage(query) };
}

/** A list that was read with one item more than the page has. */
function paged(name: string, items: { id: bigint; shown: unknown }[], limit: number): AdminResponse {
  const page = items.slice(0, limit);
  const next = items.length > limit ? { next: String(page.at(-1)!.id) } : {};
  return { status: 200, body: { [name]: page.map(({ shown }) => shown), ...next } };
}

const letterParameters: AdminParameter[] = [stateParameter, ...pageParameters];
const reviewParameters: AdminParameter[] = [stateParameter, kindParameter, ...pageParameters];

async function deadLetters({ db }: DecisionOptions, { query }: AdminRequest): Promise<AdminResponse> {
  const page = pageOf(query);
  return paged('deadLetters', await listDeadLetters(db, page), page.limit);
}

async function resolveDeadLetter({ db, clock }: DecisionOptions, request: AdminRequest): Promise<AdminResponse> {
  const { author: by, comment: why } = readBody(resolutionBody, request);
  const id = numberOf(request.params.id);
  const done = id === undefined ? [] : await resolveMessages(db, [id], { by, comment: why }, clock.now());
  if (done.length > 0) return { status: 200, body: { id: String(id), resolved: true } };
  throw new CerebraError(
    'not-found',
    'There is no such open dead letter: it was resolved or processed, or never failed',
  );
}

async function reviews({ db }: DecisionOptions, { query }: AdminRequest): Promise<AdminResponse> {
  const page = pageOf(query);
  const kind = query.get('kind') ?? undefined;
  if (kind !== undefined && !kinds.includes(kind)) {
    throw new CerebraError('invalid-parameter', `kind is one of ${kinds.join(', ')}`);
  }
  return paged('reviews', await listReviews(db, page, kind), page.limit);
}

async function resolveReview({ db, clock }: DecisionOptions, request: AdminRequest): Promise<AdminResponse> {
  const { author: by, comment: why } = readBody(resolutionBody, request);
  const id = numberOf(request.params.id);
  const found = id === undefined ? undefined : await resolveOne(db, id, { by, comment: why }, clock.now());
  if (found === undefined) throw new CerebraError('not-found', 'There is no such review');
  if (found.already) throw new CerebraError('duplicate', 'The review was resolved before');
  return { status: 200, body: found.shown };
}

export function decisionRoutes(options: DecisionOptions): AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/admin/hl7/dead-letters',
      summary: 'Messages that failed and were not processed since, newest first',
      parameters: letterParameters,
      response: deadLetterPage,
      handle: (request) => deadLetters(options, request),
    },
    {
      method: 'POST',
      path: '/admin/hl7/dead-letters/:id/resolve',
      summary: 'Nothing more is to be done about a failed message: {author, comment}',
      request: resolutionContent,
      response: { schema: { type: 'object' }, example: { id: '4711', resolved: true } },
      handle: (request) => resolveDeadLetter(options, request),
    },
    {
      method: 'GET',
      path: '/admin/hl7/reviews',
      summary: 'Questions that messages raised and a person has to decide, newest first',
      parameters: reviewParameters,
      response: reviewPage,
      handle: (request) => reviews(options, request),
    },
    {
      method: 'POST',
      path: '/admin/hl7/reviews/:id/resolve',
      summary: 'What was decided: {author, comment}; the message is processed again by its own endpoint',
      request: resolutionContent,
      response: reviewContent,
      handle: (request) => resolveReview(options, request),
    },
  ];
}
