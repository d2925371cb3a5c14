// Waiting with a deadline, for the demo.
import { setTimeout as pause } from 'node:timers/promises';

const pollMs = 50;

/** What `probe` yields once it yields something; throws naming `what` when `deadlineMs` have passed. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  deadlineMs = 15_000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`waited ${deadlineMs / 1000} s for ${what}`);
    await pause(pollMs);
  }
}
