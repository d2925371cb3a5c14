// Table subscriber as the change stream writes it: registrations in the order of the stream, committed together with
// the cursor, so that a server that takes over reads back exactly what the last one knew.
import type { Queryable, Statement, Tx } from '#platform';
import type { ChannelName, Registration, TopicRegistration } from '../registration.ts';
import { saveTopic, type TopicChange } from '../topics/store.ts';
import type { Match } from './deliveries.ts';

/** What a change of a Subscription does to its subscriber. */
export type SubscriberChange =
  /** It waits for the server's check; what was active before goes on until then. */
  | { kind: 'check'; id: string; version: number }
  | { kind: 'activate'; registration: Registration; version: number }
  /** Its criteria can't be evaluated: it goes into error, which its Subscription is told. */
  | { kind: 'fail'; id: string; error: string }
  /** `error`: the text of Subscription.error, null without. */
  | { kind: 'stop'; id: string; version: number; state: 'error' | 'off'; error: string | null }
  | { kind: 'delete'; id: string; version: number }
  /** Of a Basic that is, or was, a SubscriptionTopic. */
  | { kind: 'topic'; topic: TopicChange };

// Who is given the id of a deleted Subscription is another subscriber: what the former one was told is nothing to tell again, neither
// by $events and $resend nor to a web socket, which would have it as events of what is asked now. Without `former` nothing is looked for.
const forgetFormer = (version: string): string => `former as (
      select last_number from subscriber
      where id = $1 and state = 'deleted' and version < ${version} and channel not in ('alert', 'score')),
    forgotten as (delete from delivery where subscriber = $1 and exists (select from former)),
    seen as (
      insert into websocket_client as w (subscriber, seen_number) select $1, last_number from former where last_number > 0
      on conflict (subscriber) do update set seen_number = greatest(w.seen_number, excluded.seen_number))`;

// `version <` guards each: two transactions that touch several resources can reach the stream in another order than
// they changed this one.
const check: Statement = {
  name: 'subscriber_check',
  text: `with ${forgetFormer('$2')}
    insert into subscriber as s (id, channel, state, version, check_version)
    values ($1, 'rest-hook', 'requested', $2, $2)
    on conflict (id) do update set version = $2, check_version = $2, report = null,
      state = case when s.state = 'deleted' then 'requested' else s.state end
    where s.version < $2`,
};

// A web socket's heartbeats are the socket's own: who listens is known there only.
const firstHeartbeat = `case when $2 <> 'websocket' and ($11::jsonb ->> 'heartbeatSeconds')::int > 0
        then statement_timestamp() + ($11::jsonb ->> 'heartbeatSeconds')::int * interval '1 second' end`;

// The pause of a backoff ends with the activation: whoever reactivates has mended the receiver.
const activate: Statement = {
  name: 'subscriber_activate',
  text: `with ${forgetFormer('$3')}
    insert into subscriber as s (id, channel, state, version, criteria, endpoint, payload, header, ends_at, secret, host, topic, heartbeat_at)
    values ($1, $2, 'active', $3, $4, $5, $6, $7, to_timestamp($8::float8 / 1000), $9, $10, $11, ${firstHeartbeat})
    on conflict (id) do update set channel = $2, state = 'active', version = $3, criteria = $4, endpoint = $5,
      payload = $6, header = $7, ends_at = to_timestamp($8::float8 / 1000), secret = $9, host = $10, topic = $11, heartbeat_at = ${firstHeartbeat},
      attempts = 0, failing_since = null,
      error = null, check_version = null, report = null,
      due_at = case when s.done_number < s.last_number or s.resends > 0 then statement_timestamp() end
    where s.version < $3 or s.channel in ('alert', 'score')`,
};

const stop: Statement = {
  name: 'subscriber_stop',
  text: `with ${forgetFormer('$2')}
    insert into subscriber as s (id, channel, state, version, error)
    values ($1, case when $1 like 'alert:%' then 'alert' else 'rest-hook' end, $3, $2, $4)
    on conflict (id) do update set state = $3, version = $2, due_at = null, heartbeat_at = null, check_version = null, report = null,
      error = coalesce($4, s.error)
    where s.version < $2`,
};

// The endpoint of a rule names its text: what it said of its alerts is asked when they end. Of the deliveries those that have
// ended are not looked at again: 400,000 of them took 110 ms, during which nothing was dispatched. Those that were to be told again
// would be kept for ever: nobody tells them, and what is to be told is not pruned.
const remove: Statement = {
  name: 'subscriber_delete',
  text: `with o as (select done_number from subscriber where id = $1),
    s as (update subscriber set state = 'deleted', version = $2, due_at = null, attempts = 0,
      failing_since = null, error = null, check_version = null, report = null, done_number = last_number,
      criteria = '', endpoint = case when channel = 'alert' then endpoint else '' end, payload = '', header = '{}', secret = '', host = '', ends_at = null,
      topic = null, heartbeat_at = null, resends = 0
    where id = $1 and version < $2 returning id),
    again as (update delivery set resend = false where subscriber = $1 and resend and exists (select from s))
    delete from delivery where subscriber = $1 and number > (select done_number from o) and outcome is null
      and exists (select from s)`,
};

const fail: Statement = {
  name: 'subscriber_fail',
  text: `update subscriber s set state = 'error', error = f.error, report = f.error, due_at = null
    from unnest($1::text[], $2::text[]) f (id, error) where s.id = f.id and s.state = 'active'`,
};

const lock: Statement = {
  name: 'subscriber_lock',
  text: 'select from subscriber where id = any ($1::text[]) order by id for no key update',
};

/**
 * Locks all that a transaction will change, in the order of their ids: whoever changes several does so (ends.ts, owe.ts), and none
 * waits for the other in turn.
 */
export async function lockSubscribers(
  tx: Tx,
  { matches, subscribers }: { matches: readonly Match[]; subscribers: readonly SubscriberChange[] },
): Promise<void> {
  const ids = new Set(matches.map(({ subscriber }) => subscriber));
  for (const change of subscribers) {
    if (change.kind === 'activate') ids.add(change.registration.id);
    else if (change.kind !== 'topic') ids.add(change.id);
  }
  await tx.query(lock, [[...ids]]);
}

/** In their order; failures next to each other go together: when a topic ends they are those of all its Subscriptions. */
export async function applySubscriberChanges(tx: Tx, changes: readonly SubscriberChange[]): Promise<void> {
  for (let at = 0; at < changes.length; ) {
    const failures: { id: string; error: string }[] = [];
    for (let one = changes[at]; one?.kind === 'fail'; one = changes[++at]) failures.push(one);
    if (failures.length > 0) {
      await tx.query(fail, [failures.map(({ id }) => id), failures.map(({ error }) => error)]);
    } else {
      await applySubscriberChange(tx, changes[at++] as Exclude<SubscriberChange, { kind: 'fail' }>);
    }
  }
}

async function applySubscriberChange(tx: Tx, change: Exclude<SubscriberChange, { kind: 'fail' }>): Promise<void> {
  switch (change.kind) {
    case 'check':
      await tx.query(check, [change.id, change.version]);
      return;
    case 'activate':
      await saveRegistration(tx, change.registration, change.version);
      return;
    case 'stop':
      await tx.query(stop, [change.id, change.version, change.state, change.error]);
      return;
    case 'delete':
      await tx.query(remove, [change.id, change.version]);
      return;
    case 'topic':
      await saveTopic(tx, change.topic);
      return;
  }
}

/** Writes an active registration; alerts are written so at each start, with version 0. */
export async function saveRegistration(db: Queryable, one: Registration, version: number): Promise<void> {
  const { id, channel, criteria, endpoint, payload, header, secret, host } = one;
  const values = [
    id,
    channel,
    version,
    criteria,
    endpoint,
    payload,
    header,
    one.endsMs ?? null,
    secret,
    host,
    one.topic ? JSON.stringify(one.topic) : null,
  ];
  await db.query(activate, values);
}

const list: Statement = {
  name: 'subscriber_list',
  text: `select id, channel, version, criteria, endpoint, payload, header, secret, host, ends_at, topic from subscriber
    where id > $1 and (state = 'active' or (state = 'error' and topic is not null)) order by id limit $2`,
};

interface ListRow {
  id: string;
  channel: ChannelName;
  version: number;
  criteria: string;
  endpoint: string;
  payload: string;
  header: string[];
  secret: string;
  host: string;
  ends_at: number | null;
  topic: TopicRegistration | null;
}

const pageRows = 2_000;

/** A part of the server itself, which brings its own criteria at each start. */
export const isBuiltIn = ({ channel }: Registration): boolean => channel === 'alert' || channel === 'score';

/** All active registrations, and those to topics that are in error, with the version of their Subscription, in pages of 2,000. */
export async function* activeRegistrations(db: Queryable): AsyncGenerator<[Registration, number][]> {
  let after = '';
  for (;;) {
    const rows = await db.query<ListRow>(list, [after, pageRows]);
    if (rows.length > 0) yield rows.map((row) => [toRegistration(row), row.version]);
    if (rows.length < pageRows) return;
    after = rows.at(-1)!.id;
  }
}

function toRegistration({ version: _version, ends_at, topic, ...row }: ListRow): Registration {
  return { ...row, ...(ends_at === null ? {} : { endsMs: ends_at }), ...(topic === null ? {} : { topic }) };
}
