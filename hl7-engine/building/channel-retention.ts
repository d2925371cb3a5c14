// What Subscriptions' messages have told is forgotten with the Subscription and by age.
import type { Db, Statement } from '#platform';

const DAY_MS = 24 * 3_600_000;
/** So that no transaction is long: the horizon of the change stream is the oldest running write. */
const BATCH_ROWS = 10_000;
/** A deliverer whose Subscription was deleted under it has ended by then. */
const DELETED_DAYS = 1;
/** Switched off for maintenance and on again, the receiver must not hear of every visit as a new one. */
const OFF_DAYS = 30;

// What is still to be delivered again after a crash (number > done_number) is known until it has been.
const removeBatch: Statement = {
  name: 'hl7_message_channel_retention',
  text: `with seen as (select subscription, resource, number, told_at from hl7_message_channel
      where (subscription, resource) > ($1, $2) order by subscription, resource limit $6),
    gone as (delete from hl7_message_channel m using seen x left join subscriber s on s.id = x.subscription
      where m.subscription = x.subscription and m.resource = x.resource and m.number = x.number
        and x.told_at < case when s.id is null or s.state = 'deleted' then $3::timestamptz
          when x.number > s.done_number then '-infinity'
          when s.state = 'off' then greatest($4::timestamptz, $5::timestamptz) else $5::timestamptz end
      returning 1)
    select last.subscription, last.resource, (select count(*)::int from gone) as gone
      from (select subscription, resource from seen order by subscription desc, resource desc limit 1) last`,
};

interface BatchRow {
  subscription: string;
  resource: string;
  gone: number;
}

/**
 * Removes what was told longer ago than `keepDays`, or 30 days where the Subscription is off, or a day where it is deleted.
 * The next message of such a resource is one of a new resource. Yields how many rows went.
 */
export async function removeOldNotes(db: Db, keepDays: number, nowMs: number): Promise<number> {
  const limits = [DELETED_DAYS, OFF_DAYS, keepDays].map((days) => new Date(nowMs - days * DAY_MS));
  let removed = 0;
  let after = ['', ''];
  for (;;) {
    const [row] = await db.query<BatchRow>(removeBatch, [...after, ...limits, BATCH_ROWS]);
    if (row === undefined) return removed;
    removed += row.gone;
    after = [row.subscription, row.resource];
  }
}
