import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Queue } from 'bullmq';
import { connectDb } from './db/connect.ts';
import { isCerebraError } from './errors.ts';
import type { JobData, Jobs } from './jobs.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { createJobs, type JobsOptions } from './queue.ts';
import { testCluster, testConnection, testLog, waitFor } from './testing/index.ts';

const redisUrl = process.env.TEST_REDIS_URL;

async function optionsOn(backend: 'PostgreSQL' | 'Redis', t: TestContext): Promise<JobsOptions> {
  const database = await testConnection(t);
  const metrics = createMetrics();
  return {
    database,
    log: testLog(),
    metrics,
    queueName: `t-${randomUUID()}`,
    redisUrl: backend === 'Redis' ? redisUrl : undefined,
  };
}

async function usingJobs(options: JobsOptions, work: (jobs: Jobs) => Promise<void>): Promise<void> {
  const jobs = createJobs(options);
  try {
    await work(jobs);
  } finally {
    await jobs.close();
  }
}

for (const backend of ['PostgreSQL', 'Redis'] as const) {
  const skip = backend === 'Redis' && !redisUrl ? 'TEST_REDIS_URL is not set' : false;
  describe(`jobs on ${backend}`, { skip }, () => {
    it('runs a job with its data', async (t) => {
      await usingJobs(await optionsOn(backend, t), async (jobs) => {
        const seen: JobData[] = [];
        jobs.define('note', async (data) => void seen.push(data));
        await jobs.start();
        await jobs.add('note', { n: 1, deep: { list: [1, 'a', null] } });
        await waitFor(() => seen.length === 1, 'the job to run');
        assert.deepEqual(seen, [{ n: 1, deep: { list: [1, 'a', null] } }]);
      });
    });

    it('keeps a job added before a restart', async (t) => {
      const options = await optionsOn(backend, t);
      await usingJobs(options, (jobs) => jobs.add('later', { n: 7 }));
      await usingJobs(options, async (jobs) => {
        const seen: JobData[] = [];
        jobs.define('later', async (data) => void seen.push(data));
        await jobs.start();
        await waitFor(() => seen.length === 1, 'the job of the first process');
        assert.deepEqual(seen, [{ n: 7 }]);
      });
    });

    it('runs a failing job again, and counts', async (t) => {
      const options = await optionsOn(backend, t);
      await usingJobs(options, async (jobs) => {
        let runs = 0;
        jobs.define('flaky', async () => {
          runs++;
          if (runs === 1) throw new Error('not yet');
        });
        await jobs.start();
        await jobs.add('flaky', {}, { attempts: 2 });
        await waitFor(() => runs === 2, 'the second attempt');
        const metric = await waitFor(async () => {
          const text = await options.metrics.registry.getSingleMetricAsString('cerebra_jobs_total');
          return text.includes('outcome="completed"') && text;
        }, 'both outcomes to be counted');
        assert.match(metric, /cerebra_jobs_total\{name="flaky",outcome="failed"\} 1/);
        assert.match(metric, /cerebra_jobs_total\{name="flaky",outcome="completed"\} 1/);
      });
    });

    it('adds a job id once', async (t) => {
      await usingJobs(await optionsOn(backend, t), async (jobs) => {
        const seen: JobData[] = [];
        jobs.define('once', async (data) => void seen.push(data));
        jobs.define('end', async (data) => void seen.push(data));
        await jobs.add('once', { n: 1 }, { jobId: 'x' });
        await jobs.add('once', { n: 2 }, { jobId: 'x' });
        await jobs.add('end', { n: 3 });
        await jobs.start();
        // They run beside each other: the last one may be done first.
        await waitFor(() => [1, 3].every((wanted) => seen.some(({ n }) => n === wanted)), 'the first and the last job');
        assert.deepEqual(seen.map(({ n }) => n).sort(), [1, 3]);
      });
    });

    it('repeats a scheduled job', async (t) => {
      await usingJobs(await optionsOn(backend, t), async (jobs) => {
        let runs = 0;
        jobs.define('tick', async () => void runs++);
        await jobs.start();
        await jobs.every('tick', 50);
        await jobs.every('tick', 50);
        await waitFor(() => runs >= 3, 'three runs');
      });
    });

    it('runs a repeated job on where the clock was put back', async (t) => {
      const dayMs = 24 * 3_600_000;
      const options = await optionsOn(backend, t);
      t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 400 * dayMs });
      await usingJobs({ ...options, lookMs: 50 }, async (jobs) => {
        let runs = 0;
        jobs.define('daily', async () => void runs++);
        await jobs.start();
        await jobs.every('daily', dayMs);
        await waitFor(() => runs > 0, 'the first run');
        t.mock.timers.reset();
        const before = runs;
        await waitFor(() => runs > before, 'a run by the right time');
      });
    });

    it('schedules a repeated job again that is there no longer', async (t) => {
      const options = await optionsOn(backend, t);
      const looks = t.mock.method(Queue.prototype, 'getJobScheduler');
      await usingJobs({ ...options, lookMs: 50 }, async (jobs) => {
        let runs = 0;
        jobs.define('daily', async () => void runs++);
        await jobs.start();
        await jobs.every('daily', 24 * 3_600_000);
        // A look while it was being scheduled has scheduled it once more.
        await waitFor(() => runs > 0, 'the first run');
        const queue = await waitFor(() => looks.mock.calls.at(-1)?.this as Queue | undefined, 'a look');
        await queue.removeJobScheduler('daily');
        const before = runs;
        await waitFor(() => runs > before, 'a run after it was lost');
      });
    });

    it('waits for the running job when closed', async (t) => {
      let done = false;
      const started = Promise.withResolvers<void>();
      const release = Promise.withResolvers<void>();
      await usingJobs(await optionsOn(backend, t), async (jobs) => {
        jobs.define('slow', async () => {
          started.resolve();
          await release.promise;
          done = true;
        });
        await jobs.start();
        await jobs.add('slow', {});
        await started.promise;
        setImmediate(release.resolve);
      });
      assert.equal(done, true);
    });
  });
}

/** As options, for a role of its own that may have so many connections; and how to change that. */
async function limitedTo(connections: number, t: TestContext) {
  const options = await optionsOn('PostgreSQL', t);
  const user = `limited_${randomUUID().replaceAll('-', '')}`;
  const { database } = options.database;
  const db = connectDb({ ...(await testCluster()), poolMax: 1, log: testLog() });
  // Behind the hook that drops the database, which is its own.
  t.after(async () => {
    await db.query({ text: `DROP ROLE ${user}` });
    await db.close();
  });
  await db.query({ text: `CREATE ROLE ${user} LOGIN CONNECTION LIMIT ${connections}` });
  await db.query({ text: `ALTER DATABASE ${database} OWNER TO ${user}` });
  const limit = (n: number) => db.query({ text: `ALTER ROLE ${user} CONNECTION LIMIT ${n}` });
  return { options: { ...options, database: { ...options.database, user } }, limit };
}

it('finds its own schema where the URL of the database has options too', async (t) => {
  const options = await optionsOn('PostgreSQL', t);
  const { user, host, port, database } = options.database;
  const query = new URLSearchParams({ host: host!, options: '-c search_path=public -c lock_timeout=9s' });
  const url = `postgres://${user}@localhost:${port}/${database}?${query}`;
  await usingJobs({ ...options, database: { url } }, async (jobs) => {
    const seen: JobData[] = [];
    jobs.define('note', async (data) => void seen.push(data));
    await jobs.start();
    await jobs.add('note', { n: 1 });
    await waitFor(() => seen.length === 1, 'the job to run');
    assert.deepEqual(seen, [{ n: 1 }]);
  });
});

it('tells that the database has no connection left, and takes jobs as soon as it has', async (t) => {
  const { options, limit } = await limitedTo(0, t);
  await usingJobs(options, async (jobs) => {
    const seen: JobData[] = [];
    jobs.define('note', async (data) => void seen.push(data));
    for (const asked of [() => jobs.add('note', { n: 1 }), () => jobs.start()]) {
      await assert.rejects(asked, (error) => isCerebraError(error, 'unavailable'));
    }
    await limit(10);
    await jobs.add('note', { n: 2 });
    await jobs.start();
    await waitFor(() => seen.length === 1, 'the job that was added');
    assert.deepEqual(seen, [{ n: 2 }]);
  });
});

it('learns after seconds of a PostgreSQL whose host has vanished', async (t) => {
  const options = await optionsOn('PostgreSQL', t);
  const keepAlive = t.mock.method(Socket.prototype, 'setKeepAlive');
  await usingJobs(options, async (jobs) => {
    jobs.define('note', async () => undefined);
    await jobs.start();
    assert.deepEqual(new Set(keepAlive.mock.calls.map((call) => String(call.arguments))), new Set(['true,10000']));
  });
});

it('leaves the process its turns where connections run out while it starts', async (t) => {
  const { options } = await limitedTo(1, t);
  await usingJobs(options, async (jobs) => {
    jobs.define('note', async () => undefined);
    // Whether one suffices depends on how soon the one that made the tables is gone.
    await jobs.start().catch((error: unknown) => assert.ok(isCerebraError(error, 'unavailable')));
    await new Promise((turn) => setTimeout(turn, 0));
  });
});

it('does not hold up who adds jobs while Redis is away, and tells of it once', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  const said: string[] = [];
  const log = createLog({ level: 'info', destination: { write: (line) => said.push(line) } });
  const options = { database: {}, redisUrl: `redis://127.0.0.1:${port}`, log, metrics: createMetrics() };
  await usingJobs(options, async (jobs) => {
    jobs.define('note', async () => {});
    await Promise.all([jobs.add('note', { n: 1 }), jobs.every('note', 1_000)]);
  });
  const records = said.map((line) => JSON.parse(line) as { msg: string; err?: { message: string } });
  const waiting = records.filter(({ msg }) => msg === 'job waits for Redis (REDIS_URL), which does not answer');
  assert.equal(waiting.length, 2);
  const refused = records.filter(({ err }) => err?.message === `connect ECONNREFUSED 127.0.0.1:${port}`);
  assert.equal(refused.length, 1);
});

it('refuses to define a job twice', () => {
  const jobs = createJobs({ database: {}, log: testLog(), metrics: createMetrics() });
  jobs.define('a', async () => {});
  assert.throws(() => jobs.define('a', async () => {}), /defined twice/);
});
