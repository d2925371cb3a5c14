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

/** Named in one text; a text of all would be as long as the events that there are. */
const gapsMax = 20;

/**
 * That some are no longer kept, as a text; undefined where all are. The oldest are removed first, but for those that could not be told,
 * so that there may be gaps. `found`: what eventsBetween yields for the range. `isAll`: it was not cut short.
 */
export function lostEvents(
  found: readonly Pick<Delivery, 'number'>[],
  { first, last }: EventRange,
  isAll = found.length === 0,
): string | undefined {
  const gaps: EventRange[] = [];
  let next = first;
  for (const { number } of found) {
    if (number > next) gaps.push({ first: next, last: number - 1n });
    next = number + 1n;
  }
  if (isAll && next <= last) gaps.push({ first: next, last });
  const named = gaps
    .slice(0, gapsMax)
    .map((gap) => (gap.first === gap.last ? `${gap.first}` : `${gap.first} to ${gap.last}`));
  if (gaps.length === 0) return undefined;
  if (gaps.length === 1 && gaps[0]!.first === gaps[0]!.last) return `Event ${named[0]} is no longer kept`;
  return `Events ${named.join(', ')}${gaps.length > gapsMax ? ' and others' : ''} are no longer kept`;
}
