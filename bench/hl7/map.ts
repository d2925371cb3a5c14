// `node bench/hl7/map.ts [--seconds 3]`: messages a second that are read and mapped to FHIR's entries, in one
// process on one core: ORU^R01 of 2 kB. Needs no database.
import { parseArgs } from 'node:util';
import { fixedZone, mapMessage, parseMessage } from '#hl7-engine';
import { oruMessage } from '../data/hl7.ts';
import { createRandom } from '../data/random.ts';

export interface Measured {
  messages: number;
  /** Of one message, on average. */
  bytes: number;
  /** Resources of one message. */
  entries: number;
  messagesPerSecond: number;
  /** What one core to itself does: seconds of processor time, garbage collection included. */
  messagesPerCpuSecond: number;
}

const variantCount = 64;
const resultCount = 11;
const config = { zone: fixedZone('Z'), identifierSystems: {} };

/** Reads and maps until the time is over; the first fifth warms up and is not counted. */
export function run(seconds: number): Measured {
  const random = createRandom(11);
  const raws = Array.from({ length: variantCount }, (_, number) =>
    Buffer.from(oruMessage(random, number, resultCount)),
  );
  const bytes = Math.round(raws.reduce((sum, raw) => sum + raw.length, 0) / raws.length);
  rounds(raws, seconds * 200);
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  const { count, entries } = rounds(raws, seconds * 1000);
  const messagesPerSecond = Math.round((count / (performance.now() - startedMs)) * 1000);
  const { user, system } = process.cpuUsage(startedCpu);
  const messagesPerCpuSecond = Math.round((count / (user + system)) * 1e6);
  return { messages: count, bytes, entries: entries / count, messagesPerSecond, messagesPerCpuSecond };
}

function rounds(raws: readonly Buffer[], forMs: number): { count: number; entries: number } {
  const untilMs = performance.now() + forMs;
  let count = 0;
  let entries = 0;
  while (performance.now() < untilMs) {
    for (const raw of raws) entries += mapMessage(parseMessage(raw), String(count++), config).entries.length;
  }
  return { count, entries };
}

export const name = 'parse and map ORU^R01 of 2 kB';

if (import.meta.main) {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } });
  const { messagesPerSecond, messagesPerCpuSecond, bytes, entries } = run(Number(values.seconds));
  const each = `${bytes} bytes and ${entries} resources each`;
  console.log(`${name}: ${messagesPerSecond} messages/s, ${messagesPerCpuSecond} a second of processor time; ${each}`);
}
