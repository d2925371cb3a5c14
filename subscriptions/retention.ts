// What may be forgotten, and when.
import type { ChangeCursor } from '#fhir-model';
import type { Queryable, Statement } from '#platform';

const pruneEnded: Statement = {
  name: 'delivery_prune',
  text: `delete from delivery where (subscriber, number) in (
      select subscriber, number from delivery
      where ended_at < statement_timestamp() - $1 * interval '1 millisecond' and outcome <> 'failed' and not resend
      order by ended_at limit $2)`,
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

const floor: Statement = {
  name: 'change_floor',
  text: `select xid, seq from (
      (select xid, seq from dispatcher)
      union all
      (select d.change_xid, d.change_seq from subscriber s
        join delivery d on d.subscriber = s.id and d.number > s.done_number
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
