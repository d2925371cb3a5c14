// The journal of HL7 v2 messages: guaranteed effect, exactly one, for each message a sender sends (HL7 v2.9 chapter 2.9.2).
import type { EntryResult } from '#fhir-model';
import { CerebraError, type Db, type Statement, sqlState, type Tx } from '#platform';
import type { Header } from '../message/header.ts';
import type { Refusal } from '../message/refusal.ts';
import type { Source } from '../seams.ts';
import { createReceive } from './receive.ts';

/**
 * Parsed and mapped are steps of an attempt, not commits of their own: between received and stored nothing is durable that
 * a restart could go on from, and two more updates a message would cost as much as the two there are. Their times are in
 * the attempt.
 */
export const messageStates = ['received', 'stored', 'acknowledged', 'failed', 'filtered'] as const;
export type MessageState = (typeof messageStates)[number];

/** A message that is in the journal. */
export interface Journaled {
  id: bigint;
  state: MessageState;
  attempts: number;
  /** The acknowledgment of its last attempt. */
  ack: Buffer | null;
  /** When it first came, milliseconds since 1970 UTC. */
  receivedMs: number;
}

/** As it was taken up for another attempt. */
export interface Found extends Journaled {
  raw: Buffer;
  source: Source;
}

/** What an attempt took, in whole microseconds; what it did not come to is not there. */
export interface Timings {
  parseUs?: number;
  mapUs?: number;
  /** Up to the beginning of its transaction; the row has it up to the mark, which is the last statement before the commit. */
  storeUs?: number;
}

export interface AttemptInfo {
  /** The route that took it. */
  route?: { id: string; version: number };
  timings?: Timings;
  /** Who asked for the attempt, where it was a person. */
  who?: string;
}

/** A message's effect. */
export interface StoredOutcome extends AttemptInfo {
  message: Journaled;
  /** '' (no bytes) where the route answers nothing. */
  ack: Buffer;
  results: EntryResult[];
  warnings: string[];
  finishedMs: number;
  /** Why the route lets it go without effect: it is then `filtered`. */
  filtered?: string;
}

/** So much at a time: `messagesMax`, and no more behind `bytesMax`. */
export interface Portion {
  messagesMax: number;
  bytesMax: number;
}

export interface Journal {
  /**
   * Commits the bytes. A message that is there already yields its row: what was done with it. With `isFlushed` they are on disk
   * then, else by the next commit that waits for the disk, as that of any outcome does.
   */
  receive(raw: Buffer, header: Header, receivedMs: number, source: Source, isFlushed?: boolean): Promise<Journaled>;
  find(id: bigint): Promise<Found | undefined>;
  /**
   * Marks the effect of messages in the transaction that has it. `message.attempts` must still be the row's: of two
   * attempts at one message only one commits; the transaction of the other throws CerebraError `version-conflict`.
   */
  markStored(tx: Tx, outcomes: readonly StoredOutcome[]): void;
  /**
   * Yields the acknowledgment to send: the former one if the message was refused for the same reason before. A failed
   * message is a dead letter until it is processed or resolved; its Refusal's review is written with it.
   */
  markFailed(
    message: Journaled,
    refusal: Refusal,
    ack: Buffer,
    finishedMs: number,
    info?: AttemptInfo,
  ): Promise<Buffer | undefined>;
  /** For a message whose acknowledgment went out, `ackUs` after the commit; written in batches, so after a crash it may be missing. */
  markAcknowledged(id: bigint, ackUs?: number): void;
  /**
   * Messages without an outcome, beyond `afterId`, oldest first; only those that came before `receivedBeforeMs`. None: there are no
   * more.
   */
  unfinished(afterId: bigint, portion: Portion, receivedBeforeMs?: number): Promise<Found[]>;
  backlog(): Promise<number>;
  /** Writes what markAcknowledged has gathered. */
  flush(): Promise<void>;
}

const foundColumns = `m.id, m.state, m.attempts, m.ack, m.received_at as "receivedMs", m.raw, m.source_kind, m.source_name, m.peer`;

const selectMessage = { name: 'hl7_find', text: `select ${foundColumns} from hl7_message m where id = $1` };

interface FoundRow extends Omit<Found, 'source'> {
  source_kind: Source['kind'] | null;
  source_name: string | null;
  peer: string | null;
}

const foundOf = ({ source_kind, source_name, peer, ...found }: FoundRow): Found => ({
  ...found,
  // Messages of versions before there were sources came over the one MLLP port.
  source: { kind: source_kind ?? 'mllp', name: source_name ?? 'default', ...(peer === null ? {} : { peer }) },
});

/** The attempt that stands in the row makes room for another one; the index learns of the message again. */
const archiving = (
  which: string,
): string => `a as (insert into hl7_attempt (message, number, finished_at, state, error_code,
      error, warnings, wrote, route_id, route_version, parse_us, map_us, store_us, ack_us, attempted_by)
    select m.id, m.attempts, m.finished_at, m.state, m.error_code, m.error, m.warnings, m.wrote, m.route_id,
      m.route_version, m.parse_us, m.map_us, m.store_us, m.ack_us, m.attempted_by
    from hl7_message m where ${which} and m.attempts > 0
    on conflict (message, number) do nothing),
  s as (insert into hl7_stale (message) select m.id from hl7_message m where ${which}
    on conflict (message) do update set since = excluded.since)`;

const archive = { name: 'hl7_archive', text: `with ${archiving('m.id = any($1)')} select` };

// What failed before has had its effect now.
const settleFailed = {
  name: 'hl7_settle_failed',
  text: `with d as (delete from hl7_dead_letter where message = any($1))
    update hl7_review set resolved_at = now(), resolved_by = 'cerebra', resolution = 'The message was processed'
    where message = any($1) and resolved_at is null`,
};

// A message that was stored keeps the acknowledgment its sender has seen, also when it is processed once more. PostgreSQL has
// no arrays of arrays of different lengths: references have no commas, warnings are JSON. Divides by zero unless it finds all:
// COMMIT travels with it, so it has to fail by itself.
const updateStored = {
  name: 'hl7_stored_all',
  text: `with u as (update hl7_message m set attempts = m.attempts + 1, finished_at = v.finished_at, error_code = null, error = null,
      state = case when v.filtered is not null then 'filtered' when m.state = 'acknowledged' then m.state else 'stored' end,
      ack = case when m.state in ('stored', 'acknowledged', 'filtered') then m.ack else v.ack end,
      wrote = string_to_array(v.wrote, ','), warnings = array(select json_array_elements_text(v.warnings)),
      route_id = v.route_id, route_version = v.route_version, parse_us = v.parse_us, map_us = v.map_us,
      store_us = v.store_us + least(1000000 * extract(epoch from clock_timestamp() - now()), 2147483647 - v.store_us),
      attempted_by = v.attempted_by, filtered = v.filtered
    from unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::bytea[], $5::text[], $6::json[], $7::text[], $8::int[],
      $9::int[], $10::int[], $11::int[], $12::text[], $13::text[]) as v(id, attempts, finished_at, ack, wrote, warnings,
      route_id, route_version, parse_us, map_us, store_us, attempted_by, filtered)
    where m.id = v.id and m.attempts = v.attempts returning 1)
    select 1 / (count(*) = cardinality($1::bigint[]))::int from u`,
};

const DIVISION_BY_ZERO = '22012';

const attemptedElsewhere = (error: unknown): unknown =>
  sqlState(error) === DIVISION_BY_ZERO
    ? new CerebraError('version-conflict', 'The message was processed by another attempt meanwhile', { cause: error })
    : error;

// A failed attempt at a message that has had its effect changes nothing of that: it stands among the attempts.
const updateFailed = {
  name: 'hl7_failed_attempt',
  text: `with ${archiving('m.id = $1 and m.attempts = $2')},
    m as (update hl7_message set state = 'failed', attempts = attempts + 1, error_code = $3, error = $4, finished_at = $5,
        ack = case when state = 'failed' and error = $4 and error_code = $3 then ack else $6 end, warnings = '{}', wrote = '{}',
        route_id = $7, route_version = $8, parse_us = $9, map_us = $10, store_us = null, ack_us = null, attempted_by = $11
      where id = $1 and attempts = $2 and state in ('received', 'failed', 'filtered')
      returning id, ack),
    d as (insert into hl7_dead_letter (message, since) select id, $5 from m
      on conflict (message) do update set resolved_at = null, resolved_by = null, resolution = null),
    r as (insert into hl7_review (message, kind, text, concerns, details, created_at)
      select id, $12, $13, $14::text[], $15::jsonb, $5 from m where $12::text is not null
      on conflict (message, kind, md5(text)) where resolved_at is null do nothing),
    k as (update hl7_message set attempts = attempts + 1
      where id = $1 and attempts = $2 and state in ('stored', 'acknowledged') returning id),
    n as (insert into hl7_attempt (message, number, finished_at, state, error_code, error, warnings, wrote, route_id,
        route_version, parse_us, map_us, attempted_by)
      select id, $2 + 1, $5, 'failed', $3, $4, '{}', '{}', $7, $8, $9, $10, $11 from k on conflict do nothing)
    select ack from m`,
};

const updateAcknowledged = {
  name: 'hl7_acknowledged_in',
  text: `update hl7_message m set state = 'acknowledged', ack_us = v.ack_us
    from unnest($1::bigint[], $2::int[]) as v(id, ack_us) where m.id = v.id and m.state = 'stored'`,
};

// What has no outcome is among the latest, which the index has not seen, or stands in hl7_stale.
const received = `from (select message as id from hl7_stale union
      select id from hl7_message where id > (select indexed_to from hl7_index_cursor) and state = 'received') o
    join hl7_message m on m.id = o.id where m.state = 'received'`;

const selectUnfinished: Statement = {
  name: 'hl7_unfinished_portion',
  text: `select ${foundColumns}
    from (select i.*, sum(length(i.raw)) over (order by i.id) - length(i.raw) as bytes_before
      from (select m.* ${received} and m.id > $1 and m.received_at < $3 order by m.id limit $2) i) m
    where m.bytes_before < $4 order by m.id`,
};

const countBacklog: Statement = { name: 'hl7_backlog_from', text: `select count(*)::int as backlog ${received}` };

const timing = (us: number | undefined): number | null =>
  us === undefined ? null : Math.min(Math.round(us), 2 ** 31 - 1);

const written = (results: EntryResult[]): string =>
  results
    .filter((result) => result.op !== 'none')
    .map((result) => `${result.type}/${result.id}/_history/${result.version}`)
    .join();

function storedValues(outcomes: readonly StoredOutcome[]): unknown[][] {
  const column = <T>(value: (one: StoredOutcome) => T): T[] => outcomes.map(value);
  return [
    column(({ message }) => message.id),
    column(({ message }) => message.attempts),
    column(({ finishedMs }) => new Date(finishedMs)),
    column(({ ack }) => ack),
    column(({ results }) => written(results)),
    column(({ warnings }) => JSON.stringify(warnings.map(withoutNul))),
    column(({ route }) => route?.id ?? null),
    column(({ route }) => route?.version ?? null),
    column(({ timings }) => timing(timings?.parseUs)),
    column(({ timings }) => timing(timings?.mapUs)),
    column(({ timings }) => timing(timings?.storeUs)),
    column(({ who }) => who ?? null),
    column(({ filtered }) => (filtered === undefined ? null : withoutNul(filtered))),
  ];
}

const withoutNul = (text: string): string => text.replaceAll('\u0000', '');

function markStored(tx: Tx, outcomes: readonly StoredOutcome[]): void {
  const messages = outcomes.map(({ message }) => message);
  const again = messages.filter(({ attempts }) => attempts > 0).map(({ id }) => id);
  const failed = messages.filter(({ state }) => state === 'failed').map(({ id }) => id);
  if (again.length > 0) tx.queue(archive, [again]);
  tx.queue(updateStored, storedValues(outcomes), attemptedElsewhere);
  if (failed.length > 0) tx.queue(settleFailed, [failed]);
}

function failedValues(
  message: Journaled,
  refusal: Refusal,
  ack: Buffer,
  finishedMs: number,
  { route, timings, who }: AttemptInfo,
): unknown[] {
  const { review } = refusal;
  const { id, attempts } = message;
  return [
    ...[id, attempts, refusal.condition, withoutNul(refusal.message), new Date(finishedMs), ack],
    ...[route?.id ?? null, route?.version ?? null, timing(timings?.parseUs), timing(timings?.mapUs), who ?? null],
    ...[review?.kind ?? null, review === undefined ? null : withoutNul(review.text), review?.references ?? null],
    review?.details === undefined ? null : JSON.stringify(review.details).replaceAll('\\u0000', ''),
  ];
}

export function createJournal(db: Db): Journal {
  let acknowledged: { id: bigint; ackUs: number | null }[] = [];
  const receive = createReceive(db);
  return {
    receive: (raw, header, receivedMs, source, isFlushed = true) =>
      receive({ raw, header, receivedMs, source, isFlushed }),
    async find(id) {
      const [row] = await db.query<FoundRow>(selectMessage, [id]);
      return row && foundOf(row);
    },
    markStored,
    async markFailed(message, refusal, ack, finishedMs, info = {}) {
      const [row] = await db.query<{ ack: Buffer }>(
        updateFailed,
        failedValues(message, refusal, ack, finishedMs, info),
      );
      return row?.ack;
    },
    markAcknowledged: (id, ackUs) => {
      acknowledged.push({ id, ackUs: timing(ackUs) });
    },
    async unfinished(afterId, { messagesMax, bytesMax }, receivedBeforeMs) {
      const before = receivedBeforeMs === undefined ? 'infinity' : new Date(receivedBeforeMs);
      const values = [afterId, messagesMax, before, bytesMax];
      return (await db.query<FoundRow>(selectUnfinished, values)).map(foundOf);
    },
    async backlog() {
      const [row] = await db.query<{ backlog: number }>(countBacklog);
      return row?.backlog ?? 0;
    },
    async flush() {
      if (acknowledged.length === 0) return;
      // In the order of their ids: a message that was sent again may be among those of another server too.
      const many = acknowledged.toSorted((a, b) => (a.id < b.id ? -1 : 1));
      acknowledged = [];
      try {
        await db.query(updateAcknowledged, [many.map(({ id }) => id), many.map(({ ackUs }) => ackUs)]);
      } catch (error) {
        // Without the database nothing is added meanwhile.
        acknowledged = [...many, ...acknowledged];
        throw error;
      }
    },
  };
}
