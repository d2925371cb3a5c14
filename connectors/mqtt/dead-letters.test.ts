import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pruneDeviceDeadLetters } from './dead-letters.ts';
import { admin, deadLettersPath, device, heartRate, mqttClient, nowMs, reasons, setUp, topic } from './testing.ts';

test('one bad message sent many times at once is one row', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url);
  await Promise.all(Array.from({ length: 50 }, () => client.publishAsync(topic, 'rubbish', { qos: 1 })));
  const { body } = await admin(setup.connector, 'GET', deadLettersPath);
  assert.deepEqual([body.total, body.items[0]!.seen], [1, 50]);
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

test('a condition that is spelt wrong is refused: neither all letters are listed nor all retried', async (t) => {
  const setup = await setUp(t);
  const client = await mqttClient(t, setup.url);
  await client.publishAsync('devices/new/readings', JSON.stringify(heartRate(60)), { qos: 1 });
  setup.store.put(device('new', 'p1'));
  const refusals: [method: 'GET' | 'POST', path: string, query: string, message: RegExp][] = [
    ['GET', deadLettersPath, 'reason=unknown', /^reason must be one of invalid-topic, .*, rejected$/],
    ['GET', deadLettersPath, 'raeson=rejected', /^raeson is no parameter here; there are reason, after, limit$/],
    ['GET', deadLettersPath, 'limit=1&limit=2', /^limit is given twice$/],
    [
      'POST',
      `${deadLettersPath}/retry`,
      'raeson=rejected',
      /^raeson is no parameter here; there are reason, after, patient$/,
    ],
    ['POST', `${deadLettersPath}/retry`, 'reason=', /^reason must be one of /],
  ];
  for (const [method, path, query, message] of refusals) {
    await assert.rejects(admin(setup.connector, method, path, {}, query), { code: 'invalid-parameter', message });
  }
  assert.deepEqual((await admin(setup.connector, 'GET', deadLettersPath)).body.total, 1);
});

test('letters are forgotten some time after they came last, in batches', async (t) => {
  const setup = await setUp(t);
  const { db } = setup;
  const hourMs = 3_600_000;
  // Hours old: 20, 19 … 1. Those of ids that 4 divides came again an hour ago.
  await db.query(
    {
      text: `insert into device_dead_letter (fingerprint, topic, payload, reason, diagnostics, faults, fault_count, first_received_at, received_at)
      select convert_to(n::text, 'UTF8'), 'devices/x/readings', '', 'rejected', '', '[]', 1, to_timestamp($1::float8 / 1000) - (21 - n) * interval '1 hour',
        to_timestamp($1::float8 / 1000) - case when n % 4 = 0 then 1 else 21 - n end * interval '1 hour'
      from generate_series(1, 20) n`,
    },
    [nowMs],
  );
  const left = async () =>
    (await db.query<{ id: bigint }>({ text: 'select id from device_dead_letter order by id' })).map(({ id }) =>
      Number(id),
    );
  assert.equal(await pruneDeviceDeadLetters(db, nowMs - 21 * hourMs, 3), 0);
  assert.equal((await left()).length, 20);
  assert.equal(await pruneDeviceDeadLetters(db, nowMs - 10.5 * hourMs, 3), 8);
  assert.deepEqual(await left(), [4, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
});
