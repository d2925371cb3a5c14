// Subscription/[id]/$events: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-events.html
import {
  backportGuide,
  type JsonObject,
  type OperationAnswer,
  type OperationRequest,
  type OperationSpec,
  one,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { type NotificationContent, notificationContents } from '../channels/notification/bundle.ts';
import { type EventRange, eventsBetween, lostEvents } from '../dispatch/told.ts';
import { contentOf, findSubscribers, numberAt, numberMax, readSubscription } from './asked.ts';
import type { OperationParts } from './parts.ts';

/** Events in one answer, by how much of each is told: 1,000 numbers are 100 kB, 100 resources may be some MB. */
const eventsMax: Record<NotificationContent, number> = { empty: 1_000, 'id-only': 1_000, 'full-resource': 100 };

export const eventsOperation = (parts: OperationParts): OperationSpec => ({
  name: 'events',
  title: 'Past events of a Subscription',
  description: 'The events of a Subscription that are still kept, as one notification, told or not told yet',
  url: `${backportGuide}/OperationDefinition/backport-subscription-events`,
  type: ['Subscription'],
  ...{ system: false, typeLevel: false, instanceLevel: true, affectsState: false },
  parameters: [
    {
      ...{ name: 'eventsSinceNumber', use: 'in', min: 0, max: '1', type: 'string' },
      documentation: 'The first event, by its number; without it the first one',
    },
    {
      ...{ name: 'eventsUntilNumber', use: 'in', min: 0, max: '1', type: 'string' },
      documentation: 'The last event, by its number; without it the newest',
    },
    {
      ...{ name: 'content', use: 'in', min: 0, max: '1', type: 'code' },
      documentation: 'empty, id-only or full-resource; without it what the Subscription asks for',
    },
    {
      ...{ name: 'return', use: 'out', min: 1, max: '1', type: 'Bundle' },
      documentation: 'A notification: a Bundle of type history that begins with the status',
    },
  ],
  run: (request) => run(parts, request),
});

async function run(parts: OperationParts, request: OperationRequest): Promise<OperationAnswer> {
  const { input, scope } = request;
  const id = request.id ?? '';
  const range = rangeOf(request);
  const asked = one<string>(input, 'content') as NotificationContent | undefined;
  if (asked !== undefined && !notificationContents.includes(asked)) {
    throw new CerebraError('invalid-parameter', `content must be one of ${notificationContents.join(', ')}`, {
      expression: ['content'],
    });
  }
  const subscription = await readSubscription(parts.reader(), id, scope);
  const subscriber = (await findSubscribers(parts.db, [id])).get(id);
  const content = asked ?? contentOf(subscriber);
  const limit = eventsMax[content];
  const newest = subscriber?.last_number ?? 0n;
  const last = range.last < newest ? range.last : newest;
  const found = await eventsBetween(parts.db, id, { ...range, last }, limit + 1);
  const told = found.slice(0, limit);
  const lost = lostEvents(found, { ...range, last }, found.length <= limit);
  const errorsOf = (count: number): JsonObject[] => [
    ...(lost === undefined ? [] : [{ text: lost }]),
    ...(found.length > count ? [{ text: moreText(found[count]!.number) }] : []),
  ];
  const { text } = await parts.notifications().fitting(
    {
      ...{ subscription: id, topic: subscriber?.topic?.url, content, scope },
      ...{ type: 'query-event', status: String(subscription.status), eventsSinceStart: newest },
    },
    told,
    (count) => ({ errors: errorsOf(count) }),
  );
  return { text };
}

function rangeOf({ input }: OperationRequest): EventRange {
  const first = numberAt(input, 'eventsSinceNumber') ?? 1n;
  const last = numberAt(input, 'eventsUntilNumber') ?? numberMax;
  if (first > last) {
    throw new CerebraError('invalid-parameter', 'eventsUntilNumber must not be below eventsSinceNumber', {
      expression: ['eventsUntilNumber'],
    });
  }
  return { first: first === 0n ? 1n : first, last };
}

const moreText = (next: bigint): string => `There are more events: ask again with eventsSinceNumber=${next}`;
