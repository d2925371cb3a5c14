import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { CerebraError } from '#platform';
import { waitFor } from '#platform/testing';
import {
  admin,
  device,
  happened,
  heartRate,
  mqttClient,
  nowMs,
  rawSocket,
  readingsOutcome,
  type Setup,
  setUp,
  timeOf,
} from './testing.ts';

const topic = 'devices/pump-1/readings';
const deadLettersPath = '/admin/mqtt/dead-letters';

async function reasons({ connector }: Setup): Promise<[topic: string, reason: string, diagnostics: string][]> {
  const { body } = await admin(connector, 'GET', deadLettersPath);
  return body.items.map((item) => [item.topic, item.reason, item.diagnostics]);
}

for (const protocolVersion of [3, 4, 5] as const) {
  test(`a reading published with MQTT version ${protocolVersion} is an Observation when PUBACK comes`, async (t) => {
    const setup = await setUp(t);
    const options = protocolVersion === 3 ? ({ protocolVersion, protocolId: 'MQIsdp' } as const) : { protocolVersion };
    const client = await mqttClient(t, setup.url, options);
    await client.publishAsync(topic, JSON.stringify(heartRate(72)), { qos: 1 });
    assert.deepEqual(setup.store.all('Observation'), [
      {
        resourceType: 'Observation',
        id: 'e6fa9408-046d-5dca-899d-5bd4039c4136',
        status: 'final',
        category: [
          {
            coding: [
              {
                system: 'http://terminology.hl7.org/CodeSystem/observation-category',
                code: 'vital-signs',
                display: 'Vital Signs',
              },
            ],
          },
        ],
        code: { coding: [{ system: 'http://loinc.org', code: '8867-4', display: 'Heart rate' }] },
        subject: { reference: 'Patient/p1' },
        effectiveDateTime: '2026-01-31T08:00:00.000Z',
        issued: '2026-01-31T12:00:00.000Z',
        valueQuantity: { value: 72, unit: 'bpm', system: 'http://unitsofmeasure.org', code: '/min' },
        device: { reference: 'Device/pump-1' },
      },
    ]);
    await client.endAsync();
  });
}

for (const qos of [1, 2] as const) {
  test(`the acknowledgement of a QoS ${qos} message waits for the commit`, async (t) => {
    const setup = await setUp(t);
    const commit = Promise.withResolvers<void>();
    const writing = Promise.withResolvers<void>();
    setup.store.beforeWrite = () => {
      writing.resolve();
      return commit.promise;
    };
    const client = await mqttClient(t, setup.url);
    let acknowledged = false;
    const published = client.publishAsync(topic, JSON.stringify(heartRate(72)), { qos }).then(() => {
      acknowledged = true;
    });
    await writing.promise;
    // Whatever the broker would have sent before, it would have sent before it answers this.
    const other = await mqttClient(t, setup.url);
    await other.publishAsync('some/other/topic', 'x', { qos: 1 });
    assert.equal(acknowledged, false);
    assert.equal(setup.store.all('Observation').length, 0);
    commit.resolve();
    await published;
    assert.equal(setup.store.all('Observation').length, 1);
  });
}

test('the acknowledgement of a bad message waits for its dead letter', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url);
  await client.publishAsync(topic, '{"time":', { qos: 1 });
  assert.deepEqual(await reasons(setup), [
    [topic, 'invalid-json', 'Not JSON at line 1, column 9: expected a value, found the end of the text'],
  ]);
});

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

test('a changed patient takes effect within two seconds', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url);
  const publish = (second: number) => client.publishAsync(topic, JSON.stringify(heartRate(60, second)), { qos: 1 });
  await publish(1);
  await publish(2);
  assert.equal(setup.store.reads, 1);
  setup.store.put(device('pump-1', 'p2'));
  setup.clock.ms += 2_000;
  await publish(3);
  assert.deepEqual(
    setup.store.all('Observation').map(({ subject }) => (subject as { reference: string }).reference),
    ['Patient/p1', 'Patient/p1', 'Patient/p2'],
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

test('a packet that announces more than the limit ends the connection at its header', async (t) => {
  const setup = await setUp(t, { packetBytesMax: 1_000_000 });
  const socket = await rawSocket(t, setup.port);
  const closed = once(socket, 'close');
  socket.write(Buffer.from([0x10, 13, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 1, 0x61]));
  socket.write(Buffer.from([0x32, 0xff, 0xff, 0xff, 0x7f]));
  await closed;
  const refused = await setup.metrics.registry.getSingleMetric('cerebra_mqtt_connections_refused_total')!.get();
  assert.deepEqual(
    refused.values.map(({ labels, value }) => [labels.reason, value]),
    [['too-large', 1]],
  );
});

test('what is no MQTT is disconnected and others are served on', async (t) => {
  const setup = await setUp(t);
  for (const bytes of [
    'GET / HTTP/1.1\r\n\r\n',
    '\x10\xff\xff\xff\xff\xff',
    '\x10\x0d\x00\x04MQTT\x09',
    '\x16\x03\x01',
  ]) {
    const socket = await rawSocket(t, setup.port);
    const closed = once(socket, 'close');
    socket.end(Buffer.from(bytes, 'latin1'));
    await closed;
  }
  const client = await mqttClient(t, setup.url);
  await client.publishAsync(topic, JSON.stringify(heartRate(60)), { qos: 1 });
  assert.equal(setup.store.all('Observation').length, 1);
});

for (const protocolVersion of [4, 5] as const) {
  test(`other topics, and readings too, reach subscribers of version ${protocolVersion}`, async (t) => {
    const setup = await setUp(t);
    const subscriber = await mqttClient(t, setup.url, { protocolVersion });
    const publisher = await mqttClient(t, setup.url, { protocolVersion });
    const got: string[] = [];
    subscriber.on('message', (from, payload) => got.push(`${from} ${payload.toString().slice(0, 5)}`));
    const granted = await subscriber.subscribeAsync(['alarm/#', 'devices/+/readings', 'gone'], { qos: 1 });
    assert.deepEqual(
      granted.map(({ qos }) => qos),
      [1, 1, 1],
    );
    await subscriber.unsubscribeAsync(['gone', 'never']);
    await publisher.publishAsync('gone', 'no', { qos: 1 });
    await publisher.publishAsync('alarm/1', 'yes', { qos: 2 });
    await publisher.publishAsync(topic, JSON.stringify(heartRate(60)), { qos: 1 });
    await waitFor(() => got.length === 2, 'both messages');
    assert.deepEqual(got, ['alarm/1 yes', `${topic} {"tim`]);
    await Promise.all([subscriber.endAsync(), publisher.endAsync()]);
  });
}

test('a version 5 client is told what the broker does not do', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url, {
    protocolVersion: 5,
    clientId: '',
    clean: true,
    manualConnect: false,
  });
  const again = await mqttClient(t, setup.url, { protocolVersion: 5, properties: { sessionExpiryInterval: 60 } });
  const packet = (await reconnectPacket(again)) as { properties: Record<string, unknown> };
  assert.deepEqual(packet.properties, {
    sessionExpiryInterval: 0,
    receiveMaximum: 1000,
    maximumPacketSize: 16_777_216,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
  });
  await Promise.all([client.endAsync(), again.endAsync()]);
});

async function reconnectPacket(client: import('mqtt').MqttClient): Promise<unknown> {
  const connected = happened(client, 'connect');
  client.reconnect();
  return connected;
}

test('a publisher that leaves before its PUBACK loses nothing', async (t) => {
  const setup = await setUp(t);
  const commit = Promise.withResolvers<void>();
  const writing = Promise.withResolvers<void>();
  setup.store.beforeWrite = () => {
    writing.resolve();
    return commit.promise;
  };
  const client = await mqttClient(t, setup.url);
  client.publish(topic, JSON.stringify(heartRate(60)), { qos: 1 }, () => undefined);
  await writing.promise;
  client.end(true);
  commit.resolve();
  await waitFor(() => setup.store.all('Observation').length === 1, 'the reading');
  const next = await mqttClient(t, setup.url);
  await next.publishAsync(topic, JSON.stringify(heartRate(60)), { qos: 1 });
  assert.equal(setup.store.all('Observation').length, 1);
});

test('a last will on a readings topic is taken in', async (t) => {
  const setup = await setUp(t);
  const will = { topic, payload: Buffer.from(JSON.stringify(heartRate(55))), qos: 1, retain: false } as const;
  const client = await mqttClient(t, setup.url, { will });
  client.stream.destroy();
  await waitFor(() => setup.store.all('Observation').length === 1, 'the will');
});

test('while the database is away nothing is acknowledged, and afterwards everything', async (t) => {
  const setup = await setUp(t);
  let away = true;
  setup.store.beforeWrite = () => {
    if (away) throw new CerebraError('unavailable', 'The database is not available');
  };
  const client = await mqttClient(t, setup.url);
  let acknowledged = 0;
  const all = Array.from({ length: 300 }, (_, second) =>
    client.publishAsync(topic, JSON.stringify(heartRate(60, second)), { qos: 1 }).then(() => acknowledged++),
  );
  await waitFor(() => !setup.connector.health().ready, 'the connector to notice');
  assert.deepEqual(setup.connector.health(), { ready: false, detail: 'waiting for the database' });
  assert.equal(acknowledged, 0);
  away = false;
  await Promise.all(all);
  assert.equal(setup.store.all('Observation').length, 300);
  assert.deepEqual(setup.connector.health(), { ready: true, detail: 'connected' });
});

test('stop() acknowledges nothing that is not committed, and ends while the database is away', async (t) => {
  const setup = await setUp(t, { drainTimeoutMs: 50 });
  setup.store.beforeWrite = () => {
    throw new CerebraError('unavailable', 'The database is not available');
  };
  const client = await mqttClient(t, setup.url);
  let acknowledged = false;
  client.publish(topic, JSON.stringify(heartRate(60)), { qos: 1 }, (error) => {
    acknowledged = !error;
  });
  const closed = happened(client, 'close');
  await waitFor(() => !setup.connector.health().ready, 'the connector to notice');
  await setup.connector.stop();
  await closed;
  assert.equal(acknowledged, false);
});

test('stop() lets what is under way finish and be acknowledged', async (t) => {
  const setup = await setUp(t);
  const commit = Promise.withResolvers<void>();
  const writing = Promise.withResolvers<void>();
  setup.store.beforeWrite = () => {
    writing.resolve();
    return commit.promise;
  };
  const client = await mqttClient(t, setup.url);
  const published = client.publishAsync(topic, JSON.stringify(heartRate(60)), { qos: 1 });
  await writing.promise;
  const stopped = setup.connector.stop();
  commit.resolve();
  await Promise.all([published, stopped]);
  assert.equal(setup.store.all('Observation').length, 1);
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

test('acknowledgements come in the order of arrival', async (t) => {
  const setup = await setUp(t, { batchReadingsMax: 1, batchesInFlightMax: 8 });
  const first = Promise.withResolvers<void>();
  setup.store.beforeWrite = ([resource]) =>
    (resource!.valueQuantity as { value: number }).value === 1 ? first.promise : undefined;
  const client = await mqttClient(t, setup.url);
  const order: number[] = [];
  const all = [1, 2, 3, 4].map((value) =>
    client.publishAsync(topic, JSON.stringify(heartRate(value, value)), { qos: 1 }).then(() => order.push(value)),
  );
  await waitFor(() => setup.store.all('Observation').length === 3, 'the other three');
  first.resolve();
  await Promise.all(all);
  assert.deepEqual(order, [1, 2, 3, 4]);
});

test('with credentials only those who know them get in', async (t) => {
  const setup = await setUp(t, { credentials: { username: 'pump', password: 'open sesame' } });
  await assert.rejects(rejected(t, setup.url, 'pump', 'wrong'), /Connection refused: Bad username or password/);
  await assert.rejects(rejected(t, setup.url), /Connection refused: Bad username or password/);
  const client = await mqttClient(t, setup.url, { username: 'pump', password: 'open sesame' });
  await client.publishAsync(topic, JSON.stringify(heartRate(60)), { qos: 1 });
  assert.equal(setup.store.all('Observation').length, 1);
});

async function rejected(t: TestContext, url: string, username?: string, password?: string): Promise<void> {
  await mqttClient(t, url, username === undefined ? {} : { username, password: password! });
}

test('without credentials the broker does not listen beyond loopback', async (t) => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org', '127.evil.example']) {
    await assert.rejects(setUp(t, { host, db: {} as never }), { name: 'CerebraError', code: 'config' });
  }
});

test('dead letters are paged, filtered, shown and retried', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url);
  for (let index = 0; index < 45; index++) {
    await client.publishAsync(`devices/new-${index}/readings`, JSON.stringify(heartRate(60)), { qos: 1 });
  }
  await client.publishAsync(topic, 'rubbish', { qos: 1 });
  await client.publishAsync(topic, 'rubbish', { qos: 1 });
  const first = await admin(setup.connector, 'GET', deadLettersPath, {}, 'limit=40&reason=unknown-device');
  assert.deepEqual([first.body.total, first.body.items.length], [45, 40]);
  const rest = await admin(setup.connector, 'GET', deadLettersPath, {}, `limit=40&after=${first.body.next}`);
  assert.deepEqual([rest.body.total, rest.body.items.length, rest.body.next], [46, 6, undefined]);
  const rubbish = rest.body.items.at(-1)!;
  assert.deepEqual(
    [rubbish.reason, rubbish.seen, rubbish.receivedAt],
    ['invalid-json', 2, new Date(nowMs).toISOString()],
  );
  const one = await admin(setup.connector, 'GET', `${deadLettersPath}/:id`, { id: rubbish.id });
  assert.equal(Buffer.from(one.body.payloadBase64, 'base64').toString(), 'rubbish');

  for (let index = 0; index < 44; index++) setup.store.put(device(`new-${index}`, 'p1'));
  setup.clock.ms += 2_000;
  const id = first.body.items[0]!.id;
  const retried = await admin(setup.connector, 'POST', `${deadLettersPath}/:id/retry`, { id });
  assert.deepEqual(retried.body, { id, resolved: true, stored: 1, duplicates: 0, faults: [] });
  const all = await admin(setup.connector, 'POST', `${deadLettersPath}/retry`);
  assert.deepEqual(all.body, { retried: 45, resolved: 43 });
  assert.deepEqual(
    (await reasons(setup)).map(([, reason]) => reason),
    ['unknown-device', 'invalid-json'],
  );
  assert.equal(setup.store.all('Observation').length, 44);
});

test('admin routes refuse what is no id, limit or row', async (t) => {
  const { connector } = await setUp(t);
  for (const id of ['0', 'x', '1; DROP TABLE migration', '9'.repeat(30)]) {
    await assert.rejects(admin(connector, 'GET', `${deadLettersPath}/:id`, { id }), { code: 'not-found' });
    await assert.rejects(admin(connector, 'POST', `${deadLettersPath}/:id/retry`, { id }), { code: 'not-found' });
  }
  for (const query of ['limit=0', 'limit=501', 'limit=x', 'after=-1', 'after=99999999999999999999']) {
    await assert.rejects(admin(connector, 'GET', deadLettersPath, {}, query), { code: 'invalid-parameter' });
  }
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
