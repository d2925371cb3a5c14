// What stands in the way of a status: for a moment, or because its client was faster.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceReader, ResourceWriter } from '#fhir-model';
import { CerebraError } from '#platform';
import { startReceiver } from '#platform/testing';
import { createRig, observation, type Rig, subscription, waitForStatus } from '../testing/rig.ts';
import { allDone } from '../testing/topic.ts';

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
