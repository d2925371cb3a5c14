// What a notification of a topic tells: the very versions that made its events, and what the topic's notificationShape adds.
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html
import type { AccessScope, ChangeFeed, JsonObject, ResourceReader } from '#fhir-model';
import { type Clock, type Db, type Log, uuidv5, uuidv7 } from '#platform';
import type { Delivery } from '../../dispatch/deliveries.ts';
import { type NotificationContent, type NotificationType, type NotifiedEvent, notificationBundle } from './bundle.ts';
import { relatedOf, rememberedShapes, type ShapeOf } from './related.ts';

export interface NotificationsOptions {
  db: Db;
  feed: Pick<ChangeFeed, 'bodies'>;
  reader: ResourceReader;
  /** What the owner of a Subscription may see at this moment. */
  ownerScope: OwnerScope;
  shapeOf?: ShapeOf | undefined;
  /** Our own FHIR base. */
  baseUrl: string;
  clock: Clock;
  log: Log;
}

/** By Subscription.id. Asked at each send: what was allowed once may be no more. */
export type OwnerScope = (subscription: string) => AccessScope | Promise<AccessScope>;

/** Which events of which Subscription, and how. */
export interface Told {
  subscription: string;
  topic: string | undefined;
  content: NotificationContent;
  type: NotificationType;
  status: string;
  /** Default: the number of the last event told. */
  eventsSinceStart?: bigint;
  errors?: readonly JsonObject[];
  /** Instead of the owner's: of the client that asks. */
  scope?: AccessScope;
}

type EventDelivery = Pick<Delivery, 'number' | 'type' | 'id' | 'version' | 'op' | 'changed_at'>;

export interface Notifications {
  /** JSON text of the Bundle. Throws CerebraError when the store can't be read. */
  bundle(told: Told, deliveries: readonly EventDelivery[]): Promise<string>;
}

// Any UUID will do: the ids of one Subscription's notifications are names within it.
const namespace = '0f9a3c1e-8d35-5a7e-9a55-5b6d0c6f7e21';

export function createNotifications(given: NotificationsOptions): Notifications {
  const options = { ...given, shapeOf: given.shapeOf && rememberedShapes(given.shapeOf) };
  const { baseUrl, clock } = options;
  return {
    async bundle(told, deliveries) {
      const scope = told.scope ?? (await options.ownerScope(told.subscription));
      const events = await eventsOf(options, told, deliveries, scope);
      const last = deliveries.at(-1)?.number ?? 0n;
      const nowMs = clock.now();
      // The same events again have the same id: a receiver can tell a repetition.
      const name = `${told.subscription} ${deliveries[0]?.number} ${last}`;
      const id = told.type === 'event-notification' ? uuidv5(namespace, name) : uuidv7(nowMs);
      const status = { ...told, eventsSinceStart: told.eventsSinceStart ?? last };
      return notificationBundle(status, events, { baseUrl, id, nowMs });
    },
  };
}

async function eventsOf(
  options: NotificationsOptions,
  { topic, content }: Told,
  deliveries: readonly EventDelivery[],
  scope: AccessScope,
): Promise<NotifiedEvent[]> {
  const plain = deliveries.map(({ number, changed_at }): NotifiedEvent => {
    return { number, timeMs: changed_at, focus: undefined, related: [] };
  });
  if (content === 'empty' || deliveries.length === 0) return plain;
  const hidden = await hiddenOf(options.reader, deliveries, scope);
  const shown = deliveries.filter((one) => !hidden.has(keyOf(one)));
  const bodies = content === 'full-resource' ? await bodiesOf(options, shown) : new Map<bigint, string>();
  const related = await relatedOf(options, { topic, focuses: shown, scope });
  return plain.map((event, index) => {
    const one = deliveries[index]!;
    const key = keyOf(one);
    if (hidden.has(key)) return event;
    const { type, id, version, op, changed_at: updatedMs } = one;
    const focus = { type, id, version, op, updatedMs, body: bodies.get(one.number) ?? '' };
    return { ...event, focus, related: op === 'delete' ? [] : (related.get(key) ?? []) };
  });
}

const keyOf = ({ type, id }: Pick<EventDelivery, 'type' | 'id'>): string => `${type}/${id}`;

/** Those of the resources that are out of scope. */
async function hiddenOf(
  reader: ResourceReader,
  deliveries: readonly EventDelivery[],
  scope: AccessScope,
): Promise<ReadonlySet<string>> {
  if (scope.kind === 'everything') return new Set();
  const keys = new Map(deliveries.map((one) => [keyOf(one), one]));
  const hidden = new Set<string>();
  for (const [key, { type, id }] of keys) if (!(await reader.read(type, id, scope))) hidden.add(key);
  return hidden;
}

/** JSON texts by the events' numbers: the version that made the event, also when there are newer ones. */
async function bodiesOf(
  { db, feed }: NotificationsOptions,
  deliveries: readonly EventDelivery[],
): Promise<Map<bigint, string>> {
  const stored = deliveries.filter(({ op }) => op !== 'delete');
  const bodies = await feed.bodies(db, stored);
  return new Map(stored.map(({ number }, index) => [number, bodies[index]!]));
}
