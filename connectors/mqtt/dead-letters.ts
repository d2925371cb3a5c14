// The table device_dead_letter: what could not become Observations, byte for byte, until it can.
import { createHash } from 'node:crypto';
import type { Db, Queryable, Statement } from '#platform';
import type { FaultReason, PlacedFault } from './fault.ts';

export interface DeadLetter {
  id: bigint;
  topic: string;
  payload: Buffer;
  reason: FaultReason;
  diagnostics: string;
  /** Up to the first hundred. */
  faults: PlacedFault[];
  faultCount: number;
  /** How often this very message came, or failed again. */
  seen: number;
  firstReceivedMs: number;
  receivedMs: number;
}

export interface DeadLetterFilter {
  reason?: string;
  /** Only those with a greater id. */
  afterId: bigint;
  limit: number;
}

export interface DeadLetters {
  /** Keeps a message; the same topic and payload again only raises `seen` and renews the faults. */
  put(topic: string, payload: Buffer, faults: PlacedFault[], receivedMs: number): Promise<void>;
  /** By ascending id. */
  list(filter: DeadLetterFilter): Promise<DeadLetter[]>;
  get(id: bigint): Promise<DeadLetter | undefined>;
  count(reason?: string): Promise<number>;
  remove(id: bigint): Promise<void>;
}

const faultsMax = 100;

const statements = {
  put: {
    name: 'device-dead-letter-put',
    text: `INSERT INTO device_dead_letter
             (fingerprint, topic, payload, reason, diagnostics, faults, fault_count, first_received_at, received_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8::float8 / 1000), to_timestamp($8::float8 / 1000))
           ON CONFLICT (fingerprint) DO UPDATE SET
             reason = excluded.reason, diagnostics = excluded.diagnostics, faults = excluded.faults,
             fault_count = excluded.fault_count, received_at = excluded.received_at, seen = device_dead_letter.seen + 1`,
  },
  list: {
    name: 'device-dead-letter-list',
    text: `SELECT * FROM device_dead_letter WHERE id > $1 AND ($2::text IS NULL OR reason = $2) ORDER BY id LIMIT $3`,
  },
  get: { name: 'device-dead-letter-get', text: 'SELECT * FROM device_dead_letter WHERE id = $1' },
  count: {
    name: 'device-dead-letter-count',
    text: 'SELECT count(*) AS count FROM device_dead_letter WHERE $1::text IS NULL OR reason = $1',
  },
  remove: { name: 'device-dead-letter-remove', text: 'DELETE FROM device_dead_letter WHERE id = $1' },
} as const;

interface Row {
  id: bigint;
  topic: string;
  payload: Buffer;
  reason: FaultReason;
  diagnostics: string;
  faults: string;
  fault_count: number;
  seen: number;
  first_received_at: number;
  received_at: number;
}

export function createDeadLetters(db: Db): DeadLetters {
  return {
    async put(topic, payload, faults, receivedMs) {
      const first = faults[0]!;
      const storableTopic = storable(topic);
      await db.query(statements.put, [
        createHash('sha256').update(`${storableTopic}\0`).update(payload).digest(),
        storableTopic,
        payload,
        first.reason,
        storable(first.diagnostics),
        JSON.stringify(faults.slice(0, faultsMax)),
        faults.length,
        receivedMs,
      ]);
    },
    async list({ afterId, reason, limit }) {
      return (await db.query<Row>(statements.list, [afterId, reason ?? null, limit])).map(letterOf);
    },
    async get(id) {
      const [row] = await db.query<Row>(statements.get, [id]);
      return row && letterOf(row);
    },
    async count(reason) {
      const [row] = await db.query<{ count: bigint }>(statements.count, [reason ?? null]);
      return Number(row!.count);
    },
    async remove(id) {
      await db.query(statements.remove, [id]);
    },
  };
}

// In the order in which they came first: where a page ends with one that came of late, so did all after it.
const oldest: Statement = {
  name: 'device-dead-letter-oldest',
  text: `SELECT id, first_received_at < to_timestamp($2::float8 / 1000) AS early,
           received_at < to_timestamp($2::float8 / 1000) AS old
         FROM device_dead_letter WHERE id > $1 ORDER BY id LIMIT $3`,
};
const forget: Statement = {
  name: 'device-dead-letter-forget',
  text: 'DELETE FROM device_dead_letter WHERE id = ANY ($1) AND received_at < to_timestamp($2::float8 / 1000)',
};

/** Deletes those that came last before `beforeMs`, in batches. Returns how many. */
export async function pruneDeviceDeadLetters(db: Queryable, beforeMs: number, batchRows = 1_000): Promise<number> {
  let total = 0;
  for (let after = 0n; ; ) {
    const rows = await db.query<{ id: bigint; early: boolean; old: boolean }>(oldest, [after, beforeMs, batchRows]);
    const old = rows.filter((row) => row.old).map(({ id }) => id);
    if (old.length > 0) total += await db.queryCount(forget, [old, beforeMs]);
    const last = rows.at(-1);
    if (!last?.early || rows.length < batchRows) return total;
    after = last.id;
  }
}

/** PostgreSQL's text has no NUL. */
function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd');
}

function letterOf(row: Row): DeadLetter {
  return {
    id: row.id,
    topic: row.topic,
    payload: row.payload,
    reason: row.reason,
    diagnostics: row.diagnostics,
    faults: JSON.parse(row.faults) as PlacedFault[],
    faultCount: row.fault_count,
    seen: row.seen,
    firstReceivedMs: row.first_received_at,
    receivedMs: row.received_at,
  };
}
