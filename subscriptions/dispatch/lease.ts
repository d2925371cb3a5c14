// One server dispatches: its row of table dispatcher holds the cursor and the lease. The lease runs on the database's
// clock, and the cursor moves only for its holder and only from where the holder last saw it, so a server that slept
// through its lease cannot number anything twice.
import type { ChangeCursor } from '#fhir-model';
import type { Db, Queryable, Statement, Tx } from '#platform';

export interface Lease {
  /** Takes, keeps or renews the lease; yields the cursor, or undefined while another server holds it. */
  acquire(db: Queryable): Promise<ChangeCursor | undefined>;
  /** Moves the cursor and renews the lease; false when it was lost: the transaction must be given up. */
  move(tx: Tx, from: ChangeCursor, to: ChangeCursor): Promise<boolean>;
  /** What `moveText` is run with to do so as a part of another statement. */
  moving(from: ChangeCursor, to: ChangeCursor): unknown[];
  /** Gives the lease back, so that another server need not wait for its end. */
  release(db: Db): Promise<void>;
}

// A lease that lasts for longer than any that is given was given before the database's clock was put back.
const acquire: Statement = {
  name: 'dispatcher_acquire',
  text: `update dispatcher set holder = $1, lease_until = statement_timestamp() + $2 * interval '1 millisecond'
    where name = $3
      and (holder = $1 or lease_until is null or lease_until < statement_timestamp()
        or lease_until > statement_timestamp() + $2 * interval '2 milliseconds')
    returning xid, seq`,
};

/** Changes the one row, or none when the lease was lost; its placeholders begin with `$first`. */
export function moveText(first: number): string {
  const [holder, fromXid, fromSeq, xid, seq, leaseMs, name] = Array.from({ length: 7 }, (_, at) => `$${first + at}`);
  return `update dispatcher set xid = ${xid}, seq = ${seq},
      lease_until = statement_timestamp() + ${leaseMs} * interval '1 millisecond'
    where name = ${name} and holder = ${holder} and xid = ${fromXid} and seq = ${fromSeq}`;
}

const move: Statement = { name: 'dispatcher_move', text: moveText(1) };

const release: Statement = {
  text: `update dispatcher set holder = null, lease_until = null where name = $2 and holder = $1`,
};

/** `consumer`: whose row of table dispatcher it is. */
export function createLease(holder: string, leaseMs: number, consumer = 'subscriptions'): Lease {
  const moving: Lease['moving'] = (from, to) => [holder, from.xid, from.seq, to.xid, to.seq, leaseMs, consumer];
  return {
    moving,
    acquire: async (db) => (await db.query<ChangeCursor>(acquire, [holder, leaseMs, consumer]))[0],
    move: async (tx, from, to) => (await tx.queryCount(move, moving(from, to))) === 1,
    release: async (db) => {
      await db.query(release, [holder, consumer]);
    },
  };
}

const voidDispatcher: Statement = { text: 'update dispatcher set holder = null, lease_until = null' };
// In the order of their ids, as whoever else changes several: a statement of the killed server may still be running.
const voidDeliveries: Statement = {
  text: `with l as (select id from subscriber where lease_until is not null order by id for no key update)
    update subscriber s set lease_until = null from l where s.id = l.id`,
};

/**
 * Ends all leases at once. For a server that knows itself to be the only one: what a killed one held is nobody's, and
 * waiting for its end would hold deliveries back by up to half a minute. Tokens still fence whoever should be alive.
 */
export async function voidLeases(db: Db): Promise<void> {
  await db.query(voidDispatcher);
  await db.query(voidDeliveries);
}
