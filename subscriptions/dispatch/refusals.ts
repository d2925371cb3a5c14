// Statuses that the store refuses to take, as where a profile that became binding since forbids what a Subscription says. Nothing changes that
// but its client or the operator: it is told once, and tried again with growing pauses, not each second with a handshake each time.
import { type BackoffLimits, backoffMs, isCerebraError, type Log } from '#platform';

/** What is to be done about a Subscription; something else once one of these is another. */
export interface Undone {
  id: string;
  version: number;
  check_version: number | null;
  report: string | null;
}

export interface Refusals {
  /** Not yet again. */
  isWaiting(one: Undone): boolean;
  /** Whether the error is such a refusal, which is told and remembered. */
  take(one: Undone, error: unknown): boolean;
  /** Forgets all that are none of these: they are done, or gone. */
  keep(undone: ReadonlySet<string>): void;
}

export interface RefusalOptions {
  limits: BackoffLimits;
  random: () => number;
  log: Log;
}

interface Refused {
  what: string;
  attempts: number;
  againMs: number;
}

const whatOf = ({ version, check_version, report }: Undone): string => `${version} ${check_version} ${report}`;

/** `nowMs`: a clock that never goes back. */
export function createRefusals(
  { limits, random, log }: RefusalOptions,
  nowMs: () => number = () => performance.now(),
): Refusals {
  const refused = new Map<string, Refused>();
  const of = (one: Undone): Refused | undefined => {
    const known = refused.get(one.id);
    return known?.what === whatOf(one) ? known : undefined;
  };
  return {
    isWaiting: (one) => (of(one)?.againMs ?? 0) > nowMs(),
    take(one, error) {
      // 409, 412: somebody else changes it at this moment.
      if (!isCerebraError(error) || error.status >= 500 || [409, 412, 429].includes(error.status)) return false;
      const attempts = (of(one)?.attempts ?? 0) + 1;
      refused.set(one.id, { what: whatOf(one), attempts, againMs: nowMs() + backoffMs(attempts, limits, random) });
      const told = { subscription: one.id, code: error.code };
      if (attempts === 1)
        log.error(told, 'the store refuses the status of a subscription: it is tried again now and then');
      else log.debug({ ...told, attempts }, 'the store still refuses the status of a subscription');
      return true;
    },
    keep(undone) {
      for (const id of refused.keys()) if (!undone.has(id)) refused.delete(id);
    },
  };
}
