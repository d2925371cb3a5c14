// The database's clock was put back: what had been due, or leased until soon, by the former time seems to lie ahead, as far as the
// clock was moved. Nothing is ever made due, or leased, for longer than the limits say: what is, is left over from before.
import type { Queryable, Statement } from '#platform';

export interface AheadLimits {
  /** The longest pause between attempts. */
  backoffMsMax: number;
  /** Of one subscription's deliverer. */
  leaseMs: number;
}

/** Clocks that are moved by less hold nothing back for longer. */
const slackMs = 120_000;
const everyMs = 10_000;

// Only those that are owed something: the index has no others.
const bringBack: Statement = {
  name: 'delivery_bring_back',
  text: `with l as (
      select id from subscriber where state = 'active' and due_at is not null
        and (due_at > statement_timestamp() + $1::float8 * interval '1 millisecond'
          or lease_until > statement_timestamp() + ($2::float8 + $3::float8) * interval '1 millisecond')
      order by id for no key update)
    update subscriber s set
      due_at = case when due_at > statement_timestamp() + $1::float8 * interval '1 millisecond' then statement_timestamp() else due_at end,
      lease_until = case when lease_until is not null
        then least(lease_until, statement_timestamp() + $2::float8 * interval '1 millisecond') end
    from l where s.id = l.id`,
};

/** A function that sees to it every ten seconds, however often it is called. True: something is due sooner than it was. */
export function watchClockSteps(
  db: Pick<Queryable, 'queryCount'>,
  { backoffMsMax, leaseMs }: AheadLimits,
): () => Promise<boolean> {
  let lookedMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - lookedMs < everyMs) return false;
    lookedMs = performance.now();
    return (await db.queryCount(bringBack, [backoffMsMax + slackMs, leaseMs, slackMs])) > 0;
  };
}
