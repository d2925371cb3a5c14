// Resources that were stored without a check, of which XML can't be made: they keep nothing else waiting.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startReceiver } from '#platform/testing';
import { createRig, observation, subscription } from './testing/rig.ts';
import { activate, allDone, appointment, topicSubscription } from './testing/topic.ts';

const payload = 'application/fhir+xml';

test('by criteria one that XML can not hold is set aside, and the next follows', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start();
  const channel = { type: 'rest-hook', endpoint: receiver.url, payload };
  await activate(rig, subscription('s', receiver.url, { channel }));
  await rig.store.put(observation('bad', 'a', { ofNoRelease: 1 }));
  await rig.store.put(observation('good'));
  await allDone(rig, 's', 2);
  assert.deepEqual(
    receiver.received.map(({ headers }) => headers['x-cerebra-event-number']),
    ['2'],
  );
  const rows = await rig.db.query({ text: `select number::int as number, outcome from delivery order by number` });
  assert.deepEqual(rows, [
    { number: 1, outcome: 'failed' },
    { number: 2, outcome: 'delivered' },
  ]);
});

test('of a topic it is told without the resource, the others with theirs', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start({ baseUrl: 'https://fhir.example.org/fhir/R4' });
  await activate(rig, topicSubscription('s', receiver.url, { payload, maxCount: 3 }));
  await rig.store.put(appointment('a'));
  await rig.store.put(appointment('b', 'booked', { ofNoRelease: 1 }));
  await rig.store.put(appointment('c'));
  await allDone(rig, 's', 3);
  const told = receiver.received.map(({ body }) => body).join('');
  assert.deepEqual(
    ['a', 'b', 'c'].map((id) => [told.includes(`/Appointment/${id}"`), told.includes(`<id value="${id}"/>`)]),
    [
      [true, true],
      [true, false],
      [true, true],
    ],
  );
});
