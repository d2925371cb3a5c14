// Jobs on BullMQ 6 (https://docs.bullmq.io): one queue, on Redis when there is one, else in PostgreSQL's schema `bullmq`.

import { setTimeout as sleep } from 'node:timers/promises';
import type { BackendFactory, ConnectionOptions, Queue, RedisQueueBackend, Worker } from 'bullmq';
import pg from 'pg';
import { KEEP_ALIVE_AFTER_MS } from './db/connect.ts';
import { databaseError } from './db/errors.ts';
import { CerebraError } from './errors.ts';
import type { JobData, Jobs } from './jobs.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

export interface JobsOptions {
  redisUrl?: string | undefined;
  /** Used when there is no Redis: a URL or the connection's fields. */
  database: { url?: string | undefined } & Pick<pg.PoolConfig, 'host' | 'port' | 'user' | 'password' | 'database'>;
  log: Log;
  metrics: Metrics;
  /** Jobs that run at a time in this process. */
  concurrency?: number;
  /** Name of the queue; tests that share a Redis use their own. */
  queueName?: string;
  /** How often it is looked whether the repeated jobs are still to run; default: each minute. */
  lookMs?: number;
}

type Handler = (data: JobData) => Promise<void>;

interface Backend {
  queue: Queue;
  work(process: (name: string, data: JobData) => Promise<void>, concurrency: number): Worker | Promise<Worker>;
  /** Ends the connections. */
  disconnect(): Promise<void> | void;
}

const attemptsDefault = 3;
const backoffMs = 1_000;
/** Running jobs may end for so long; closing also waits for a Redis that is away, which may be for ever. */
const closeTimeoutMs = 5_000;
/** A Redis that is away must not hold up who adds a job: after this long it waits in memory, and is added when Redis is back. */
const addTimeoutMs = 3_000;
/** A job whose process was killed goes to another after this long. */
const lockMs = 30_000;

/**
 * Jobs survive a restart and run at least once. Clinical events don't belong here: the journal and the change rows
 * are their record. Connects when first used.
 */
export function createJobs(options: JobsOptions): Jobs {
  const handlers = new Map<string, Handler>();
  const finished = options.metrics.counter('cerebra_jobs_total', 'Job runs by name and outcome', ['name', 'outcome']);
  let backend: Promise<Backend> | undefined;
  let worker: Worker | undefined;
  const scheduled: Scheduled = new Map();
  let looking: NodeJS.Timeout | undefined;
  const connect = () => {
    backend ??= options.redisUrl ? redisBackend(options, options.redisUrl) : postgresBackend(options);
    // A database that was away when the first job was added is asked again for the next one.
    backend.catch(() => {
      backend = undefined;
    });
    return backend;
  };
  const run = async (name: string, data: JobData) => {
    const handler = handlers.get(name);
    if (!handler) throw new CerebraError('internal', `There is no job ${name} in this version`);
    await handler(data);
  };
  // Whoever adds jobs keeps what they are about in the database: it bears the loss of one that a stop takes along.
  const bounded = async (name: string, adding: Promise<unknown>): Promise<void> => {
    if (!options.redisUrl) return void (await adding);
    if (await inTime(adding, addTimeoutMs)) return;
    adding.catch((err: unknown) => options.log.warn({ job: name, err }, 'job not added'));
    options.log.warn({ job: name }, 'job waits for Redis (REDIS_URL), which does not answer');
  };
  return {
    define: (name, handler) => {
      if (handlers.has(name)) throw new CerebraError('internal', `The job ${name} is defined twice`);
      handlers.set(name, handler);
    },
    add: async (name, data, { delayMs, attempts = attemptsDefault, jobId } = {}) => {
      const { queue } = await connect();
      const job = {
        ...kept,
        attempts,
        backoff: { type: 'exponential', delay: backoffMs },
        ...(delayMs === undefined ? {} : { delay: delayMs }),
        ...(jobId === undefined ? {} : { jobId }),
      };
      await bounded(name, queue.add(name, data, job));
    },
    every: async (name, intervalMs, data = {}) => {
      const { queue } = await connect();
      const again = () => queue.upsertJobScheduler(name, { every: intervalMs }, repeated(name, data));
      scheduled.set(name, { intervalMs, again });
      await bounded(name, again());
    },
    start: async () => {
      const { queue, work } = await connect();
      worker = await work(run, options.concurrency ?? 4);
      report(worker, finished, options.log);
      observeDepth(queue, options.metrics);
      await worker.waitUntilReady();
      looking = keepScheduled(queue, scheduled, options);
    },
    close: async () => {
      clearInterval(looking);
      const connected = await backend?.catch(() => undefined);
      const orderly = Promise.resolve(worker?.close()).then(() => connected?.queue.close());
      if (!(await inTime(orderly, closeTimeoutMs))) options.log.warn('job queue: closed before its jobs had ended');
      await connected?.disconnect();
    },
  };
}

async function inTime(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const late = new AbortController();
  const timeout = sleep(timeoutMs, false, { signal: late.signal }).catch(() => false);
  try {
    return await Promise.race([work.then(() => true), timeout]);
  } finally {
    late.abort();
  }
}

/** Finished jobs are kept for a look, not for ever. */
const kept = {
  removeOnComplete: { age: 24 * 3600, count: 1_000 },
  removeOnFail: { age: 14 * 24 * 3600, count: 10_000 },
};

const repeated = (name: string, data: JobData) => ({ name, data, opts: { ...kept, attempts: 1 } });

/** By name. */
type Scheduled = Map<string, { intervalMs: number; again(): Promise<unknown> }>;

/**
 * A Redis that was emptied, or came back without what it had, knows of no repeated job, and one that evicts keys, or was full when the next run
 * was to be noted, has forgotten that: nothing old would be removed any more, for as long as the server runs. Nor would it be where the
 * clock was put back, from a year that was wrong say: BullMQ keeps the next run where it was noted, also over a restart.
 */
function keepScheduled(queue: Queue, scheduled: Scheduled, options: JobsOptions): NodeJS.Timeout {
  const { log, lookMs = 60_000, redisUrl } = options;
  let isLooking = false;
  const look = async (): Promise<void> => {
    for (const [name, { intervalMs, again }] of scheduled) {
      const known = await queue.getJobScheduler(name);
      const dueInMs = (known?.next ?? 0) - Date.now();
      if (dueInMs > intervalMs + lookMs) {
        await queue.removeJobScheduler(name);
        await again();
        log.warn({ job: name, dueInMs }, 'job queue: the clock was put back; a repeated job is scheduled again');
        continue;
      }
      // Unknown is also one that was removed here, by another server too, where the database was away before it was added again.
      if (known && (!redisUrl || dueInMs > -intervalMs - lookMs)) continue;
      // Where all places are taken by long jobs it only waits for its turn.
      const state = known && (await queue.getJobState(`repeat:${name}:${known.next}`));
      if (state === 'waiting' || state === 'delayed' || state === 'prioritized') continue;
      await again();
      log.warn({ job: name }, 'job queue: had lost a repeated job, which is scheduled again');
    }
  };
  const turn = (): void => {
    if (isLooking) return;
    isLooking = true;
    look()
      .catch((err: unknown) => log.debug({ err }, 'job queue: repeated jobs are looked for later'))
      .finally(() => {
        isLooking = false;
      });
  };
  return setInterval(turn, lookMs).unref();
}

function report(worker: Worker, finished: ReturnType<Metrics['counter']>, log: Log): void {
  worker.on('completed', (job) => finished.inc({ name: job.name, outcome: 'completed' }));
  worker.on('failed', (job, err) => {
    finished.inc({ name: job?.name ?? '?', outcome: 'failed' });
    log.error({ job: job?.name, jobId: job?.id, attempt: job?.attemptsMade, err }, 'job failed');
  });
  worker.on('stalled', (jobId) => log.warn({ jobId }, 'job lost by its process; it runs again'));
}

function observeDepth(queue: Queue, metrics: Metrics): void {
  metrics.observe('cerebra_jobs_queued', 'Jobs by state', ['state'], async () => {
    const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'failed');
    return Object.entries(counts).map(([state, count]) => [{ state }, count]);
  });
}

const workerOptions = { lockDuration: lockMs, stalledInterval: lockMs };

/** Five connections try every two seconds at most: a Redis that is away is told once, and once that it is back. */
function tellOnce(log: Log) {
  const told = new Set<string>();
  return {
    onError: (err: Error) => {
      if (told.has(err.message)) return;
      told.add(err.message);
      log.warn({ err }, 'job queue: Redis');
    },
    onReady: () => {
      if (told.size > 0) log.info('job queue: Redis answers again');
      told.clear();
    },
  };
}

async function redisBackend({ queueName = 'cerebra', log }: JobsOptions, url: string): Promise<Backend> {
  // Loaded when used: 25 MB of memory that a server without jobs or without Redis does not need.
  const [{ Queue, Worker }, { Redis }] = await Promise.all([import('bullmq'), import('ioredis')]);
  const clients = [new Redis(url, { maxRetriesPerRequest: null }), new Redis(url, { maxRetriesPerRequest: null })];
  const { onError, onReady } = tellOnce(log);
  for (const client of clients) client.on('error', onError).on('ready', onReady);
  const [forQueue, forWorker] = clients;
  const queue = new Queue(queueName, { connection: forQueue! });
  queue.on('error', onError);
  return {
    queue,
    work: (run, concurrency) => {
      const options = { connection: forWorker!, concurrency, ...workerOptions };
      return new Worker(queueName, (job) => run(job.name, job.data), options).on('error', onError);
    },
    disconnect: () => {
      for (const client of clients) client.disconnect();
    },
  };
}

interface Readiness {
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

/**
 * BullMQ keeps for good that its first connection failed: a queue would never take a job, and a worker ask for one again and
 * again without a pause, in which nothing else of the process has a turn.
 */
async function ready<T extends Readiness>(part: T): Promise<T> {
  try {
    await part.waitUntilReady();
    return part;
  } catch (error) {
    await part.close().catch(() => undefined);
    throw databaseError(error);
  }
}

async function postgresBackend(options: JobsOptions): Promise<Backend> {
  const pool = postgresPool(options);
  try {
    return await postgresBackendOn(pool, options);
  } catch (error) {
    await pool.end();
    throw databaseError(error);
  }
}

/** BullMQ's statements name no schema. */
const IN_ITS_SCHEMA = '-c search_path=bullmq';

/** What the URL has goes before what pg is given beside it: without ours BullMQ would look for its functions elsewhere. */
function withSchema(url: string): string {
  const own = new URL(url);
  const options = own.searchParams.get('options');
  if (options === null) return url;
  own.searchParams.set('options', `${options} ${IN_ITS_SCHEMA}`);
  return own.href;
}

function postgresPool({ database, log }: JobsOptions): pg.Pool {
  const { url, ...fields } = database;
  // One connection listens; the others serve the worker and whoever adds.
  const pool = new pg.Pool({
    ...(url ? { connectionString: withSchema(url) } : { ...fields, password: fields.password ?? '' }),
    options: IN_ITS_SCHEMA,
    application_name: 'cerebra-jobs',
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    max: 4,
  });
  pool.on('error', (err) => {
    // end() does not wait for its connections: a database that is stopped next may still tell them so.
    if (!pool.ending) log.warn({ err }, 'job queue: PostgreSQL');
  });
  return pool;
}

async function postgresBackendOn(pool: pg.Pool, { queueName = 'cerebra', log }: JobsOptions): Promise<Backend> {
  const { createPostgresBackend, Queue, runMigrations, Worker } = await import('bullmq');
  const onError = (err: Error) => {
    if (!pool.ending) log.warn({ err }, 'job queue: PostgreSQL');
  };
  const client = await pool.connect();
  try {
    await runMigrations(client);
  } finally {
    // Ended: having made tables it keeps some 6 MB of catalogue.
    client.release(true);
  }
  // BullMQ's types know its default, Redis, only.
  const connection = pool as unknown as ConnectionOptions;
  const factory = createPostgresBackend as unknown as BackendFactory<RedisQueueBackend>;
  const queue = new Queue(queueName, { connection }, factory);
  queue.on('error', onError);
  await ready(queue);
  return {
    queue,
    work: async (run, concurrency) => {
      const options = { connection, concurrency, ...workerOptions, autorun: false };
      const worker = new Worker(queueName, (job) => run(job.name, job.data), options, factory);
      await ready(worker.on('error', onError));
      worker.run().catch(onError);
      return worker;
    },
    disconnect: () => pool.end(),
  };
}
