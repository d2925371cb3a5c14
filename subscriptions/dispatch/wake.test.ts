// When deliverers look for what is due, where nothing but a wake makes them: polls are an hour apart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeFeed } from '#fhir-model';
import type { Db } from '#platform';
import { startReceiver, waitFor } from '#platform/testing';
import { createRig, observation, subscription } from '../testing/rig.ts';
import { topicSubscription } from '../testing/topic.ts';

const pollMs = 3_600_000;

const isActive = async (db: Db, id: string): Promise<boolean> =>
  (await db.query({ text: `select from subscriber where id = $1 and state = 'active'` }, [id])).length === 1;

/** How often each named statement ran. */
function counting(db: Db): { db: Db; counts: Map<string, number> } {
  const counts = new Map<string, number>();
  const query: Db['query'] = (statement, values) => {
    const { name = '' } = statement;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return db.query(statement, values);
  };
  return { db: { ...db, query }, counts };
}

/** The feed, and what wakes only its readers: a transaction of another test may hold changes back longer than they look again. */
function nudging(feed: ChangeFeed) {
  const listeners: (() => void)[] = [];
  const onCommit: ChangeFeed['onCommit'] = (listener) => {
    listeners.push(listener);
    return feed.onCommit(listener);
  };
  const until = (check: () => Promise<boolean>, what: string) =>
    waitFor(async () => {
      if (await check()) return true;
      for (const listener of listeners) listener();
      return false;
    }, what);
  return { feed: { ...feed, onCommit }, until };
}

test('what the dispatcher has leased is told without a look for what is due', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const { db: counted, counts } = counting(db);
  const { feed, until } = nudging(store.feed);
  await start({ db: counted, feed, limits: { pollMs } });
  await store.put(subscription('s', receiver.url));
  await until(() => isActive(db, 's'), 'the Subscription to be active');
  await store.put(observation('o0'));
  const ended = async (number: number) => {
    const text = 'select from subscriber where done_number = $1 and lease_until is null';
    return (await db.query({ text }, [number])).length === 1;
  };
  await until(() => ended(1), 'the first to be recorded');
  const before = counts.get('delivery_claim') ?? 0;
  for (let i = 1; i <= 20; i++) {
    await store.put(observation(`o${i}`));
    await until(() => ended(i + 1), `event ${i + 1} to be recorded`);
  }
  assert.equal((counts.get('delivery_claim') ?? 0) - before, 0);
  assert.equal(receiver.received.length, 21);
});

test('who has to wait for a place, for a host or for its own lease is told as soon as that is free', async (t) => {
  const { db, store, start } = await createRig(t);
  const [one, other] = [await startReceiver(t), await startReceiver(t)];
  const gate = Promise.withResolvers<void>();
  // Both places are taken, and the host that has room for one.
  for (const receiver of [one, other]) receiver.answer = () => gate.promise.then(() => 200);
  const { feed, until } = nudging(store.feed);
  await start({ feed, limits: { pollMs, deliverers: 2, hostRequestsMax: 1, batchDeliveries: 2 } });
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const [at, id] of ids.entries()) await store.put(subscription(id, (at % 2 === 0 ? one : other).url));
  for (const id of ids) await until(() => isActive(db, id), `${id} to be active`);
  await store.put(observation('o1'));
  await until(async () => one.received.length === 1 && other.received.length === 1, 'the first of each host');
  for (let i = 2; i <= 5; i++) await store.put(observation(`o${i}`));
  const owed = { text: 'select from subscriber where last_number = 5' };
  await until(async () => (await db.query(owed)).length === ids.length, 'all to be owed');
  gate.resolve();
  const done = { text: 'select from subscriber where done_number = 5 and lease_until is null' };
  await until(async () => (await db.query(done)).length === ids.length, 'all to be told');
  for (const receiver of [one, other]) {
    const numbers = Map.groupBy(receiver.received, ({ headers }) => headers['x-cerebra-subscription']);
    assert.equal(numbers.size, 3);
    for (const some of numbers.values())
      assert.deepEqual(
        some.map(({ number }) => number),
        [1, 2, 3, 4, 5],
      );
  }
});

test('what is to be checked is looked at also while the dispatcher is busy with changes', async (t) => {
  const { db, store, start } = await createRig(t);
  const [receiver, ofTopic] = [await startReceiver(t), await startReceiver(t)];
  const [gate, answer] = [0, 0].map(() => Promise.withResolvers<void>());
  const { feed, until } = nudging(store.feed);
  t.after(() => gate!.resolve());
  let holds = false;
  let isBusy = false;
  const query: Db['query'] = async (statement, values) => {
    if (holds && statement.name === 'dispatcher_move_and_owe') {
      isBusy = true;
      await gate!.promise;
    }
    return db.query(statement, values);
  };
  await start({ db: { ...db, query }, feed, limits: { pollMs }, baseUrl: 'https://fhir.example.org/fhir/R4' });
  await store.put(subscription('a', receiver.url));
  await until(() => isActive(db, 'a'), 'the first to be active');
  ofTopic.answer = () => answer!.promise.then(() => 200);
  await store.put(topicSubscription('t', `${ofTopic.url}?first`));
  await until(async () => ofTopic.received.length === 1, 'the first handshake');
  // Waits for the end of the handshake that is under way.
  const version = await store.put(topicSubscription('t', `${ofTopic.url}?second`));
  const isWaiting = { text: `select from subscriber where id = 't' and check_version = $1` };
  await until(async () => (await db.query(isWaiting, [version])).length === 1, 'the second version to wait');
  holds = true;
  await store.put(observation('o'));
  await until(async () => isBusy, 'the dispatcher to be busy');
  answer!.resolve();
  await waitFor(() => ofTopic.received.length === 2, 'the second handshake');
  assert.deepEqual(
    ofTopic.received.map(({ path }) => path),
    ['/hook?first', '/hook?second'],
  );
  gate!.resolve();
  await until(() => isActive(db, 't'), 'the topic Subscription to be active');
});
