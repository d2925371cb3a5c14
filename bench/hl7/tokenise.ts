// `node bench/hl7/tokenise.ts [--seconds 3]`: messages a second that are read and split into segments, in one process:
// ORU^R01 of 2 kB. docs/hl7.md has the numbers.
import { parseArgs } from 'node:util';
import { parseMessage } from '#hl7-engine';
import { oruMessage } from '../data/hl7.ts';
import { createRandom } from '../data/random.ts';

export interface Measured {
  messages: number;
  /** Of one message, on average. */
  bytes: number;
  messagesPerSecond: number;
}

const bytesWanted = 2000;
const variantCount = 64;

/** Many messages, so that no cache of one text makes them fast; notes fill them up to 2 kB. */
export function messages(): Buffer[] {
  const random = createRandom(7);
  return Array.from({ length: variantCount }, (_, number) => {
    const text = oruMessage(random, number);
    const missing = Math.max(0, bytesWanted - text.length - 10);
    return Buffer.from(`${text}NTE|1|L|${'Sample of the benchmark. '.repeat(100).slice(0, missing)}\r`);
  });
}

/** Reads until the time is over; the first fifth warms up and is not counted. */
export function run(seconds: number): Measured {
  const raws = messages();
  const bytes = Math.round(raws.reduce((sum, raw) => sum + raw.length, 0) / raws.length);
  rounds(raws, seconds * 200);
  const startedMs = performance.now();
  const count = rounds(raws, seconds * 1000);
  return { messages: count, bytes, messagesPerSecond: Math.round((count / (performance.now() - startedMs)) * 1000) };
}

function rounds(raws: readonly Buffer[], forMs: number): number {
  const untilMs = performance.now() + forMs;
  let count = 0;
  let segments = 0;
  for (; performance.now() < untilMs; count += raws.length) {
    for (const raw of raws) segments += parseMessage(raw).segments.length;
  }
  if (segments < count) throw new Error('A message without segments');
  return count;
}

export const name = 'tokenise ORU^R01 of 2 kB';

if (import.meta.main) {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } });
  const { messagesPerSecond, bytes } = run(Number(values.seconds));
  console.log(`${name}: ${messagesPerSecond} messages/s of ${bytes} bytes`);
}
