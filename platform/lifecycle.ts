// Ordered shutdown.
import type { Log } from './log.ts';

export interface Lifecycle {
  /** Registered in order of start; run in reverse order, one after the other. */
  onStop(name: string, stop: () => Promise<void>): void;
  /** Stops everything once; a second call waits for the first. Never throws: what fails to stop is logged. */
  stop(): Promise<void>;
}

export interface LifecycleOptions {
  log: Log;
  /** For everything together. A part that takes half of what is left is left behind, so that those after it have time. */
  timeoutMs: number;
}

export function createLifecycle(options: LifecycleOptions): Lifecycle {
  const steps: { name: string; stop: () => Promise<void> }[] = [];
  let stopping: Promise<void> | undefined;
  const stopAll = async () => {
    const deadline = performance.now() + options.timeoutMs;
    for (const step of steps.reverse()) {
      await stopStep(step.name, step.stop, deadline - performance.now(), options.log);
    }
  };
  return {
    onStop: (name, stop) => {
      steps.push({ name, stop });
    },
    stop: () => {
      stopping ??= stopAll();
      return stopping;
    },
  };
}

async function stopStep(name: string, stop: () => Promise<void>, remainingMs: number, log: Log): Promise<void> {
  const startedMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    // At the end of the time each remaining part still gets a moment: closing a socket or a file takes none.
    timer = setTimeout(() => reject(new Error('not stopped in time')), Math.max(remainingMs / 2, 100));
  });
  try {
    await Promise.race([stop(), late]);
    log.debug({ part: name, durationMs: Math.round(performance.now() - startedMs) }, 'stopped');
  } catch (err) {
    log.error({ part: name, err }, 'did not stop cleanly');
  } finally {
    clearTimeout(timer);
  }
}

export interface SignalOptions {
  exit?(code: number): void;
  /** The same signal again within so long is the same wish. */
  repeatMs?: number;
}

/**
 * SIGINT and SIGTERM stop the process in order and exit with 0; a second signal exits at once with 130 or 143.
 * Ctrl-C under `npm start` arrives twice, from the terminal and passed on by npm, some milliseconds apart: that counts as
 * one. Returns how to stop listening to signals.
 */
export function stopOnSignals(lifecycle: Pick<Lifecycle, 'stop'>, log: Log, options: SignalOptions = {}): () => void {
  const { exit = process.exit, repeatMs = 1_000 } = options;
  let first: { signal: NodeJS.Signals; atMs: number } | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (first) {
      if (signal === first.signal && performance.now() - first.atMs < repeatMs) return;
      return exit(signal === 'SIGINT' ? 130 : 143);
    }
    first = { signal, atMs: performance.now() };
    log.info({ signal }, 'shutting down; a second signal exits at once');
    lifecycle.stop().then(
      () => exit(0),
      () => exit(1),
    );
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}

/**
 * An error that nobody caught ends the process, as it does without this: what it left half done is unknown. But Node would print
 * all that hangs on it, such as the row that PostgreSQL quotes in `detail`; the log leaves that out. An error that nobody
 * awaited counts as one too.
 */
export function endOnUncaught(log: Log): void {
  process.on('uncaughtException', (err, origin) => {
    try {
      log.fatal({ err, origin }, 'an error that nobody caught ends the process');
    } finally {
      process.exit(1);
    }
  });
}
