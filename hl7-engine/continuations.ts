// A message that its sender has cut into several: HL7 v2.9 chapter 2.10.2. Each piece is journalled and acknowledged when it
// comes; the last one has the effect of all. Where the pieces are is a row a piece, so that a restart forgets none.
import type { Queryable } from '#platform';
import { fixedZone } from './mapping/datetime.ts';
import { type Continuation, continuationOf, joinContinuation } from './message/continuation.ts';
import type { Read } from './message/header.ts';
import { type Hl7Message, parseMessage } from './message/message.ts';
import { Refusal } from './message/refusal.ts';
import type { RoutePlan } from './seams.ts';
import { type Piece, usedMark } from './waiting-pieces.ts';

/** A piece that a whole message was joined of. */
export interface UsedPiece extends Piece {
  messageId: bigint;
}

/** `whole`: what is processed in place of the last piece; `used`: the pieces before that one. */
export interface Joined {
  whole?: Hl7Message;
  used?: UsedPiece[];
  piece?: Piece;
}

/** What becomes of a message that is a piece, until it is known what all of them are. */
export const piecePlan: RoutePlan = {
  routeId: '',
  routeVersion: 0,
  ack: 'auto',
  filtered: 'It waits for the message that continues it',
  transform: (message) => message,
  validate: () => [],
  mapping: { zone: fixedZone('Z'), identifierSystems: {} },
  stores: false,
  keepsType: true,
  outbound: () => [],
  onError: 'refuse',
};

export function isPiece(message: Hl7Message): boolean {
  const { continues, continuedBy } = continuationOf(message);
  return continues !== undefined || continuedBy !== undefined;
}

/**
 * A piece has one continuation. Senders that count their pointers anew with each message (1, 2 …) would else have a message
 * whose first piece was lost joined to the first piece of another patient's. The same last piece may be processed again.
 */
const usedPointer = (pointer: string, lastId: bigint): string => `${pointer}${usedMark}${lastId}`;

const selectPiece = {
  name: 'hl7_piece',
  text: `select m.id, m.raw from hl7_piece p join hl7_message m on m.id = p.message_id
    where p.sender = $1 and p.pointer in ($2, $3) order by p.pointer = $3 desc limit 1`,
};

const usePiece = {
  name: 'hl7_piece_use',
  text: `with free as (delete from hl7_piece where sender = $1 and pointer = $2 and message_id = $4),
    told as (update hl7_review set resolved_at = now(), resolved_by = 'cerebra', resolution = 'The message that continues it has come'
      where message = $4 and kind = 'continuation' and resolved_at is null),
    part as (update hl7_message set filtered = 'It is a part of message ' || $5::bigint where id = $4)
    insert into hl7_piece (sender, pointer, message_id) values ($1, $3, $4) on conflict do nothing`,
};

/** A sender that names its pieces in a circle, or never ends: both are refused. */
const piecesMax = 1000;
const bytesMax = 64 * 1024 * 1024;

/** No other message may continue them; in the transaction of the effect that message `lastId` has with them. */
export async function usePieces(tx: Queryable, used: readonly UsedPiece[], lastId: bigint): Promise<void> {
  for (const { sender, pointer, messageId } of used) {
    await tx.query(usePiece, [sender, pointer, usedPointer(pointer, lastId), messageId, lastId]);
  }
}

/**
 * The message with the pieces before it, if it is a last one; undefined for one that stands alone. Throws Refusal AE when one of those has not come or belongs to another message, or they
 * don't belong together.
 */
export async function joinPieces(
  db: Queryable,
  { header, message }: Read,
  lastId: bigint,
): Promise<Joined | undefined> {
  if (message instanceof Refusal) return undefined;
  const { continues, continuedBy }: Continuation = continuationOf(message);
  if (continuedBy !== undefined) return { piece: { sender: header.sender, pointer: continuedBy } };
  if (continues === undefined) return undefined;
  const pieces = [message];
  const used: UsedPiece[] = [];
  let byteCount = message.raw.length;
  for (let pointer: string | undefined = continues; pointer !== undefined; ) {
    const names = [header.sender, pointer, usedPointer(pointer, lastId)];
    const [row] = await db.query<{ id: bigint; raw: Buffer }>(selectPiece, names);
    if (row === undefined) {
      throw misfit('The message that this one continues (MSH-14) has not come: send it first');
    }
    used.push({ sender: header.sender, pointer, messageId: row.id });
    byteCount += row.raw.length;
    if (pieces.length >= piecesMax || byteCount > bytesMax) {
      throw misfit(`A message may have ${piecesMax} pieces and ${bytesMax} bytes`);
    }
    const piece = parseMessage(row.raw);
    pieces.push(piece);
    pointer = continuationOf(piece).continues;
  }
  return { whole: pieces.reverse().reduce((first, next) => joinContinuation(first, next)), used };
}

const misfit = (text: string): Refusal => new Refusal('AE', '207', text, { location: { segment: 'MSH', field: 14 } });
