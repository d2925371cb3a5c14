// `npm run bench:soak`: a mixed load for ten minutes, and how much memory the server and PostgreSQL have meanwhile.
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createLog, type EmbeddedPostgres, startEmbeddedPostgres } from '#platform';
import { removeFolder } from './boot.ts';
import type { RequestKind } from './data/requests.ts';
import type { Measured } from './load/exchange.ts';
import { memoryOf } from './processes.ts';
import { machine } from './report.ts';
import { type Peer, startPeer } from './rpc.ts';
import { seed } from './seed.ts';

interface Ports {
  http: number;
  mllp: number;
  mqtt: number;
}

interface Sample {
  minute: number;
  heapMb: number;
  nodeMb: number;
  postgresMb: number;
}

/** Connections of each kind, all at once. */
const http: [RequestKind, number][] = [
  ['create', 4],
  ['update', 2],
  ['read', 4],
  ['searchPatient', 2],
  ['searchCode', 1],
  ['bundle', 1],
];

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new Error(`--minutes is a number above 0, not '${values.minutes}'`);
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());

const sum = (numbers: number[]): number => numbers.reduce((total, one) => total + one, 0);

async function sample(ours: Peer, postgresPid: number, minute: number): Promise<Sample> {
  const { heapUsed, pid } = await ours.call<{ heapUsed: number; pid: number }>('memory');
  return {
    minute,
    heapMb: heapUsed / 1_048_576,
    nodeMb: memoryOf(pid)[0]?.pssMb ?? 0,
    postgresMb: sum(memoryOf(postgresPid).map(({ pssMb }) => pssMb)),
  };
}

/** Everything at once until the time is over; each kind from numbers that no other uses. */
function loads(loader: Peer, ports: Ports, seconds: number): Promise<Measured[]> {
  const running = http.map(([kind, connections], i) =>
    loader.call<Measured>('http', { port: ports.http, kind, connections, seconds, firstNumber: (i + 1) * 100_000_000 }),
  );
  const feed = { seconds, connections: 2, window: 1 };
  running.push(loader.call('mllp', { ...feed, port: ports.mllp, firstNumber: 700_000_000 }));
  running.push(loader.call('mqtt', { ...feed, window: 16, port: ports.mqtt, firstNumber: 800_000_000 }));
  return Promise.all(running);
}

const WIDTH = 50;

/** One line a sample: `#` for node, `+` for what PostgreSQL has beside it. */
function plot(samples: Sample[]): string {
  const top = Math.max(...samples.map(({ nodeMb, postgresMb }) => nodeMb + postgresMb));
  const bar = (mb: number): number => Math.round((mb / top) * WIDTH);
  const lines = samples.map(({ minute, heapMb, nodeMb, postgresMb }) => {
    const cells = [minute.toFixed(1), heapMb.toFixed(0), nodeMb.toFixed(0), postgresMb.toFixed(0)];
    return `${cells.map((cell) => cell.padStart(8)).join('')}  ${'#'.repeat(bar(nodeMb))}${'+'.repeat(bar(postgresMb))}`;
  });
  return ['  minute    heap    node postgres  MB', ...lines].join('\n');
}

async function soak({ connection, pid }: EmbeddedPostgres): Promise<void> {
  const start = (name: string, environment = {}): Peer =>
    startPeer(path.join(import.meta.dirname, name), environment, interrupt.signal);
  const ours = start('ours.ts', { BENCH_OURS: JSON.stringify({ connection, poolMax: 20 }) });
  const loader = start('load/main.ts');
  try {
    const ports = await ours.call<Ports>('start');
    const version = await seed(connection, ports.http, new Set(['observations', 'devices'] as const));
    const running = loads(loader, ports, minutes * 60);
    running.catch(() => interrupt.abort());
    const samples: Sample[] = [];
    const startMs = performance.now();
    const steps = Math.max(10, Math.ceil(minutes * 2));
    for (let step = 1; step <= steps; step++) {
      await pause((minutes * 60_000 * step) / steps - (performance.now() - startMs), undefined, {
        signal: interrupt.signal,
      });
      samples.push(await sample(ours, pid, (minutes * step) / steps));
      process.stderr.write(`${plot(samples).split('\n').at(-1)}\n`);
    }
    const done = await running;
    const kinds = [...http.map(([kind]) => kind), 'oru', 'devices'];
    console.log(`\n${machine(version)}\n\n${plot(samples)}\n`);
    done.forEach(({ count, failures, p99Ms }, i) => {
      console.log(`${kinds[i]}: ${count} requests, ${failures} failed, p99 ${p99Ms.toFixed(1)} ms`);
    });
  } finally {
    await Promise.all([ours.stop(), loader.stop()]);
  }
}

const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cerebra-soak-'));
try {
  const postgres = await startEmbeddedPostgres({ dataDir, log: createLog({ level: 'warn' }) });
  process.once('exit', postgres.abandon);
  await soak(postgres).finally(() => postgres.stop());
  process.off('exit', postgres.abandon);
} finally {
  await removeFolder(dataDir);
}
