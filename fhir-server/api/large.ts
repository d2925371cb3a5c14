// Memory that large requests and answers take together: https://hl7.org/fhir/R4/http.html says nothing of it, RFC 9110 has 503.
import type { ServerResponse } from 'node:http';
import { CerebraError, createRoom, type Room } from '#platform';
import type { Answer } from './request.ts';

/** A body of 50 MB takes some 400 MB until it is stored, that of a transaction more. */
const bodiesAtOnce = 2;
const bodyWaitMsMax = 30_000;

/** Of answers of more than a megabyte that clients have not taken yet. */
const answersBytesMax = 256 * 1024 * 1024;
const answerLargeLength = 1024 * 1024;
/** A client that takes nothing for so long gives up its answer. */
const answerStalledMsMax = 60_000;

/** What requests share. */
export interface Rooms {
  bodies: Room;
  /** UTF-16 units of large answers on their way. */
  answers: { length: number };
}

export const createRooms = (bodyBytesMax: number): Rooms => ({
  bodies: createRoom(bodiesAtOnce * bodyBytesMax, bodyWaitMsMax),
  answers: { length: 0 },
});

/**
 * A large answer stays in memory until the client has taken it: only so many may. Throws `unavailable` beyond where the request
 * can be repeated. What a write has done is done, and is told: its answer counts, and leaves the less room to others.
 */
export function holdAnswer(
  res: ServerResponse,
  { answers }: Rooms,
  { body }: Answer,
  { isRepeatable }: { isRepeatable: boolean },
): void {
  if (body === undefined || body.length <= answerLargeLength || res.destroyed) return;
  const { length } = body;
  if (isRepeatable && answers.length > 0 && answers.length + length > answersBytesMax) {
    throw new CerebraError(
      'unavailable',
      'Too many large answers are on their way: ask for less, or again in a moment',
    );
  }
  answers.length += length;
  res.once('close', () => {
    answers.length -= length;
  });
  res.setTimeout(answerStalledMsMax, () => res.destroy());
}
