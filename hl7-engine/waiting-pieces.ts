// Pieces of messages whose continuation does not come: their senders were told AA, and nothing else shows that there is no effect.
import { type Clock, createLoop, type Db, type Log, type Loop, type Metrics, type Queryable } from '#platform';

/** A piece that another will continue: `pointer` is its DSC-1, by which that one's MSH-14 names it. */
export interface Piece {
  sender: string;
  pointer: string;
}

/** Stands in the pointers of pieces that were joined, behind the sender's own. */
export const usedMark = '\u001f';

// A piece that was joined already is processed once more: it is not there for another message.
const replacePiece = {
  name: 'hl7_piece_replace',
  text: `with free as (select 1 where not exists
        (select from hl7_piece where message_id = $3 and sender = $1 and starts_with(pointer, $2 || $6))),
    former as (select message_id from hl7_piece, free where sender = $1 and pointer = $2 and message_id <> $3),
    kept as (insert into hl7_piece (sender, pointer, message_id) select $1, $2, $3 from free
      on conflict (sender, pointer) do update set message_id = excluded.message_id)
    insert into hl7_review (message, kind, text, concerns, details, created_at)
    select message_id, 'continuation', $4, '{}', $5::jsonb, statement_timestamp() from former
    on conflict (message, kind, md5(text)) where resolved_at is null do nothing`,
};

/** Remembers where a piece that is continued stands; in the transaction that marks it. One that has its pointer is lost, which is told. */
export async function keepPiece(tx: Queryable, { sender, pointer }: Piece, messageId: bigint): Promise<void> {
  const text =
    `The message that continues this one (DSC-1 '${pointer}') has not come, and message ${messageId} of the same sender ` +
    'has the same pointer: nothing was made of this one. If it is not that message once more, have it sent again';
  await tx.query(replacePiece, [sender, pointer, messageId, text, JSON.stringify({ sender, pointer }), usedMark]);
}

// Used ones are looked through as well, since no index tells them apart: cut messages are rare, and this is done once a minute.
const reviewLate = {
  name: 'hl7_pieces_late',
  text: `with waiting as (select p.message_id, p.sender, p.pointer, m.received_at
      from hl7_piece p join hl7_message m on m.id = p.message_id where position($1 in p.pointer) = 0),
    late as (insert into hl7_review (message, kind, text, concerns, details, created_at)
      select message_id, 'continuation', $2, '{}', jsonb_build_object('sender', sender, 'pointer', pointer), $3::timestamptz from waiting
      where received_at < $4::timestamptz and not exists
        (select from hl7_review r where r.message = message_id and r.kind = 'continuation')
      order by message_id limit 1000
      on conflict (message, kind, md5(text)) where resolved_at is null do nothing returning 1),
    owed as (select received_at from waiting where not exists (select from hl7_review r
      where r.message = message_id and r.kind = 'continuation' and r.resolved_at is not null))
    select (select count(*)::int from owed) as waiting, (select min(received_at) from owed) as oldest,
      (select count(*)::int from late) as late`,
};

const lateText =
  'The message that continues this one (its MSH-14 has the DSC-1 of this one) has not come within an hour, or was refused: nothing ' +
  'was made of this one yet. It is joined whenever that message comes';

const lateAfterMs = 3_600_000;
const everyMs = 60_000;

export interface PieceWatchOptions {
  db: Db;
  log: Log;
  clock: Clock;
  metrics: Metrics;
}

/** Counts what waits but for what a person has resolved, which nobody expects any more, and makes a review item of each that waits for more than an hour. */
export function createPieceWatch({ db, log, clock, metrics }: PieceWatchOptions): Loop {
  const count = metrics.gauge('cerebra_hl7_pieces_waiting', 'HL7 messages that wait for one that continues them');
  const age = metrics.gauge('cerebra_hl7_pieces_oldest_seconds', 'Age of the oldest HL7 message that waits so');
  return createLoop({
    async work() {
      const nowMs = clock.now();
      const [found] = await db.query<{ waiting: number; oldest: number | null; late: number }>(reviewLate, [
        ...[usedMark, lateText, new Date(nowMs), new Date(nowMs - lateAfterMs)],
      ]);
      const { waiting, oldest, late } = found!;
      count.set(waiting);
      age.set(oldest === null ? 0 : Math.max(0, nowMs - oldest) / 1000);
      if (late > 0) log.warn({ count: late }, 'HL7 messages wait for their continuation: see the reviews of that kind');
      return late === 1000;
    },
    onError: (err) => log.warn({ err }, 'HL7 messages that wait for their continuation'),
    ...{ idleMsMin: everyMs, idleMsMax: everyMs, errorMs: everyMs },
  });
}
