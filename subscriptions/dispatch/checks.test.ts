// What stands in the way of a status: for a moment, or because its client was faster.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceReader, ResourceWriter } from '#fhir-model';
import { CerebraError } from '#platform';
import { startReceiver, waitFor } from '#platform/testing';
import { createReadLog } from '../testing/log.ts';
import { createRig, observation, type Rig, subscription, waitForStatus } from '../testing/rig.ts';
import { allDone, topicSubscription } from '../testing/topic.ts';

test('a status that others keep from being written is written later', async (t) => {
  const { store, start } = await createRig(t);
  let refused = 0;
  const transaction: ResourceWriter['transaction'] = async (entries, context) => {
    if (refused++ === 0) throw new CerebraError('version-conflict', 'Being changed by others: try again');
    return store.writer.transaction(entries, context);
  };
  await start({ writer: { ...store.writer, transaction } });
  await store.put(subscription('s', 'http://127.0.0.1:9/hook'));
  await waitForStatus(store, 's', 'active');
  assert.equal(refused, 2);
});

/** Its client changes it at the moment at which the server, which has found `when`, is about to give it a status. */
async function startChanging(rig: Rig, when: string, change: () => Promise<unknown>): Promise<void> {
  const { db, store, start } = rig;
  let isChanged = false;
  const read: ResourceReader['read'] = async (type, id, scope) => {
    const text = `select 1 from subscriber where id = $1 and state <> 'requested' and (${when})`;
    if (type === 'Subscription' && !isChanged && (await db.query({ text }, [id])).length > 0) {
      isChanged = true;
      await change();
    }
    return store.reader.read(type, id, scope);
  };
  await start({ reader: { ...store.reader, read }, limits: { attemptsMax: 1 } });
}

test('an error of a former version is no error of the one that its client has put in its place', async (t) => {
  const rig = await createRig(t);
  const { store } = rig;
  const [broken, sound] = [await startReceiver(t), await startReceiver(t)];
  broken.answer = () => 500;
  const mended = subscription('s', sound.url, { status: 'active' });
  await startChanging(rig, 'report is not null', () => store.put(mended));
  await store.put(subscription('s', broken.url));
  await waitForStatus(store, 's', 'active');
  await store.put(observation('o'));
  await allDone(rig, 's', 1);
  const stored = await store.reader.read('Subscription', 's', { kind: 'everything' });
  assert.deepEqual(JSON.parse(stored!.body), { ...mended, meta: JSON.parse(stored!.body).meta });
  assert.equal(stored!.version, 3);
  assert.deepEqual([broken.received.length, sound.received.length], [1, 1]);
});

test('one whose client puts its end off as it passes is not switched off', async (t) => {
  const rig = await createRig(t);
  const { store } = rig;
  const receiver = await startReceiver(t);
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();
  const later = subscription('s', receiver.url, { status: 'active', end: at(3_600_000) });
  const { promise, resolve } = Promise.withResolvers<void>();
  await startChanging(rig, 'ends_at <= statement_timestamp()', () => store.put(later).then(() => resolve()));
  await store.put(subscription('s', receiver.url, { end: at(-1_000) }));
  await promise;
  await store.put(observation('o'));
  await allDone(rig, 's', 1);
  assert.equal((await store.reader.read('Subscription', 's', { kind: 'everything' }))!.version, 3);
});

test('a status that the store refuses for good is told once, and tried again with growing pauses', async (t) => {
  const rig = await createRig(t);
  const { store, db } = rig;
  const tries = new Map<string, number>();
  const enough = Promise.withResolvers<void>();
  let isForbidden = true;
  const transaction: ResourceWriter['transaction'] = async (entries, context) => {
    const id = entries[0]!.resource!.id!;
    tries.set(id, (tries.get(id) ?? 0) + 1);
    if (id === 'passing' && tries.get(id)! < 30) throw new CerebraError('unavailable', 'Not at the moment');
    if (id === 'passing') enough.resolve();
    else if (isForbidden) throw new CerebraError('business-rule', 'Subscription.contact: is needed here');
    return store.writer.transaction(entries, context);
  };
  const log = createReadLog();
  const receiver = await startReceiver(t);
  const server = await rig.start({
    ...{ writer: { ...store.writer, transaction }, log: log.log, random: () => 1 },
    limits: { pollMs: 1, backoffMsMin: 600_000, backoffMsMax: 600_000 },
  });
  await store.put(subscription('refused', receiver.url));
  await store.put(topicSubscription('shaken', receiver.url));
  await waitFor(async () => tries.size === 2, 'both to have been refused');
  await store.put(subscription('passing', receiver.url));
  await enough.promise;
  assert.deepEqual([tries.get('refused'), tries.get('shaken'), receiver.received.length], [1, 1, 1]);
  const told = log.told('the store refuses the status of a subscription: it is tried again now and then');
  assert.deepEqual(told.map(({ subscription: id }) => id).sort(), ['refused', 'shaken']);
  isForbidden = false;
  // Its client has mended it.
  await store.put(subscription('refused', receiver.url, { contact: [{ name: 'x' }] }));
  await waitForStatus(store, 'refused', 'active');
  await store.remove('Subscription', 'shaken');
  const text = `select 1 from subscriber where id = 'shaken' and state = 'deleted'`;
  await waitFor(async () => (await db.query({ text })).length === 1, 'the deletion');
  await server.stop();
});
