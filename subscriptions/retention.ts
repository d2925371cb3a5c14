// What may be forgotten, and when.
import type { ChangeCursor } from '#fhir-model';
import type { Queryable, Statement } from '#platform';

const pruneEnded: Statement = {
  name: 'delivery_prune',
  // What $resend marks at this moment is left: to wait for it here, with other rows locked, could be to wait in a circle.
  text: `delete from delivery where (subscriber, number) in (
      select subscriber, number from delivery
      where ended_at < statement_timestamp() - $1 * interval '1 millisecond' and outcome <> 'failed' and not resend
      order by ended_at limit $2 for update skip locked)`,
};

export interface PruneLimits {
  /** Deliveries that ended longer ago are deleted. Pending and failed ones stay. */
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
