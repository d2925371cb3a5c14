// Table hl7_destination: who delivers to a destination, and what an operator has decided about it. A lease runs on the
// database's clock; its token rises with every new holder.
import type { Db, Queryable, Statement } from '#platform';

export interface DestinationState {
  name: string;
  paused: boolean;
  pause_reason: string | null;
  /** Milliseconds since 1970 UTC. */
  paused_at: number | null;
  /** Delivered up to this id, then paused. */
  drain_to: bigint | null;
  epoch: bigint;
  lease_token: bigint;
}

const columns = 'name, paused, pause_reason, paused_at, drain_to, epoch, lease_token';

const create: Statement = {
  text: 'insert into hl7_destination (name) select unnest($1::text[]) on conflict do nothing',
};

/** In one order whatever that of a server's configuration: two that start at once wait for each other's rows, not in a ring. */
export const createStates = async (db: Db, names: string[]): Promise<void> =>
  void (await db.query(create, [names.toSorted()]));

const hold: Statement = {
  name: 'hl7_destination_hold',
  text: `update hl7_destination set holder = $2, lease_until = statement_timestamp() + $3 * interval '1 millisecond',
      lease_token = lease_token + case when holder = $2 then 0 else 1 end
    where name = any($1) and (holder is null or holder = $2 or lease_until < statement_timestamp())
    returning ${columns}`,
};

/** Takes or renews the leases that nobody else has; yields the destinations that `holder` has then. */
export const holdStates = (db: Db, names: string[], holder: string, leaseMs: number): Promise<DestinationState[]> =>
  db.query<DestinationState>(hold, [names, holder, leaseMs]);

const release: Statement = {
  text: `update hl7_destination set holder = null, lease_until = null where holder = $1 and name = any($2)`,
};

export const releaseStates = async (db: Db, holder: string, names: string[]): Promise<void> =>
  void (await db.query(release, [holder, names]));

const releaseAll: Statement = { text: 'update hl7_destination set holder = null, lease_until = null' };

/** For a server that knows itself to be the only one: what a killed one held is nobody's. */
export const voidStates = async (db: Db): Promise<void> => void (await db.query(releaseAll));

const read: Statement = { name: 'hl7_destination_read', text: `select ${columns} from hl7_destination order by name` };

export const readStates = (db: Queryable): Promise<DestinationState[]> => db.query<DestinationState>(read);

const pause: Statement = {
  name: 'hl7_destination_pause',
  text: `update hl7_destination set paused = true, pause_reason = $2, paused_at = statement_timestamp(), drain_to = null
    where name = $1 returning epoch`,
};

/** Yields the epoch in which it is paused now: only a later one ends that. Undefined: there is no such destination. */
export const pauseDestination = async (db: Queryable, name: string, reason: string): Promise<bigint | undefined> =>
  (await db.query<{ epoch: bigint }>(pause, [name, reason.replaceAll('\u0000', '')]))[0]?.epoch;

const endDrain: Statement = {
  name: 'hl7_destination_drained',
  text: `update hl7_destination set paused = true, pause_reason = 'Drained', paused_at = statement_timestamp(), drain_to = null
    where name = $1 and epoch = $2 and drain_to is not null`,
};

/** False: an operator has decided otherwise since `epoch`. */
export const pauseDrained = async (db: Queryable, name: string, epoch: bigint): Promise<boolean> =>
  (await db.queryCount(endDrain, [name, epoch])) === 1;

const resume: Statement = {
  text: `update hl7_destination set paused = false, pause_reason = null, paused_at = null, drain_to = null,
    epoch = epoch + 1 where name = $1`,
};

export const resumeDestination = async (db: Queryable, name: string): Promise<boolean> =>
  (await db.queryCount(resume, [name])) === 1;

const drain: Statement = {
  text: `update hl7_destination set paused = false, pause_reason = null, paused_at = null, epoch = epoch + 1,
      drain_to = coalesce((select id from hl7_outbound where destination = $1 and state = 'queued' order by id + 0 desc limit 1), 0)
    where name = $1`,
};

/** What waits now is delivered, what comes later is kept. */
export const drainDestination = async (db: Queryable, name: string): Promise<boolean> =>
  (await db.queryCount(drain, [name])) === 1;

const touch: Statement = { text: 'update hl7_destination set epoch = epoch + 1 where name = $1' };

/** Queued rows were changed by hand: the holder reads them anew. In the transaction of that change. */
export const touchDestination = async (tx: Queryable, name: string): Promise<void> =>
  void (await tx.query(touch, [name]));
