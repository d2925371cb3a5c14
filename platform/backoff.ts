// Exponential backoff with jitter.

export interface BackoffLimits {
  /** Pause after the first failure; doubles with each further one. */
  backoffMsMin: number;
  backoffMsMax: number;
}

/**
 * Milliseconds to wait after the `attempts`-th failure (1 …): between half and all of the doubled pause, so that
 * receivers that fell together aren't called together. `random` yields 0 … 1.
 */
export function backoffMs(attempts: number, limits: BackoffLimits, random: () => number): number {
  const full = Math.min(limits.backoffMsMax, limits.backoffMsMin * 2 ** Math.min(attempts - 1, 40));
  return Math.round(full * (0.5 + random() / 2));
}
