// kill -9 at any moment: no event is lost, no number given twice, and the order stays.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { connectDb } from '#platform';
import { type Received, startReceiver, testConnection, testLog, waitFor } from '#platform/testing';
import { observation, subscription, waitForState } from './testing/rig.ts';
import { createTestStore } from './testing/store.ts';
import { appointment, eventNumbers, topicSubscription } from './testing/topic.ts';

const child = path.join(import.meta.dirname, 'testing/child.ts');
const events = 240;
const killEvery = 30;

type Made = Resource & { id: string };

test('a server that is killed again and again', async (t) => {
  const seen = await killAgainAndAgain(t, {
    subscribed: (url) => subscription('s', url),
    changed: (i) => observation(`o${i}`),
    numbersOf: ({ number }) => [number],
  });
  assertAll(seen);
});

test('the same while notifications of several events of a topic are told', async (t) => {
  const seen = await killAgainAndAgain(t, {
    subscribed: (url) => topicSubscription('s', url, { maxCount: 4 }),
    changed: (i) => appointment(`a${i}`),
    numbersOf: ({ body }) => eventNumbers(JSON.parse(body) as Resource),
  });
  assertAll(seen);
});

const assertAll = (seen: number[]) =>
  assert.deepEqual(
    [...new Set(seen)],
    Array.from({ length: events }, (_, index) => index + 1),
  );

interface Kind {
  subscribed(url: string): Made;
  changed(i: number): Made;
  /** Of the events that a request tells. */
  numbersOf(received: Received): number[];
}

/** Yields the numbers of the events in the order they were told. */
async function killAgainAndAgain(t: TestContext, { subscribed, changed, numbersOf }: Kind): Promise<number[]> {
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
    await store.put(subscribed(receiver.url));
    await waitForState(db, 's', 'active');
    for (let i = 1; i <= events; i++) {
      await store.put(changed(i));
      if (i % 60 === 0) {
        server.kill('SIGKILL');
        server = spawnServer();
      }
    }
    await waitFor(
      async () => (await db.query({ text: `select 1 from subscriber where done_number = ${events}` })).length === 1,
      'all deliveries',
    );
  } finally {
    server.kill('SIGKILL');
    await db.close();
  }
  return receiver.received.flatMap(numbersOf);
}
