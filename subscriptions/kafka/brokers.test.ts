// Brokers that change their leader, go away one by one, ask who comes, and don't have a topic: against the double.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { createTestAuthority, waitFor } from '#platform/testing';
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../testing/broker.ts';
import { createRig, observation, subscription, waitForState } from '../testing/rig.ts';
import { createKafkaSender, isOfBroker, type KafkaOptions, kafkaFault } from './producer.ts';

async function open(t: TestContext, options: TestBrokerOptions, more: Partial<KafkaOptions> = {}) {
  const broker = await startTestBroker(10_000, options);
  t.after(() => broker.close());
  const sender = createKafkaSender({
    ...{ brokers: broker.addresses, tls: false, timeoutMs: 60_000, messageBytesMax: 10_000 },
    ...more,
  });
  t.after(() => sender.close());
  const send = (value: string) => sender.send([{ topic: 'x', key: 'k', value }]);
  /** As those who send do: until it is taken. */
  const sendOn = (value: string) =>
    waitFor(
      () =>
        send(value).then(
          () => true,
          () => false,
        ),
      `${value} to be taken`,
    );
  const faultOf = (value: string) =>
    send(value).then(
      () => undefined,
      (error: unknown) => kafkaFault(error),
    );
  return { broker, send, sendOn, faultOf };
}

const values = ({ records }: TestBroker) => records.map(({ value }) => value);

test('another node leads, and then the first one is away: what is sent arrives, in order and once', async (t) => {
  const { broker, send, sendOn } = await open(t, { nodes: 2 });
  await send('a');
  broker.lead(2);
  await sendOn('b');
  await broker.shut(1);
  await sendOn('c');
  broker.lead(1);
  await broker.open();
  await sendOn('d');
  assert.deepEqual(values(broker), ['a', 'b', 'c', 'd']);
});

test('the first of the brokers that are named is away from the beginning', async (t) => {
  const { broker, sendOn } = await open(t, { nodes: 2 });
  broker.lead(2);
  await broker.shut(1);
  await sendOn('a');
  assert.deepEqual(values(broker), ['a']);
});

test('who comes with the password is let in; with a wrong one the broker’s word for it is told', async (t) => {
  const sasl = { mechanism: 'PLAIN', username: 'cerebra', password: 'right' } as const;
  const { broker, send } = await open(t, { sasl }, { sasl });
  await send('a');
  assert.deepEqual(values(broker), ['a']);
  const wrong = await open(t, { sasl }, { sasl: { ...sasl, password: 'wrong' } });
  assert.equal(await wrong.faultOf('b'), 'SASL_AUTHENTICATION_FAILED');
  const none = await open(t, { sasl });
  assert.equal(await none.faultOf('c'), 'Connection closed');
  assert.deepEqual([...values(wrong.broker), ...values(none.broker)], []);
});

test('TLS: a broker whose certificate nobody vouches for gets nothing, one of a trusted authority does', async (t) => {
  const authority = createTestAuthority('Authority');
  const certificate = authority.issue('broker');
  const { broker, send, faultOf } = await open(t, { tls: certificate }, { tls: true });
  assert.match(String(await faultOf('a')), /^unable to verify the first certificate/);
  const trusted = tls.getCACertificates('default');
  t.after(() => tls.setDefaultCACertificates(trusted));
  tls.setDefaultCACertificates([...trusted, authority.cert]);
  await send('b');
  assert.deepEqual(values(broker), ['b']);
});

test('a broker that is away is named', async (t) => {
  const { broker, faultOf } = await open(t, {});
  await broker.shut();
  assert.equal(await faultOf('a'), `connect ECONNREFUSED ${broker.address}`);
});

test('a sender that is closed does not wait for a broker that stands still, and nothing of it is stored afterwards', async (t) => {
  const bytesMax = 20_000_000;
  const broker = await startTestBroker(bytesMax);
  t.after(() => broker.close());
  const options = { brokers: [broker.address], tls: false, timeoutMs: 60_000, messageBytesMax: bytesMax };
  const sender = createKafkaSender(options);
  await sender.send([{ topic: 'x', key: 'k', value: 'a' }]);
  const stalled = broker.stall();
  // More than the system takes of it.
  const sent = sender.send([{ topic: 'x', key: 'k', value: 'b'.repeat(16_000_000) }]).then(
    () => 'sent',
    () => 'cut',
  );
  const readOn = await stalled;
  const closed = sender.close();
  await readOn();
  await closed;
  assert.equal(await sent, 'cut');
  assert.deepEqual(
    values(broker).map(({ length }) => length),
    [1],
  );
});

test('that a topic is not there is said by a broker that can be reached: what goes elsewhere is not held back', async (t) => {
  const { broker, send, faultOf } = await open(t, {});
  broker.missing.add('x');
  assert.equal(await faultOf('a'), 'Unknown topic x.');
  const isAnswer = () => send('a').then(() => assert.fail('it was sent'), isOfBroker);
  assert.equal(await isAnswer(), true);
  await broker.shut();
  assert.equal(await isAnswer(), false);
});

test('a topic that is not there keeps its Subscription waiting, with the broker’s word for it, and no other', async (t) => {
  const rig = await createRig(t);
  const broker = await startTestBroker();
  t.after(() => broker.close());
  broker.missing.add('missing');
  await rig.start({
    kafka: { brokers: [broker.address], tls: false, timeoutMs: 60_000, messageBytesMax: 10_000 },
    limits: { backoffMsMin: 5, backoffMsMax: 5 },
  });
  const url = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-channel-type';
  const valueCoding = { system: 'urn:cerebra:subscription-channel-type', code: 'kafka' };
  const channel = (topic: string) => ({
    channel: { type: 'message', _type: { extension: [{ url, valueCoding }] }, endpoint: `kafka:${topic}`, payload: '' },
  });
  for (const topic of ['missing', 'there']) {
    await rig.store.put(subscription(topic, '', channel(topic)));
    await waitForState(rig.db, topic, 'active');
  }
  const row = async (id: string) =>
    (
      await rig.db.query<{ done: bigint; error: string | null; state: string }>(
        { text: 'select done_number as done, error, state from subscriber where id = $1' },
        [id],
      )
    )[0]!;
  await rig.store.put(observation('a'));
  await waitFor(async () => (await row('there')).done === 1n, 'the first event of the other');
  const failed = `select 1 from subscriber where id = 'missing' and attempts > 10`;
  await waitFor(async () => (await rig.db.query({ text: failed })).length === 1, 'ten failures');
  for (const id of ['b', 'c']) await rig.store.put(observation(id));
  await waitFor(async () => (await row('there')).done === 3n, 'the others');
  assert.deepEqual(await row('missing'), { done: 0n, error: 'Kafka: Unknown topic missing.', state: 'active' });
  broker.missing.clear();
  await waitFor(async () => (await row('missing')).done === 3n, 'its three events');
  const numbers = broker.records
    .filter(({ topic }) => topic === 'missing')
    .map(({ headers }) => headers['event-number']);
  assert.deepEqual(numbers, ['1', '2', '3']);
});
