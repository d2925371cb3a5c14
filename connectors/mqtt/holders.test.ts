// A device that goes from one patient to the next: what it measured on the first must not become the second one's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admin, deadLettersPath, device, heartRate, mqttClient, reasons, setUp, timeOf, topic } from './testing.ts';

const at = (second: number): number => Date.parse(timeOf(second));
const path = `${deadLettersPath}/:id/retry`;

test('readings from before a device came to its patient are put aside, until somebody says whose they are', async (t) => {
  const setup = await setUp(t);
  const { store } = setup;
  store.put(device('pump-1', 'p1'), at(100));
  // What a nurse adds moves nothing.
  store.put(device('pump-1', 'p2'), at(200));
  store.put(device('pump-1', 'p2', { note: [{ text: 'cleaned' }] }), at(300));
  const client = await mqttClient(t, setup.url);
  const publish = (...seconds: number[]) =>
    client.publishAsync(topic, JSON.stringify(seconds.map((second) => heartRate(60, second))), { qos: 1 });
  // Of p2, though before the last version; of p1; from before all that is known of the device, which was p1's then.
  await publish(250, 200, 400);
  await publish(199);
  await publish(5);
  const bySecond = () =>
    Object.fromEntries(
      store
        .all('Observation')
        .map(({ effectiveDateTime, subject }) => [
          (Date.parse(String(effectiveDateTime)) - at(0)) / 1_000,
          (subject as { reference: string }).reference,
        ]),
    );
  const ofP2 = { 200: 'Patient/p2', 250: 'Patient/p2', 400: 'Patient/p2' };
  assert.deepEqual(bySecond(), ofP2);
  const moved = (second: number) =>
    `Device/pump-1 was another patient's at ${timeOf(second)}, or last before: retry with patient=then or patient=now`;
  assert.deepEqual(await reasons(setup), [
    [topic, 'device-moved', moved(199)],
    [topic, 'device-moved', moved(5)],
  ]);
  const { body } = await admin(setup.connector, 'GET', deadLettersPath);
  const [first, second] = body.items.map(({ id }) => id);
  const retry = async (id: string, query: string) =>
    (await admin(setup.connector, 'POST', path, { id }, query)).body as unknown as { resolved: boolean };
  assert.equal((await retry(first!, '')).resolved, false);
  await assert.rejects(retry(first!, 'patient=p1'), { code: 'invalid-parameter' });
  assert.equal((await retry(first!, 'patient=then')).resolved, true);
  assert.equal((await retry(second!, 'patient=now')).resolved, true);
  assert.deepEqual(bySecond(), { 5: 'Patient/p2', 199: 'Patient/p1', ...ofP2 });
  assert.deepEqual(await reasons(setup), []);
});

test('what a device measured while it was nobody’s, between two patients, is put aside too', async (t) => {
  const setup = await setUp(t);
  setup.store.put(device('pump-1', 'p1'), at(100));
  setup.store.put(device('pump-1'), at(200));
  setup.store.put(device('pump-1', 'p2'), at(300));
  const client = await mqttClient(t, setup.url);
  await client.publishAsync(topic, JSON.stringify(heartRate(60, 250)), { qos: 1 });
  assert.deepEqual(
    (await reasons(setup)).map(([, reason]) => reason),
    ['device-moved'],
  );
  assert.deepEqual(setup.store.all('Observation'), []);
  // Back with the same patient it is that one's.
  setup.store.put(device('pump-1'), at(400));
  setup.store.put(device('pump-1', 'p2'), at(500));
  await client.publishAsync(topic, JSON.stringify(heartRate(61, 450)), { qos: 1 });
  assert.deepEqual(
    setup.store.all('Observation').map(({ subject }) => subject),
    [{ reference: 'Patient/p2' }],
  );
});

test('a merge of records, which moves their devices, puts nothing aside', async (t) => {
  const setup = await setUp(t);
  const { store } = setup;
  const replacedBy = (id: string) => ({
    active: false,
    link: [{ other: { reference: `Patient/${id}` }, type: 'replaced-by' }],
  });
  store.put({ resourceType: 'Patient', id: 'p1', ...replacedBy('p2') });
  store.put({ resourceType: 'Patient', id: 'p2', ...replacedBy('p3') });
  store.put(device('pump-1', 'p3'), at(200));
  const client = await mqttClient(t, setup.url);
  await client.publishAsync(topic, JSON.stringify(heartRate(60, 150)), { qos: 1 });
  assert.deepEqual(await reasons(setup), []);
  assert.deepEqual(
    store.all('Observation').map(({ subject }) => subject),
    [{ reference: 'Patient/p3' }],
  );
});

test('where nobody had it then, or its versions are gone, who has it now counts', async (t) => {
  const setup = await setUp(t);
  setup.store.put(device('new'), at(100));
  setup.store.put(device('new', 'p2'), at(200));
  const client = await mqttClient(t, setup.url);
  await client.publishAsync('devices/new/readings', JSON.stringify(heartRate(60, 150)), { qos: 1 });
  assert.deepEqual(await reasons(setup), []);
  assert.equal(setup.store.all('Observation').length, 1);
});
