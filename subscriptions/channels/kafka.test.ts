// The channel kafka while a send lasts: its lease is kept, and a server that stops does not wait for it.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createXmlCodec, loadDefinitions } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { claimDue, createPending } from '../dispatch/deliveries.ts';
import { insertDeliveries } from '../dispatch/owe.ts';
import { saveRegistration } from '../dispatch/subscribers.ts';
import type { KafkaSender } from '../kafka/producer.ts';
import { createKeyOf } from '../match/patient-key.ts';
import { createRig, observation, type Rig, testRules } from '../testing/rig.ts';
import { kafkaChannel } from './kafka.ts';
import type { Notifications } from './notification/notifications.ts';

/** A Subscription that is owed an event, leased for a minute. */
async function leased({ db, store }: Rig) {
  const version = await store.put(observation('o'));
  const registration = { id: 's', criteria: 'Observation?code=http://x|a', endpoint: 'kafka:results' };
  const rest = { channel: 'kafka', host: '', payload: 'application/fhir+json', secret: '' } as const;
  await saveRegistration(db, { ...registration, ...rest, header: [] }, 1);
  const at = { xid: 7n, seq: 8n, op: 'create', updatedMs: 1_767_600_000_123, body: '{}' } as const;
  await insertDeliveries(db, [{ subscriber: 's', change: { ...at, type: 'Observation', id: 'o', version } }]);
  const [claim] = await claimDue(db, 1, 60_000, []);
  const [delivery] = await createPending(db)({ claim: claim!, limit: 1 });
  return { claim: claim!, delivery: delivery! };
}

/** `leaseMs`: what it is prolonged by. */
async function open(t: TestContext, leaseMs: number, sendTo: (rig: Rig) => KafkaSender['send'], onClose = () => {}) {
  const rig = await createRig(t);
  const { db, store } = rig;
  const scope = { kind: 'everything' } as const;
  const rules = await testRules();
  const content = { db, feed: store.feed, reader: store.reader, scope, ownerScope: () => scope, rules };
  const xml = createXmlCodec(await loadDefinitions());
  const sender: KafkaSender = { send: sendTo(rig), fits: () => true, close: async () => onClose() };
  const parts = { content, notifications: {} as Notifications, xml };
  const channel = kafkaChannel(sender, createKeyOf(rules.parameters), parts, leaseMs);
  return { channel, ...(await leased(rig)) };
}

test('a send that takes longer than the lease keeps it', async (t) => {
  const text = `select from subscriber where lease_until < statement_timestamp() + interval '30 seconds'`;
  const { channel, claim, delivery } = await open(t, 60, ({ db }) => async () => {
    await waitFor(async () => (await db.query({ text })).length === 1, 'the lease to be renewed');
  });
  const { leasedMs } = claim;
  assert.deepEqual(await channel.deliver(claim, delivery, new AbortController().signal), { ok: true });
  assert.ok(claim.leasedMs > leasedMs);
});

test('a server that stops does not wait for brokers that do not answer', async (t) => {
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  let isCut = false;
  const send = () => {
    asked.resolve();
    return answered.promise;
  };
  const { channel, claim, delivery } = await open(
    t,
    60_000,
    () => send,
    () => {
      isCut = true;
    },
  );
  const stopping = new AbortController();
  const result = channel.deliver(claim, delivery, stopping.signal);
  await asked.promise;
  stopping.abort();
  // Without the stop it would end by this.
  setImmediate(answered.resolve);
  assert.deepEqual(await result, { ok: false, error: 'Kafka: The server stops', hostFault: true });
  // Before the lease is given back.
  assert.equal(isCut, true);
});
