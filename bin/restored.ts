// A database that was restored from a dump (pg_restore) into another PostgreSQL cluster. Places in the change stream are numbers
// of transactions, which that cluster counts from anew: what was dispatched last then lies in the future, and what is written
// would be told to nobody until the count has passed it, after weeks or never. So places are numbered anew before anything is
// dispatched. https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
import { setTimeout as sleep } from 'node:timers/promises';
import type { Db, Log, Tx } from '#platform';

/** Any number; it keeps two servers that start together apart. Spells "crbr". */
const RESTORED_LOCK = 0x63726272;

/** How long transactions of others are waited for that began before there were numbers enough. */
const OTHERS_TIMEOUT_MS = 120_000;
const LOOK_MS = 100;

/** Whether a place is ahead of the cluster. Both are read from the end of an index, or from a row a consumer. */
const isAhead = `select exists (select from (select xid from change order by xid desc, seq desc limit 1) c
    where c.xid >= pg_snapshot_xmax(pg_current_snapshot()))
  or exists (select from dispatcher where xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint) as ahead`;

/**
 * Transactions in their order, each with the number that it gets: the last ones before now. Those that are ahead of the cluster are
 * older than what it has written since it was restored, whose seq is above all of theirs. Where there are more of them than
 * numbers, the oldest share one; `seq` keeps their order.
 */
const places = `edge as (
    select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin,
      greatest((select max(seq) from change where xid >= pg_snapshot_xmax(pg_current_snapshot())),
        (select max(seq) from dispatcher where xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)) as seq),
  place as (
    select xid::text::bigint as xid, seq from change
    union all select xid, seq from dispatcher
    union all select change_xid, change_seq from delivery
    union all select change_xid, change_seq from alert where change_xid is not null),
  number as (
    select xid, late, greatest(xmin - row_number() over (order by late desc, xid desc), 1) as number
    from (select distinct p.xid, e.xmin, p.xid < e.xmin and p.seq > e.seq as late from place p, edge e where p.xid > 0) t)`;

/** `n` is a row of `number` for the place (xid, seq). */
const matches = (xid: string, seq: string): string =>
  `n.xid = ${xid} and n.late = (${xid} < e.xmin and ${seq} > e.seq)`;

const renumber = `with ${places},
  changes as (update change set xid = n.number::text::xid8 from number n, edge e
    where ${matches('change.xid::text::bigint', 'change.seq')} returning 1),
  consumers as (update dispatcher set xid = n.number, holder = null, lease_until = null from number n, edge e
    where ${matches('dispatcher.xid', 'dispatcher.seq')} returning 1),
  deliveries as (update delivery set change_xid = n.number from number n, edge e
    where ${matches('change_xid', 'change_seq')} returning 1),
  alerts as (update alert set change_xid = n.number from number n, edge e
    where ${matches('change_xid', 'change_seq')} returning 1)
  select (select count(*) from changes)::int as changes, (select count(*) from consumers)::int as consumers`;

/** How many numbers are missing for the transactions that somebody has still to be told of; the oldest share 1. */
const missing = `with ${places}, floor as (select xid from dispatcher order by xid limit 1)
  select greatest(count(*) - max(e.xmin) + 2, 0)::int as missing
    from number n, edge e where n.late or n.xid >= (select xid from floor)`;

async function renumbered(tx: Tx): Promise<Record<'changes' | 'consumers', number> | undefined> {
  await tx.query({ text: 'set local statement_timeout = 0' });
  await tx.query({ text: 'select pg_advisory_xact_lock($1)' }, [RESTORED_LOCK]);
  const [state] = await tx.query<{ ahead: boolean }>({ text: isAhead });
  if (!state!.ahead) return undefined;
  return (await tx.query<Record<'changes' | 'consumers', number>>({ text: renumber }))[0];
}

/**
 * A cluster has used some thousand numbers when it is restored; where more changes wait, it counts on. Numbers are free to be given
 * once all transactions of the cluster, those of other databases too, are younger.
 */
async function countOn(db: Db): Promise<void> {
  const endMs = performance.now() + OTHERS_TIMEOUT_MS;
  let counted = false;
  for (;;) {
    const [short] = await db.query<{ missing: number }>({ text: missing });
    if (short!.missing === 0) return;
    if (performance.now() > endMs)
      throw new Error(
        'The database was restored into another PostgreSQL, and its change stream can only be taken up once the transactions end ' +
          'that were open there when Cerebra started, in whatever database (pg_stat_activity, pg_prepared_xacts): end them and start again.',
      );
    if (counted) await sleep(LOOK_MS);
    else for (let i = 0; i < short!.missing; i++) await db.query({ text: 'select pg_current_xact_id()' });
    counted = true;
  }
}

/** Once migrated, and before anything reads the change stream. On a database that was not restored it is one look. */
export async function takeUpRestored(db: Db, log: Log): Promise<void> {
  const [state] = await db.query<{ ahead: boolean }>({ text: isAhead });
  if (!state!.ahead) return;
  await countOn(db);
  const done = await db.tx(renumbered);
  if (done)
    log.warn(done, 'the database was restored into another PostgreSQL: places in its change stream are numbered anew');
}
