// How the messages of each feed have fared of late, from table hl7_message.
import type { Queryable, Statement } from '#platform';

export interface FeedFailures {
  /** Where they came in: `mllp/default`. */
  feed: string;
  failed: number;
  total: number;
}

/** Ids rise with time, and received_at has no index: the latest messages are read backwards, no more than so many. */
const messagesMax = 50_000;

const counts: Statement = {
  name: 'hl7_feed_failures',
  text: `select coalesce(source_kind || '/' || source_name, 'unknown') as feed,
      count(*) filter (where state = 'failed')::int as failed, count(*)::int as total
    from (select source_kind, source_name, state, received_at from hl7_message order by id desc limit $2) m
    where received_at >= to_timestamp($1::float8 / 1000) group by 1 order by 1`,
};

/** Messages received since that instant, milliseconds since 1970 UTC, by feed; of the latest 50,000. */
export const failuresSince = (db: Queryable, sinceMs: number): Promise<FeedFailures[]> =>
  db.query<FeedFailures>(counts, [sinceMs, messagesMax]);
