// What a notification of a topic tells: the very versions that made its events, and what the topic's notificationShape adds.
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html
import type { AccessScope, ChangeFeed, JsonObject, Resource, ResourceReader } from '#fhir-model';
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
  /** Of the client that asks, or listens: an answer to its question goes by that alone, what is told it by the owner's as well. */
  scope?: AccessScope;
}

type EventDelivery = Pick<Delivery, 'number' | 'type' | 'id' | 'version' | 'op' | 'changed_at'>;

export interface Notifications {
  /** JSON text of the Bundle. Throws CerebraError when the store can't be read. */
  bundle(told: Told, deliveries: readonly EventDelivery[]): Promise<string>;
  /**
   * The same of the first `count`, as many as one notification may hold by the length of their resources, one at least. `more`: what
   * is told besides of so many.
   */
  fitting(
    told: Told,
    deliveries: readonly EventDelivery[],
    more?: (count: number) => Partial<Told>,
  ): Promise<{ text: string; count: number }>;
}

/** A longer one is told in parts, down to single events: what a receiver of rest-hooks commonly takes. */
export const notificationBytesMax = 8 * 1024 * 1024;

// Any UUID will do: the ids of one Subscription's notifications are names within it.
const namespace = '0f9a3c1e-8d35-5a7e-9a55-5b6d0c6f7e21';

export function createNotifications(given: NotificationsOptions): Notifications {
  const options = { ...given, shapeOf: given.shapeOf && rememberedShapes(given.shapeOf) };
  const { baseUrl, clock } = options;
  const make = async (told: Told, deliveries: readonly EventDelivery[], read?: Bodies): Promise<string> => {
    const scope = await scopeOf(options, told);
    const events = await eventsOf(options, told, deliveries, { scope, read });
    const last = deliveries.at(-1)?.number ?? 0n;
    const nowMs = clock.now();
    // The same events again have the same id: a receiver can tell a repetition.
    const name = `${told.subscription} ${deliveries[0]?.number} ${last}`;
    const id = told.type === 'event-notification' ? uuidv5(namespace, name) : uuidv7(nowMs);
    const status = { ...told, eventsSinceStart: told.eventsSinceStart ?? last };
    return notificationBundle(status, events, { baseUrl, id, nowMs });
  };
  return {
    bundle: (told, deliveries) => make(told, deliveries),
    async fitting(told, deliveries, more) {
      const read = told.content === 'full-resource' ? await readFitting(options, deliveries) : undefined;
      const count = read?.count ?? deliveries.length;
      const text = await make({ ...told, ...more?.(count) }, deliveries.slice(0, count), read?.bodies);
      return { text, count };
    },
  };
}

/**
 * A socket's scope is that of its token, from when it was bound, and may be days old: what the owner may see no more, no socket shows either.
 */
async function scopeOf(
  { ownerScope }: NotificationsOptions,
  { scope, type, subscription }: Told,
): Promise<AccessScope> {
  if (scope && type === 'query-event') return scope;
  const owner = await ownerScope(subscription);
  return scope && owner.kind === 'everything' ? scope : owner;
}

/** JSON texts by the events' numbers. */
type Bodies = ReadonlyMap<bigint, string>;

/** Read at first; how many after that goes by how long they are. */
const firstRead = 8;

// All at once 1,000 documents of some megabytes are more than the memory there is, or than the one text that they become may be long.
async function readFitting(
  options: NotificationsOptions,
  deliveries: readonly EventDelivery[],
): Promise<{ bodies: Bodies; count: number }> {
  const bodies = new Map<bigint, string>();
  let length = 0;
  let count = 0;
  for (let next = firstRead; count < deliveries.length; ) {
    const some = deliveries.slice(count, count + next);
    const read = await bodiesOf(options, some);
    for (const { number } of some) {
      const body = read.get(number) ?? '';
      if (count > 0 && length + body.length > notificationBytesMax) return { bodies, count };
      bodies.set(number, body);
      length += body.length;
      count++;
    }
    next = Math.max(1, Math.floor(((notificationBytesMax - length) * count) / Math.max(length, 1)));
  }
  return { bodies, count };
}

async function eventsOf(
  options: NotificationsOptions,
  { topic, content }: Told,
  deliveries: readonly EventDelivery[],
  { scope, read }: { scope: AccessScope; read: Bodies | undefined },
): Promise<NotifiedEvent[]> {
  const plain = deliveries.map(({ number, changed_at }): NotifiedEvent => {
    return { number, timeMs: changed_at, focus: undefined, related: [] };
  });
  if (content === 'empty' || deliveries.length === 0) return plain;
  const hidden = await hiddenOf(options.reader, deliveries, scope);
  const shown = deliveries.filter((one) => !hidden.has(keyOf(one)));
  const bodies: Bodies = read ?? (content === 'full-resource' ? await bodiesOf(options, shown) : new Map());
  const related = await relatedOf(options, { topic, focuses: shown, scope });
  return plain.map((event, index) => {
    const one = deliveries[index]!;
    const key = keyOf(one);
    if (hidden.has(key)) return event;
    const { type, id, version, op } = one;
    const body = bodies.get(one.number) ?? '';
    const focus = { type, id, version, op, updatedMs: updatedOf(body, one.changed_at), body };
    return { ...event, focus, related: op === 'delete' ? [] : (related.get(key) ?? []) };
  });
}

/**
 * A version's own instant, which Bundle.entry.response.lastModified repeats: what an event trigger is about may have been stored long
 * before the event. Of nearly all others it is the event's, and nothing is parsed.
 */
function updatedOf(body: string, eventMs: number): number {
  if (body === '' || body.includes(`"lastUpdated":"${new Date(eventMs).toISOString()}"`)) return eventMs;
  const ms = Date.parse(String((JSON.parse(body) as Partial<Resource>).meta?.lastUpdated));
  return Number.isNaN(ms) ? eventMs : ms;
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
async function bodiesOf({ db, feed }: NotificationsOptions, deliveries: readonly EventDelivery[]): Promise<Bodies> {
  const stored = deliveries.filter(({ op }) => op !== 'delete');
  const bodies = await feed.bodies(db, stored);
  return new Map(stored.map(({ number }, index) => [number, bodies[index]!]));
}
