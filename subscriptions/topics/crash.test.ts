// kill -9 while topics are dispatched, and change: no event is lost, none is numbered twice, and each is told by the topic of its time.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import { connectDb } from '#platform';
import { startReceiver, testConnection, testLog, waitFor } from '#platform/testing';
import { waitForState } from '../testing/rig.ts';
import { createTestStore } from '../testing/store.ts';
import { subscriptionTo } from './testing/subscription.ts';
import { topicBasic } from './testing/topic.ts';

const child = path.join(import.meta.dirname, '../testing/child.ts');
const rounds = 4;
const perRound = 25;

const url = 'http://example.org/topic/t';
const topicFor = (status: string) =>
  topicBasic('t', {
    resourceTrigger: {
      resource: 'Encounter',
      queryCriteria: { previous: `status:not=${status}`, current: `status=${status}`, requireBoth: true },
    },
  });

const encounter = (id: string, status: string) =>
  ({ resourceType: 'Encounter', id, status }) as Resource & { id: string };

test('a server that is killed again and again while its topic changes', async (t) => {
  const connection = await testConnection(t);
  const db = connectDb({ ...connection, poolMax: 5, log: testLog() });
  const store = await createTestStore(db);
  const receiver = await startReceiver(t);
  const spawnServer = () =>
    spawn(process.execPath, [child, JSON.stringify(connection)], { stdio: ['ignore', 'ignore', 'inherit'] });
  let server = spawnServer();
  const expected: string[] = [];
  try {
    await store.put(topicFor('finished'));
    await store.put(subscriptionTo(url, 's', receiver.url));
    await waitForState(db, 's', 'active');
    for (let round = 0; round < rounds; round++) {
      // Every other round another status is what triggers.
      const wanted = ['finished', 'cancelled'][round % 2]!;
      if (round > 0) await store.put(topicFor(wanted));
      for (let i = 0; i < perRound; i++) {
        const id = `e${round}-${i}`;
        await store.put(encounter(id, 'in-progress'));
        const status = i % 3 === 0 ? 'finished' : 'cancelled';
        await store.put(encounter(id, status));
        if (status === wanted) expected.push(id);
        if (i === 12) {
          server.kill('SIGKILL');
          server = spawnServer();
        }
      }
    }
    await waitFor(
      async () =>
        (await db.query({ text: `select 1 from subscriber where done_number = ${expected.length}` })).length === 1,
      'all deliveries',
    );
    const rows = await db.query<{ id: string; number: bigint; version: number }>({
      text: 'select id, number, version from delivery order by number',
    });
    assert.deepEqual(
      rows.map(({ id, number, version }) => `${number} ${id}/${version}`),
      expected.map((id, i) => `${i + 1} ${id}/2`),
    );
  } finally {
    server.kill('SIGKILL');
    await db.close();
  }
});
