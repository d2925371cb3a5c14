import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { waitFor } from '#platform/testing';
import { happened, heartRate, mqttClient, rawSocket, setUp, topic } from './testing.ts';

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

/** Not events.once: being cut is what these expect. */
const endOf = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

test('a packet that announces more than the limit ends the connection at its header', async (t) => {
  const setup = await setUp(t, { packetBytesMax: 1_000_000 });
  const socket = await rawSocket(t, setup.port);
  const closed = endOf(socket);
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
    const closed = endOf(socket);
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

test('a last will on a readings topic is taken in', async (t) => {
  const setup = await setUp(t);
  const will = { topic, payload: Buffer.from(JSON.stringify(heartRate(55))), qos: 1, retain: false } as const;
  const client = await mqttClient(t, setup.url, { will });
  client.stream.destroy();
  await waitFor(() => setup.store.all('Observation').length === 1, 'the will');
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
