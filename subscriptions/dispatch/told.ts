// Events by their numbers, as long as they are kept (DELIVERY_RETENTION_DAYS).
import type { Queryable, Statement } from '#platform';
import { type Delivery, deliveryColumns } from './deliveries.ts';

export interface EventRange {
  first: bigint;
  /** Included. */
  last: bigint;
}

const between: Statement = {
  name: 'events_between',
  text: `select ${deliveryColumns} from delivery
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

/**
 * That some are no longer kept, as a text; undefined where all are. They are removed from the oldest on. `found`: what eventsBetween
 * yields for the range.
 */
export function lostEvents(found: readonly Delivery[], { first, last }: EventRange): string | undefined {
  const lost = found[0] ? found[0].number - 1n : last;
  if (lost < first) return undefined;
  return lost === first ? `Event ${first} is no longer kept` : `Events ${first} to ${lost} are no longer kept`;
}
