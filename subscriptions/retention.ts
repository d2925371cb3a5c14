// What may be forgotten, and when.
import type { ChangeCursor } from '#fhir-model';
import type { Queryable, Statement } from '#platform';

const pruneEnded: Statement = {
  name: 'delivery_prune',
  // What $resend marks at this moment is left: to wait for it here, with other rows locked, could be to wait in a circle. What a
  // deleted Subscription could not be told nobody can have repeated; a rule of alerts that is stored again can.
  text: `delete from delivery where (subscriber, number) in (
      select subscriber, number from delivery d
      where ended_at < statement_timestamp() - $1 * interval '1 millisecond' and not resend
        and (outcome <> 'failed' or exists (select from subscriber s
          where s.id = d.subscriber and s.state = 'deleted' and s.channel not in ('alert', 'score')))
      order by ended_at limit $2 for update skip locked)`,
};

export interface PruneLimits {
  /** Deliveries that ended longer ago are deleted. Pending ones stay, and failed ones of Subscriptions that are there. */
  keepMs: number;
  /** Rows a statement, so that no transaction is long. Default 10,000. */
  batchRows?: number;
}

/** Deletes ended deliveries past their time; a job for now and then. Returns how many. */
export async function pruneDeliveries(db: Queryable, { keepMs, batchRows = 10_000 }: PruneLimits): Promise<number> {
  let pruned = 0;
  for (;;) {
    const rows = await db.queryCount(pruneEnded, [keepMs, batchRows]);
    pruned += rows;
    if (rows < batchRows) return pruned;
  }
}

const pruneFailed: Statement = {
  name: 'delivery_prune_failed',
  text: `delete from delivery where (subscriber, number) in (
      select subscriber, number from delivery
      where ended_at < statement_timestamp() - $1 * interval '1 millisecond' and outcome = 'failed' and not resend
      order by ended_at limit $2 for update skip locked)`,
};

// Of one subscriber, the next after $1. Its row is locked before its deliveries, as by whoever records an end. The numbers go on: with
// `done_number` left behind, the first delivery after a reactivation would be none that follows it, and never end.
const pruneOwed: Statement = {
  name: 'delivery_prune_owed',
  text: `with s as (
      select id, done_number from subscriber s
      where id > $1 and state in ('error', 'off') and done_number < last_number
        and (select changed_at from delivery where subscriber = s.id and number > s.done_number order by number limit 1)
          < statement_timestamp() - $2 * interval '1 millisecond'
      order by id limit 1 for no key update skip locked),
    n as (
      select s.id, coalesce(min(d.number) filter (where d.changed_at >= statement_timestamp() - $2 * interval '1 millisecond') - 1,
          max(d.number)) as last
      from s cross join lateral (
        select number, changed_at from delivery where subscriber = s.id and number > s.done_number order by number limit $3) d
      group by s.id),
    u as (update subscriber x set done_number = n.last from n where x.id = n.id),
    d as (
      delete from delivery x using s, n
      where s.id = n.id and x.subscriber = n.id and x.number > s.done_number and x.number <= n.last returning 1)
    select s.id, (select count(*)::int from d) as rows from s`,
};

/**
 * Deletes what could not be told so long ago: what was set aside alone, and the oldest of what a Subscription in error, or off, is
 * still owed; its numbers go on behind that. Returns how many of each.
 */
export async function pruneDeadLetters(
  db: Queryable,
  { keepMs, batchRows = 10_000 }: PruneLimits,
): Promise<{ failed: number; owed: number }> {
  let failed = 0;
  for (let rows = batchRows; rows === batchRows; failed += rows) {
    rows = await db.queryCount(pruneFailed, [keepMs, batchRows]);
  }
  let owed = 0;
  for (let after = ''; ; ) {
    const [one] = await db.query<{ id: string; rows: number }>(pruneOwed, [after, keepMs, batchRows]);
    if (!one) return { failed, owed };
    owed += one.rows;
    // Of one that is owed a million events nobody else waits for the second batch.
    if (one.rows < batchRows) after = one.id;
  }
}

// Deliveries have the order of the stream but those that an operator repeats. Of each subscriber the first of both is looked
// at: all that were owed, 300,000 of one in error, took 300 ms, every ten minutes.
const floor: Statement = {
  name: 'change_floor',
  text: `select xid, seq from (
      (select xid, seq from dispatcher)
      union all
      (select d.* from subscriber s cross join lateral (
          (select change_xid, change_seq from delivery where subscriber = s.id and number > s.done_number order by number limit 1)
          union all
          (select change_xid, change_seq from delivery where subscriber = s.id and number > s.done_number and again)) d
        where s.done_number < s.last_number order by 1, 2 limit 1)
    ) needed (xid, seq) order by xid, seq limit 1`,
};

/**
 * Change rows before this cursor are needed neither by those who read the stream nor by a pending delivery. The one at the cursor
 * itself may still be.
 */
export async function changeFloor(db: Queryable): Promise<ChangeCursor> {
  return (await db.query<ChangeCursor>(floor))[0] ?? { xid: 0n, seq: 0n };
}
