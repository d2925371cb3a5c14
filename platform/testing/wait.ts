// Waiting in tests: for a condition, never for a time.
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What `probe` yields once that is truthy. The deadline is for what never comes: where two processors have sixteen programs to
 * run, servers were seen to start after 20 s and loads to take 40. Errors of the probe count as "not yet"; the last is
 * the failure's cause.
 */
export async function waitFor<T>(
  probe: () => T | Promise<T>,
  what: string,
  deadlineMs = 120_000,
): Promise<Exclude<T, null | undefined | false>> {
  const deadline = performance.now() + deadlineMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    let failure: unknown;
    try {
      const value = await probe();
      if (value) return value as Exclude<T, null | undefined | false>;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms for ${what}`, { cause: failure });
    await sleep(pauseMs);
  }
}
