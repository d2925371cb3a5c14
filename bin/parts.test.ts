import assert from 'node:assert/strict';
import { test } from 'node:test';
import { embeddedConnections, startWhole } from './parts.ts';

test('a part whose start fails half-way is stopped, and tells why it failed', async () => {
  const done: string[] = [];
  const part = (fault?: Error) => ({
    async start() {
      done.push('start');
      if (fault) throw fault;
      return 7;
    },
    async stop() {
      done.push('stop');
      throw new Error('not what went wrong');
    },
  });
  assert.equal(await startWhole(part()), 7);
  assert.deepEqual(done.splice(0), ['start']);
  await assert.rejects(startWhole(part(new Error('the port is taken'))), { message: 'the port is taken' });
  assert.deepEqual(done, ['start', 'stop']);
});

test('the embedded PostgreSQL allows the connections of all processes, and a few more', () => {
  assert.equal(embeddedConnections({ POOL_MAX: 20, WORKERS: 1 }), 60);
  assert.equal(embeddedConnections({ POOL_MAX: 200, WORKERS: 1 }), 216);
  // Each has 4 at least, whatever POOL_MAX was: with 60 in all requests under load got 503.
  assert.equal(embeddedConnections({ POOL_MAX: 4, WORKERS: 16 }), 148);
});
