// Table hl7_outbound: what waits for destinations, in which order, and what became of it.
import { createHash } from 'node:crypto';
import type { Db, Queryable, Statement } from '#platform';
import type { OutboundMessage } from '../seams.ts';

/** A message that waits. */
export interface Queued {
  id: bigint;
  lane: number;
  /** Of the other patients that it names; null: none. */
  other_lanes: number[] | null;
  control_id: string;
  /** Left out where many bytes come before it: `readBody` has it when its turn comes. */
  body: Buffer | null;
  /** Milliseconds since 1970 UTC. */
  queued_at: number;
  attempts: number;
  refusals: number;
}

/** First key of the lanes' two-key advisory locks; spells "hl7o". The second is a hash of destination and lane. */
const lockClass = 0x686c376f;

// 1,024 locks a destination: a transaction with very many messages must not fill PostgreSQL's table of locks. Two patients
// that share one only wait for each other's commit. All take the keys in one order, so nobody waits in a ring.
// pg_current_xact_id: a transaction has its number before it takes an id, which `createFloor` relies on.
const lockLanes: Statement = {
  name: 'hl7_outbound_lock',
  text: `select pg_current_xact_id(), pg_advisory_xact_lock($1, k)
    from (select distinct hashtext(d) # (l & 1023) as k from unnest($2::text[], $3::int[]) as v(d, l) order by k) o`,
};

const insert: Statement = {
  name: 'hl7_outbound_insert',
  text: `insert into hl7_outbound (destination, lane, other_lanes, journal_id, control_id, body, body_bytes)
    select v.destination, v.lane, v.other_lanes::int[], v.journal_id, v.control_id, v.body, length(v.body)
    from unnest($1::text[], $2::int[], $3::text[], $4::bytea[], $5::bigint[], $6::text[]) with ordinality
      as v(destination, lane, control_id, body, journal_id, other_lanes, place)
    order by v.place`,
};

/** 32 bits of what keeps its order; two patients with one hash only cost parallelism. */
export function laneOf(partition: string): number {
  return createHash('sha256').update(partition).digest().readInt32BE(0);
}

/**
 * Inserts in the caller's transaction. Until that ends, others that insert into the same lanes wait: so within a lane
 * ids are in the order of the commits, and nothing that commits late is overtaken.
 */
export async function insertMessages(
  tx: Queryable,
  messages: readonly (OutboundMessage & { lane: number; otherLanes?: readonly number[]; journalId?: bigint })[],
): Promise<void> {
  const destinations = messages.map(({ destination }) => destination);
  const lanes = messages.map(({ lane }) => lane);
  // PostgreSQL's text has no NUL.
  const controlIds = messages.map(({ controlId }) => controlId.replaceAll('\u0000', ''));
  const bodies = messages.map(({ body }) => body);
  const journalIds = messages.map(({ journalId }) => journalId ?? null);
  // PostgreSQL has no arrays of arrays of several lengths.
  const others = messages.map(({ otherLanes = [] }) => (otherLanes.length === 0 ? null : `{${otherLanes.join()}}`));
  const crossed = messages.flatMap(({ destination, otherLanes = [] }) =>
    otherLanes.map((lane) => ({ destination, lane })),
  );
  const lockedOf = [...destinations, ...crossed.map(({ destination }) => destination)];
  const locked = [...lanes, ...crossed.map(({ lane }) => lane)];
  await Promise.all([
    tx.query(lockLanes, [lockClass, lockedOf, locked]),
    tx.query(insert, [destinations, lanes, controlIds, bodies, journalIds, others]),
  ]);
}

export type Glanced = Pick<Queued, 'id' | 'lane' | 'other_lanes'>;

/** What is queued from an id on; `ended`: transactions below `xmin` had ended before the rows were read. */
export interface Glance {
  rows: Glanced[];
  ended: { xmin: bigint; xmax: bigint } | undefined;
}

const snapshot: Statement = {
  name: 'hl7_outbound_snapshot',
  text: `select pg_snapshot_xmin(s) as xmin, pg_snapshot_xmax(s) as xmax from pg_current_snapshot() s`,
};

// `id + 0`: see the index.
const glance: Statement = {
  name: 'hl7_outbound_glance',
  text: `select id, lane, other_lanes from hl7_outbound
    where destination = $1 and id + 0 >= $2 and id + 0 <= $3 and state = 'queued' order by id + 0 limit $4`,
};

export interface GlanceRange {
  fromId: bigint;
  toId: bigint;
  limit: number;
  /** With the snapshot, which costs a query of its own. */
  snapshot: boolean;
}

/** Up to `limit` queued rows from `fromId` to `toId`. */
export async function glanceAt(db: Queryable, destination: string, range: GlanceRange): Promise<Glance> {
  const values = [destination, range.fromId, range.toId, range.limit];
  const ended = range.snapshot ? (await db.query<{ xmin: bigint; xmax: bigint }>(snapshot))[0] : undefined;
  return { rows: await db.query<Glanced>(glance, values), ended };
}

const load: Statement = {
  name: 'hl7_outbound_load',
  text: `select id, lane, other_lanes, control_id, queued_at, attempts, refusals,
      case when sum(body_bytes) over (order by id) <= $2 then body end as body
    from hl7_outbound where id = any($1) and state = 'queued' order by id`,
};

/** Those of the rows that still wait, in order, with the bodies of the first `bodyBytesMax`. */
export const loadQueued = (db: Db, ids: bigint[], bodyBytesMax: number): Promise<Queued[]> =>
  db.query<Queued>(load, [ids, bodyBytesMax]);

const body: Statement = { name: 'hl7_outbound_body', text: 'select body from hl7_outbound where id = $1' };

/** Undefined for a row that has gone. */
export const readBody = async (db: Db, id: bigint): Promise<Buffer | undefined> =>
  (await db.query<{ body: Buffer }>(body, [id]))[0]?.body;

/** A message that the receiver has taken; `answer` is what it said. */
export interface Delivered {
  id: bigint;
  answer: Buffer | null;
}

// Whatever its state was: that the receiver has it is true also for a row that was skipped meanwhile.
const delivered: Statement = {
  name: 'hl7_outbound_delivered',
  text: `update hl7_outbound o set state = 'delivered', ended_at = statement_timestamp(), attempts = o.attempts + 1,
      error = null, answer = v.answer
    from unnest($1::bigint[], $2::bytea[]) as v(id, answer) where o.id = v.id and o.state <> 'delivered'`,
};

/**
 * In the order of their ids, as a rule that in which they are locked, and in which an operator's purge takes them too: of two orders each
 * would wait for the other, until PostgreSQL ends one, which is tried again.
 */
export function markDelivered(db: Db, many: readonly Delivered[]): Promise<number> {
  const inOrder = many.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return db.queryCount(delivered, [inOrder.map(({ id }) => id), inOrder.map(({ answer }) => answer)]);
}

export interface Failure {
  error: string;
  /** The receiver said no, as opposed to nothing. */
  refused: boolean;
  answer: Buffer | null;
  dead: boolean;
}

const failed: Statement = {
  name: 'hl7_outbound_failed',
  text: `update hl7_outbound set attempts = attempts + 1, refusals = refusals + $2::int, error = $3,
      answer = coalesce($4, answer), state = case when $5 then 'dead' else state end,
      ended_at = case when $5 then statement_timestamp() end
    where id = any($1) and state = 'queued'`,
};

/** False when none of them waits any more: an operator took them out. */
export async function markFailed(db: Db, ids: bigint[], failure: Failure): Promise<boolean> {
  const { refused, error, answer, dead } = failure;
  return (await db.queryCount(failed, [ids, refused ? 1 : 0, error.replaceAll('\u0000', ''), answer, dead])) > 0;
}

const application: Statement = {
  name: 'hl7_outbound_application',
  text: `update hl7_outbound set application_answer = $2, error = $3,
      state = case when $3::text is null then state else $4 end,
      refusals = refusals + case when $3::text is null then 0 else 1 end,
      ended_at = case when $3::text is not null and $4 = 'queued' then null else ended_at end
    where id = $1 and state in ('queued', 'delivered')`,
};

/** The application acknowledgment that followed a commit acknowledgment; `error`: it was a refusal, and what the message is then. */
export const markApplicationAnswer = (
  db: Queryable,
  id: bigint,
  answer: Buffer,
  error: string | null,
  refused: 'dead' | 'queued' = 'dead',
): Promise<number> => db.queryCount(application, [id, answer, error?.replaceAll('\u0000', '') ?? null, refused]);

export interface Backlog {
  destination: string;
  queued: number;
  dead: number;
  /** Milliseconds since 1970 UTC; null: nothing waits. */
  oldest_at: number | null;
}

const backlog: Statement = {
  name: 'hl7_outbound_backlog',
  text: `select d.name as destination,
      (select count(*)::int from hl7_outbound where destination = d.name and state = 'queued') as queued,
      (select count(*)::int from hl7_outbound where destination = d.name and state = 'dead') as dead,
      (select queued_at from hl7_outbound where destination = d.name and state = 'queued' order by id + 0 limit 1) as oldest_at
    from unnest($1::text[]) as d(name)`,
};

export const readBacklog = (db: Db, destinations: string[]): Promise<Backlog[]> =>
  db.query<Backlog>(backlog, [destinations]);

const prune: Statement = {
  name: 'hl7_outbound_prune',
  text: `delete from hl7_outbound where id in (select id from hl7_outbound
    where state in ('delivered', 'skipped') and ended_at < statement_timestamp() - $1 * interval '1 hour'
    order by ended_at limit $2 for update skip locked)`,
};

/** Deletes up to `limit` rows that ended more than so many hours ago; dead letters stay until somebody decides. */
export const pruneEnded = (db: Db, hours: number, limit: number): Promise<number> =>
  db.queryCount(prune, [hours, limit]);
