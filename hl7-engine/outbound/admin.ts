// The operator's view of destinations. Bodies hold patients' data: these routes belong behind the admin authentication.
import type { AdminParameter, AdminRequest, AdminResponse, AdminRoute, Db } from '#platform';
import { connectionsOf, targetOf } from './destination.ts';
import {
  findMessage,
  listMessages,
  messageStates,
  type OutboundRow,
  type OutboundState,
  purge,
  retryDeadLetters,
  retryMessage,
  skipMessage,
} from './operate.ts';
import { readBacklog } from './queue.ts';
import type { Runner } from './runner.ts';
import { type DestinationState, drainDestination, pauseDestination, readStates, resumeDestination } from './state.ts';

export interface DestinationRoutesOptions {
  db: Db;
  runners: ReadonlyMap<string, Runner>;
  /** The state of a destination was changed. */
  changed(): void;
}

const idMax = 2n ** 63n - 1n;
const countMax = 1000;
const countDefault = 50;

const invalid = (message: string): AdminResponse => ({
  status: 400,
  body: { error: { code: 'invalid-parameter', message } },
});
const notFound = (message: string): AdminResponse => ({ status: 404, body: { error: { code: 'not-found', message } } });
const noDestination = notFound('There is no such HL7 destination; GET /admin/hl7/destinations lists them');
const noMessage = notFound('There is no such message of this destination, or its state does not allow this');

const time = (ms: number | null | undefined): string | null => (ms == null ? null : new Date(ms).toISOString());

/** Settings that are no secrets; what delivers is told by the process that was asked. */
function shownDestination(state: DestinationState, runner: Runner | undefined): Record<string, unknown> {
  const shown = {
    name: state.name,
    configured: runner !== undefined,
    paused: state.paused,
    pauseReason: state.pause_reason,
    pausedAt: time(state.paused_at),
    draining: state.drain_to !== null,
  };
  if (runner === undefined) return shown;
  const { destination } = runner;
  const { failing, ...status } = runner.status();
  return {
    ...shown,
    ...{ kind: destination.kind, target: targetOf(destination), concurrency: connectionsOf(destination) },
    ...{ order: destination.order, onFailure: destination.onFailure, queueMax: destination.queueMax, ...status },
    failing: failing && { since: time(failing.sinceMs), failures: failing.count, error: failing.error },
  };
}

function shownMessage(row: OutboundRow): Record<string, unknown> {
  return {
    id: row.id,
    journalId: row.journal_id,
    controlId: row.control_id,
    state: row.state,
    bytes: row.body_bytes,
    queuedAt: time(row.queued_at),
    endedAt: time(row.ended_at),
    attempts: row.attempts,
    refusals: row.refusals,
    error: row.error,
  };
}

const idOf = (text: string | undefined): bigint | undefined =>
  text !== undefined && /^\d{1,18}$/.test(text) ? BigInt(text) : undefined;

export function destinationRoutes(options: DestinationRoutesOptions): AdminRoute[] {
  return [...viewRoutes(options), ...stateRoutes(options), ...messageRoutes(options)];
}

const base = '/admin/hl7/destinations';

const query = (
  name: string,
  description: string,
  example: string,
  schema: Record<string, unknown> = { type: 'string' },
): AdminParameter => ({ ...{ name, in: 'query', description, example }, schema });

const listParameters = [
  query('state', 'What has become of them; dead unless told, or controlId is', 'dead', {
    type: 'string',
    enum: messageStates,
  }),
  query('controlId', 'MSH-10 of what is sent; without state whatever has become of it', '4711'),
  query('before', 'A message id: only older ones', '1000'),
  query('limit', 'How many at most', '50', { type: 'integer', minimum: 1, maximum: countMax, default: countDefault }),
];
const purgeParameters = [
  query('state', 'Which messages are taken out', 'dead', { type: 'string', enum: ['dead', 'queued'] }),
];
const pauseParameters = [query('reason', 'Shown until it is resumed', 'Receiver is being updated')];

function viewRoutes({ db, runners }: DestinationRoutesOptions): AdminRoute[] {
  const view = async (states: DestinationState[]): Promise<Record<string, unknown>[]> => {
    const counts = await readBacklog(
      db,
      states.map(({ name }) => name),
    );
    return states.map((state, index) => {
      const { queued, dead, oldest_at } = counts[index]!;
      return { ...shownDestination(state, runners.get(state.name)), queued, dead, oldestAt: time(oldest_at) };
    });
  };
  return [
    {
      method: 'GET',
      path: base,
      summary: 'Destinations of HL7 messages: what waits, whether they are paused or fail',
      handle: async () => ({ status: 200, body: { destinations: await view(await readStates(db)) } }),
    },
    {
      method: 'GET',
      path: `${base}/:name`,
      summary: 'One destination of HL7 messages',
      async handle({ params }) {
        const states = await readStates(db);
        const [shown] = await view(states.filter(({ name }) => name === params.name));
        return shown === undefined ? noDestination : { status: 200, body: shown };
      },
    },
  ];
}

function stateRoutes({ db, changed }: DestinationRoutesOptions): AdminRoute[] {
  const route = (
    action: string,
    summary: string,
    act: (name: string, query: URLSearchParams) => Promise<boolean>,
    parameters: AdminParameter[] = [],
  ) => ({
    method: 'POST' as const,
    path: `${base}/:name/${action}`,
    ...{ summary, parameters, statuses: [204] },
    async handle({ params, query }: AdminRequest): Promise<AdminResponse> {
      if (!(await act(params.name!, query))) return noDestination;
      changed();
      return { status: 204 };
    },
  });
  const reasonMax = 500;
  return [
    route(
      'pause',
      'Sends nothing more until resumed',
      async (name, query) => {
        const reason = (query.get('reason') ?? 'By an operator').slice(0, reasonMax);
        return (await pauseDestination(db, name, reason)) !== undefined;
      },
      pauseParameters,
    ),
    route('resume', 'Sends again, at once', (name) => resumeDestination(db, name)),
    route('drain', 'Delivers what waits now, keeps what comes later, then is paused', (name) =>
      drainDestination(db, name),
    ),
  ];
}

function messageRoutes(options: DestinationRoutesOptions): AdminRoute[] {
  const { db, changed } = options;
  const known = async (name: string): Promise<boolean> => (await readStates(db)).some((state) => state.name === name);
  const onOne = (action: string, summary: string, act: (name: string, id: bigint) => Promise<number>): AdminRoute => ({
    method: 'POST',
    path: `${base}/:name/messages/:id/${action}`,
    ...{ summary, statuses: [204] },
    async handle({ params }) {
      const id = idOf(params.id);
      if (id === undefined || (await act(params.name!, id)) === 0) return noMessage;
      changed();
      return { status: 204 };
    },
  });
  const onAll = (
    action: string,
    summary: string,
    act: (name: string, state: string | null) => Promise<number> | string,
    parameters: AdminParameter[] = [],
  ) => ({
    method: 'POST' as const,
    path: `${base}/:name/${action}`,
    ...{ summary, parameters },
    async handle({ params, query }: AdminRequest): Promise<AdminResponse> {
      if (!(await known(params.name!))) return noDestination;
      const count = await act(params.name!, query.get('state'));
      if (typeof count === 'string') return invalid(count);
      changed();
      return { status: 200, body: { messages: count } };
    },
  });
  return [
    {
      method: 'GET',
      path: `${base}/:name/messages`,
      summary: 'Messages, newest first',
      parameters: listParameters,
      handle: async ({ params, query }) =>
        (await known(params.name!)) ? list(db, params.name!, query) : noDestination,
    },
    {
      method: 'GET',
      path: `${base}/:name/messages/:id`,
      summary: 'One message with its bytes and the answers to it (base64)',
      async handle({ params }) {
        const id = idOf(params.id);
        const row = id === undefined ? undefined : await findMessage(db, params.name!, id);
        if (row === undefined) return noMessage;
        const text = (bytes: Buffer | null): string | null => bytes?.toString('base64') ?? null;
        const bodies = { body: text(row.body), answer: text(row.answer) };
        return {
          status: 200,
          body: { ...shownMessage(row), ...bodies, applicationAnswer: text(row.application_answer) },
        };
      },
    },
    onOne('retry', 'Sends a message once more that was given up, skipped or delivered', (name, id) =>
      retryMessage(db, name, id),
    ),
    onOne('skip', 'Takes a message out: the next one of its patient follows', (name, id) => skipMessage(db, name, id)),
    onAll('retry', 'Sends all dead letters once more, in order', (name) => retryDeadLetters(db, name)),
    onAll(
      'purge',
      'Takes out all messages of one state; they stay readable as skipped',
      (name, state) => (state === 'dead' || state === 'queued' ? purge(db, name, state) : 'state is dead or queued'),
      purgeParameters,
    ),
  ];
}

async function list(db: Db, name: string, query: URLSearchParams): Promise<AdminResponse> {
  const state = query.get('state');
  const limit = Number(query.get('limit') ?? countDefault);
  const before = query.get('before');
  if (state !== null && !(messageStates as readonly string[]).includes(state))
    return invalid(`state is one of ${messageStates.join(', ')}`);
  if (!Number.isInteger(limit) || limit < 1 || limit > countMax) return invalid(`limit is 1 to ${countMax}`);
  if (before !== null && idOf(before) === undefined) return invalid('before is the id of a message');
  const rows = await listMessages(db, name, {
    ...{ state: state as OutboundState | null, controlId: query.get('controlId'), limit },
    before: idOf(before ?? undefined) ?? idMax,
  });
  return { status: 200, body: { messages: rows.map(shownMessage) } };
}
