// Table delivery and the delivery side of table subscriber: what is owed, who is sending it, what became of it.
import type { Change } from '#fhir-model';
import type { Queryable, Statement, Tx } from '#platform';
import type { ChannelName, TopicRegistration } from '../registration.ts';

/** A change that one subscriber is to be told of. */
export interface Match {
  subscriber: string;
  change: Change;
  /** What the database has to say of it first, if not what the subscriber asks of all: a search string without the type. */
  stored?: { type: string; search: string };
}

/** A subscriber leased to this process. */
export interface Claim {
  id: string;
  channel: ChannelName;
  criteria: string;
  endpoint: string;
  payload: string;
  header: string[];
  secret: string;
  /** Where it goes, `host:port`; '' when that is not counted. */
  host: string;
  /** Of a Subscription to a topic. */
  topic: TopicRegistration | null;
  /** Events told before that are to be told again. */
  resends: number;
  /** Nothing is owed: a heartbeat is to be sent. */
  beats?: true;
  /** Fences every write: a lease that was taken over has a higher one. */
  lease_token: bigint;
  done_number: bigint;
  attempts: number;
  /** Milliseconds since the first failure of the delivery at hand; 0 when it has not failed. */
  failing_ms: number;
}

export interface Delivery {
  number: bigint;
  type: string;
  id: string;
  version: number;
  change_xid: bigint;
  change_seq: bigint;
  op: Change['op'];
  /** Milliseconds since 1970 UTC: the instant of the version's meta.lastUpdated. */
  changed_at: number;
  /** An operator has it repeated. */
  again: boolean;
}

export const deliveryColumns = 'number, type, id, version, change_xid, change_seq, op, changed_at, again';

export type Outcome = 'delivered' | 'failed' | 'gone';

// Numbers come from the subscriber's own row, locked by its update, in the order of the matches.
const insert: Statement = {
  name: 'delivery_insert',
  text: `with m as (
      select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::float8[], $5::int[], $6::text[], $7::text[],
        $8::text[]) with ordinality as m (subscriber, xid, seq, changed, version, type, id, op, place)),
    n as (
      update subscriber s set last_number = s.last_number + c.count,
        due_at = coalesce(s.due_at, statement_timestamp())
      from (select subscriber, count(*) as count from m group by subscriber) c
      where s.id = c.subscriber and s.state <> 'deleted'
      returning s.id, s.last_number - c.count as base)
    insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, op)
    select n.id, n.base + row_number() over (partition by n.id order by m.place),
      m.xid, m.seq, to_timestamp(m.changed / 1000), m.version, m.type, m.id, m.op
    from n join m on m.subscriber = n.id`,
};

/** Numbers the matches of each subscriber in the order given and makes them due. */
export async function insertDeliveries(tx: Tx, matches: Match[]): Promise<void> {
  if (matches.length === 0) return;
  await tx.query(insert, [
    matches.map((match) => match.subscriber),
    matches.map(({ change }) => change.xid),
    matches.map(({ change }) => change.seq),
    matches.map(({ change }) => change.updatedMs),
    matches.map(({ change }) => change.version),
    matches.map(({ change }) => change.type),
    matches.map(({ change }) => change.id),
    matches.map(({ change }) => change.op),
  ]);
}

export const claimColumns = `s.id, s.channel, s.criteria, s.endpoint, s.payload, s.header, s.secret, s.host, s.topic,
      s.resends, s.lease_token, s.done_number, s.attempts,
      coalesce(extract(epoch from statement_timestamp() - s.failing_since) * 1000, 0)::float8 as failing_ms`;

const claim: Statement = {
  name: 'delivery_claim',
  text: `update subscriber s set lease_token = s.lease_token + 1,
      lease_until = statement_timestamp() + $2 * interval '1 millisecond'
    from (select id from subscriber
      where state = 'active' and due_at <= statement_timestamp()
        and (lease_until is null or lease_until < statement_timestamp()) and host <> all ($3::text[])
      order by due_at limit $1 for update skip locked) d
    where s.id = d.id
    returning ${claimColumns}`,
};

/** Leases up to `limit` subscribers that are due, that nobody else is serving and whose host is none of `without`. */
export function claimDue(db: Queryable, limit: number, leaseMs: number, without: string[]): Promise<Claim[]> {
  return db.query<Claim>(claim, [limit, leaseMs, without]);
}

const putBack: Statement = {
  name: 'delivery_put_back',
  text: `update subscriber set lease_until = null,
      due_at = case when due_at is null or $3::float8 = 0 then due_at
        else statement_timestamp() + $3::float8 * interval '1 millisecond' end
    where id = $1 and lease_token = $2`,
};

/** Gives a lease back untried: its host takes no more for now, or not before `waitMs`. With 0 it keeps its place in the line. */
export async function putBackClaim(db: Queryable, { id, lease_token }: Claim, waitMs: number): Promise<void> {
  await db.query(putBack, [id, lease_token, waitMs]);
}

/** Of a subscriber that has just been told something. */
export const nextHeartbeat = `case when heartbeat_at is not null
          then statement_timestamp() + (topic ->> 'heartbeatSeconds')::int * interval '1 second' end`;

const pending: Statement = {
  name: 'delivery_pending',
  text: `select ${deliveryColumns} from delivery
    where subscriber = $1 and number > $2 order by number limit $3`,
};

export function pendingDeliveries(db: Queryable, { id, done_number }: Claim, limit: number): Promise<Delivery[]> {
  return db.query<Delivery>(pending, [id, done_number, limit]);
}

// Whether more is owed is read from the subscriber's own row, never by a look into delivery: that look would have the
// statement's snapshot, miss what a dispatcher commits while this waits for the row, and put the subscriber to sleep.
const end: Statement = {
  name: 'delivery_end',
  text: `with s as (
      update subscriber set done_number = $3, attempts = 0, failing_since = null, error = $5,
        due_at = case when state = 'active' and ($3 < last_number or resends > 0) then statement_timestamp() end,
        heartbeat_at = ${nextHeartbeat},
        lease_until = case when $6 then null else statement_timestamp() + $7 * interval '1 millisecond' end
      where id = $1 and lease_token = $2 and done_number = $3::bigint - $8::bigint
      returning state),
    d as (
      update delivery set outcome = $4, ended_at = statement_timestamp(), attempts = attempts + 1, error = $5
      where subscriber = $1 and number > $3::bigint - $8::bigint and number <= $3 and exists (select from s))
    select state from s`,
};

/**
 * Records the end of the `count` deliveries up to this number. `release` gives the lease back, otherwise it is prolonged by `leaseMs`.
 * False when nothing more may be sent under this claim: the lease is lost or the subscriber no longer active.
 */
export async function endDelivery(
  db: Queryable,
  claimed: Claim,
  number: bigint,
  result: { outcome: Outcome; error?: string },
  next: { release: boolean; leaseMs: number; count: number },
): Promise<boolean> {
  const { id, lease_token } = claimed;
  const { release, leaseMs, count } = next;
  const values = [id, lease_token, number, result.outcome, result.error ?? null, release, leaseMs, count];
  const rows = await db.query<{ state: string }>(end, values);
  return rows[0]?.state === 'active';
}

const postpone: Statement = {
  name: 'delivery_postpone',
  text: `with s as (
      update subscriber set attempts = attempts + 1, failing_since = coalesce(failing_since, statement_timestamp()),
        error = $4, lease_until = null,
        due_at = case when state = 'active' then statement_timestamp() + $5 * interval '1 millisecond' end
      where id = $1 and lease_token = $2 returning 1)
    update delivery set attempts = attempts + 1, error = $4
    where subscriber = $1 and number = $3 and exists (select from s)`,
};

/** Records a failed attempt; the next one follows `delayMs` from now, whichever process is alive then. */
export async function postponeDelivery(
  db: Queryable,
  { id, lease_token }: Claim,
  number: bigint,
  error: string,
  delayMs: number,
): Promise<void> {
  await db.query(postpone, [id, lease_token, number, error, delayMs]);
}

const giveUp: Statement = {
  name: 'delivery_give_up',
  text: `with s as (
      update subscriber set state = case when state = 'active' then 'error' else state end, attempts = attempts + 1,
        failing_since = coalesce(failing_since, statement_timestamp()), error = $4, due_at = null, lease_until = null,
        report = case when state = 'active' then $4 else report end
      where id = $1 and lease_token = $2 returning 1)
    update delivery set attempts = attempts + 1, error = $4
    where subscriber = $1 and number = $3 and exists (select from s)`,
};

/** Puts the subscriber into error; what it is owed stays, and `error` waits to be written to its Subscription. */
export async function giveUpDelivery(
  db: Queryable,
  { id, lease_token }: Claim,
  number: bigint,
  error: string,
): Promise<void> {
  await db.query(giveUp, [id, lease_token, number, error]);
}

const releaseClaim: Statement = {
  name: 'delivery_release',
  text: `update subscriber set lease_until = null,
      due_at = case when state = 'active' and (done_number < last_number or resends > 0) then statement_timestamp() end
    where id = $1 and lease_token = $2`,
};

/** Gives a lease back without having sent anything. */
export async function releaseLease(db: Queryable, { id, lease_token }: Claim): Promise<void> {
  await db.query(releaseClaim, [id, lease_token]);
}
