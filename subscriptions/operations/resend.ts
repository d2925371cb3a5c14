// Subscription/[id]/$resend, as the guide's next version and R6 draft it:
// https://build.fhir.org/ig/HL7/fhir-subscription-backport-ig/OperationDefinition-backport-subscription-resend.html
// Events that were told before are told again, with their numbers, through the channel. It is written down and then done by
// whoever delivers, so that it happens though this server ends.
import { type OperationAnswer, type OperationRequest, type OperationSpec, one, type Resource } from '#fhir-model';
import { CerebraError, type Statement } from '#platform';
import { findSubscribers, numberAt, numberMax, readSubscription } from './asked.ts';
import type { OperationParts } from './parts.ts';

/** Events of one request. */
const eventsMax = 10_000;

const number = (name: string, documentation: string) =>
  ({ name, use: 'in', min: 0, max: '1', type: 'string', documentation }) as const;
const instant = (name: string, documentation: string) =>
  ({ name, use: 'in', min: 0, max: '1', type: 'instant', documentation }) as const;

export const resendOperation = (parts: OperationParts): OperationSpec => ({
  name: 'resend',
  title: 'Tell events again',
  description:
    'Events that a Subscription has been told of are told again through its channel, with the numbers they had',
  url: `${parts.baseUrl}/OperationDefinition/subscription-resend`,
  type: ['Subscription'],
  ...{ system: false, typeLevel: false, instanceLevel: true, affectsState: true },
  parameters: [
    number('eventNumber', 'The one event, by its number; not with the others'),
    number('eventsSinceNumber', 'The first event, by its number'),
    number('eventsUntilNumber', 'The last event, by its number; without it the last one told'),
    instant('eventsSinceInstant', 'Not what happened before'),
    instant('eventsUntilInstant', 'Not what happened after'),
    {
      ...{ name: 'return', use: 'out', min: 1, max: '1', type: 'OperationOutcome' },
      documentation: 'How many events are told again, and which can not be',
    },
  ],
  run: (request) => run(parts, request),
});

interface Asked {
  first: bigint;
  last: bigint;
  sinceMs: number | null;
  untilMs: number | null;
}

// The row of the subscriber first, as whoever delivers locks it.
const lock: Statement = {
  name: 'resend_lock',
  text: 'select state, done_number from subscriber where id = $1 for update',
};

const mark: Statement = {
  name: 'resend_mark',
  text: `update delivery d set resend = true from (
      select number, resend from delivery
      where subscriber = $1 and number between $2 and least($3::bigint, $7::bigint)
        and ($4::float8 is null or changed_at >= to_timestamp($4::float8 / 1000))
        and ($5::float8 is null or changed_at < to_timestamp(($5::float8 + 1) / 1000))
      order by number limit $6) f
    where d.subscriber = $1 and d.number = f.number
    returning d.number, f.resend as already`,
};

const owe: Statement = {
  name: 'resend_owe',
  text: `update subscriber set resends = resends + $2, due_at = coalesce(due_at, statement_timestamp()) where id = $1`,
};

async function run(parts: OperationParts, request: OperationRequest): Promise<OperationAnswer> {
  const id = request.id ?? '';
  const asked = askedOf(request);
  await readSubscription(parts.reader(), id, request.scope);
  const subscriber = (await findSubscribers(parts.db, [id])).get(id);
  if (subscriber?.channel === 'websocket') {
    const text = 'Events of a web socket are told again when it binds again, or read with $events';
    throw new CerebraError('business-rule', `Subscription/${id}: ${text}`);
  }
  const { marked, done } = await parts.db.tx(async (tx) => {
    const [row] = await tx.query<{ state: string; done_number: bigint }>(lock, [id]);
    if (row?.state !== 'active') {
      throw new CerebraError('business-rule', `Subscription/${id} is not active: request it anew first`);
    }
    const values = [id, asked.first, asked.last, asked.sinceMs, asked.untilMs, eventsMax + 1, row.done_number];
    const found = await tx.query<{ number: bigint; already: boolean }>(mark, values);
    if (found.length > eventsMax) {
      throw new CerebraError('too-costly', `These are more than ${eventsMax} events: ask for them in parts`);
    }
    const fresh = found.filter(({ already }) => !already).length;
    if (fresh > 0) await tx.query(owe, [id, fresh]);
    return { marked: found.map((each) => each.number), done: row.done_number };
  });
  return { resource: outcome(asked, marked, done) };
}

const eventsAre = (count: number | bigint): string => (Number(count) === 1 ? '1 event is' : `${count} events are`);

function outcome(asked: Asked, marked: readonly bigint[], done: bigint): Resource {
  const last = asked.last < done ? asked.last : done;
  const wanted = last < asked.first ? 0n : last - asked.first + 1n;
  const byTime = asked.sinceMs !== null || asked.untilMs !== null;
  const lost = byTime ? 0n : wanted - BigInt(marked.length);
  const issue = [
    { severity: 'information', code: 'informational', diagnostics: `${eventsAre(marked.length)} told again` },
    ...(lost > 0n
      ? [{ severity: 'warning', code: 'not-found', diagnostics: `${eventsAre(lost)} no longer kept` }]
      : []),
    ...(asked.first > done
      ? [{ severity: 'warning', code: 'not-found', diagnostics: `The last event that was told is number ${done}` }]
      : []),
  ];
  return { resourceType: 'OperationOutcome', issue } as Resource;
}

function askedOf({ input }: OperationRequest): Asked {
  const single = numberAt(input, 'eventNumber');
  const first = numberAt(input, 'eventsSinceNumber');
  const last = numberAt(input, 'eventsUntilNumber');
  const sinceMs = instantAt(input, 'eventsSinceInstant');
  const untilMs = instantAt(input, 'eventsUntilInstant');
  const isRange = first !== undefined || last !== undefined || sinceMs !== null || untilMs !== null;
  if ((single !== undefined) === isRange) {
    throw new CerebraError(
      single === undefined ? 'required' : 'invalid-parameter',
      '$resend needs either eventNumber, or where the events begin or end (eventsSinceNumber, eventsUntilNumber, eventsSinceInstant, eventsUntilInstant)',
      { expression: ['eventNumber', 'eventsSinceNumber'] },
    );
  }
  const asked = {
    first: single ?? first ?? 1n,
    last: single ?? last ?? numberMax,
    sinceMs,
    untilMs,
  };
  if (asked.first > asked.last || (sinceMs !== null && untilMs !== null && sinceMs > untilMs)) {
    throw new CerebraError('invalid-parameter', 'The last event must not be before the first', {
      expression: [sinceMs === null ? 'eventsUntilNumber' : 'eventsUntilInstant'],
    });
  }
  return { ...asked, first: asked.first === 0n ? 1n : asked.first };
}

function instantAt(input: OperationRequest['input'], name: string): number | null {
  const text = one<string>(input, name);
  if (text === undefined) return null;
  const ms = Date.parse(text);
  if (!Number.isNaN(ms)) return ms;
  throw new CerebraError('invalid-parameter', `${name} must be an instant`, { expression: [name] });
}
