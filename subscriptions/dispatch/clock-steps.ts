// The database's clock was put back: what had been due, or leased until soon, by the former time seems to lie ahead, as far as the
// clock was moved. Nothing is ever made due, or leased, for longer than the limits say: what is, is left over from before. How far
// the clock was moved is known to who has seen both times; then what is due within the limits, too, is due when it would have been.
import type { Queryable, Statement } from '#platform';

export interface AheadLimits {
  /** The longest pause between attempts. */
  backoffMsMax: number;
  /** Of one subscription's deliverer. */
  leaseMs: number;
}

/** Clocks that are moved by less, between two servers' lives, hold nothing back for longer. */
const slackMs = 120_000;
const everyMs = 10_000;
/** Less is the time that a statement takes. */
const stepMsMin = 1_000;

const ms = (placeholder: string): string => `${placeholder}::float8 * interval '1 millisecond'`;

// Only those that are owed something: the index has no others.
const bringBack: Statement = {
  name: 'delivery_bring_back',
  text: `with l as (
      select id from subscriber where state = 'active' and due_at is not null
        and (due_at > statement_timestamp() + ${ms('$1')}
          or lease_until > statement_timestamp() + ${ms('($2::float8 + $3::float8)')})
      order by id for no key update)
    update subscriber s set
      due_at = case when due_at > statement_timestamp() + ${ms('$1')} then statement_timestamp() else due_at end,
      failing_since = case when due_at > statement_timestamp() + ${ms('$1')}
        then failing_since - (due_at - statement_timestamp()) else failing_since end,
      lease_until = case when lease_until is not null
        then least(lease_until, statement_timestamp() + ${ms('$2')}) end
    from l where s.id = l.id`,
};

const nextBeat = `statement_timestamp() + (topic ->> 'heartbeatSeconds')::int * interval '1 second'`;

// All that is active is looked at: the clock is seldom put back. A heartbeat is never further ahead than its period.
const setBack: Statement = {
  name: 'delivery_set_back',
  text: `with l as (
      select id from subscriber where state = 'active'
        and (heartbeat_at > ${nextBeat} or ($1::float8 > 0 and due_at > statement_timestamp()))
      order by id for no key update)
    update subscriber s set
      heartbeat_at = case when heartbeat_at is not null then least(heartbeat_at, ${nextBeat}) end,
      due_at = case when due_at > statement_timestamp() then greatest(due_at - ${ms('$1')}, statement_timestamp()) else due_at end,
      failing_since = case when due_at > statement_timestamp()
        then failing_since - least(${ms('$1')}, due_at - statement_timestamp()) else failing_since end,
      lease_until = case when lease_until is not null
        then least(lease_until, statement_timestamp() + ${ms('$2')}) end
    from l where s.id = l.id`,
};

const databaseTime: Statement = {
  name: 'delivery_database_time',
  text: 'select (extract(epoch from statement_timestamp()) * 1000)::float8 as ms',
};

/** A function that sees to it every ten seconds, however often it is called. True: something is due sooner than it was. */
export function watchClockSteps(
  db: Pick<Queryable, 'query' | 'queryCount'>,
  { backoffMsMax, leaseMs }: AheadLimits,
  monotonic: () => number = () => performance.now(),
): () => Promise<boolean> {
  let lookedMs = Number.NEGATIVE_INFINITY;
  let seen: { database: number; latest: number } | undefined;
  /** By how much the clock was put back since the last look, at least: an answer may be long in coming. Undefined at the first. */
  const steppedMs = async (): Promise<number | undefined> => {
    const earliest = monotonic();
    const [row] = await db.query<{ ms: number }>(databaseTime);
    const now = { database: row!.ms, latest: monotonic() };
    const before = seen;
    seen = now;
    return before && earliest - before.latest - (now.database - before.database);
  };
  return async () => {
    if (monotonic() - lookedMs < everyMs) return false;
    lookedMs = monotonic();
    const step = await steppedMs();
    const isLooked = step === undefined || step > stepMsMin;
    const moved = isLooked ? await db.queryCount(setBack, [step ?? 0, leaseMs]) : 0;
    return moved + (await db.queryCount(bringBack, [backoffMsMax + slackMs, leaseMs, slackMs])) > 0;
  };
}
