import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CerebraError, type Db } from '#platform';
import { waitFor } from '#platform/testing';
import { deadLetterDatabase, happened, heartRate, mqttClient, reasons, setUp, topic } from './testing.ts';

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

test('a bad message is not acknowledged before the dead-letter table can be reached', async (t) => {
  const table = await deadLetterDatabase(t);
  let failures = 3;
  const db: Db = {
    ...table,
    query: async (statement, values) => {
      if (failures-- > 0) throw new Error('no space left on device');
      return table.query(statement, values);
    },
  };
  const setup = await setUp(t, { db });
  const client = await mqttClient(t, setup.url);
  await client.publishAsync(topic, 'rubbish', { qos: 1 });
  assert.equal(failures, -1);
  assert.equal((await reasons(setup)).length, 1);
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
