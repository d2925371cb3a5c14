// The Subscription that an operation is about, and what the change stream has made of it.
import { type AccessScope, type OperationInput, one, parseJson, type Resource, type ResourceReader } from '#fhir-model';
import { CerebraError, type Queryable, type Statement } from '#platform';
import type { NotificationContent } from '../channels/notification/bundle.ts';
import type { ChannelName, TopicRegistration } from '../registration.ts';

/** Table subscriber, as far as operations tell of it. */
export interface Subscriber {
  id: string;
  channel: ChannelName;
  state: 'requested' | 'active' | 'error' | 'off' | 'deleted';
  payload: string;
  topic: TopicRegistration | null;
  last_number: bigint;
  done_number: bigint;
  error: string | null;
}

const find: Statement = {
  name: 'operation_subscribers',
  text: `select id, channel, state, payload, topic, last_number, done_number, error from subscriber where id = any($1::text[])`,
};

/** By Subscription.id. What the change stream has not reached yet has none. */
export async function findSubscribers(db: Queryable, ids: readonly string[]): Promise<Map<string, Subscriber>> {
  const rows = await db.query<Subscriber>(find, [ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

/** Throws CerebraError `not-found` and `deleted`. */
export async function readSubscription(reader: ResourceReader, id: string, scope: AccessScope): Promise<Resource> {
  const stored = await reader.read('Subscription', id, scope);
  if (!stored) throw new CerebraError('not-found', `Subscription/${id} is not known here`);
  if (stored.deleted) throw new CerebraError('deleted', `Subscription/${id} was deleted`);
  return parseJson(stored.body).exact as Resource;
}

/** How much its notifications show; of one with R4 criteria, what its payload does. */
export function contentOf(subscriber: Pick<Subscriber, 'topic' | 'payload'> | undefined): NotificationContent {
  if (!subscriber) return 'empty';
  return subscriber.topic?.content ?? (subscriber.payload === '' ? 'empty' : 'full-resource');
}

/** No event has a higher number that can be asked for. */
export const numberMax = 999_999_999_999_999_999n;

/** The number of an event, as the guide has it: text. Throws CerebraError `invalid-parameter`. */
export function numberAt(input: OperationInput, name: string): bigint | undefined {
  const text = one<string>(input, name);
  if (text === undefined) return undefined;
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw new CerebraError('invalid-parameter', `${name} must be the number of an event, not '${text.slice(0, 40)}'`, {
    expression: [name],
  });
}
