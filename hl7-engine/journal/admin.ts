// The operator's view of the journal. Bodies hold patients' data: these routes belong behind the admin authentication.
import type { AdminRoute, Db } from '#platform';
import type { MessageState } from './journal.ts';

const countMax = 1000;
const countDefault = 50;
const states: readonly string[] = ['received', 'stored', 'acknowledged', 'failed'] satisfies MessageState[];

const columns = `id::text, received_at, finished_at, sender, control_id, control_id_reused, type, state, attempts, deliveries,
  error_code, error, warnings, wrote, length(raw) as raw_bytes`;

interface Row {
  id: string;
  received_at: number;
  finished_at: number | null;
  sender: string;
  control_id: string;
  control_id_reused: boolean;
  type: string;
  state: MessageState;
  attempts: number;
  deliveries: number;
  error_code: string | null;
  error: string | null;
  warnings: string[];
  wrote: string[];
  raw_bytes: number;
}

const listMessages = {
  name: 'hl7_list',
  text: `select ${columns} from hl7_message
    where ($1::text is null or state = $1) and ($2::text is null or control_id = $2)
    order by id desc limit $3`,
};

const oneMessage = {
  name: 'hl7_one',
  text: `select ${columns}, raw, ack from hl7_message where id = $1`,
};

function shown(row: Row): Record<string, unknown> {
  return {
    id: row.id,
    receivedAt: new Date(row.received_at).toISOString(),
    finishedAt: row.finished_at === null ? null : new Date(row.finished_at).toISOString(),
    durationMs: row.finished_at === null ? null : row.finished_at - row.received_at,
    sender: row.sender,
    controlId: row.control_id,
    controlIdReused: row.control_id_reused,
    type: row.type,
    state: row.state,
    attempts: row.attempts,
    deliveries: row.deliveries,
    errorCode: row.error_code,
    error: row.error,
    warnings: row.warnings,
    wrote: row.wrote,
    bytes: row.raw_bytes,
  };
}

const notFound = { status: 404, body: { error: 'No such HL7 message' } };

/** The journal's number of a message, undefined for anything that is not one. */
function idOf(text: string | undefined): bigint | undefined {
  return text !== undefined && /^\d{1,18}$/.test(text) ? BigInt(text) : undefined;
}

/** `reprocess` yields the acknowledgment, or undefined if there is no such message. */
export function journalRoutes(db: Db, reprocess: (id: bigint) => Promise<Buffer | undefined>): AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/admin/hl7/messages',
      summary: 'HL7 messages, newest first; ?state=received|stored|acknowledged|failed &controlId= &limit=',
      async handle({ query }) {
        const state = query.get('state');
        const limit = Number(query.get('limit') ?? countDefault);
        if (state !== null && !states.includes(state)) return invalid(`state is one of ${states.join(', ')}`);
        if (!Number.isInteger(limit) || limit < 1 || limit > countMax) return invalid(`limit is 1 to ${countMax}`);
        const rows = await db.query<Row>(listMessages, [state, query.get('controlId'), limit]);
        return { status: 200, body: { messages: rows.map(shown) } };
      },
    },
    {
      method: 'GET',
      path: '/admin/hl7/messages/:id',
      summary: 'One HL7 message with its bytes (base64) and its acknowledgment',
      async handle({ params }) {
        const id = idOf(params.id);
        const [row] =
          id === undefined ? [] : await db.query<Row & { raw: Buffer; ack: Buffer | null }>(oneMessage, [id]);
        if (row === undefined) return notFound;
        const bodies = { raw: row.raw.toString('base64'), ack: row.ack?.toString('base64') ?? null };
        return { status: 200, body: { ...shown(row), ...bodies } };
      },
    },
    {
      method: 'POST',
      path: '/admin/hl7/messages/:id/reprocess',
      summary: 'Maps and stores an HL7 message once more; yields its acknowledgment (base64) and state',
      async handle({ params }) {
        const id = idOf(params.id);
        const ack = id === undefined ? undefined : await reprocess(id);
        if (ack === undefined) return notFound;
        const [row] = await db.query<Row>(oneMessage, [id]);
        return { status: 200, body: { ...(row === undefined ? {} : shown(row)), ack: ack.toString('base64') } };
      },
    },
  ];
}

function invalid(error: string): { status: number; body: { error: string } } {
  return { status: 400, body: { error } };
}
