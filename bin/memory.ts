// Whether the memory that there is suffices for what clients may send.
import { totalmem } from 'node:os';
import type { Config } from '#platform';

/** Server and embedded PostgreSQL: 270 MB after a start, 420 with searches of 1,000 matches and Bundles of 1,200 entries. */
const RESTING_BYTES = 450_000_000;
const WORKER_BYTES = 145_000_000;
/**
 * Bodies that are in work take so many bytes for each of BODY_BYTES_MAX. Seen with eight of 44 MB at once, two of them in work:
 * 1.3 GB in all, PostgreSQL included; in 1.36 GB a server was killed.
 */
const WORK_BYTES = 24;

/** Of the machine, or of the container where that has less. */
export const memoryBytes = (): number => Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);

const inMb = (bytes: number): string => `${Math.ceil(bytes / 1_000_000)} MB`;

/** What to set where the system could end the server for want of memory; undefined where it suffices. */
export function memoryAdvice({ BODY_BYTES_MAX, WORKERS }: Config, bytes: number): string | undefined {
  const resting = RESTING_BYTES + (WORKERS > 1 ? WORKERS * WORKER_BYTES : 0);
  const needed = resting + WORKERS * WORK_BYTES * BODY_BYTES_MAX;
  if (bytes >= needed) return undefined;
  const megabytes = Math.max(1, Math.floor((bytes - resting) / (WORKERS * WORK_BYTES * 1_000_000)));
  return `There are ${inMb(bytes)} of memory, and large requests at the same time may need ${inMb(needed)}: set BODY_BYTES_MAX to ${megabytes * 1_000_000}, or have more memory`;
}
