// Repeated jobs over a Redis that loses what it held: emptied, killed and back without anything, full.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createJobs, createLog, createMetrics } from '#platform';
import { waitFor } from '#platform/testing';
import { redisCommand, startRedis } from './redis-server.ts';

test('repeated jobs go on where Redis has lost them', async (t) => {
  const redis = await startRedis(t);
  if (!redis) return t.skip('there is no redis-server');
  const said: string[] = [];
  const log = createLog({ level: 'info', destination: { write: (line) => said.push(line) } });
  const jobs = createJobs({ database: {}, redisUrl: redis.url, log, metrics: createMetrics(), lookMs: 100 });
  let runs = 0;
  jobs.define('tick', async () => void runs++);
  const goesOn = async (after: string) => {
    const before = runs;
    await waitFor(() => runs >= before + 3, `three runs after ${after}`);
  };
  try {
    await jobs.start();
    await jobs.every('tick', 50);
    await goesOn('the start');
    for (let i = 0; i < 3; i++) {
      await redisCommand(redis.url, 'FLUSHALL');
      await goesOn('it was emptied');
    }
    await redis.replace();
    await goesOn('it came back empty');
    // The run that finds it full can't note the next one.
    await redisCommand(redis.url, 'CONFIG SET maxmemory 100kb');
    await waitFor(() => said.some((line) => line.includes('OOM command not allowed')), 'it to be full');
    await redisCommand(redis.url, 'CONFIG SET maxmemory 0');
    await goesOn('there is room again');
  } finally {
    // While there is a Redis: what waits for one that is gone fails when the connections are ended.
    await jobs.close();
  }
  const told = said.filter((line) => line.includes('had lost a repeated job'));
  assert.ok(told.length >= 1, said.join(''));
});
