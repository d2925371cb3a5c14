// A message that its sender has cut into several: HL7 v2.9 chapter 2.10.2. Each piece is journalled and acknowledged when it
// comes; the last one has the effect of all. Where the pieces are is a row a piece, so that a restart forgets none.
import type { Queryable } from '#platform';
import { fixedZone } from './mapping/datetime.ts';
import { type Continuation, continuationOf, joinContinuation } from './message/continuation.ts';
import type { Read } from './message/header.ts';
import { type Hl7Message, parseMessage } from './message/message.ts';
import { Refusal } from './message/refusal.ts';
import type { RoutePlan } from './seams.ts';

/** A piece that another will continue: `pointer` is its DSC-1, by which that one's MSH-14 names it. */
export interface Piece {
  sender: string;
  pointer: string;
}

/** `whole`: what is processed in place of the last piece. */
export interface Joined {
  whole?: Hl7Message;
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
  outbound: () => [],
  onError: 'refuse',
};

export function isPiece(message: Hl7Message): boolean {
  const { continues, continuedBy } = continuationOf(message);
  return continues !== undefined || continuedBy !== undefined;
}

const insertPiece = {
  name: 'hl7_piece_insert',
  text: `insert into hl7_piece (sender, pointer, message_id) values ($1, $2, $3)
    on conflict (sender, pointer) do update set message_id = excluded.message_id`,
};

const selectPiece = {
  name: 'hl7_piece',
  text: `select m.raw from hl7_piece p join hl7_message m on m.id = p.message_id where p.sender = $1 and p.pointer = $2`,
};

/** A sender that names its pieces in a circle, or never ends: both are refused. */
const piecesMax = 1000;
const bytesMax = 64 * 1024 * 1024;

/** Remembers where a piece that is continued stands; in the transaction that marks it. */
export async function keepPiece(tx: Queryable, { sender, pointer }: Piece, messageId: bigint): Promise<void> {
  await tx.query(insertPiece, [sender, pointer, messageId]);
}

/**
 * The message with the pieces before it, if it is a last one; undefined for one that stands alone. Throws Refusal AE when one of those has not come, or they
 * don't belong together.
 */
export async function joinPieces(db: Queryable, { header, message }: Read): Promise<Joined | undefined> {
  if (message instanceof Refusal) return undefined;
  const { continues, continuedBy }: Continuation = continuationOf(message);
  if (continuedBy !== undefined) return { piece: { sender: header.sender, pointer: continuedBy } };
  if (continues === undefined) return undefined;
  const pieces = [message];
  let byteCount = message.raw.length;
  for (let pointer: string | undefined = continues; pointer !== undefined; ) {
    const [row] = await db.query<{ raw: Buffer }>(selectPiece, [header.sender, pointer]);
    if (row === undefined) throw misfit('The message that this one continues (MSH-14) has not come: send it first');
    byteCount += row.raw.length;
    if (pieces.length >= piecesMax || byteCount > bytesMax) {
      throw misfit(`A message may have ${piecesMax} pieces and ${bytesMax} bytes`);
    }
    const piece = parseMessage(row.raw);
    pieces.push(piece);
    pointer = continuationOf(piece).continues;
  }
  return { whole: pieces.reverse().reduce((first, next) => joinContinuation(first, next)) };
}

const misfit = (text: string): Refusal => new Refusal('AE', '207', text, { location: { segment: 'MSH', field: 14 } });
