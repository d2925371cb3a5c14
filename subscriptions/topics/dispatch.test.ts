// Topics in the change stream: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { startReceiver, waitFor } from '#platform/testing';
import { createRig, subscription, waitForState, waitForStatus } from '../testing/rig.ts';
import { guide, subscriptionTo } from './testing/subscription.ts';
import { topicBasic } from './testing/topic.ts';

const encounter = (id: string, status: string, patient = 'p1') =>
  ({
    ...{ resourceType: 'Encounter', id, status, class: { code: 'IMP' } },
    subject: { reference: `Patient/${patient}` },
  }) as Resource & { id: string };

const url = 'http://example.org/topic/done';
const done = (more: Record<string, Json | Json[]> = {}) =>
  topicBasic('done', {
    resourceTrigger: {
      resource: 'Encounter',
      queryCriteria: { previous: 'status:not=finished', current: 'status=finished', requireBoth: true },
    },
    canFilterBy: [{ resource: 'Encounter', filterParameter: 'patient' }],
    ...more,
  });

/** `number type/id/version op`, of all that the subscriber is or was owed. */
async function numbered(db: Db, id: string): Promise<string[]> {
  const text = `select number || ' ' || type || '/' || id || '/' || version || ' ' || op as line from delivery
    where subscriber = $1 order by number`;
  return (await db.query<{ line: string }>({ text }, [id])).map(({ line }) => line);
}

const numberedOf = (db: Db, id: string, count: number): Promise<string[]> =>
  waitFor(async () => {
    const lines = await numbered(db, id);
    return lines.length >= count ? lines : undefined;
  }, `${count} events of ${id}`) as Promise<string[]>;

test('a stored topic, a Subscription to it with a filter, and its events', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  await store.put(done());
  const asked = subscriptionTo(url, 's', receiver.url, ['Encounter?patient=Patient/p1'], {
    extension: [
      { url: `${guide}/backport-max-count`, valuePositiveInt: 20 },
      { url: `${guide}/backport-heartbeat-period`, valueUnsignedInt: 86_400 },
      { url: `${guide}/backport-timeout`, valueUnsignedInt: 60 },
    ],
  });
  await store.put(asked);
  await waitForState(db, 's', 'active');
  await store.put(encounter('other', 'finished', 'p2'));
  await store.put(encounter('e', 'in-progress'));
  await store.put(encounter('e', 'finished'));
  await store.put(encounter('e', 'finished'));
  await store.put(encounter('e', 'in-progress'));
  await store.put(encounter('e', 'finished'));
  assert.deepEqual(await numberedOf(db, 's', 2), ['1 Encounter/e/2 update', '2 Encounter/e/5 update']);
  const [row] = await db.query<{ topic: object }>({ text: `select topic from subscriber where id = 's'` });
  assert.deepEqual(row!.topic, {
    ...{ url, content: 'id-only', filters: ['Encounter?patient=Patient/p1'] },
    ...{ maxCount: 20, heartbeatSeconds: 86_400, timeoutSeconds: 60 },
  });
});

test('what can not be served goes into error, by the element at fault', async (t) => {
  const { store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  await store.put(done());
  await store.put(topicBasic('old', { status: 'retired', resourceTrigger: { resource: 'Encounter' } }));
  const extension = (name: string, value: JsonObject) => ({ extension: [{ url: name, ...value }] });
  const crossVersion = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-Subscription.filterBy';
  const asked: Record<string, [Resource & { id: string }, string]> = {
    topic: [
      subscriptionTo('http://example.org/topic/none', 'topic', receiver.url),
      'Subscription.criteria: there is no topic',
    ],
    retired: [
      subscriptionTo('http://example.org/topic/old', 'retired', receiver.url),
      'Subscription.criteria: the topic is retired',
    ],
    filter: [
      subscriptionTo(url, 'filter', receiver.url, ['Encounter?status=finished']),
      "Subscription.criteria.extension: filter 1: 'status' is none of the topic's filters (patient)",
    ],
    custom: [
      subscriptionTo(url, 'custom', receiver.url, [], {
        _type: extension(`${guide}/backport-channel-type`, {
          valueCoding: { system: 'http://example.org/subscription-channel-type', code: 'zulip' },
        }),
      }),
      'Subscription.channel.type.extension: there is no channel zulip',
    ],
    channel: [
      subscriptionTo(url, 'channel', receiver.url, [], { type: 'sms' }),
      'Subscription.channel.type: supported are',
    ],
    endpoint: [subscriptionTo(url, 'endpoint', 'ftp://127.0.0.1/x'), 'Subscription.channel.endpoint'],
    payload: [
      subscriptionTo(url, 'payload', receiver.url, [], { payload: 'text/turtle' }),
      'Subscription.channel.payload must be absent, or',
    ],
    content: [
      subscriptionTo(url, 'content', receiver.url, [], { _payload: {} }),
      'Subscription.channel.payload.extension: backport-payload-content must be there once',
    ],
    combination: [
      subscriptionTo(url, 'combination', 'http://receiver.example.org/x', [], {
        _payload: extension(`${guide}/backport-payload-content`, { valueCode: 'full-resource' }),
      }),
      'Subscription.channel.payload.extension: whole resources go over https',
    ],
    count: [
      subscriptionTo(url, 'count', receiver.url, [], extension(`${guide}/backport-max-count`, { valuePositiveInt: 0 })),
      'Subscription.channel.extension: backport-max-count must be there once, as valuePositiveInt from 1',
    ],
    version: [
      subscriptionTo(url, 'version', receiver.url, [], extension(crossVersion, { valueString: 'patient=1' })),
      `Subscription.channel.extension[0]: ${crossVersion} is not used with R4`,
    ],
    plain: [
      {
        ...subscription('plain', receiver.url),
        _criteria: extension(`${guide}/backport-filter-criteria`, { valueString: 'patient=1' }),
      },
      'Subscription.criteria.extension: filters are for topics',
    ],
    search: [
      { ...subscription('search', receiver.url), meta: { profile: [`${guide}/backport-subscription`] } },
      'Subscription.criteria: with the profile',
    ],
  };
  for (const [one] of Object.values(asked)) await store.put(one);
  for (const [id, [, reason]] of Object.entries(asked)) {
    const { error } = await waitForStatus(store, id, 'error');
    assert.equal(String(error).slice(0, reason.length), reason);
  }
  assert.equal(receiver.received.length, 0);
});

test('a topic that changes under its Subscriptions, in the order of the stream', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  await store.put(done());
  await store.put(subscriptionTo(url, 'all', receiver.url));
  await store.put(subscriptionTo(url, 'one', receiver.url, ['Encounter?patient=p1']));
  await waitForState(db, 'all', 'active');
  await waitForState(db, 'one', 'active');
  await store.put(encounter('a', 'finished'));
  // The filter is gone, and what triggers is another thing.
  await store.put(
    done({ canFilterBy: [], resourceTrigger: { resource: 'Encounter', supportedInteraction: 'delete' } }),
  );
  await store.put(encounter('b', 'finished'));
  await store.remove('Encounter', 'a');
  const { error } = await waitForStatus(store, 'one', 'error');
  const names = "'patient' is none of the filters of the topic, which has none";
  assert.equal(error, `Subscription.criteria.extension: filter 1: ${names}`);
  assert.deepEqual(await numberedOf(db, 'all', 2), ['1 Encounter/a/1 create', '2 Encounter/a/2 delete']);
  assert.deepEqual(await numbered(db, 'one'), ['1 Encounter/a/1 create']);
  await store.remove('Basic', 'done');
  const { error: gone } = await waitForStatus(store, 'all', 'error');
  assert.match(String(gone), /^Subscription\.criteria: there is no topic http:\/\/example\.org\/topic\/done here/);
  await store.put(encounter('c', 'finished'));
  await store.remove('Encounter', 'c');
  // What comes back is for the client to ask for again.
  await store.put(done());
  await store.put(subscriptionTo(url, 'all', receiver.url));
  await waitForState(db, 'all', 'active');
  await store.put(encounter('d', 'finished'));
  assert.equal((await numberedOf(db, 'all', 3)).at(-1), '3 Encounter/d/1 create');
});

test('a topic that can not be carried out is kept with its fault, and nobody can subscribe to it', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const { adminRoutes } = await start();
  const broken = { resource: 'Encounter', queryCriteria: { previous: 'patient.name=x' } };
  await store.put(topicBasic('broken', { resourceTrigger: broken }));
  await store.put({ resourceType: 'Basic', id: 'malformed', code: { coding: [null, 'x'] } } as never);
  await store.put(subscriptionTo('http://example.org/topic/broken', 's', receiver.url));
  const { error } = await waitForStatus(store, 's', 'error');
  const reason = "Basic.extension[1]: queryCriteria.previous: 'patient.name=x' looks at other resources";
  assert.ok(String(error).startsWith(`Subscription.criteria: the topic can't be used: ${reason}`), String(error));
  const route = adminRoutes.find(({ path }) => path === '/admin/subscriptions/topics')!;
  const asked = { params: {}, query: new URLSearchParams(), headers: {} } as never;
  const { body } = (await route.handle(asked)) as { body: { topics: { url: string; fault?: string }[] } };
  const listed = body.topics.find((one) => one.url.endsWith('/broken'));
  assert.ok(listed?.fault?.startsWith(reason), JSON.stringify(listed));
  assert.equal((await db.query({ text: 'select 1 from subscription_topic' })).length, 1);
});

test('the next server matches by the topics that the last one knew', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const first = await start();
  await store.put(done());
  await store.put(subscriptionTo(url, 's', receiver.url, ['Encounter?patient=p1']));
  await waitForState(db, 's', 'active');
  await store.put(encounter('a', 'in-progress'));
  await first.stop();
  // Nobody dispatches: these wait in the stream, with the old topic before the new one.
  await store.put(encounter('a', 'finished'));
  const current = { current: 'status=cancelled' };
  await store.put(done({ resourceTrigger: { resource: 'Encounter', queryCriteria: current } }));
  await store.put(encounter('b', 'finished'));
  await store.put(encounter('c', 'cancelled'));
  await start();
  assert.deepEqual(await numberedOf(db, 's', 2), ['1 Encounter/a/2 update', '2 Encounter/c/1 create']);
});

const a01 = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0003', code: 'A01' }] };
const provenance = (id: string, ...targets: string[]) =>
  ({
    ...{ resourceType: 'Provenance', id, activity: a01 },
    target: targets.map((reference) => ({ reference })),
  }) as Resource & { id: string };

test('an event is about the change of its transaction, though batches part them, else about what is stored', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start({ limits: { batchChanges: 1 } });
  const canFilterBy = { resource: 'Encounter', filterParameter: 'patient' };
  await store.put(topicBasic('t', { eventTrigger: { resource: 'Encounter', event: a01 }, canFilterBy }));
  await store.put(subscriptionTo('http://example.org/topic/t', 's', receiver.url, ['patient=p1']));
  await waitForState(db, 's', 'active');
  const together = (...resources: (Resource & { id: string })[]) =>
    store.writer.transaction(
      resources.map((resource) => ({ method: 'PUT', url: `${resource.resourceType}/${resource.id}`, resource })),
      { scope: { kind: 'everything' } },
    );
  await together(encounter('a', 'planned'), provenance('v1', 'Encounter/a', 'Patient/p1'));
  await store.put(encounter('a', 'in-progress'));
  await together(
    provenance('v2', 'Encounter/b', 'Encounter/other'),
    encounter('b', 'planned'),
    encounter('other', 'x', 'p2'),
  );
  await store.put(encounter('b', 'in-progress'));
  await store.put(provenance('v3', 'Encounter/a', 'Encounter/none', 'http://example.org/fhir/Encounter/a'));
  await store.put(encounter('last', 'planned'));
  await store.put(provenance('v4', 'Encounter/last'));
  assert.deepEqual(
    (await numberedOf(db, 's', 4)).map((line) => line.split(' ')[1]),
    ['Encounter/a/1', 'Encounter/b/1', 'Encounter/a/2', 'Encounter/last/1'],
  );
});

test('a change that triggers by itself, and is an event besides, is told once, in one batch or two', async (t) => {
  for (const batchChanges of [1, 500]) {
    const { db, store, start } = await createRig(t);
    const receiver = await startReceiver(t);
    const { stop } = await start({ limits: { batchChanges } });
    const trigger = { resource: 'Encounter', queryCriteria: { current: 'status=in-progress' } };
    const event = { resource: 'Encounter', event: a01 };
    await store.put(topicBasic('t', { resourceTrigger: trigger, eventTrigger: event }));
    await store.put(subscriptionTo('http://example.org/topic/t', 's', receiver.url));
    await waitForState(db, 's', 'active');
    const together = (...resources: (Resource & { id: string })[]) =>
      store.writer.transaction(
        resources.map((resource) => ({ method: 'PUT', url: `${resource.resourceType}/${resource.id}`, resource })),
        { scope: { kind: 'everything' } },
      );
    await together(encounter('a', 'in-progress'), provenance('v1', 'Encounter/a', 'Encounter/a'));
    await together(provenance('v2', 'Encounter/b'), encounter('b', 'in-progress'));
    await together(encounter('c', 'planned'), provenance('v3', 'Encounter/c'));
    await together(encounter('last', 'in-progress'));
    const lines = (await numberedOf(db, 's', 4)).map((line) => line.split(' ')[1]);
    assert.deepEqual(lines, ['Encounter/a/1', 'Encounter/b/1', 'Encounter/c/1', 'Encounter/last/1']);
    await stop();
  }
});

test('topics that were stored before there was a table of them are found', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await store.put(done());
  await db.query({ text: 'delete from change' });
  await start();
  await store.put(subscriptionTo(url, 's', receiver.url));
  await waitForState(db, 's', 'active');
  await store.put(encounter('a', 'finished'));
  assert.deepEqual(await numberedOf(db, 's', 1), ['1 Encounter/a/1 create']);
});
