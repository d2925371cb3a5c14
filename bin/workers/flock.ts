// The worker processes: started, started again when they end by themselves, stopped.
import cluster, { type Worker } from 'node:cluster';
import type { Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { countsOf, type Log, type MetricsSnapshot } from '#platform';
import type { UpgradeRequest } from '#subscriptions';
import { type Answers, type Asking, createAsking } from './asking.ts';
import { type Beginning, errorOf, type Message } from './messages.ts';

export interface FlockOptions {
  count: number;
  port: number;
  log: Log;
  answers: Answers;
  /** A worker has committed something. */
  onCommit(): void;
  /** A worker was asked for a web socket: the connection is here now. */
  onWebSocket(request: UpgradeRequest, socket: Socket, head: Buffer): void;
}

export interface Flock {
  /** Resolves when all are ready to answer requests. */
  begin(beginning: Beginning): Promise<void>;
  /** Of each worker, and what those had counted that have ended. */
  snapshots(): Promise<MetricsSnapshot[]>;
  /** Requests under way finish; what has not ended after `graceMs` is killed. */
  stop(graceMs: number): Promise<void>;
  pids(): number[];
}

interface Sheep {
  worker: Worker;
  asking: Asking;
  listening: PromiseWithResolvers<void>;
  ready: PromiseWithResolvers<void>;
  /** Its latest: told for it where it is too busy to answer, since a sum without it would fall. */
  snapshot: MetricsSnapshot;
}

/** A worker that ends at once is started again after so long, doubled each time up to the other. */
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 10_000;
/** One that has run for so long was well. */
const WELL_MS = 60_000;
const SNAPSHOT_TIMEOUT_MS = 1_000;

async function snapshotOf(sheep: Sheep): Promise<MetricsSnapshot> {
  const told = (snapshot: MetricsSnapshot): void => {
    sheep.snapshot = snapshot;
  };
  const late = sleep(SNAPSHOT_TIMEOUT_MS, undefined, { ref: false });
  // Also an answer that comes too late for this time counts for the next one.
  const asked = sheep.asking.ask('snapshot', undefined).then(told, () => undefined);
  await Promise.race([asked, late]);
  return sheep.snapshot;
}

/** Starts the workers; resolves when all of them listen. Throws why one could not. */
export async function startFlock(options: FlockOptions): Promise<Flock> {
  const { count, port, log, answers, onCommit } = options;
  const flock = new Set<Sheep>();
  let counted: Promise<MetricsSnapshot> = Promise.resolve([]);
  let beginning: Beginning | undefined;
  let isStopping = false;
  let pauseMs = PAUSE_MS;

  const take = (sheep: Sheep, message: Message, socket?: Socket): void => {
    if (sheep.asking.take(message)) return;
    // Without it the client went while it was handed over.
    if (message.kind === 'web socket' && socket)
      options.onWebSocket(message.request, socket, Buffer.from(message.head));
    if (message.kind === 'committed') onCommit();
    else if (message.kind === 'ready') sheep.ready.resolve();
    else if (message.kind === 'listening') {
      sheep.listening.resolve();
      if (beginning) sheep.worker.send({ kind: 'begin', beginning } satisfies Message);
    } else if (message.kind === 'failed') {
      sheep.listening.reject(errorOf(message.failure));
      sheep.ready.reject(errorOf(message.failure));
      sheep.worker.process.kill('SIGKILL');
    }
  };
  const again = async (): Promise<void> => {
    await sleep(pauseMs, undefined, { ref: false });
    pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
    if (!isStopping) start();
  };
  const onExit = (sheep: Sheep, startedMs: number, code: number | null, signal: string | null): void => {
    flock.delete(sheep);
    counted = counted.then((before) => countsOf([before, sheep.snapshot]));
    sheep.asking.end();
    const error = new Error(`an HTTP worker has ended (${signal ?? `exit code ${code}`})`);
    sheep.listening.reject(error);
    sheep.ready.reject(error);
    if (isStopping) return;
    if (performance.now() - startedMs > WELL_MS) pauseMs = PAUSE_MS;
    log.error(
      { pid: sheep.worker.process.pid, exitCode: code, signal, pauseMs },
      'an HTTP worker has ended, another is started',
    );
    // Before there is anything to begin with, begin() replaces it.
    if (beginning) void again();
  };
  const start = (): Sheep => {
    const startedMs = performance.now();
    const worker = cluster.fork({ PORT: String(port) });
    const asking = createAsking((message) => {
      if (worker.isConnected()) worker.send(message, () => undefined);
    }, answers);
    const [listening, ready] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const sheep: Sheep = { worker, asking, listening, ready, snapshot: [] };
    for (const { promise } of [sheep.listening, sheep.ready]) promise.catch(() => undefined);
    worker.on('message', (message: Message, socket) => take(sheep, message, socket as Socket | undefined));
    worker.on('error', (err) => log.warn({ err }, 'an HTTP worker could not be reached'));
    worker.on('exit', (code, signal) => onExit(sheep, startedMs, code, signal));
    flock.add(sheep);
    return sheep;
  };

  cluster.setupPrimary({ exec: path.join(import.meta.dirname, 'worker.ts'), args: [], serialization: 'advanced' });
  const first = Array.from({ length: count }, start);
  const kill = (): void => {
    for (const { worker } of flock) worker.process.kill('SIGKILL');
  };
  try {
    await Promise.all(first.map(({ listening }) => listening.promise));
  } catch (error) {
    isStopping = true;
    kill();
    throw error;
  }
  return {
    async begin(given) {
      beginning = given;
      for (const { worker } of flock) worker.send({ kind: 'begin', beginning } satisfies Message);
      // For those that have ended while there was nothing yet to begin with; they are told it once they listen.
      while (flock.size < count) start();
      await Promise.all([...flock].map(({ ready }) => ready.promise));
    },
    snapshots: () => Promise.all([counted, ...[...flock].map(snapshotOf)]),
    async stop(graceMs) {
      isStopping = true;
      const gone = [...flock].map(({ worker }) => new Promise<void>((resolve) => worker.once('exit', () => resolve())));
      for (const { worker } of flock) if (worker.isConnected()) worker.send({ kind: 'stop' } satisfies Message);
      const late = setTimeout(kill, graceMs);
      await Promise.all(gone);
      clearTimeout(late);
    },
    pids: () => [...flock].map(({ worker }) => worker.process.pid!),
  };
}
