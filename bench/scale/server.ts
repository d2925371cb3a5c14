// The commands under measurement, as their users run them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMsOf } from '../processes.ts';

const cli = path.join(import.meta.dirname, '../../bin/cerebra.ts');

const environment = (dataDir: string): NodeJS.ProcessEnv => ({
  ...process.env,
  ...{ DATA_DIR: dataDir, PORT: '0', MLLP_PORT: '0', MQTT_PORT: '0', LOG_LEVEL: 'warn' },
});

/** A share of one processor that is rest. */
const IDLE_SHARE = 0.05;
const LOOK_MS = 2_000;
const IDLE_WAIT_MS = 15 * 60_000;

/** The dispatcher goes through what was loaded, which takes a while; then the server has nothing to do. */
export async function untilIdle({ cpuMs }: Pick<Served, 'cpuMs'>): Promise<void> {
  const endMs = performance.now() + IDLE_WAIT_MS;
  for (let before = cpuMs(); performance.now() < endMs; ) {
    await sleep(LOOK_MS);
    const now = cpuMs();
    if (now - before < LOOK_MS * IDLE_SHARE) return;
    before = now;
  }
}

/** Runs a command to its end; what it says goes to standard error. */
export async function runCommand(dataDir: string, args: string[]): Promise<void> {
  const child = spawn(process.execPath, [cli, ...args], {
    env: environment(dataDir),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`cerebra ${args[0]} ended with ${code}`);
}

export interface Served {
  fhirBaseUrl: string;
  cpuMs(): number;
  stop(): Promise<void>;
}

export async function serve(dataDir: string): Promise<Served> {
  const child = spawn(process.execPath, [cli, 'start'], {
    env: environment(dataDir),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let text = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    text += chunk;
    const url = /http:\S+\/fhir\/R4/.exec(text)?.[0];
    if (!url || !text.includes('Metrics')) continue;
    child.stdout.resume();
    return {
      fhirBaseUrl: url,
      cpuMs: () => cpuMsOf(child.pid!),
      async stop() {
        child.kill('SIGTERM');
        await ended;
      },
    };
  }
  throw new Error(`the server ended before it was ready: ${text}`);
}
