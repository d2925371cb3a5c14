// The change stream in Kafka, against a broker: the double, or a real one where KAFKA_TEST_BROKERS names it.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createSearchParameters, loadDefinitions, type Resource } from '#fhir-model';
import { createMetrics, systemClock } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import { createLease } from '../dispatch/lease.ts';
import { createKeyOf } from '../match/patient-key.ts';
import { subscriptionMetrics } from '../metrics.ts';
import { changeFloor } from '../retention.ts';
import { startTestBroker, type TestBroker } from '../testing/broker.ts';
import { createRig, observation, type Rig, subscription, waitForState } from '../testing/rig.ts';
import { createKafkaChanges, kafkaConsumer } from './changes.ts';
import { createKafka, type Kafka } from './kafka.ts';
import { createKafkaSender, kafkaFault } from './producer.ts';

const keyFor = loadDefinitions().then((definitions) =>
  createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions),
);

async function open(t: TestContext, rig: Rig, broker: Pick<TestBroker, 'address'>, more: object = {}): Promise<Kafka> {
  const one = createKafka(
    {
      brokers: [broker.address],
      tls: false,
      timeoutMs: 60_000,
      changesTopic: 'changes',
      messageBytesMax: 10_000,
      ...more,
    },
    {
      ...{ db: rig.db, feed: rig.store.feed, parameters: await keyFor, clock: systemClock, log: testLog() },
      ...{ leaseMs: 60_000, batchChanges: 100, pollMs: 20, metrics: subscriptionMetrics(createMetrics()) },
    },
  );
  await one.start();
  t.after(() => one.stop());
  return one;
}

/** Of a message, and of what a partition gets at once. */
const bytesMax = 10_000;

async function setUp(t: TestContext): Promise<{ rig: Rig; broker: TestBroker }> {
  const rig = await createRig(t);
  await rig.db.query({ text: `delete from dispatcher where name = 'kafka'` });
  const broker = await startTestBroker(bytesMax);
  t.after(() => broker.close());
  return { rig, broker };
}

const messages = (broker: TestBroker) => broker.records.map(({ value }) => JSON.parse(value));
const counts = (broker: TestBroker, count: number) =>
  waitFor(() => broker.records.length >= count, `${count} messages in Kafka, not ${broker.records.length}`);
const about = (id: string, patient: string, rest: object = {}) =>
  observation(id, 'a', { subject: { reference: `Patient/${patient}` }, ...rest });

test('every change goes to the topic, keyed by its patient, with the text that is stored', async (t) => {
  const { rig, broker } = await setUp(t);
  await rig.store.put({ resourceType: 'Patient', id: 'p' } as Resource & { id: string });
  await rig.store.put(about('o', 'p', { valueQuantity: { value: 7 } }));
  await rig.store.put({ resourceType: 'Location', id: 'l' } as Resource & { id: string });
  await open(t, rig, broker);
  await rig.store.remove('Observation', 'o');
  await counts(broker, 4);
  const of = (wanted: string) =>
    broker.records
      .filter(({ key }) => key === wanted)
      .map(({ topic, value }) => {
        const { op, type, id, version, resource } = JSON.parse(value);
        return [topic, op, type, id, version, resource?.resourceType];
      });
  // Between partitions there is no order.
  assert.deepEqual(of('Patient/p'), [
    ['changes', 'create', 'Patient', 'p', 1, 'Patient'],
    ['changes', 'create', 'Observation', 'o', 1, 'Observation'],
    ['changes', 'delete', 'Observation', 'o', 2, undefined],
  ]);
  assert.deepEqual(of('Location/l'), [['changes', 'create', 'Location', 'l', 1, 'Location']]);
  const first = messages(broker).find(({ id }) => id === 'o');
  assert.deepEqual(first.resource.valueQuantity, { value: 7 });
  assert.match(first.updated, /^\d{4}-\d\d-\d\dT.*Z$/);
  const places = broker.records.filter(({ key }) => key === 'Patient/p').map(({ partition }) => partition);
  assert.equal(new Set(places).size, 1);
});

test('what a broker refuses, or takes without answering, is sent again, in order', async (t) => {
  const { rig, broker } = await setUp(t);
  // 7: a time-out of the replicas, 10: too large, which nobody repeats by itself.
  broker.next.push(7, 10, 'no answer', 7);
  await open(t, rig, broker, { timeoutMs: 2_000 });
  const ids = Array.from({ length: 40 }, (_, index) => `o${String(index).padStart(2, '0')}`);
  for (const id of ids) await rig.store.put(about(id, id.slice(-1)));
  const seen = () => [...new Set(messages(broker).map(({ id }) => id))];
  await waitFor(() => seen().length === ids.length, 'all changes in Kafka');
  for (const last of '0123456789') {
    const first = seen().filter((id) => id.endsWith(last));
    assert.deepEqual(first, first.toSorted(), `first occurrences about Patient/${last}`);
  }
});

test('a broker that is away: changes wait, are kept, and go when it is back; nothing else waits', async (t) => {
  const { rig, broker } = await setUp(t);
  await broker.shut();
  const one = await open(t, rig, broker);
  await rig.store.put(about('o', 'p'));
  const [status] = one.adminRoutes.filter(({ method }) => method === 'GET');
  const ask = async () =>
    (await status!.handle({ params: {}, query: new URLSearchParams(), body: undefined } as never)).body;
  await waitFor(async () => ((await ask()) as { waiting: number }).waiting === 1, 'one change waiting');
  const floor = await changeFloor(rig.db);
  assert.deepEqual(floor, { xid: 0n, seq: 0n });
  await broker.open();
  await counts(broker, 1);
  await waitFor(async () => ((await ask()) as { waiting: number }).waiting === 0, 'nothing waiting');
});

test('a server that takes over goes on where Kafka has acknowledged', async (t) => {
  const { rig, broker } = await setUp(t);
  const first = await open(t, rig, broker);
  await rig.store.put(about('a', 'p'));
  await counts(broker, 1);
  await waitFor(
    async () => (await rig.db.query({ text: `select 1 from dispatcher where name = 'kafka' and seq > 0` }))[0],
    'the cursor',
  );
  await first.stop();
  await rig.store.put(about('b', 'p'));
  await open(t, rig, broker);
  await counts(broker, 2);
  assert.deepEqual(
    messages(broker).map(({ id }) => id),
    ['a', 'b'],
  );
});

test('of two servers one sends', async (t) => {
  const { rig, broker } = await setUp(t);
  await open(t, rig, broker);
  await open(t, rig, broker);
  for (let index = 0; index < 30; index++) await rig.store.put(about(`o${index}`, 'p'));
  await counts(broker, 30);
  assert.deepEqual(
    messages(broker).map(({ id }) => id),
    Array.from({ length: 30 }, (_, index) => `o${index}`),
  );
});

test('a send that takes longer than the lease keeps it', async (t) => {
  const { rig } = await setUp(t);
  const held = createLease('one', 1_000, kafkaConsumer);
  let renewed = 0;
  let sent = 0;
  const changes = createKafkaChanges({
    ...{ db: rig.db, feed: rig.store.feed, clock: systemClock, log: testLog(), topic: 'changes' },
    ...{ leaseMs: 60, batchChanges: 100, pollMs: 20, messageBytesMax: 10_000 },
    metrics: subscriptionMetrics(createMetrics()),
    keyOf: createKeyOf(await keyFor),
    lease: {
      ...held,
      acquire(db) {
        renewed++;
        return held.acquire(db);
      },
    },
    sender: {
      async send(messages) {
        const before = renewed;
        await waitFor(() => renewed > before + 2, 'the lease to be renewed');
        sent += messages.length;
      },
      fits: () => true,
      close: async () => {},
    },
  });
  await rig.store.put(about('a', 'p'));
  await changes.start();
  t.after(() => changes.stop());
  await waitFor(
    async () => (await rig.db.query({ text: `select 1 from dispatcher where name = 'kafka' and seq > 0` }))[0],
    'the cursor',
  );
  assert.equal(sent, 1);
});

test('a resource too large for a message is named and left out', async (t) => {
  const { rig, broker } = await setUp(t);
  await open(t, rig, broker, { messageBytesMax: 2_000 });
  await rig.store.put(about('big', 'p', { note: [{ text: 'x'.repeat(3_000) }] }));
  await rig.store.put(about('small', 'p'));
  await counts(broker, 2);
  const [big, small] = messages(broker);
  assert.deepEqual([big.id, big.tooLarge, big.resource], ['big', true, undefined]);
  assert.equal(small.resource.id, 'small');
});

test('changes that waited go in batches that the broker takes, in order for their patient', async (t) => {
  const { rig, broker } = await setUp(t);
  const wanted = Array.from({ length: 60 }, (_, index) => `o${index}`);
  for (const id of wanted) await rig.store.put(about(id, 'p', { note: [{ text: 'x'.repeat(500) }] }));
  await open(t, rig, broker);
  await counts(broker, wanted.length);
  assert.deepEqual(
    messages(broker).map(({ id }) => id),
    wanted,
  );
});

test('without a topic nothing is sent, and what is kept can be forgotten', async (t) => {
  const { rig, broker } = await setUp(t);
  const first = await open(t, rig, broker);
  const route = (one: Kafka, wanted: string) => one.adminRoutes.find(({ method }) => method === wanted)!;
  const call = (one: Kafka, method: string) =>
    route(one, method).handle({ params: {}, query: new URLSearchParams(), body: undefined } as never);
  await rig.store.put(about('a', 'p'));
  await counts(broker, 1);
  await assert.rejects(async () => call(first, 'DELETE'), { code: 'business-rule' });
  await first.stop();
  const second = await open(t, rig, broker, { changesTopic: undefined });
  assert.deepEqual((await call(second, 'DELETE')).body, { forgotten: true });
  await assert.rejects(async () => call(second, 'GET'), { code: 'not-found' });
});

test('keys: the patient wherever a type names one, else the resource itself', async () => {
  const keyOf = createKeyOf(await keyFor, 'http://127.0.0.1/fhir/R4');
  const key = (resource: object) => keyOf({ type: (resource as Resource).resourceType, id: '1' }, resource as Resource);
  const patient = { reference: 'Patient/p' };
  assert.equal(key({ resourceType: 'Encounter', subject: patient }), 'Patient/p');
  assert.equal(key({ resourceType: 'Coverage', beneficiary: patient }), 'Patient/p');
  assert.equal(
    key({ resourceType: 'AllergyIntolerance', patient: { reference: 'http://127.0.0.1/fhir/R4/Patient/p' } }),
    'Patient/p',
  );
  assert.equal(key({ resourceType: 'Observation', subject: { reference: 'Group/g' } }), 'Observation/1');
  assert.equal(key({ resourceType: 'Patient' }), 'Patient/1');
  assert.equal(keyOf({ type: 'Observation', id: '1' }, undefined), 'Observation/1');
});

test('a fault is told by the broker’s name for it', async (t) => {
  const broker = await startTestBroker();
  t.after(() => broker.close());
  broker.next.push(10);
  const sender = createKafkaSender({
    brokers: [broker.address],
    tls: false,
    timeoutMs: 60_000,
    messageBytesMax: 10_000,
  });
  t.after(() => sender.close());
  const failed = await sender.send([{ topic: 'x', key: 'k', value: 'v' }]).then(
    () => undefined,
    (error: unknown) => kafkaFault(error),
  );
  assert.equal(failed, 'MESSAGE_TOO_LARGE');
  await sender.send([{ topic: 'x', key: 'k', value: 'v' }]);
  assert.equal(broker.records.length, 1);
});

const channelType = {
  extension: [
    {
      url: 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-channel-type',
      valueCoding: { system: 'urn:cerebra:subscription-channel-type', code: 'kafka' },
    },
  ],
};

/** Subscriptions with the channel kafka, started. */
async function subscribing(t: TestContext, timeoutMs = 60_000): Promise<{ rig: Rig; broker: TestBroker }> {
  const { rig, broker } = await setUp(t);
  await rig.start({ kafka: { brokers: [broker.address], tls: false, timeoutMs, messageBytesMax: 10_000 } });
  return { rig, broker };
}

const channel = (payload: string, rest: object = {}) => ({
  ...{ type: 'message', _type: channelType, endpoint: 'kafka:results', payload },
  ...rest,
});

test('a Subscription by criteria: each event is a message with the resource, in order for its patient', async (t) => {
  const { rig, broker } = await subscribing(t, 2_000);
  await rig.store.put(subscription('s', '', { channel: channel('application/fhir+json') }));
  await waitForState(rig.db, 's', 'active');
  broker.next.push(7, 'no answer');
  const wanted = Array.from({ length: 30 }, (_, index) => `o${index}`);
  for (const id of wanted) await rig.store.put(about(id, 'p'));
  await rig.store.put(observation('other', 'b'));
  const seen = () => [...new Set(messages(broker).map(({ id }) => id))];
  await waitFor(() => seen().length === wanted.length, 'all events in Kafka');
  assert.deepEqual(seen(), wanted);
  const [first] = broker.records;
  assert.deepEqual(
    [first!.topic, first!.key, JSON.parse(first!.value).resourceType],
    ['results', 'Patient/p', 'Observation'],
  );
  const done = 'select 1 from subscriber where id = $1 and done_number = 30';
  await waitFor(async () => (await rig.db.query({ text: done }, ['s']))[0], 'all to have ended');
});

test('a Subscription to a topic: each event is a notification', async (t) => {
  const { rig, broker } = await subscribing(t);
  const content = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content';
  const _payload = { extension: [{ url: content, valueCode: 'full-resource' }] };
  await rig.store.put(
    subscription('s', '', {
      criteria: 'urn:cerebra:topic:new-result',
      channel: channel('application/fhir+json', { _payload }),
    }),
  );
  await waitForState(rig.db, 's', 'active');
  const system = 'http://terminology.hl7.org/CodeSystem/observation-category';
  const category = [{ coding: [{ system, code: 'laboratory' }] }];
  await rig.store.put(about('o', 'p', { category }));
  await counts(broker, 1);
  const [record] = broker.records;
  const bundle = JSON.parse(record!.value);
  assert.deepEqual([record!.topic, record!.key, bundle.type], ['results', 'Patient/p', 'history']);
  const types = bundle.entry.map(({ resource }: { resource: Resource }) => resource.resourceType);
  assert.deepEqual(types.slice(0, 2), ['Parameters', 'Observation']);
});

test('events that waited go in batches that the broker takes; too large a one without its resource', async (t) => {
  const { rig, broker } = await subscribing(t);
  const url = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content';
  const _payload = { extension: [{ url, valueCode: 'full-resource' }] };
  const whole = channel('application/fhir+json', { _payload, endpoint: 'kafka:told' });
  await rig.store.put(subscription('s', '', { channel: channel('application/fhir+json') }));
  await rig.store.put(subscription('t', '', { criteria: 'urn:cerebra:topic:new-result', channel: whole }));
  for (const id of ['s', 't']) await waitForState(rig.db, id, 'active');
  await broker.shut();
  const system = 'http://terminology.hl7.org/CodeSystem/observation-category';
  const category = [{ coding: [{ system, code: 'laboratory' }] }];
  const wanted = Array.from({ length: 30 }, (_, index) => `o${index}`);
  for (const id of wanted) {
    await rig.store.put(about(id, 'p', { category, note: [{ text: 'x'.repeat(id === 'o7' ? 20_000 : 500) }] }));
  }
  const owed = { text: 'select from subscriber where last_number = 30' };
  await waitFor(async () => (await rig.db.query(owed)).length === 2, 'all to be owed');
  await broker.open();
  const done = { text: 'select from subscriber where done_number = 30' };
  await waitFor(async () => (await rig.db.query(done)).length === 2, 'all to be told');
  for (const topic of ['results', 'told']) {
    const records = broker.records.filter((one) => one.topic === topic);
    assert.deepEqual(
      records.map(({ headers }) => [headers['event-number'], headers.resource, headers['too-large']]),
      wanted.map((id, at) => [String(at + 1), `Observation/${id}`, id === 'o7' ? 'true' : undefined]),
    );
    const large = records.find(({ headers }) => headers['too-large'] === 'true')!;
    if (topic === 'results') assert.equal(large.value, '');
    else assert.deepEqual([/Observation\/o7/.test(large.value), /xxx/.test(large.value)], [true, false]);
  }
});

test('what XML can not hold goes without its resource and keeps nothing waiting', async (t) => {
  const { rig, broker } = await subscribing(t);
  const url = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content';
  const _payload = { extension: [{ url, valueCode: 'full-resource' }] };
  const whole = channel('application/fhir+xml', { _payload, endpoint: 'kafka:told' });
  await rig.store.put(subscription('s', '', { channel: channel('application/fhir+xml') }));
  await rig.store.put(subscription('t', '', { criteria: 'urn:cerebra:topic:new-result', channel: whole }));
  for (const id of ['s', 't']) await waitForState(rig.db, id, 'active');
  const system = 'http://terminology.hl7.org/CodeSystem/observation-category';
  const category = [{ coding: [{ system, code: 'laboratory' }] }];
  await rig.store.put(about('bad', 'p', { category, ofNoRelease: 1 }));
  await rig.store.put(about('good', 'p', { category }));
  await counts(broker, 4);
  for (const topic of ['results', 'told']) {
    assert.deepEqual(
      broker.records
        .filter((one) => one.topic === topic)
        .map(({ headers, value }) => [headers.resource, headers.unwritable, value.includes('<Observation')]),
      [
        ['Observation/bad', 'true', false],
        ['Observation/good', undefined, true],
      ],
    );
  }
});

test('with another endpoint, or with headers, it goes into error', async (t) => {
  const { rig } = await subscribing(t);
  await rig.store.put(subscription('e', '', { channel: channel('', { endpoint: 'http://127.0.0.1/' }) }));
  await rig.store.put(subscription('h', '', { channel: channel('', { header: ['X: y'] }) }));
  const errorOf = async (id: string) => {
    const [found] = (await rig.store.list('Subscription')).filter((one) => one.id === id && one.status === 'error');
    return found?.error as string | undefined;
  };
  assert.match((await waitFor(() => errorOf('e'), 'e in error'))!, /^Subscription\.channel\.endpoint: must be kafka:/);
  assert.match((await waitFor(() => errorOf('h'), 'h in error'))!, /^Subscription\.channel\.header/);
});

test('without brokers it goes into error', async (t) => {
  const { rig } = await setUp(t);
  await rig.start();
  await rig.store.put(subscription('n', '', { channel: channel('') }));
  const none = async () => (await rig.store.list('Subscription')).find(({ status }) => status === 'error')?.error;
  assert.match(String(await waitFor(none, 'n in error')), /no Kafka here/);
});
