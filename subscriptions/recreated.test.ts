// A Subscription under the id of one that was deleted: what the former one was told is none of its events.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import { openSocket, startReceiver } from '#platform/testing';
import { pruneDeliveries } from './retention.ts';
import { testBaseUrl as baseUrl, createCalls } from './testing/operation.ts';
import { createRig, inStream, observation, subscription, waitForState, waitForStatus } from './testing/rig.ts';
import { serveSockets } from './testing/socket.ts';
import { activate, allDone, appointment, eventNumbers, statusPart, topicSubscription } from './testing/topic.ts';

const textOf = (bundle: Resource, name: string) => statusPart(bundle, name) as { text: string } | undefined;

test('neither $events, $resend nor a web socket tell what a deleted Subscription of that id was told', async (t) => {
  const rig = await createRig(t);
  await rig.db.query({ text: 'truncate websocket_client, websocket_token' });
  const server = await rig.start({ baseUrl, webSocketLimits: { pollMs: 20, stopGraceMs: 200 } });
  const call = await createCalls(rig);
  const asked = topicSubscription('s', '', { type: 'websocket', content: 'id-only' });
  await activate(rig, { ...subscription('s', ''), channel: { type: 'websocket' } } as typeof asked);
  for (const id of ['o1', 'o2', 'o3']) await rig.store.put(observation(id));
  await allDone(rig, 's', 3);
  await rig.store.remove('Subscription', 's');
  await waitForState(rig.db, 's', 'deleted');
  // As it is found until then: what was told stays to be looked at.
  assert.equal((await rig.db.query({ text: `select from delivery where subscriber = 's'` })).length, 3);
  await activate(rig, asked);
  const none = await call('events', { id: 's' });
  assert.deepEqual(eventNumbers(none), []);
  assert.equal(textOf(none, 'error')?.text, 'Events 1 to 3 are no longer kept');
  assert.equal(statusPart(none, 'events-since-subscription-start'), '3');
  const socket = await openSocket(t, await serveSockets(t, server));
  const token = (await call('get-ws-binding-token', { id: 's' })).parameter as unknown as { valueString: string }[];
  socket.say(`bind-with-token ${token[0]!.valueString}`);
  await socket.hears(1);
  await rig.store.put(appointment('a'));
  await socket.hears(2);
  const heard = socket.heard.map((text) => JSON.parse(text) as Resource);
  assert.deepEqual(
    heard.map((one) => [statusPart(one, 'type'), eventNumbers(one), textOf(one, 'error')]),
    [
      ['handshake', [], undefined],
      ['event-notification', [4], undefined],
    ],
  );
});

test('what a deleted Subscription was to be told again is forgotten in its time like all that it was told', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start({ baseUrl });
  const call = await createCalls(rig);
  await activate(rig, subscription('s', receiver.url));
  for (const id of ['o1', 'o2']) await rig.store.put(observation(id));
  await allDone(rig, 's', 2);
  const held = Promise.withResolvers<number>();
  t.after(() => held.resolve(200));
  receiver.answer = () => held.promise;
  await call('resend', { id: 's', input: { eventsSinceNumber: '1' } });
  await rig.store.remove('Subscription', 's');
  await waitForState(rig.db, 's', 'deleted');
  assert.equal(await pruneDeliveries(rig.db, { keepMs: -60_000 }), 2);
});

test("what a deleted Subscription could not be told goes with what it was told, a rule's stays; the numbers go on", async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start({ baseUrl });
  await activate(rig, subscription('s', receiver.url));
  for (const id of ['o1', 'o2', 'o3']) await rig.store.put(observation(id));
  await allDone(rig, 's', 3);
  await rig.db.query({ text: `update delivery set outcome = 'failed' where subscriber = 's' and number > 1` });
  await rig.db.query({
    text: `insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, outcome, ended_at)
      select 'alert:r', 1, 1, 1, now(), 1, 'Observation', 'o1', 'failed', now()`,
  });
  await rig.db.query({
    text: `insert into subscriber (id, channel, state, version, last_number, done_number) values ('alert:r', 'alert', 'deleted', 2, 1, 1)`,
  });
  assert.equal(await pruneDeliveries(rig.db, { keepMs: -60_000 }), 1);
  await rig.store.remove('Subscription', 's');
  await waitForState(rig.db, 's', 'deleted');
  assert.equal(await pruneDeliveries(rig.db, { keepMs: 60_000 }), 0);
  assert.equal(await pruneDeliveries(rig.db, { keepMs: -60_000 }), 2);
  assert.deepEqual(await rig.db.query({ text: 'select subscriber from delivery' }), [{ subscriber: 'alert:r' }]);
  await activate(rig, subscription('s', receiver.url));
  await rig.store.put(observation('o4'));
  await allDone(rig, 's', 4);
  const text = `select number, id from delivery where subscriber = 's'`;
  assert.deepEqual(await rig.db.query({ text }), [{ number: 4n, id: 'o4' }]);
});

test('one that is turned off and on again keeps what it was told, whichever status it has in between', async (t) => {
  const rig = await createRig(t);
  await rig.start({ baseUrl });
  const call = await createCalls(rig);
  const asked = (status: string) => ({ ...subscription('s', ''), status, channel: { type: 'websocket' } });
  await activate(rig, asked('requested'));
  await rig.store.put(observation('o1'));
  await allDone(rig, 's', 1);
  await rig.store.put(asked('off'));
  await waitForState(rig.db, 's', 'off');
  await activate(rig, asked('requested'));
  assert.deepEqual(eventNumbers(await call('events', { id: 's' })), [1]);
});

test('what matched the deleted one is not told to the next, though one batch has it all', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const first = await rig.start();
  await activate(rig, subscription('s', receiver.url));
  await first.stop();
  await rig.store.put(observation('former'));
  await rig.store.remove('Subscription', 's');
  await rig.store.put(subscription('s', receiver.url, { criteria: 'Observation?code=b' }));
  await inStream(rig);
  await rig.start();
  await waitForStatus(rig.store, 's', 'active');
  await rig.store.put(observation('later', 'b'));
  await allDone(rig, 's', 1);
  assert.deepEqual(await rig.db.query({ text: `select number, id from delivery where subscriber = 's'` }), [
    { number: 1n, id: 'later' },
  ]);
});
