// Table delivery and the delivery side of table subscriber: what is owed, who is sending it, what became of what failed.
import type { Change } from '#fhir-model';
import { createGather, type Queryable, type Statement } from '#platform';
import type { ChannelName, TopicRegistration } from '../registration.ts';

/** A change that one subscriber is to be told of. */
export interface Match {
  subscriber: string;
  change: Change;
  /** What the database has to say of it first: a search string without the type. */
  stored?: { type: string; search: string };
  /** Searches: one of them must find it, too. */
  oneOf?: readonly { type: string; search: string }[];
  /** Searches: none of them may find it. */
  noneOf?: readonly { type: string; search: string }[];
  /** Of each list one search must find one of its resources: what a deleted one referred to. */
  elsewhere?: readonly (readonly { type: string; search: string; ids: readonly string[] }[])[];
}

/** A subscriber leased to this process. */
export interface Claim {
  id: string;
  /** What the rest is of: with a newer one nothing more is sent by this. */
  version: number;
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
  /** When the lease was asked for, by performance.now(): it does not last any longer than from then on. */
  leasedMs: number;
  done_number: bigint;
  attempts: number;
  /** How long the delivery at hand has been failing, in milliseconds; 0 when it has not failed. */
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

export type Outcome = 'delivered' | 'failed' | 'gone';

export const deliveryColumns = 'number, type, id, version, change_xid, change_seq, op, changed_at, again';

/** So much of the time after the end of a pause counts as failing. */
const waitCounted = `interval '10 minutes'`;

// From failing_since to due_at, which every statement writes together: a clock that is moved moves both. What lies between due_at
// and now counts for so long as servers commonly need to come to it: no notification is given up because the clock was put
// forward, or because nobody ran for three days.
export const claimColumns = `s.id, s.version, s.channel, s.criteria, s.endpoint, s.payload, s.header, s.secret, s.host, s.topic,
      s.resends, s.lease_token, s.done_number, s.attempts,
      greatest(extract(epoch from s.due_at - s.failing_since + least(statement_timestamp() - s.due_at, ${waitCounted})) * 1000,
        0)::float8 as failing_ms`;

/** `failing_since` where due_at is written anew: as long ago as the claim says. */
const failedFor = (milliseconds: string): string =>
  `statement_timestamp() - ${milliseconds}::float8 * interval '1 millisecond'`;

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
export async function claimDue(db: Queryable, limit: number, leaseMs: number, without: string[]): Promise<Claim[]> {
  const leasedMs = performance.now();
  return (await db.query<Claim>(claim, [limit, leaseMs, without])).map((one) => ({ ...one, leasedMs }));
}

const prolong: Statement = {
  name: 'delivery_prolong',
  text: `update subscriber set lease_until = statement_timestamp() + $3 * interval '1 millisecond'
    where id = $1 and lease_token = $2 and lease_until is not null
    returning state = 'active' and version = $4 as goes_on`,
};

/**
 * Before each is sent: this process, or the database, may have stood still since the lease was asked for, and another has told
 * what was owed, and more. False when nothing may be sent under it.
 */
export async function isStillLeased(db: Queryable, claim: Claim, leaseMs: number): Promise<boolean> {
  const nowMs = performance.now();
  if (nowMs - claim.leasedMs <= leaseMs / 2) return true;
  const values = [claim.id, claim.lease_token, leaseMs, claim.version];
  const [row] = await db.query<{ goes_on: boolean }>(prolong, values);
  if (row && !row.goes_on) await releaseLease(db, claim);
  if (!row?.goes_on) return false;
  claim.leasedMs = nowMs;
  // This answer may be as late as the one before.
  return isStillLeased(db, claim, leaseMs);
}

/**
 * Keeps the lease while `work` lasts, which may take longer. Without that the same is begun anew beside it, also by this very process,
 * and that again: what takes longer each time would never count.
 */
export async function keepLeased<T>(db: Queryable, claim: Claim, leaseMs: number, work: () => Promise<T>): Promise<T> {
  const { id, lease_token, version } = claim;
  let renewing: Promise<void> | undefined;
  const renew = async (): Promise<void> => {
    const nowMs = performance.now();
    const rows = await db.query(prolong, [id, lease_token, leaseMs, version]).catch(() => []);
    if (rows.length > 0) claim.leasedMs = nowMs;
    renewing = undefined;
  };
  const timer = setInterval(() => {
    renewing ??= renew();
  }, leaseMs / 3);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await renewing;
  }
}

const putBack: Statement = {
  name: 'delivery_put_back',
  text: `update subscriber set lease_until = null,
      due_at = case when due_at is null or $3::float8 = 0 then due_at
        else statement_timestamp() + $3::float8 * interval '1 millisecond' end,
      failing_since = case when failing_since is null or $3::float8 = 0 then failing_since else ${failedFor('$4')} end
    where id = $1 and lease_token = $2`,
};

/** Gives a lease back untried: its host takes no more for now, or not before `waitMs`. With 0 it keeps its place in the line. */
export async function putBackClaim(db: Queryable, claim: Claim, waitMs: number): Promise<void> {
  await db.query(putBack, [claim.id, claim.lease_token, waitMs, claim.failing_ms]);
}

/** Of a subscriber that has just been told something. */
export const nextHeartbeat = `case when heartbeat_at is not null
          then statement_timestamp() + (topic ->> 'heartbeatSeconds')::int * interval '1 second' end`;

/**
 * Rows of arrays `$1`, `$2` … How long they are is hidden from the planner: it took the plan for arrays of one element for so much
 * cheaper than the general one that it planned each execution anew, for a millisecond.
 */
export const unnest = (...types: string[]): string =>
  `unnest(${types.map((type, at) => `(select $${at + 1}::${type}[])`).join(', ')})`;

/** As an array to look for; hidden in the same way. */
export const firstOfArrays = '(select $1::text[])::text[]';

const pending: Statement = {
  name: 'delivery_pending',
  text: `select c.id as subscriber, d.* from ${unnest('text', 'bigint', 'int')} c (id, done, most)
    cross join lateral (select ${deliveryColumns} from delivery
      where subscriber = c.id and number > c.done order by number limit c.most) d`,
};

interface Pending {
  claim: Claim;
  limit: number;
}

/** What is owed under a claim, in order, `limit` at most; claims of the same moment share a statement. */
export const createPending = (db: Queryable): ((one: Pending) => Promise<Delivery[]>) =>
  createGather<Pending, Delivery[]>({
    ...{ lanesMax: 2, itemsMax: 64, weigh: ({ limit }) => limit, weightMax: pendingRowsMax, key: () => '' },
    async run(many) {
      const values = [
        many.map(({ claim }) => claim.id),
        many.map(({ claim }) => claim.done_number),
        many.map(({ limit }) => limit),
      ];
      const found = new Map<string, Delivery[]>(many.map(({ claim }) => [claim.id, []]));
      const rows = await db.query<Delivery & { subscriber: string }>(pending, values);
      for (const { subscriber, ...row } of rows) found.get(subscriber)!.push(row);
      return many.map(({ claim }) => found.get(claim.id)!.sort((one, next) => Number(one.number - next.number)));
    },
  });

const pendingRowsMax = 3_200;

// A failure counts for the version that was tried. The Subscription may have been changed while its request was under way: what it
// asks now is tried at once, and has neither the pauses nor the end of what it asked before.
const postpone: Statement = {
  name: 'delivery_postpone',
  text: `with s as (
      update subscriber set attempts = attempts + 1, failing_since = ${failedFor('$6')},
        error = $4, lease_until = null,
        due_at = case when state = 'active' then statement_timestamp() + $5 * interval '1 millisecond' end
      where id = $1 and lease_token = $2 and version = $7 returning 1),
    d as (
      update delivery set attempts = attempts + 1, error = $4
      where subscriber = $1 and number = $3 and exists (select from s))
    select from s`,
};

/** Records a failed attempt; the next one follows `delayMs` from now, whichever process is alive then. `attemptMs`: how long it took. */
export async function postponeDelivery(
  db: Queryable,
  claim: Claim,
  number: bigint,
  error: string,
  { delayMs, attemptMs }: { delayMs: number; attemptMs: number },
): Promise<void> {
  const { id, version, lease_token, attempts, failing_ms } = claim;
  const failingMs = attempts === 0 ? 0 : failing_ms + attemptMs;
  const rows = await db.query(postpone, [id, lease_token, number, error, delayMs, failingMs, version]);
  if (rows.length === 0) await releaseLease(db, claim);
}

const giveUp: Statement = {
  name: 'delivery_give_up',
  text: `with s as (
      update subscriber set state = case when state = 'active' then 'error' else state end, attempts = attempts + 1,
        failing_since = coalesce(failing_since, statement_timestamp()), error = $4, due_at = null, lease_until = null,
        report = case when state = 'active' then $4 else report end
      where id = $1 and lease_token = $2 and version = $5 returning 1),
    d as (
      update delivery set attempts = attempts + 1, error = $4
      where subscriber = $1 and number = $3 and exists (select from s))
    select from s`,
};

/** Puts the subscriber into error; what it is owed stays, and `error` waits to be written to its Subscription. */
export async function giveUpDelivery(db: Queryable, claim: Claim, number: bigint, error: string): Promise<void> {
  const { id, version, lease_token } = claim;
  const rows = await db.query(giveUp, [id, lease_token, number, error, version]);
  if (rows.length === 0) await releaseLease(db, claim);
}

const releaseClaim: Statement = {
  name: 'delivery_release',
  text: `update subscriber set lease_until = null,
      due_at = case when state = 'active' and (done_number < last_number or resends > 0) then statement_timestamp() end,
      failing_since = case when failing_since is not null then ${failedFor('$3')} end
    where id = $1 and lease_token = $2`,
};

/** Gives a lease back without having sent anything. */
export async function releaseLease(db: Queryable, { id, lease_token, failing_ms }: Claim): Promise<void> {
  await db.query(releaseClaim, [id, lease_token, failing_ms]);
}
