// Waiting for a database that is away. Nothing is acknowledged meanwhile, so waiting loses nothing.
import { type Counter, isCerebraError, type Log, sqlState } from '#platform';

/** Thrown to what still waits when the connector stops: it must not be acknowledged. */
export class StoppedError extends Error {
  constructor() {
    super('The MQTT connector was stopped');
    this.name = 'StoppedError';
  }
}

export interface Availability {
  /** Runs `work` until it succeeds or fails for a reason of its own; `retryAll` also tries those again. */
  until<T>(work: () => Promise<T>, retryAll?: 'retryAll'): Promise<T>;
  /** Whether the last call reached the database. */
  available(): boolean;
  /** Makes everything that waits, and every later wait, throw StoppedError. */
  stop(): void;
}

const firstDelayMs = 100;
const delayMsMax = 5_000;

export function createAvailability(log: Log, retries: Counter): Availability {
  const stopped = new AbortController();
  let away = false;

  const back = (): void => {
    if (away) log.info('database is back, device readings are stored again');
    away = false;
  };
  const gone = (error: unknown): void => {
    if (!away) log.warn({ code: codeOf(error) }, 'device readings wait for the database');
    away = true;
    retries.inc();
  };

  return {
    async until(work, retryAll) {
      for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, delayMsMax)) {
        if (stopped.signal.aborted) throw new StoppedError();
        try {
          const result = await work();
          back();
          return result;
        } catch (error) {
          if (!retryAll && !isTransient(error)) throw error;
          gone(error);
          await wait(delayMs, stopped.signal);
        }
      }
    },
    available: () => !away,
    stop: () => stopped.abort(),
  };
}

// 40001 serialization_failure, 40P01 deadlock_detected, 25006 read_only_sql_transaction, class 53 out of disk, memory or
// connections, 57 operator intervention: none is the reading's fault.
const transientStates = /^(40001|40P01|25006|53...|57...|08...)$/;

function isTransient(error: unknown): boolean {
  if (isCerebraError(error, 'unavailable') || isCerebraError(error, 'timeout')) return true;
  return transientStates.test(sqlState(error) ?? '');
}

/** Code of an error for the log: its text could quote clinical data. */
export function codeOf(error: unknown): string {
  if (isCerebraError(error)) return error.code;
  return sqlState(error) ?? (error instanceof Error ? error.name : typeof error);
}

function wait(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, delayMs);
    signal.addEventListener('abort', finish);
  });
}
