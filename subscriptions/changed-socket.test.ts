// A Subscription is changed while web sockets are bound to it.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { openSocket, waitFor } from '#platform/testing';
import { testBaseUrl as baseUrl, createCalls } from './testing/operation.ts';
import { createRig, observation, subscription, waitForState } from './testing/rig.ts';
import { serveSockets } from './testing/socket.ts';
import { appointment, eventNumbers, topicSubscription } from './testing/topic.ts';

async function serve(t: TestContext) {
  const rig = await createRig(t);
  await rig.db.query({ text: 'truncate websocket_client, websocket_token' });
  const server = await rig.start({ baseUrl, webSocketLimits: { pollMs: 20, heartbeatMs: 5_000, stopGraceMs: 200 } });
  return { ...rig, url: await serveSockets(t, server), call: await createCalls(rig) };
}

test('notifications go by the new version: less is shown, and in the other format', async (t) => {
  const { store, db, url, call } = await serve(t);
  const asking = (content: string, payload: string) =>
    topicSubscription('s', '', { type: 'websocket', content, payload });
  await store.put(asking('full-resource', 'application/fhir+json'));
  await waitForState(db, 's', 'active');
  const answer = await call('get-ws-binding-token', { id: 's' });
  const token = (answer.parameter as unknown as { name: string; valueString: string }[]).find(
    ({ name }) => name === 'token',
  )!;
  const socket = await openSocket(t, url);
  socket.say(`bind-with-token ${token.valueString}`);
  await socket.hears(1);
  await store.put(appointment('a1'));
  await socket.hears(2);
  assert.ok(socket.heard[1]!.includes('"resourceType":"Appointment"'));
  await store.put(asking('empty', 'application/fhir+xml'));
  // It takes as long as the server needs to look at its bindings again.
  let made = 0;
  const next = await waitFor(async () => {
    await store.put(appointment(`b${made++}`));
    return socket.heard.find((text) => text.startsWith('<?xml'));
  }, 'a notification in XML');
  assert.ok(!next.includes('Appointment'), 'nothing of the resource');
  // Whatever the format: none is left out.
  const numberOf = (text: string) =>
    text.startsWith('<')
      ? [Number(/"event-number"\/><valueString value="(\d+)"/.exec(text)?.[1])]
      : eventNumbers(JSON.parse(text) as Resource);
  const numbers = socket.heard.slice(1).flatMap(numberOf);
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i + 1),
  );
});

test('one that becomes a Subscription to a topic is to be bound with a token', async (t) => {
  const { store, db, url } = await serve(t);
  await store.put(subscription('s', '', { channel: { type: 'websocket' } }));
  await waitForState(db, 's', 'active');
  const socket = await openSocket(t, url);
  socket.say('bind s');
  await socket.hears(1);
  await store.put(observation('o1'));
  await socket.hears(2);
  await store.put(topicSubscription('s', '', { type: 'websocket', content: 'id-only' }));
  await socket.hears(3);
  assert.deepEqual(socket.heard, ['bound s', 'ping s', 'error s It was changed: bind it again']);
  socket.say('bind s');
  await socket.hears(4);
  assert.equal(socket.heard[3], 'error s It is to a topic: it is bound with a token of $get-ws-binding-token');
});
