// Against an aedes double (MQTT 3.1.1 only) always; against Mosquitto (5) where TEST_MQTT_URL or the program is there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { Aedes } from 'aedes';
import { CerebraError, createLog, readConfig } from '#platform';
import { waitFor } from '#platform/testing';
import type { MqttConnectorOptions } from './index.ts';
import { device, heartRate, mqttClient, type Setup, setUp } from './testing.ts';

interface BrokerUnderTest {
  url: string;
  /** Ends the process or server with its connections. */
  stop(): Promise<void>;
}

type StartBroker = (t: TestContext, port?: number) => Promise<BrokerUnderTest>;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const startAedes: StartBroker = async (t, port = 0) => {
  const broker = await Aedes.createBroker();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    broker.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    await new Promise<void>((resolve) => broker.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  t.after(stop);
  return { url: `mqtt://127.0.0.1:${(server.address() as { port: number }).port}`, stop };
};

const startMosquitto: StartBroker = async (t, given) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'cerebra-mosquitto-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return mosquittoIn(t, folder, given ?? (await freePort()));
};

async function mosquittoIn(t: TestContext, folder: string, port: number, more = ''): Promise<BrokerUnderTest> {
  const file = path.join(folder, 'mosquitto.conf');
  await writeFile(file, `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n${more}`);
  const process = spawn(mosquittoProgram, ['-c', file], { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => process.once('exit', () => resolve()));
  const stop = async () => {
    process.kill();
    await exited;
  };
  t.after(stop);
  await waitFor(() => accepts(port), 'Mosquitto to listen');
  return { url: `mqtt://127.0.0.1:${port}`, stop };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

const mosquittoProgram = '/usr/sbin/mosquitto';
const given = process.env.TEST_MQTT_URL;
const noMosquitto = existsSync(mosquittoProgram) ? false : `there is no ${mosquittoProgram}`;
const brokers: { name: string; skip: string | false; start: StartBroker; own: boolean }[] = [
  { name: 'the aedes double', skip: false, start: startAedes, own: true },
  { name: 'Mosquitto', skip: noMosquitto, start: startMosquitto, own: true },
  {
    name: 'TEST_MQTT_URL',
    skip: given === undefined && 'TEST_MQTT_URL is not set',
    start: async () => ({ url: given!, stop: async () => undefined }),
    own: false,
  },
];

/** Two connectors of one client id share a session at the broker, as a server and its next start do. */
async function connectTo(t: TestContext, url: string, clientId: string, options: Partial<MqttConnectorOptions> = {}) {
  const setup = await setUp(t, { mqttUrl: url, clientId, reconnectDelayMs: 20, ...options });
  await waitFor(() => setup.connector.health().ready, 'the connector to connect');
  return setup;
}

function fresh(): { clientId: string; pump: string; topic: string } {
  const pump = `pump-${randomUUID()}`;
  return { clientId: `cerebra-test-${randomUUID()}`, pump, topic: `devices/${pump}/readings` };
}

function readingsOf(setup: Setup, pump: string): number[] {
  return setup.store
    .all('Observation')
    .filter((one) => (one.device as { reference: string }).reference === `Device/${pump}`)
    .map((one) => (one.valueQuantity as { value: number }).value)
    .sort((a, b) => a - b);
}

async function messagesReceived({ metrics }: Setup): Promise<number> {
  const metric = await metrics.registry.getSingleMetric('cerebra_mqtt_messages_total')!.get();
  return metric.values.reduce((sum, { value }) => sum + value, 0);
}

/** The session, or a shared broker would queue for it for ever. */
async function forget(t: TestContext, url: string, clientId: string): Promise<void> {
  const client = await mqttClient(t, url, { clientId, clean: true });
  await client.endAsync();
}

for (const { name, skip, start, own } of brokers) {
  test(`${name}: many readings in flight become batches`, { skip }, async (t) => {
    const { url } = await start(t);
    const { clientId, pump, topic } = fresh();
    const setup = await connectTo(t, url, clientId);
    setup.store.put(device(pump, 'p1'));
    const publisher = await mqttClient(t, url);
    const seconds = Array.from({ length: 400 }, (_, second) => second);
    await Promise.all(
      seconds.map((second) => publisher.publishAsync(topic, JSON.stringify(heartRate(second, second)), { qos: 1 })),
    );
    await waitFor(() => readingsOf(setup, pump).length === 400, 'all readings');
    assert.deepEqual(readingsOf(setup, pump), seconds);
    assert.ok(Math.max(...setup.store.batches) > 5, `largest batch ${Math.max(...setup.store.batches)}`);
    await publisher.endAsync();
    await setup.connector.stop();
    await forget(t, url, clientId);
  });

  test(`${name}: what was not committed comes again after a restart, what was does not`, { skip }, async (t) => {
    const { url } = await start(t);
    const { clientId, pump, topic } = fresh();
    const first = await connectTo(t, url, clientId, { drainTimeoutMs: 50 });
    first.store.put(device(pump, 'p1'));
    first.store.beforeWrite = () => {
      throw new CerebraError('unavailable', 'The database is not available');
    };
    const publisher = await mqttClient(t, url);
    const publish = (value: number) =>
      publisher.publishAsync(topic, JSON.stringify(heartRate(value, value)), { qos: 1 });
    await Promise.all([1, 2, 3].map(publish));
    await waitFor(() => !first.connector.health().ready, 'the database to be missed');
    await first.connector.stop();
    await publish(4);

    const second = await setUp(t, { mqttUrl: url, clientId, reconnectDelayMs: 20, db: first.db });
    second.store.put(device(pump, 'p1'));
    await waitFor(() => readingsOf(second, pump).length === 4, 'the readings of before');
    assert.deepEqual(readingsOf(second, pump), [1, 2, 3, 4]);
    await second.connector.stop();

    const third = await connectTo(t, url, clientId, { db: first.db });
    third.store.put(device(pump, 'p1'));
    await publish(5);
    await waitFor(() => readingsOf(third, pump).length === 1, 'the new reading');
    assert.deepEqual(readingsOf(third, pump), [5]);
    if (own) assert.equal(await messagesReceived(third), 1);
    await publisher.endAsync();
    await third.connector.stop();
    await forget(t, url, clientId);
  });

  if (own) {
    test(`${name}: the connector waits for a broker that comes late and for one that comes back`, {
      skip,
    }, async (t) => {
      const port = await freePort();
      const { clientId, pump, topic } = fresh();
      const setup = await setUp(t, { mqttUrl: `mqtt://127.0.0.1:${port}`, clientId, reconnectDelayMs: 20 });
      setup.store.put(device(pump, 'p1'));
      assert.deepEqual(setup.connector.health(), { ready: false, detail: 'not connected to the broker' });
      for (const value of [1, 2]) {
        const broker = await start(t, port);
        await waitFor(() => setup.connector.health().ready, 'the connector to connect');
        const publisher = await mqttClient(t, broker.url);
        await waitFor(async () => {
          // Until the subscription stands the broker keeps nothing for it: the same reading again does no harm.
          await publisher.publishAsync(topic, JSON.stringify(heartRate(value, value)), { qos: 1 });
          return readingsOf(setup, pump).includes(value);
        }, `reading ${value}`);
        await publisher.endAsync();
        await broker.stop();
        await waitFor(() => !setup.connector.health().ready, 'the connection to end');
      }
      assert.deepEqual(readingsOf(setup, pump), [1, 2]);
    });
  }
}

test('readings wait at Mosquitto while it and the server are started anew', { skip: noMosquitto }, async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'cerebra-mosquitto-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const disk = `user root\npersistence true\npersistence_location ${folder}/\n`;
  const { clientId, pump, topic } = fresh();
  const { MQTT_SHARE_GROUP: shareGroup } = readConfig({});
  const broker = await mosquittoIn(t, folder, port, disk);
  const first = await connectTo(t, broker.url, clientId, { shareGroup });
  await first.connector.stop();
  await broker.stop();

  const again = await mosquittoIn(t, folder, port, disk);
  const publisher = await mqttClient(t, again.url);
  await publisher.publishAsync(topic, JSON.stringify(heartRate(61)), { qos: 1 });
  const second = await setUp(t, { mqttUrl: again.url, clientId, shareGroup, db: first.db });
  second.store.put(device(pump, 'p1'));
  await waitFor(() => readingsOf(second, pump).length > 0, 'the reading of meanwhile');
  assert.deepEqual(readingsOf(second, pump), [61]);
});

test('servers of a group share readings, also those who had all of them before', { skip: noMosquitto }, async (t) => {
  const { url } = await startMosquitto(t);
  const { clientId, pump, topic } = fresh();
  const alone = await connectTo(t, url, clientId);
  await alone.connector.stop();
  const group = { shareGroup: 'ward', db: alone.db };
  const setups = [await connectTo(t, url, clientId, group), await connectTo(t, url, `${clientId}-2`, group)];
  for (const { store } of setups) store.put(device(pump, 'p1'));
  const publisher = await mqttClient(t, url);
  const seconds = Array.from({ length: 20 }, (_, second) => second);
  await Promise.all(
    seconds.map((second) => publisher.publishAsync(topic, JSON.stringify(heartRate(second, second)), { qos: 1 })),
  );
  const both = () => setups.flatMap((setup) => readingsOf(setup, pump)).sort((a, b) => a - b);
  await waitFor(() => both().length >= 20, 'all readings');
  assert.deepEqual(both(), seconds);
  assert.deepEqual(await Promise.all(setups.map(messagesReceived)), [10, 10]);
});

test('a broker without shared subscriptions still yields all readings to a server of a group', async (t) => {
  const lines: string[] = [];
  const log = createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } });
  const { url } = await startAedes(t);
  const { clientId, pump, topic } = fresh();
  const setup = await connectTo(t, url, clientId, { shareGroup: 'ward', log });
  setup.store.put(device(pump, 'p1'));
  const publisher = await mqttClient(t, url);
  await publisher.publishAsync(topic, JSON.stringify(heartRate(62)), { qos: 1 });
  await waitFor(() => readingsOf(setup, pump).length > 0, 'the reading');
  assert.deepEqual(readingsOf(setup, pump), [62]);
  const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  assert.ok(messages.includes('MQTT broker without shared subscriptions: this server takes all readings'));
});

test('a bound on what is decoded holds messages back without losing one', async (t) => {
  const { url } = await startAedes(t);
  const { clientId, pump, topic } = fresh();
  const setup = await connectTo(t, url, clientId, { pendingBytesMax: 1_000 });
  setup.store.put(device(pump, 'p1'));
  const publisher = await mqttClient(t, url);
  const seconds = Array.from({ length: 200 }, (_, second) => second);
  await Promise.all(
    seconds.map((second) => publisher.publishAsync(topic, JSON.stringify(heartRate(second, second)), { qos: 1 })),
  );
  await waitFor(() => readingsOf(setup, pump).length === 200, 'all readings');
  assert.ok(Math.max(...setup.store.batches) <= 3);
});

test('QoS 0 readings of an external broker are stored', async (t) => {
  const { url } = await startAedes(t);
  const { clientId, pump, topic } = fresh();
  const setup = await connectTo(t, url, clientId);
  setup.store.put(device(pump, 'p1'));
  const publisher = await mqttClient(t, url);
  await waitFor(async () => {
    await publisher.publishAsync(topic, JSON.stringify(heartRate(60)), { qos: 0 });
    return readingsOf(setup, pump).length === 1;
  }, 'the reading');
});

test('why a broker cannot be reached is logged', async (t) => {
  const lines: string[] = [];
  const log = createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } });
  const port = await freePort();
  await setUp(t, { mqttUrl: `mqtt://127.0.0.1:${port}`, log, db: {} as never });
  const line = await waitFor(() => lines[0], 'the log');
  const { time, ...record } = JSON.parse(line) as Record<string, unknown>;
  assert.deepEqual(record, {
    level: 'warn',
    code: 'ECONNREFUSED',
    reason: `connect ECONNREFUSED 127.0.0.1:${port}`,
    msg: 'MQTT broker',
  });
});

test('a session that another client takes over is told with what to do', async (t) => {
  const lines: string[] = [];
  const log = createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } });
  // MQTT 5: CONNACK, then DISCONNECT with Session taken over.
  const broker = createServer((socket) => {
    socket.once('data', () => socket.end(Buffer.from([0x20, 3, 0, 0, 0, 0xe0, 2, 0x8e, 0])));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => broker.listen(0, '127.0.0.1', resolve));
  t.after(() => broker.close());
  const { port } = broker.address() as { port: number };
  await setUp(t, { mqttUrl: `mqtt://127.0.0.1:${port}`, log, db: {} as never });
  const line = await waitFor(() => lines[0], 'the log');
  const { time, ...record } = JSON.parse(line) as Record<string, unknown>;
  assert.deepEqual(record, {
    level: 'warn',
    reasonCode: 0x8e,
    msg: 'MQTT broker: another client has taken over the session; each server needs an MQTT_CLIENT_ID of its own',
  });
});

test('a URL that is not MQTT’s is refused without being quoted', async (t) => {
  for (const mqttUrl of ['http://u:secret@broker', 'broker:1883', '', 'mqtt']) {
    await assert.rejects(setUp(t, { mqttUrl, db: {} as never }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'config');
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
});
