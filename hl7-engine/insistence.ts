// Responsibility that was taken over: HL7 v2.9 chapter 2.9.3. Who was told CA, or wants no answer, will not send again. So
// where the store is away the message is tried until it is back, and its connection waits: what comes after it, comes after.
import { setTimeout as sleep } from 'node:timers/promises';
import { type BackoffLimits, backoffMs } from '#platform';
import type { Answer } from './attempt.ts';

export interface Insistence {
  /** The first answer that is not `failed`, or the last one before the end. `count`: 1 for the first attempt. */
  on(attempt: (count: number) => Promise<Answer>): Promise<Answer>;
  isOver(): boolean;
  /** What has no outcome yet stays in the journal as `received`. */
  end(): void;
}

/** A database that is started again takes some seconds. */
const pauses: BackoffLimits = { backoffMsMin: 50, backoffMsMax: 2_000 };

export function createInsistence(random: () => number = Math.random): Insistence {
  const stop = new AbortController();
  return {
    async on(attempt) {
      for (let count = 1; ; count++) {
        const answer = await attempt(count);
        if (answer.outcome !== 'failed' || stop.signal.aborted) return answer;
        await sleep(backoffMs(count, pauses, random), undefined, { signal: stop.signal }).catch(() => undefined);
      }
    },
    isOver: () => stop.signal.aborted,
    end: () => stop.abort(),
  };
}
