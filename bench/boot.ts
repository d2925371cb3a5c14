// First start, warm start and idle memory of `bin/cerebra.ts start` with everything embedded.
import { spawn } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import { memoryOf } from './processes.ts';

export interface BootResult {
  firstStartSeconds: number;
  warmStartSeconds: number;
  /** Proportional set size of node and all PostgreSQL processes together. */
  idleMemoryMb: number;
  nodeMemoryMb: number;
  processes: number;
}

export const bootTargets = { firstStartSeconds: 10, warmStartSeconds: 3, idleMemoryMb: 300 } as const;

const idleMs = 10_000;
const startTimeoutMs = 120_000;
const cli = path.join(import.meta.dirname, '../bin/cerebra.ts');

interface Started {
  pid: number;
  seconds: number;
  stop(): Promise<void>;
}

/** Until the ready table is printed; then /readyz has to say 200. */
async function start(dataDir: string, signal: AbortSignal): Promise<Started> {
  const startedMs = performance.now();
  const environment = {
    ...process.env,
    DATA_DIR: dataDir,
    PORT: '0',
    MLLP_PORT: '0',
    MQTT_PORT: '0',
    LOG_LEVEL: 'warn',
  };
  const child = spawn(process.execPath, [cli, 'start'], {
    signal,
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Not `once`, which would take the error of an abort for the end.
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.on('error', () => undefined);
  const timer = setTimeout(() => child.kill('SIGKILL'), startTimeoutMs);
  const url = await readyUrl(child.stdout).finally(() => clearTimeout(timer));
  const seconds = (performance.now() - startedMs) / 1_000;
  const { status } = await fetch(url);
  if (status !== 200) throw new Error(`${url} answers ${status} after the ready table`);
  return {
    pid: child.pid!,
    seconds,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Where the ready table says that /readyz is. */
export async function readyUrl(output: Readable): Promise<string> {
  let text = '';
  for await (const chunk of output.iterator({ destroyOnReturn: false })) {
    text += chunk;
    const url = /http:\S+\/readyz/.exec(text)?.[0];
    if (url) return url;
  }
  throw new Error(`the server ended before it was ready: ${text}`);
}

/** Linux only. */
export async function measureBoot(progress: (text: string) => void, signal: AbortSignal): Promise<BootResult> {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cerebra-boot-'));
  let running: Started | undefined;
  try {
    progress('first start');
    running = await start(dataDir, signal);
    const first = running;
    await running.stop();
    progress('warm start');
    running = await start(dataDir, signal);
    progress(`idle for ${idleMs / 1_000} s`);
    await setTimeoutPromise(idleMs, undefined, { signal });
    const memory = memoryOf(running.pid);
    return {
      firstStartSeconds: first.seconds,
      warmStartSeconds: running.seconds,
      idleMemoryMb: memory.reduce((sum, { pssMb }) => sum + pssMb, 0),
      nodeMemoryMb: memory.find(({ pid }) => pid === running?.pid)?.pssMb ?? 0,
      processes: memory.length,
    };
  } finally {
    await running?.stop();
    await removeFolder(dataDir);
  }
}

/** With the place that the embedded PostgreSQL took elsewhere, when its account could not enter. */
export async function removeFolder(dataDir: string): Promise<void> {
  const elsewhere = await realpath(path.join(dataDir, 'postgres')).catch(() => undefined);
  if (elsewhere) await rm(elsewhere, { recursive: true, force: true });
  await rm(dataDir, { recursive: true, force: true });
}
