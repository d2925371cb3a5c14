// Keeps the embedded PostgreSQL running: one that ends by itself (killed, out of memory, crashed) is started again, so that
// requests fail for the second or two of its recovery and not until somebody looks.
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { CerebraError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { sendSignal, stopProcess } from './process.ts';

export interface SuperviseOptions {
  /** Starts PostgreSQL and resolves when it takes connections; called again whenever it has ended. */
  launch(onSpawn: (child: ChildProcess) => void): Promise<ChildProcess>;
  /** Whether somebody else has told the process to stop: it goes on with the sessions that it has and takes no new ones. */
  isStopping?(pid: number): Promise<boolean>;
  /** It ended or did not start more than `startsMax` times in `windowMs`: it stays down. */
  onLost(error: CerebraError): void;
  log: Log;
  startsMax?: number;
  windowMs?: number;
}

export interface Supervised {
  /** Of the process that runs now. */
  readonly pid: number;
  /** Sessions still open are cut, a checkpoint is written; waits for a start that is under way. */
  stop(): Promise<void>;
  /** For a process that is exiting: signals an immediate stop (safe, with recovery at the next start), waits for nothing. */
  abandon(): void;
}

/** More is a fault that starting does not mend: a full disk, damaged files, too little memory. */
const startsMaxDefault = 5;
const windowMsDefault = 60_000;
const pauseMs = 1_000;
/** How often it is asked whether somebody has told the process to stop: one small file is read. */
const lookMs = 1_000;

/** Throws what the first `launch` throws. When the process exits, PostgreSQL is abandoned with it. */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { launch, log } = options;
  const allowed = startAllowance(options.startsMax ?? startsMaxDefault, options.windowMs ?? windowMsDefault);
  let child: ChildProcess | undefined;
  let stopping: Promise<void> | undefined;
  let restarting: Promise<void> = Promise.resolve();

  const abandon = (): void => {
    if (child && isRunning(child)) sendSignal(child.pid!, 'SIGQUIT');
  };
  const start = async (): Promise<void> => {
    const started = await launch((spawned) => {
      child = spawned;
    });
    started.once('exit', () => onExit(started));
    if (!isRunning(started)) onExit(started);
  };
  const onExit = (ended: ChildProcess): void => {
    if (stopping) return;
    const { exitCode, signalCode } = ended;
    log.error({ exitCode, signal: signalCode }, 'embedded PostgreSQL has ended by itself, it is started again');
    restarting = restart(`it ended by itself (${signalCode ?? `exit code ${exitCode}`})`);
  };
  const restart = async (why: string): Promise<void> => {
    while (!stopping) {
      if (!allowed()) return options.onLost(new CerebraError('unavailable', `Embedded PostgreSQL stays down: ${why}`));
      const startedMs = performance.now();
      try {
        await start();
        log.info({ durationMs: Math.round(performance.now() - startedMs) }, 'embedded PostgreSQL runs again');
        return;
      } catch (error) {
        log.error({ err: error }, 'embedded PostgreSQL could not be started again');
        why = (error as Error).message;
        await sleep(pauseMs);
      }
    }
  };
  const look = endingWhatStops(options, () => (stopping || !child || !isRunning(child) ? undefined : child.pid));
  const stop = async (): Promise<void> => {
    clearInterval(look);
    await restarting;
    if (child && isRunning(child)) await stopProcess(child.pid!, 'SIGINT');
    process.off('exit', abandon);
  };

  process.once('exit', abandon);
  try {
    await start();
  } catch (error) {
    clearInterval(look);
    abandon();
    process.off('exit', abandon);
    throw error;
  }
  return {
    get pid() {
      return child!.pid!;
    },
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
    abandon,
  };
}

/**
 * On SIGTERM PostgreSQL waits until its last session ends, which is never while the pool keeps one: health would be fine, and
 * every new connection be refused. Sessions are cut instead, and it is started again as after any other end.
 * https://www.postgresql.org/docs/18/server-shutdown.html
 */
function endingWhatStops({ isStopping, log }: SuperviseOptions, running: () => number | undefined): NodeJS.Timeout {
  let told: number | undefined;
  const look = async (): Promise<void> => {
    const pid = running();
    if (pid === undefined || !(await isStopping?.(pid)) || running() !== pid) return;
    if (told !== pid)
      log.warn({ pid }, 'embedded PostgreSQL was told to stop, and not by this server: its sessions are cut');
    told = pid;
    sendSignal(pid, 'SIGINT');
  };
  return setInterval(() => void look(), lookMs).unref();
}

const isRunning = (child: ChildProcess): boolean =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null;

/** Whether one more start is allowed now: at most `startsMax` in any `windowMs`. */
function startAllowance(startsMax: number, windowMs: number): () => boolean {
  let startsMs: number[] = [];
  return () => {
    const nowMs = performance.now();
    startsMs = startsMs.filter((atMs) => nowMs - atMs < windowMs);
    if (startsMs.length >= startsMax) return false;
    startsMs.push(nowMs);
    return true;
  };
}
