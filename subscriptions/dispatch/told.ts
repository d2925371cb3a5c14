// Events by their numbers, as long as they are kept (DELIVERY_RETENTION_DAYS).
import type { Queryable, Statement } from '#platform';
import type { Delivery } from './deliveries.ts';

export interface EventRange {
  first: bigint;
  /** Included. */
  last: bigint;
}

const between: Statement = {
  name: 'events_between',
  text: `select number, type, id, version, change_xid, change_seq, op, changed_at from delivery
    where subscriber = $1 and number between $2 and $3 order by number limit $4`,
};

/** The first `limit` of them that are kept. */
export async function eventsBetween(
  db: Queryable,
  subscriber: string,
  { first, last }: EventRange,
  limit: number,
): Promise<Delivery[]> {
  return last < first ? [] : db.query<Delivery>(between, [subscriber, first, last, limit]);
}

const firstKept: Statement = {
  name: 'events_first_kept',
  text: 'select number from delivery where subscriber = $1 and number >= $2 order by number limit 1',
};

/** That some are no longer kept, as a text; undefined where all are. They are removed from the oldest on. */
export async function lostEvents(
  db: Queryable,
  subscriber: string,
  { first, last }: EventRange,
): Promise<string | undefined> {
  if (last < first) return undefined;
  const [kept] = await db.query<{ number: bigint }>(firstKept, [subscriber, first]);
  const lost = kept === undefined || kept.number > last ? last : kept.number - 1n;
  if (lost < first) return undefined;
  return lost === first ? `Event ${first} is no longer kept` : `Events ${first} to ${lost} are no longer kept`;
}
