// What an operator does with the messages of a destination. Queued rows may be in a deliverer's memory: every change of
// them raises the destination's epoch in the same transaction, and the deliverer reads anew.
import type { Db, Statement } from '#platform';
import { touchDestination } from './state.ts';

export const messageStates = ['queued', 'delivered', 'dead', 'skipped'] as const;
export type OutboundState = (typeof messageStates)[number];

export interface OutboundRow {
  id: bigint;
  destination: string;
  journal_id: bigint | null;
  control_id: string;
  body_bytes: number;
  state: OutboundState;
  /** Milliseconds since 1970 UTC, as `ended_at`. */
  queued_at: number;
  ended_at: number | null;
  attempts: number;
  refusals: number;
  error: string | null;
}

const columns = `id, destination, journal_id, control_id, body_bytes, state, queued_at, ended_at, attempts, refusals, error`;

// One statement a state: the queue and what has left it have an index each. `id + 0`: by plain `id` a quiet destination's
// list would walk the primary key, past everything of the busy ones.
const list = (state: OutboundState): Statement => ({
  name: `hl7_outbound_list_${state}`,
  text: `select ${columns} from hl7_outbound
    where destination = $1 and state = '${state}' and id + 0 < $2 order by id + 0 desc limit $3`,
});
const lists = Object.fromEntries(messageStates.map((state) => [state, list(state)])) as Record<
  OutboundState,
  Statement
>;

const listByControlId: Statement = {
  name: 'hl7_outbound_list_control_id',
  text: `select ${columns} from hl7_outbound
    where control_id = $4 and destination = $1 and id < $2 and ($5::text is null or state = $5) order by id desc limit $3`,
};

export interface ListQuery {
  /** null: with a control id whatever their state is, else dead letters. */
  state: OutboundState | null;
  controlId: string | null;
  /** Only ids below. */
  before: bigint;
  limit: number;
}

/** Newest first. */
export function listMessages(db: Db, destination: string, query: ListQuery): Promise<OutboundRow[]> {
  const values = [destination, query.before, query.limit];
  if (query.controlId === null) return db.query<OutboundRow>(lists[query.state ?? 'dead'], values);
  return db.query<OutboundRow>(listByControlId, [...values, query.controlId, query.state]);
}

const one: Statement = {
  name: 'hl7_outbound_one',
  text: `select ${columns}, body, answer, application_answer from hl7_outbound where id = $1 and destination = $2`,
};

export interface OutboundDetails extends OutboundRow {
  body: Buffer;
  answer: Buffer | null;
  application_answer: Buffer | null;
}

export const findMessage = async (db: Db, destination: string, id: bigint): Promise<OutboundDetails | undefined> =>
  (await db.query<OutboundDetails>(one, [id, destination]))[0];

const requeue = `update hl7_outbound set state = 'queued', ended_at = null, attempts = 0, refusals = 0, answer = null,
  application_answer = null`;

const retryOne: Statement = { text: `${requeue} where destination = $1 and id = $2 and state <> 'queued'` };
const skipOne: Statement = {
  text: `update hl7_outbound set state = 'skipped', ended_at = statement_timestamp()
    where destination = $1 and id = $2 and state in ('queued', 'dead')`,
};
const retryDead: Statement = {
  text: `${requeue} where id in (select id from hl7_outbound
    where destination = $1 and state = 'dead' order by id + 0 limit $2 for update)`,
};
const skipMany = (state: 'queued' | 'dead'): Statement => ({
  text: `update hl7_outbound set state = 'skipped', ended_at = statement_timestamp() where id in (select id from hl7_outbound
    where destination = $1 and state = '${state}' order by id + 0 limit $2 for update)`,
});
const skips = { queued: skipMany('queued'), dead: skipMany('dead') };

/** Yields how many rows were changed. */
function change(db: Db, destination: string, statement: Statement, value: unknown): Promise<number> {
  return db.tx(async (tx) => {
    const count = await tx.queryCount(statement, [destination, value]);
    if (count > 0) await touchDestination(tx, destination);
    return count;
  });
}

/** Back into the queue, at its old place, whether it was given up, skipped or delivered. */
export const retryMessage = (db: Db, destination: string, id: bigint): Promise<number> =>
  change(db, destination, retryOne, id);

export const skipMessage = (db: Db, destination: string, id: bigint): Promise<number> =>
  change(db, destination, skipOne, id);

/** A transaction of many rows would hold others up. */
const rowsMax = 5_000;

async function changeAll(db: Db, destination: string, statement: Statement): Promise<number> {
  let total = 0;
  for (;;) {
    const count = await change(db, destination, statement, rowsMax);
    total += count;
    if (count < rowsMax) return total;
  }
}

export const retryDeadLetters = (db: Db, destination: string): Promise<number> => changeAll(db, destination, retryDead);

/** They stay readable as `skipped` until retention takes them. */
export const purge = (db: Db, destination: string, state: 'queued' | 'dead'): Promise<number> =>
  changeAll(db, destination, skips[state]);
