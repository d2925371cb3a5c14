// kill -9 at any moment: no event is lost, no number given twice, and the order stays.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { connectDb } from '#platform';
import { startReceiver, testConnection, testLog, waitFor } from '#platform/testing';
import { observation, subscription, waitForState } from './testing/rig.ts';
import { createTestStore } from './testing/store.ts';

const child = path.join(import.meta.dirname, 'testing/child.ts');
const events = 240;
const killEvery = 30;

test('a server that is killed again and again', async (t) => {
  const connection = await testConnection(t);
  const db = connectDb({ ...connection, poolMax: 5, log: testLog() });
  const store = await createTestStore(db);
  const receiver = await startReceiver(t);
  let requests = 0;
  let server = spawnServer();
  function spawnServer() {
    return spawn(process.execPath, [child, JSON.stringify(connection)], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  // While the receiver answers, a kill meets a request in flight; between requests it meets the database.
  receiver.answer = () => {
    if (++requests % killEvery === 0) {
      server.kill('SIGKILL');
      server = spawnServer();
    }
    return 200;
  };
  try {
    await store.put(subscription('s', receiver.url));
    await waitForState(db, 's', 'active');
    for (let i = 1; i <= events; i++) {
      await store.put(observation(`o${i}`));
      if (i % 60 === 0) {
        server.kill('SIGKILL');
        server = spawnServer();
      }
    }
    await waitFor(
      async () => (await db.query({ text: `select 1 from subscriber where done_number = ${events}` })).length === 1,
      'all deliveries',
      60_000,
    );
  } finally {
    server.kill('SIGKILL');
    await db.close();
  }
  const seen = receiver.received.map(({ number }) => number);
  assert.deepEqual(
    [...new Set(seen)],
    Array.from({ length: events }, (_, index) => index + 1),
  );
});
