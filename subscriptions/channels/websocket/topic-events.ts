// Notifications of topics over web sockets: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets
// What a socket is told is read from table delivery, from the number on that its client has confirmed: so it makes no difference
// which server told an event first, and what was missed comes after a reconnect.
import type { XmlCodec } from '#fhir-model';
import type { Db, Log, Statement } from '#platform';
import { eventsBetween, lostEvents } from '../../dispatch/told.ts';
import type { TopicRegistration } from '../../registration.ts';
import type { NotificationType } from '../notification/bundle.ts';
import { type Notifications, notificationBytesMax } from '../notification/notifications.ts';
import { inFormat, isUnwritable } from '../payload.ts';
import type { Binding, Connection, TopicBinding } from './connection.ts';

export interface TopicEventsOptions {
  db: Db;
  notifications: Notifications;
  xml: XmlCodec;
  log: Log;
}

export interface TopicEvents {
  /** The answer to a binding: what came before it is known to be told, what follows comes by itself. */
  handshake(connection: Connection, binding: Binding): Promise<void>;
  /** Tells what there is to tell, if that is not being done already. */
  tell(connection: Connection, binding: Binding): void;
  /** Tells that the connection is alive, if nothing was told for as long as the Subscription says. */
  beat(connection: Connection, binding: Binding, nowMs: number): void;
}

const eventsMax = 1_000;

export function createTopicEvents(options: TopicEventsOptions): TopicEvents {
  const { db, log } = options;
  const send = async (connection: Connection, binding: Binding, make: () => Promise<string>): Promise<boolean> => {
    const isSent = await connection.send(make);
    if (isSent && binding.topic) binding.topic.toldMs = performance.now();
    return isSent;
  };
  const status = async (connection: Connection, binding: Binding, type: NotificationType): Promise<void> => {
    await send(connection, binding, () => statusText(options, binding, type));
  };
  const tellAll = async (connection: Connection, binding: Binding, state: TopicBinding): Promise<void> => {
    try {
      while (binding.bound && connection.isOpen() && binding.sent < state.target) {
        let last = binding.sent;
        const make = async () => {
          const next = await nextText(options, binding, state);
          last = next.last;
          return next.text;
        };
        if (!(await send(connection, binding, make))) return;
        if (last > binding.sent) binding.sent = last;
        connection.probe();
      }
    } finally {
      // In the turn of the last look: what comes right after it is told at once, and not with the next poll.
      state.isTelling = false;
    }
  };
  return {
    handshake: (connection, binding) => status(connection, binding, 'handshake'),
    tell(connection, binding) {
      const state = binding.topic;
      if (!state || state.isTelling || !binding.bound) return;
      state.isTelling = true;
      tellAll(connection, binding, state).catch((err: unknown) =>
        log.warn({ err, subscription: binding.id }, 'a web socket will be told later'),
      );
    },
    beat(connection, binding, nowMs) {
      const state = binding.topic;
      if (!state || !binding.bound || state.topic.heartbeatSeconds === 0) return;
      if (nowMs - state.toldMs < state.topic.heartbeatSeconds * 1000) return;
      // Not once more while this one is being made.
      state.toldMs = nowMs;
      status(connection, binding, 'heartbeat').catch((err: unknown) => {
        log.warn({ err, subscription: binding.id }, 'a heartbeat could not be sent');
      });
    },
  };

  /** The next notification: as many events as the Subscription takes at once, fewer where they are long. */
  async function nextText({ notifications, xml }: TopicEventsOptions, { id, sent }: Binding, state: TopicBinding) {
    const { topic, payload, scope, target } = state;
    const range = { first: sent + 1n, last: target };
    const found = await eventsBetween(db, id, range, Math.min(topic.maxCount, eventsMax));
    const lost = lostEvents(found, range);
    const about = { subscription: id, topic: topic.url, content: topic.content, scope, status: 'active' } as const;
    const errors = lost === undefined ? [] : [{ text: lost }];
    for (let count = found.length; ; count = Math.ceil(count / 2)) {
      const some = found.slice(0, count);
      const told = { ...about, errors, type: 'event-notification' } as const;
      const lastOf = (fit: number) => some[fit - 1]?.number ?? target;
      const made = await notifications.fitting(told, some, (fit) => ({ eventsSinceStart: lastOf(fit) }));
      const last = lastOf(made.count);
      if (made.count <= 1 || Buffer.byteLength(made.text) <= notificationBytesMax) {
        try {
          return { last, text: inFormat(made.text, payload, xml) };
        } catch (err) {
          if (!isUnwritable(err)) throw err;
        }
        if (made.count <= 1) {
          const bare = { ...told, content: 'id-only', eventsSinceStart: last } as const;
          return { last, text: inFormat(await notifications.bundle(bare, some.slice(0, 1)), payload, xml) };
        }
      }
      count = made.count;
    }
  }
}

async function statusText(
  { db, notifications, xml }: TopicEventsOptions,
  { id, topic: state }: Binding,
  type: NotificationType,
): Promise<string> {
  const { topic, payload, scope } = state!;
  const row = await findBound(db, id);
  const about = { subscription: id, topic: topic.url, content: topic.content, scope, type } as const;
  const status = row?.state ?? 'active';
  const text = await notifications.bundle({ ...about, status, eventsSinceStart: row?.last ?? 0n }, []);
  return inFormat(text, payload, xml);
}

export interface BoundSubscriber {
  state: string;
  version: number;
  topic: TopicRegistration | null;
  payload: string;
  /** Numbers of the newest event, and of the last one told. */
  last: bigint;
  done: bigint;
}

const bound: Statement = {
  name: 'websocket_bound',
  text: 'select state, version, topic, payload, last_number as last, done_number as done from subscriber where id = $1',
};

/** What the change stream has made of a Subscription; undefined before it has come to it. */
export async function findBound(db: Db, id: string): Promise<BoundSubscriber | undefined> {
  return (await db.query<BoundSubscriber>(bound, [id]))[0];
}
