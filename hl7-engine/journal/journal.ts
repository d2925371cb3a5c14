// The journal of HL7 messages: guaranteed effect, exactly one, for each message a sender sends (HL7 v2.9 chapter 2.9.2).
import { createHash } from 'node:crypto';
import type { EntryResult } from '#fhir-model';
import { CerebraError, createGather, type Db, type Tx } from '#platform';
import type { Header } from '../message/header.ts';
import type { Refusal } from '../message/refusal.ts';

export type MessageState = 'received' | 'stored' | 'acknowledged' | 'failed';

/** A message that is in the journal. */
export interface Journaled {
  id: bigint;
  state: MessageState;
  attempts: number;
  /** The acknowledgment of its last attempt. */
  ack: Buffer | null;
}

export interface Journal {
  /** Commits the bytes. A message that is there already yields its row: what was done with it. */
  receive(raw: Buffer, header: Header, receivedMs: number): Promise<Journaled>;
  find(id: bigint): Promise<(Journaled & { raw: Buffer }) | undefined>;
  /**
   * Marks the messages' effects, in the transaction that has them. `message.attempts` must still be the row's: of two
   * attempts at one message only one commits; the other throws CerebraError `version-conflict`.
   */
  markStored(tx: Tx, outcomes: readonly StoredOutcome[]): Promise<void>;
  /** Yields the acknowledgment to send: the former one if the message was refused for the same reason before. */
  markFailed(message: Journaled, refusal: Refusal, ack: Buffer, finishedMs: number): Promise<Buffer | undefined>;
  /** For a message whose acknowledgment went out; written in batches, so after a crash it may be missing. */
  markAcknowledged(id: bigint): void;
  /** Up to `limit` messages without an outcome, from `afterId` on, oldest first. */
  unfinished(afterId: bigint, limit: number): Promise<(Journaled & { raw: Buffer })[]>;
  backlog(): Promise<number>;
  /** Writes what markAcknowledged has gathered. */
  flush(): Promise<void>;
}

export interface StoredOutcome {
  message: Journaled;
  ack: Buffer;
  results: EntryResult[];
  warnings: string[];
  finishedMs: number;
}

// A unique index finds the message sent again; `control_id_reused` looks at rows committed so far, which is enough for a flag.
// Messages of several connections that come at the same moment share the statement, and its commit.
const insertMessages = {
  name: 'hl7_receive',
  text: `insert into hl7_message as m (received_at, sender, control_id, content_hash, type, raw, control_id_reused)
    select v.received_at, v.sender, v.control_id, v.content_hash, v.type, v.raw,
      exists (select from hl7_message o
        where o.sender = v.sender and o.control_id = v.control_id and o.content_hash <> v.content_hash)
    from unnest($1::timestamptz[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::bytea[])
      as v(received_at, sender, control_id, content_hash, type, raw)
    on conflict (sender, control_id, content_hash) do update set deliveries = m.deliveries + 1
    returning id, state, attempts, ack, content_hash, sender, control_id`,
};

interface Received {
  raw: Buffer;
  header: Header;
  receivedMs: number;
  hash: Buffer;
}

interface ReceivedRow extends Journaled {
  content_hash: Buffer;
  sender: string;
  control_id: string;
}

const nameOf = (sender: string, controlId: string, hash: Buffer): string =>
  JSON.stringify([sender, controlId, hash.toString('hex')]);

/** The same message twice in one statement is an error that none of them has alone: each then goes by itself. */
async function insertReceived(db: Db, many: Received[]): Promise<Journaled[]> {
  const rows = await db.query<ReceivedRow>(insertMessages, [
    many.map(({ receivedMs }) => new Date(receivedMs)),
    many.map(({ header }) => header.sender),
    many.map(({ header }) => header.controlId),
    many.map(({ hash }) => hash),
    many.map(({ header }) => header.type),
    many.map(({ raw }) => raw),
  ]);
  const found = new Map(rows.map((row) => [nameOf(row.sender, row.control_id, row.content_hash), row]));
  return many.map(({ header, hash }) => {
    const { id, state, attempts, ack } = found.get(nameOf(header.sender, header.controlId, hash))!;
    return { id, state, attempts, ack };
  });
}

/** Statements under way at a time, messages and bytes of one. */
const RECEIVE_LANES_MAX = 2;
const RECEIVE_ITEMS_MAX = 32;
const RECEIVE_BYTES_MAX = 1024 * 1024;

const selectMessage = {
  name: 'hl7_find',
  text: 'select id, state, attempts, ack, raw from hl7_message where id = $1',
};

// A message that was stored keeps the acknowledgment its sender has seen, also when it is processed once more.
const updateStored = {
  name: 'hl7_stored',
  text: `update hl7_message m set state = 'stored', attempts = m.attempts + 1, finished_at = v.finished_at,
      wrote = string_to_array(v.wrote, ','), warnings = array(select jsonb_array_elements_text(v.warnings::jsonb)),
      error_code = null, error = null, ack = case when m.state in ('stored', 'acknowledged') then m.ack else v.ack end
    from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[])
      as v(id, attempts, wrote, warnings, finished_at, ack)
    where m.id = v.id and m.attempts = v.attempts`,
};

const updateFailed = {
  name: 'hl7_failed',
  text: `update hl7_message set state = 'failed', attempts = attempts + 1, error_code = $3, error = $4, finished_at = $5,
      ack = case when state = 'failed' and error = $4 and error_code = $3 then ack else $6 end
    where id = $1 and attempts = $2 and state in ('received', 'failed')
    returning ack`,
};

const updateAcknowledged = {
  name: 'hl7_acknowledged',
  text: `update hl7_message set state = 'acknowledged' where id = any($1) and state = 'stored'`,
};

const selectUnfinished = {
  name: 'hl7_unfinished',
  text: `select id, state, attempts, ack, raw from hl7_message where state = 'received' and id > $1 order by id limit $2`,
};

const countBacklog = {
  name: 'hl7_backlog',
  text: `select count(*)::int as backlog from hl7_message where state = 'received'`,
};

/** What was created or changed, `Type/id/_history/version`, with commas between: none of these has one. */
const writtenNames = (results: EntryResult[]): string =>
  results
    .filter((result) => result.op !== 'none')
    .map((result) => `${result.type}/${result.id}/_history/${result.version}`)
    .join(',');

// PostgreSQL's text has no NUL, its JSON no half of a surrogate pair.
const withoutNul = (text: string): string => text.replaceAll('\u0000', '').toWellFormed();

export function createJournal(db: Db): Journal {
  let acknowledged: bigint[] = [];
  const receive = createGather<Received, Journaled>({
    lanesMax: RECEIVE_LANES_MAX,
    itemsMax: RECEIVE_ITEMS_MAX,
    weigh: ({ raw }) => raw.length,
    weightMax: RECEIVE_BYTES_MAX,
    key: () => '',
    run: (many) => insertReceived(db, many),
  });
  return {
    receive(raw, header, receivedMs) {
      const hash = createHash('sha256').update(raw).digest();
      return receive({ raw, header, receivedMs, hash });
    },
    async find(id) {
      const [row] = await db.query<Journaled & { raw: Buffer }>(selectMessage, [id]);
      return row;
    },
    async markStored(tx, outcomes) {
      const values = [
        outcomes.map(({ message }) => message.id),
        outcomes.map(({ message }) => message.attempts),
        outcomes.map(({ results }) => writtenNames(results)),
        outcomes.map(({ warnings }) => JSON.stringify(warnings.map(withoutNul))),
        outcomes.map(({ finishedMs }) => new Date(finishedMs)),
        outcomes.map(({ ack }) => ack),
      ];
      if ((await tx.queryCount(updateStored, values)) === outcomes.length) return;
      throw new CerebraError('version-conflict', 'The message was processed by another attempt meanwhile');
    },
    async markFailed(message, refusal, ack, finishedMs) {
      const reason = withoutNul(refusal.message);
      const values = [message.id, message.attempts, refusal.condition, reason, new Date(finishedMs), ack];
      const [row] = await db.query<{ ack: Buffer }>(updateFailed, values);
      return row?.ack;
    },
    markAcknowledged: (id) => {
      acknowledged.push(id);
    },
    unfinished: (afterId, limit) => db.query(selectUnfinished, [afterId, limit]),
    async backlog() {
      const [row] = await db.query<{ backlog: number }>(countBacklog);
      return row?.backlog ?? 0;
    },
    async flush() {
      if (acknowledged.length === 0) return;
      const ids = acknowledged;
      acknowledged = [];
      await db.query(updateAcknowledged, [ids]);
    },
  };
}
