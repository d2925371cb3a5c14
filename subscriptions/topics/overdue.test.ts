import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startReceiver, waitFor } from '#platform/testing';
import { createRig, observation, waitForState, waitForStatus } from '../testing/rig.ts';
import { allDone, bundles, statusPart } from '../testing/topic.ts';
import { subscriptionTo } from './testing/subscription.ts';
import { topicBasic } from './testing/topic.ts';

test('a topic that takes too long on a resource: its Subscriptions are in error, the others are told', async (t) => {
  const rig = await createRig(t);
  const { db, store } = rig;
  const receiver = await startReceiver(t);
  await rig.start();
  const nested = (inner: string) => `%current.component.where(${inner}.exists())`;
  const slow = nested(nested(nested("%current.component.where(valueString = 'z')")));
  const define = (id: string, fhirPathCriteria: string) =>
    store.put(topicBasic(id, { resourceTrigger: { resource: 'Observation', fhirPathCriteria } }));
  await define('slow', `${slow}.exists()`);
  await define('quick', "%current.component.where(valueString = 'v999').exists()");
  for (const id of ['slow', 'quick']) {
    await store.put(subscriptionTo(`http://example.org/topic/${id}`, id, receiver.url));
    await waitForState(db, id, 'active');
  }
  const code = { text: 'x' };
  const component = Array.from({ length: 1_000 }, (_, i) => ({ code, valueString: `v${i}` }));
  for (const id of ['o1', 'o2']) await store.put(observation(id, 'a', { component }));
  const { error } = await waitForStatus(store, 'slow', 'error');
  assert.match(String(error), /^Subscription.criteria: of the topic fhirPathCriteria '.*' takes longer than 1000 ms/);
  await allDone(rig, 'quick', 2);
  await waitFor(() => receiver.received.length === 4, 'two handshakes and two events');
  const events = bundles(receiver.received).filter((one) => statusPart(one, 'type') === 'event-notification');
  assert.deepEqual(
    events.map((one) => statusPart(one, 'topic')),
    ['http://example.org/topic/quick', 'http://example.org/topic/quick'],
  );
});
