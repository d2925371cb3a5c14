import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CerebraError } from '#platform';
import { waitFor } from '#platform/testing';
import {
  admin,
  deadLettersPath,
  device,
  heartRate,
  mqttClient,
  readingsOutcome,
  reasons,
  setUp,
  timeOf,
  topic,
} from './testing.ts';

test('good readings of a message are stored, bad ones put aside, and the message acknowledged', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url);
  const readings = [heartRate(70, 1), heartRate(9999, 2), heartRate(71, 3), { ...heartRate(72, 4), value: '72' }];
  await client.publishAsync(topic, JSON.stringify({ readings }), { qos: 1 });
  const values = setup.store.all('Observation').map((one) => (one.valueQuantity as { value: number }).value);
  assert.deepEqual(values, [70, 71]);
  const { body } = await admin(setup.connector, 'GET', deadLettersPath);
  assert.equal(body.total, 1);
  assert.deepEqual(body.items[0]!.faults, [
    {
      reading: 1,
      reason: 'implausible-value',
      diagnostics: 'value is 9999 /min, plausible is 0 to 400',
    },
    { reading: 3, reason: 'invalid-value', diagnostics: 'value is a JSON number, not "72"' },
  ]);
  assert.equal(body.items[0]!.faultCount, 2);
  assert.equal(body.items[0]!.payloadStart, JSON.stringify({ readings }));
  assert.equal(await readingsOutcome(setup.metrics, 'stored'), 2);
  assert.equal(await readingsOutcome(setup.metrics, 'dead-letter'), 2);
});

test('a reading the store refuses is put aside alone, whatever batch it is in', async (t) => {
  const setup = await setUp(t, { lingerMs: 50 });
  setup.store.beforeWrite = (resources) => {
    const bad = resources.find((one) => (one.valueQuantity as { value: number }).value === 13);
    if (bad) throw new CerebraError('business-rule', 'thirteen is not allowed');
  };
  const client = await mqttClient(t, setup.url);
  const values = Array.from({ length: 20 }, (_, index) => index);
  await Promise.all(
    values.map((value) => client.publishAsync(topic, JSON.stringify(heartRate(value, value)), { qos: 1 })),
  );
  assert.equal(setup.store.all('Observation').length, 19);
  assert.deepEqual(await reasons(setup), [[topic, 'rejected', 'thirteen is not allowed']]);
});

test('a device is found by id, by identifier value and by system|value', async (t) => {
  const setup = await setUp(t);
  const identifier = [{ system: 'http://example.org/serial', value: 'SN 7/ü' }];
  setup.store.put(device('d7', 'p7', { identifier }));
  const client = await mqttClient(t, setup.url);
  const names = ['d7', encodeURIComponent('SN 7/ü'), encodeURIComponent('http://example.org/serial|SN 7/ü')];
  for (const [second, name] of names.entries()) {
    await client.publishAsync(`devices/${name}/readings`, JSON.stringify(heartRate(60, second)), { qos: 1 });
  }
  assert.deepEqual(
    setup.store.all('Observation').map(({ subject, device: from }) => ({ subject, device: from })),
    names.map(() => ({ subject: { reference: 'Patient/p7' }, device: { reference: 'Device/d7' } })),
  );
});

test('readings of devices that cannot be attributed are put aside with the reason', async (t) => {
  const setup = await setUp(t);
  const twin = { identifier: [{ system: 'http://example.org/serial', value: 'twin' }] };
  setup.store.put(device('twin-1', 'p1', twin));
  setup.store.put(device('twin-2', 'p2', twin));
  setup.store.put(device('loose'));
  setup.store.put(device('retired', 'p1', { status: 'inactive' }));
  const client = await mqttClient(t, setup.url);
  const ids = [
    'ghost',
    'twin',
    'loose',
    'retired',
    '',
    '%zz',
    '%00',
    'constructor',
    '__proto__',
    'x'.repeat(600),
    '日本',
  ];
  for (const id of ids) {
    await client.publishAsync(`devices/${id}/readings`, JSON.stringify(heartRate(60)), { qos: 1 });
  }
  assert.deepEqual(
    (await reasons(setup)).map(([, reason]) => reason),
    [
      'unknown-device',
      'ambiguous-device',
      'device-without-patient',
      'inactive-device',
      'invalid-topic',
      'invalid-topic',
      'invalid-topic',
      'unknown-device',
      'unknown-device',
      'invalid-topic',
      'unknown-device',
    ],
  );
  assert.equal(setup.store.all('Observation').length, 0);
});

test('a device whose patient is no reference to one Patient has its readings put aside', async (t) => {
  const setup = await setUp(t);
  const bad = ['Patient?identifier=7', '#p', 'urn:uuid:1b0e0a47-4a0f-4d0c-8a53-3f0a3b2d7c11', 'Group/g', 'somebody'];
  const good = ['Patient/p9', 'http://example.org/fhir/Patient/p9', 'Patient/p9/_history/2'];
  const client = await mqttClient(t, setup.url);
  for (const [index, reference] of [...bad, ...good].entries()) {
    setup.store.put(device(`d${index}`, undefined, { patient: { reference } }));
    await client.publishAsync(`devices/d${index}/readings`, JSON.stringify(heartRate(60)), { qos: 1 });
  }
  assert.deepEqual(
    (await reasons(setup)).map(([, reason, text]) => [reason, text]),
    bad.map((reference, index) => [
      'device-without-patient',
      `Device/d${index} has the patient ${JSON.stringify(reference)}, which is no reference to one Patient`,
    ]),
  );
  assert.deepEqual(
    setup.store.all('Observation').map(({ subject }) => (subject as { reference: string }).reference),
    good,
  );
});

test('a changed patient counts for what comes after it, a device is looked up every two seconds only', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url);
  const publish = (second: number) => client.publishAsync(topic, JSON.stringify(heartRate(60, second)), { qos: 1 });
  await publish(1);
  await publish(2);
  assert.equal(setup.store.reads, 1);
  setup.store.put(device('pump-1', 'p2'));
  await publish(3);
  await publish(4);
  assert.equal(setup.store.reads, 2);
  setup.clock.ms += 2_000;
  await publish(5);
  assert.equal(setup.store.reads, 3);
  assert.deepEqual(
    setup.store.all('Observation').map(({ subject }) => (subject as { reference: string }).reference),
    ['Patient/p1', 'Patient/p1', 'Patient/p2', 'Patient/p2', 'Patient/p2'],
  );
});

test('a reading delivered again is stored once; another value under the same identity is put aside', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url);
  const send = (payload: object) => client.publishAsync(topic, JSON.stringify(payload), { qos: 1 });
  await send(heartRate(60));
  await send(heartRate(60));
  // The same instant with another offset, the same number with other digits.
  await send({ ...heartRate(60), time: '2026-01-31T09:00:00+01:00', value: 60 });
  await Promise.all([send(heartRate(61, 1)), send(heartRate(61, 1)), send([heartRate(61, 1), heartRate(61, 1)])]);
  await send(heartRate(99));
  await send([heartRate(62, 2), heartRate(63, 2)]);
  await send([heartRate(62, 2, { sequence: 1 }), heartRate(63, 2, { sequence: 2 })]);
  const values = setup.store.all('Observation').map((one) => (one.valueQuantity as { value: number }).value);
  assert.deepEqual(values, [60, 61, 62, 62, 63]);
  assert.deepEqual(
    (await reasons(setup)).map(([, reason]) => reason),
    ['conflicting-reading', 'conflicting-reading'],
  );
  assert.equal(await readingsOutcome(setup.metrics, 'duplicate'), 5);
});

test('messages too large, with too many readings or without any are put aside whole', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url);
  const many = Array.from({ length: 100_000 }, () => 1);
  const payloads = [
    Buffer.alloc(10_000_000, 0x20),
    JSON.stringify(many),
    '[]',
    '{"readings":{}}',
    '7',
    'null',
    '',
    Buffer.from([0xff, 0xfe]),
    `${'['.repeat(50_000)}`,
    '{"readings":[NaN]}',
  ];
  for (const payload of payloads) await client.publishAsync(topic, payload, { qos: 1 });
  assert.deepEqual(
    (await reasons(setup)).map(([, reason]) => reason),
    [
      'too-large',
      'too-many-readings',
      'invalid-message',
      'invalid-message',
      'invalid-message',
      'invalid-message',
      'invalid-json',
      'invalid-json',
      'invalid-json',
      'invalid-json',
    ],
  );
  const { body } = await admin(setup.connector, 'GET', deadLettersPath, {}, 'limit=1');
  assert.equal(body.items[0]!.payloadBytes, 10_000_000);
});

test('500 devices at once: each reading is there, in batches', async (t) => {
  const setup = await setUp(t);
  for (let index = 0; index < 500; index++) setup.store.put(device(`d${index}`, `p${index}`));
  const clients = await Promise.all(Array.from({ length: 500 }, () => mqttClient(t, setup.url)));
  await Promise.all(
    clients.flatMap((client, index) =>
      [1, 2, 3].map((second) =>
        client.publishAsync(`devices/d${index}/readings`, JSON.stringify(heartRate(60 + second, second)), { qos: 1 }),
      ),
    ),
  );
  assert.equal(setup.store.all('Observation').length, 1500);
  assert.ok(setup.store.batches.length < 1000, `${setup.store.batches.length} batches`);
  assert.ok(Math.max(...setup.store.batches) <= 250);
  await Promise.all(clients.map((client) => client.endAsync()));
});

test('times are kept as sent', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url);
  await client.publishAsync(topic, JSON.stringify({ ...heartRate(60), time: '2026-01-31T09:00:00.5+05:30' }), {
    qos: 0,
  });
  await waitFor(() => setup.store.all('Observation').length === 1, 'the QoS 0 reading');
  assert.equal(setup.store.all('Observation')[0]!.effectiveDateTime, '2026-01-31T09:00:00.5+05:30');
  assert.equal(timeOf(0), '2026-01-31T08:00:00.000Z');
});
