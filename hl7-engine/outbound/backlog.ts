// How much waits for each destination: for metrics and for the limit of a queue. Counting a million rows takes 0.1 s, so
// it is counted now and then, and what this process adds between is added.
import type { Clock, Db, Metrics } from '#platform';
import { Refusal } from '../message/refusal.ts';
import { type Backlog, readBacklog } from './queue.ts';

export interface BacklogCounts {
  refresh(): Promise<number>;
  /** Throws Refusal when the queue is full: the cause alone is refused, and may be sent again later. */
  admit(destination: string, queueMax: number): void;
}

/** Of the time that counting takes, this many times is waited until the next. */
const pauseFactor = 50;

export interface BacklogOptions {
  db: Db;
  metrics: Metrics;
  clock: Clock;
  /** The destinations whose queues are counted. */
  names(): string[];
}

export function createBacklog({ db, metrics, clock, names }: BacklogOptions): BacklogCounts {
  let counts = new Map<string, Backlog>();
  let added = new Map<string, number>();
  let notBeforeMs = 0;
  const read = (value: (backlog: Backlog) => number) => () =>
    [...counts.values()].map((one): [Record<string, string>, number] => [{ destination: one.destination }, value(one)]);
  const label = ['destination'];
  const name = (rest: string): string => `cerebra_hl7_outbound_${rest}`;
  metrics.observe(
    name('queued'),
    'HL7 messages that wait for a destination',
    label,
    read(({ queued }) => queued),
  );
  metrics.observe(
    name('dead_letters'),
    'HL7 messages given up that await a decision',
    label,
    read(({ dead }) => dead),
  );
  const ageSeconds = ({ oldest_at }: Backlog): number =>
    oldest_at === null ? 0 : Math.max(0, clock.now() - oldest_at) / 1000;
  metrics.observe(name('oldest_seconds'), 'Age of the oldest HL7 message that waits', label, read(ageSeconds));
  return {
    async refresh() {
      const startMs = performance.now();
      if (startMs < notBeforeMs) return 0;
      const fresh = new Map<string, number>();
      const before = added;
      added = fresh;
      try {
        counts = new Map((await readBacklog(db, names())).map((one) => [one.destination, one]));
      } catch (error) {
        added = before;
        throw error;
      }
      const tookMs = performance.now() - startMs;
      notBeforeMs = performance.now() + pauseFactor * Math.max(0, tookMs - 100);
      return tookMs;
    },
    admit(destination, queueMax) {
      const queued = (counts.get(destination)?.queued ?? 0) + (added.get(destination) ?? 0);
      if (queued >= queueMax) {
        const text = `The queue of destination '${destination}' is full (${queueMax} messages)`;
        throw new Refusal('AE', '207', text, { transient: true });
      }
      added.set(destination, (added.get(destination) ?? 0) + 1);
    },
  };
}
