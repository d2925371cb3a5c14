// The PostgreSQL server process: https://www.postgresql.org/docs/18/app-postgres.html, …/server-shutdown.html
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CerebraError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { processExists } from './lock.ts';

const logBytesMax = 10 * 1024 * 1024;
/** Recovery of 2 GB of write-ahead log takes well under a minute on any disk seen. */
const startTimeoutMs = 10 * 60_000;
const stopTimeoutMs = 60_000;
/** Sessions of a killed server end by themselves, a busy one at its next pause. */
const sessionsEndTimeoutMs = 10_000;

export interface PostgresFolders {
  /** PGDATA. */
  data: string;
  logFile: string;
}

/** Creates a database cluster in `data`: whole or not at all. UTF-8, order by code point, checksums. */
export async function initialise(
  binaries: Binaries,
  data: string,
  user: string,
  account: Account | undefined,
): Promise<void> {
  const unfinished = `${data}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const options = [
    ['-D', unfinished],
    ['-U', user],
    // Whoever may enter the private socket folder is the server itself.
    ['--auth=trust', '--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    ['--data-checksums', '--no-instructions', ...(process.platform === 'linux' ? ['--sync-method=syncfs'] : [])],
  ].flat();
  const { exitCode, output } = await run(binaries.initdb, options, account, path.dirname(data));
  if (exitCode !== 0) throw new CerebraError('internal', `initdb failed (${exitCode}): ${output.slice(-2000)}`);
  await rename(unfinished, data);
}

async function run(program: string, options: string[], account: Account | undefined, cwd: string) {
  const child = spawn(program, options, {
    ...identity(account),
    cwd,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  try {
    const [exitCode] = (await once(child, 'close')) as [number | null];
    return { exitCode, output };
  } finally {
    process.off('exit', end);
  }
}

const identity = (account: Account | undefined) => (account ? { uid: account.uid, gid: account.gid } : {});

/** PG* variables meant for clients (PGOPTIONS, PGDATA …) don't concern this server. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

export interface LaunchOptions {
  binaries: Binaries;
  folders: PostgresFolders;
  /** Given on the command line. */
  settings: Record<string, string>;
  account: Account | undefined;
  log: Log;
  /** The process, before it is ready. */
  onSpawn(child: ChildProcess): void;
}

/** Starts a server and waits until it accepts connections, through crash recovery if need be. */
export async function launch(options: LaunchOptions): Promise<ChildProcess> {
  const deadline = performance.now() + sessionsEndTimeoutMs;
  for (;;) {
    try {
      return await launchOnce(options);
    } catch (error) {
      const sessionsRemain = error instanceof CerebraError && error.message.includes('shared memory block');
      if (!sessionsRemain || performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

async function launchOnce({
  binaries,
  folders,
  settings,
  account,
  log,
  onSpawn,
}: LaunchOptions): Promise<ChildProcess> {
  await limitLog(folders.logFile);
  const output = await open(folders.logFile, 'a', 0o600);
  const options = [
    '-D',
    folders.data,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const child = spawn(binaries.postgres, options, {
    ...identity(account),
    cwd: folders.data,
    env: environment(),
    // Its own session: Ctrl-C at the terminal reaches the server alone, which then stops PostgreSQL in its turn.
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
  });
  const failed = once(child, 'error').then(([error]) => Promise.reject(error));
  failed.catch(() => {});
  child.unref();
  onSpawn(child);
  try {
    await Promise.race([failed, untilReady(child, folders, log)]);
    return child;
  } finally {
    await output.close();
  }
}

async function limitLog(file: string): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > logBytesMax) await rename(file, `${file}.1`);
}

async function untilReady(child: ChildProcess, folders: PostgresFolders, log: Log): Promise<void> {
  const startedMs = performance.now();
  let saidMs = startedMs;
  for (;;) {
    const status = await readStatus(folders.data);
    if (status?.pid === child.pid && status?.state === 'ready') return;
    if (child.exitCode !== null || child.signalCode !== null) throw await startFailure(child, folders);
    const nowMs = performance.now();
    if (nowMs - startedMs > startTimeoutMs)
      throw new CerebraError('unavailable', 'Embedded PostgreSQL did not start in time');
    if (nowMs - saidMs > 5_000) {
      saidMs = nowMs;
      log.info({ elapsedMs: Math.round(nowMs - startedMs) }, 'PostgreSQL is recovering from a crash');
    }
    await sleep(5);
  }
}

async function startFailure(child: ChildProcess, folders: PostgresFolders): Promise<CerebraError> {
  const text = await readFile(folders.logFile, 'utf8').catch(() => '');
  const exit = child.signalCode ?? `exit code ${child.exitCode}`;
  return new CerebraError(
    'internal',
    `Embedded PostgreSQL did not start (${exit}). End of ${folders.logFile}:\n${text.slice(-600)}`,
  );
}

interface PostmasterStatus {
  pid: number;
  state: string;
}

/** postmaster.pid, lines 1 and 8: https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/utils/pidfile.h */
export async function readStatus(data: string): Promise<PostmasterStatus | undefined> {
  const text = await readFile(path.join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Number.parseInt(lines[0] ?? '', 10);
  return Number.isInteger(pid) ? { pid, state: (lines[7] ?? '').trim() } : undefined;
}

/**
 * Ends a server that an earlier process of ours left running when it was killed. The folder's lock is held, so it is
 * nobody's.
 */
export async function endLeftOver(data: string, log: Log): Promise<void> {
  const status = await readStatus(data);
  if (!status) return;
  if (processExists(status.pid) && (await isPostgresOf(status.pid, data))) {
    log.info({ pid: status.pid }, 'stopping the PostgreSQL that a killed server left behind');
    await stopProcess(status.pid, 'SIGINT');
  }
  await disown(data);
}

/**
 * PostgreSQL would take a zombie, or another program that got the number of a killed server, for a running server.
 * Only the number is replaced, by one that no process has (the most on Linux is 2^22): the rest of the file guards
 * against sessions of the old server that still use its shared memory.
 */
async function disown(data: string): Promise<void> {
  const file = path.join(data, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch(() => '');
  if (text) await writeFile(file, text.replace(/^\d+/, String(2 ** 22 + 1)));
}

/** The number in a stale file may have gone to another program. */
async function isPostgresOf(pid: number, data: string): Promise<boolean> {
  try {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    return commandLine.split('\0').includes(data);
  } catch {
    return process.platform !== 'linux';
  }
}

/** SIGINT: sessions are cut, a checkpoint is written. SIGQUIT: at once, recovery at the next start. */
export async function stopProcess(pid: number, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  const deadline = performance.now() + stopTimeoutMs;
  if (!sendSignal(pid, signal)) return;
  while (processExists(pid)) {
    if (performance.now() > deadline) {
      sendSignal(pid, 'SIGQUIT');
      throw new CerebraError('internal', `PostgreSQL (process ${pid}) did not stop in ${stopTimeoutMs} ms`);
    }
    await sleep(5);
  }
}

export function sendSignal(pid: number, signal: 'SIGINT' | 'SIGQUIT'): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
