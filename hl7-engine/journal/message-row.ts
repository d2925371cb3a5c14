// A message of the journal as lists show it: everything but its bytes.
import type { MessageState } from './journal.ts';

export const rowColumns = `m.id, m.received_at, m.finished_at, m.sender, m.control_id, m.control_id_reused, m.type, m.message_time,
  m.state, m.attempts, m.deliveries, m.error_code, m.error, m.warnings, m.wrote, m.source_kind, m.source_name, m.peer, m.route_id,
  m.route_version, m.parse_us, m.map_us, m.store_us, m.ack_us, m.attempted_by, m.filtered, length(m.raw) as raw_bytes`;

export interface MessageRow {
  id: bigint;
  received_at: number;
  finished_at: number | null;
  sender: string;
  control_id: string;
  control_id_reused: boolean;
  type: string;
  message_time: string | null;
  state: MessageState;
  attempts: number;
  deliveries: number;
  error_code: string | null;
  error: string | null;
  warnings: string[];
  wrote: string[];
  source_kind: string | null;
  source_name: string | null;
  peer: string | null;
  route_id: string | null;
  route_version: number | null;
  parse_us: number | null;
  map_us: number | null;
  store_us: number | null;
  ack_us: number | null;
  attempted_by: string | null;
  filtered: string | null;
  raw_bytes: number;
}

/** ISO 8601 in UTC. */
export const instant = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

type Attempted = Pick<
  MessageRow,
  'route_id' | 'route_version' | 'parse_us' | 'map_us' | 'store_us' | 'ack_us' | 'attempted_by'
>;

/** Route, times and author of an attempt. */
export const shownAttempt = (row: Attempted): Record<string, unknown> => ({
  route: row.route_id === null ? null : { id: row.route_id, version: row.route_version },
  timingsUs: { parse: row.parse_us, map: row.map_us, store: row.store_us, ack: row.ack_us },
  attemptedBy: row.attempted_by,
});

export function shown(row: MessageRow): Record<string, unknown> {
  return {
    id: String(row.id),
    receivedAt: instant(row.received_at),
    finishedAt: instant(row.finished_at),
    durationMs: row.finished_at === null ? null : row.finished_at - row.received_at,
    source: { kind: row.source_kind, name: row.source_name, peer: row.peer },
    sender: row.sender,
    controlId: row.control_id,
    controlIdReused: row.control_id_reused,
    type: row.type,
    messageTime: row.message_time,
    state: row.state,
    ...shownAttempt(row),
    attempts: row.attempts,
    deliveries: row.deliveries,
    errorCode: row.error_code,
    error: row.error,
    filtered: row.filtered,
    warnings: row.warnings,
    wrote: row.wrote,
    bytes: row.raw_bytes,
  };
}
