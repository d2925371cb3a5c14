// What became of deliveries, recorded: those of several subscribers that end at the same moment in one statement, so that they
// share its round trip, its snapshot and its flush to disk. Alone each cost PostgreSQL 110 µs and a flush.
import { createGather, type Queryable, type Statement } from '#platform';
import { type Claim, firstOfArrays, nextHeartbeat, type Outcome, unnest } from './deliveries.ts';

/**
 * Records the end of the `count` deliveries up to this number. `release` gives the lease back, otherwise it is prolonged by `leaseMs`.
 * lost: nothing more may be sent under this claim, since the lease is, the subscriber is no longer active or asks for something else
 * by now: another endpoint, other headers. due: it is owed more.
 */
export type End = (
  claim: Claim,
  number: bigint,
  result: { outcome: Outcome; error?: string },
  next: { release: boolean; leaseMs: number; count: number },
) => Promise<Hold>;

export type Hold = 'lost' | 'held' | 'due';

/** The lease lasts from when that was asked for, however late the answer is. */
export const prolonging =
  (end: End): End =>
  async (claim, ...ended) => {
    const askedMs = performance.now();
    const hold = await end(claim, ...ended);
    if (hold !== 'lost') claim.leasedMs = askedMs;
    return hold;
  };

// Whether more is owed is read from the subscriber's own row, never by a look into delivery: that look would have the
// statement's snapshot, miss what a dispatcher commits while this waits for the row, and put the subscriber to sleep.
// Rows are locked in the order of their ids, here and where deliveries are written (owe.ts): none waits for the other in turn.
const end: Statement = {
  name: 'delivery_end',
  text: `with e as (
      select * from ${unnest('text', 'bigint', 'bigint', 'text', 'text', 'bool', 'float8', 'int', 'int')}
        as e (id, token, number, outcome, error, release, lease_ms, count, version)),
    l as (
      select id from subscriber where id = any (${firstOfArrays}) order by id for no key update),
    s as (
      update subscriber s set done_number = e.number, attempts = 0, failing_since = null, error = e.error,
        due_at = case when state = 'active' and (e.number < last_number or resends > 0) then statement_timestamp() end,
        heartbeat_at = ${nextHeartbeat},
        lease_until = case when not e.release then statement_timestamp() + e.lease_ms * interval '1 millisecond' end
      from e join l on l.id = e.id
      where s.id = e.id and s.lease_token = e.token and s.done_number = e.number - e.count
      returning s.id, s.lease_token, s.state = 'active' and s.version = e.version as goes_on, s.due_at, e.number, e.count, e.outcome, e.error),
    d as (
      update delivery d set outcome = s.outcome, ended_at = statement_timestamp(), attempts = d.attempts + 1, error = s.error
      from s where d.subscriber = s.id and d.number > s.number - s.count and d.number <= s.number)
    select id, lease_token, due_at is not null as due from s where goes_on`,
};

type Ended = Parameters<End>;

const itemsMax = 64;

type Held = Pick<Claim, 'id' | 'lease_token'>;

// One whose lease was lost and taken again by this very process may end twice at the same moment: the former claim holds nothing.
const claimKey = ({ id, lease_token }: Held): string => `${id} ${lease_token}`;

/** A claim has one end under way at a time. */
export function createEnd(db: Queryable): End {
  const gathered = createGather<Ended, Hold>({
    lanesMax: 2,
    // One lane, unless it is held up by a lock on one of its rows.
    beside: { itemsMin: itemsMax, waitMs: 20 },
    ...{ itemsMax, weigh: () => 1, weightMax: itemsMax, key: () => '' },
    async run(many) {
      const rows = await db.query<Held & { due: boolean }>(end, [
        many.map(([{ id }]) => id),
        many.map(([{ lease_token }]) => lease_token),
        many.map(([, number]) => number),
        many.map(([, , { outcome }]) => outcome),
        many.map(([, , { error }]) => error ?? null),
        many.map(([, , , { release }]) => release),
        many.map(([, , , { leaseMs }]) => leaseMs),
        many.map(([, , , { count }]) => count),
        many.map(([{ version }]) => version),
      ]);
      const held = new Map<string, Hold>(rows.map((row) => [claimKey(row), row.due ? 'due' : 'held']));
      return many.map(([claim]) => held.get(claimKey(claim)) ?? 'lost');
    },
  });
  return prolonging((...ended) => gathered(ended));
}
