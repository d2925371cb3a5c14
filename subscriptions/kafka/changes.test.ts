// The lease of the server that sends the change stream to Kafka, while it renews it and when it stops.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSearchParameters, loadDefinitions } from '#fhir-model';
import { createMetrics, systemClock } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import { createLease } from '../dispatch/lease.ts';
import { createKeyOf } from '../match/patient-key.ts';
import { subscriptionMetrics } from '../metrics.ts';
import { createRig, inStream, observation } from '../testing/rig.ts';
import { createKafkaChanges, kafkaConsumer } from './changes.ts';

test('a renewal that is answered late does not take the lease again which a server that stops gives back', async (t) => {
  const rig = await createRig(t);
  const { db, store } = rig;
  await db.query({ text: `delete from dispatcher where name = $1` }, [kafkaConsumer]);
  const definitions = await loadDefinitions();
  const parameters = createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions);
  const held = createLease('one', 60_000, kafkaConsumer);
  const [renewing, late] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const renewals: Promise<unknown>[] = [];
  let asked = 0;
  const changes = createKafkaChanges({
    ...{ db, feed: store.feed, clock: systemClock, log: testLog(), topic: 'changes', leaseMs: 60 },
    ...{ batchChanges: 100, pollMs: 20, messageBytesMax: 10_000, metrics: subscriptionMetrics(createMetrics()) },
    keyOf: createKeyOf(parameters),
    lease: {
      ...held,
      acquire(db) {
        if (++asked === 1) return held.acquire(db);
        renewing.resolve();
        const renewed = late.promise.then(() => held.acquire(db));
        renewals.push(renewed);
        return renewed;
      },
    },
    sender: { send: () => renewing.promise, fits: () => true, close: async () => {} },
  });
  await store.put(observation('a'));
  await inStream(rig);
  await changes.start();
  await renewing.promise;
  const stopped = changes.stop();
  // It waits for the answer: else it would have stopped by then.
  await Promise.race([stopped, db.query({ text: 'select pg_sleep(0.5)' })]);
  late.resolve();
  await Promise.all([stopped, ...renewals]);
  const text = 'select holder from dispatcher where name = $1';
  assert.deepEqual(await db.query({ text }, [kafkaConsumer]), [{ holder: null }]);
});

test('a server that stops does not wait for brokers that do not answer, and another one sends the same', async (t) => {
  const rig = await createRig(t);
  const { db, store } = rig;
  await db.query({ text: `delete from dispatcher where name = $1` }, [kafkaConsumer]);
  const definitions = await loadDefinitions();
  const parameters = createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions);
  const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  t.after(() => answered.resolve());
  let isClosed = false;
  const send = () => {
    asked.resolve();
    return answered.promise;
  };
  const close = async () => {
    isClosed = true;
  };
  const changes = createKafkaChanges({
    ...{ db, feed: store.feed, clock: systemClock, log: testLog(), topic: 'changes', leaseMs: 60_000 },
    ...{ batchChanges: 100, pollMs: 20, messageBytesMax: 10_000, metrics: subscriptionMetrics(createMetrics()) },
    ...{ keyOf: createKeyOf(parameters), lease: createLease('one', 60_000, kafkaConsumer), stopGraceMs: 20 },
    sender: { send, fits: () => true, close },
  });
  await store.put(observation('b'));
  await inStream(rig);
  await changes.start();
  await asked.promise;
  let isStopped = false;
  const stopped = changes.stop().then(() => {
    isStopped = true;
  });
  await waitFor(() => isStopped, 'the server to stop');
  await stopped;
  assert.equal(isClosed, true);
  const text = 'select holder, seq from dispatcher where name = $1';
  assert.deepEqual(await db.query({ text }, [kafkaConsumer]), [{ holder: null, seq: 0n }]);
});
