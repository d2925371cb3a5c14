// Receivers of topics' notifications that fail, and servers that do, at the moments that only they have:
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/errors.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { startReceiver, waitFor } from '#platform/testing';
import { createRig, type Server, waitForStatus } from './testing/rig.ts';
import { activate, allDone, appointment, events, topicSubscription } from './testing/topic.ts';

const baseUrl = 'https://fhir.example.org/fhir/R4';

test('the client says how long an attempt may take', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start({ baseUrl, limits: { timeoutMs: 60_000 } });
  await activate(rig, topicSubscription('s', receiver.url, { timeoutSeconds: 2 }));
  receiver.answer = () => undefined;
  await rig.store.put(appointment('a'));
  await waitFor(
    async () =>
      (
        await rig.db.query({ text: 'select 1 from subscriber where error = $1' }, [
          'The endpoint did not answer within 2000 ms',
        ])
      ).length === 1,
    'the timeout',
  );
});

test('only the time ends it; what is owed is a dead letter until the client requests it anew', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const server = await rig.start({ baseUrl, limits: { failingMsMax: 3_600_000 } });
  await activate(rig, topicSubscription('s', receiver.url, { maxCount: 2, content: 'id-only' }));
  receiver.answer = () => 500;
  for (const id of ['a', 'b', 'c']) await rig.store.put(appointment(id));
  await waitFor(() => events(receiver.received).length > 25, 'more attempts than any number would end');
  // Between two attempts: the one under way writes down what it began with.
  const longAgo = `update subscriber set failing_since = now() - interval '2 hours' where id = 's' and lease_until is null`;
  await waitFor(async () => (await rig.db.queryCount({ text: longAgo })) === 1, 'a pause');
  const failed = await waitForStatus(rig.store, 's', 'error');
  assert.equal(failed.error, 'The endpoint answered with HTTP 500');
  const route = server.adminRoutes.find(({ path }) => path.endsWith('/dead-letters'))!;
  const ask = async () => {
    const answer = await route.handle({ params: { id: 's' }, query: new URLSearchParams(), body: Buffer.alloc(0) });
    return (answer as { body: JsonObject & { deadLetters: JsonObject[]; undelivered: bigint } }).body;
  };
  const dead = await ask();
  assert.deepEqual([dead.state, dead.error, dead.undelivered], ['error', failed.error, 3n]);
  assert.deepEqual(
    dead.deadLetters.map(({ number, type, id, op, outcome }) => [String(number), type, id, op, outcome]),
    ['a', 'b', 'c'].map((id, i) => [String(i + 1), 'Appointment', id, 'create', 'pending']),
  );
  // What happens meanwhile is counted as well, by whichever server.
  await rig.store.put(appointment('d'));
  await waitFor(async () => (await ask()).undelivered === 4n, 'the fourth event');
  await server.stop();
  await rig.start({ baseUrl });
  await rig.store.put(appointment('e'));
  await waitFor(async () => (await ask()).undelivered === 5n, 'the fifth event');
  receiver.answer = () => 200;
  const before = receiver.received.length;
  await activate(rig, topicSubscription('s', receiver.url, { maxCount: 2, content: 'id-only' }));
  await allDone(rig, 's', 5);
  assert.deepEqual(events(receiver.received.slice(before)).flat(), [1, 2, 3, 4, 5]);
  assert.deepEqual((await ask()).deadLetters, []);
});

test('a server that is stopped in the middle of a batch: the next tells the same events again', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const first = await rig.start({ baseUrl, limits: { stopGraceMs: 10 } });
  await activate(rig, topicSubscription('s', receiver.url, { maxCount: 5, content: 'id-only' }));
  const answers = [200, undefined];
  receiver.answer = () => (answers.length > 0 ? answers.shift() : 200);
  for (let i = 1; i <= 9; i++) await rig.store.put(appointment(`a${i}`));
  await waitFor(() => events(receiver.received).length === 2, 'a request that is not answered');
  await first.stop();
  await rig.start({ baseUrl });
  await allDone(rig, 's', 9);
  const told = events(receiver.received);
  assert.deepEqual([...new Set(told.flat())], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(told[2]![0], told[1]![0]);
});

test('a worker that is stopped past its lease changes nothing when it goes on', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const slow: Server = await rig.start({ baseUrl, limits: { deliveryLeaseMs: 200 } });
  await activate(rig, topicSubscription('s', receiver.url, { content: 'id-only' }));
  const held = Promise.withResolvers<number>();
  const answers = [held.promise];
  receiver.answer = () => answers.shift() ?? 200;
  await rig.store.put(appointment('a'));
  await waitFor(() => events(receiver.received).length === 1, 'the request that takes long');
  await rig.start({ baseUrl, limits: { deliveryLeaseMs: 200 } });
  await allDone(rig, 's', 1);
  await rig.store.put(appointment('b'));
  await allDone(rig, 's', 2);
  held.resolve(500);
  await slow.stop();
  const [row] = await rig.db.query<JsonObject>({
    text: `select done_number::int as done, attempts, error, state from subscriber where id = 's'`,
  });
  assert.deepEqual(row, { done: 2, attempts: 0, error: null, state: 'active' });
  assert.deepEqual([...new Set(events(receiver.received).flat())], [1, 2]);
});
