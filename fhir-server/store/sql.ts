// Small parts of SQL that the store's statements share.
import type { Statement } from '#platform';
import { hash64 } from './hash.ts';

const statements = new Map<string, Statement>();

/** PostgreSQL tells names apart by so many bytes. */
const NAME_LENGTH_MAX = 63;

/** `MedicinalProductUndesirableEffect` leaves little for what else a name tells, the access scope at its end. */
const shortened = (name: string): string =>
  name.length <= NAME_LENGTH_MAX ? name : name.slice(0, NAME_LENGTH_MAX - 20) + hash64(name);

/** The prepared statement of that name, its text made on first use. The names are a closed set: type × index shape. */
export function named(name: string, text: () => string): Statement {
  let statement = statements.get(name);
  if (!statement) {
    statement = { name: shortened(name), text: text() };
    statements.set(name, statement);
  }
  return statement;
}

/**
 * A parameter that the planner does not look into. Otherwise a plan for just these values seems cheaper than the one for any
 * (of three keys instead of the ten it assumes), and the statement is planned anew each time: a look-up of eight
 * tokens took PostgreSQL 180 to 280 µs, now 110 to 180. The plan is kept for some seconds (platform/db/connect.ts), not
 * for ever: it is one for tables as they were.
 */
export const steady = (parameter: string): string => `(select ${parameter})`;

/** For `to_timestamp($n::float8)`. A double holds milliseconds since 1970 exactly. */
export const seconds = (ms: number): number => ms / 1000;

/**
 * A page of bodies ends after so many bytes, whatever the count: bodies may have 50 MB each. What is left out is null,
 * and the next page begins with it.
 */
export const PAGE_BYTES_MAX = 32 * 1024 * 1024;

/** The body of `row`, null once those before it in the order have filled the page. octet_length reads no body. */
export const pageBody = (row: string, order: string): string => `case when coalesce(sum(octet_length(${row}.body)) over
    (order by ${order} rows between unbounded preceding and 1 preceding), 0) <= ${PAGE_BYTES_MAX} then ${row}.body end as body`;
