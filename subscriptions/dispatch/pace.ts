// How long from one look at the change stream to the next. A look costs some 0.4 ms of processor time whatever it finds, and
// where several events share their statements a notification costs a third of what it does alone. So the more is written, the
// longer the pause: up to 500 changes a second each is found within 10 ms, from 2,500 on within 50.

const gapMsMin = 10;
const gapMsMax = 50;
/** 500 changes a second, 0.5 a millisecond, are looked at every 10 ms. */
const gapMsPerRate = 20;
/** A bundle of some hundred resources by itself is no load: the rate is that of the last second or so. */
const spanMs = 1_000;

export interface Pace {
  /** A look that began at this instant, milliseconds of a clock that never goes back, found so many changes. */
  found(changes: number, nowMs: number): void;
  /** Least time from the start of one look to that of the next, milliseconds. */
  gapMs(): number;
}

export function createPace(): Pace {
  /** Changes a millisecond. */
  let rate = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  return {
    found(changes, nowMs) {
      const passedMs = Math.max(1, nowMs - lastMs);
      lastMs = nowMs;
      const kept = Math.exp(-passedMs / spanMs);
      rate = rate * kept + (changes / passedMs) * (1 - kept);
    },
    gapMs: () => Math.min(gapMsMax, Math.max(gapMsMin, rate * gapMsPerRate)),
  };
}
