// A file in UTF-16 or UTF-32: bytes of its letters look like line ends and block characters (ਜ is 1C 0A), so it is decoded as a
// whole and not split as it is read.
import { type Batch, readBatch } from '../message/batch.ts';
import { Refusal } from '../message/refusal.ts';
import { headBytesMax } from '../seams.ts';
import { withoutFrame } from './content.ts';

export type WidePiece =
  | { kind: 'message'; raw: Buffer; isOpen?: boolean }
  | { kind: 'refused'; raw: Buffer; refusal: Refusal }
  /** What is wrong with the file itself. */
  | { kind: 'fault'; text: string };

/** `bytesMax`: a larger file is one refused piece. */
export async function* widePieces(chunks: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<WidePiece> {
  const parts: Buffer[] = [];
  let byteCount = 0;
  // Read to its end also where it is too large: leaving a stream early closes the file that it reads.
  for await (const chunk of chunks) {
    byteCount += chunk.length;
    if (byteCount <= bytesMax || parts.length === 0) parts.push(chunk);
  }
  if (byteCount > bytesMax) {
    const text = `A file in UTF-16 or UTF-32 is read as a whole, and this one is larger than ${bytesMax} bytes: write UTF-8`;
    return yield refused(Buffer.concat(parts), new Refusal('AR', '207', text));
  }
  const raw = Buffer.concat(parts);
  let batch: Batch;
  try {
    batch = readBatch(withoutFrame(raw));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return yield refused(raw, error);
  }
  for (const message of batch.groups.flatMap(({ messages }) => messages)) yield { kind: 'message', raw: message.raw };
  const ofBatches = batch.groups.flatMap((group, index) => group.faults.map((text) => `Batch ${index + 1}: ${text}`));
  const faults = [...ofBatches, ...batch.faults];
  for (const text of faults) yield { kind: 'fault', text };
}

const refused = (raw: Buffer, refusal: Refusal): WidePiece => ({
  kind: 'refused',
  raw: raw.subarray(0, headBytesMax),
  refusal,
});
