// A Subscription is changed while its notifications are being made: https://hl7.org/fhir/R4/subscription.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startReceiver, waitFor } from '#platform/testing';
import { createRig, observation, subscription } from './testing/rig.ts';
import { activate, allDone } from './testing/topic.ts';

test('a new endpoint is told of what is waiting, and the former one of nothing more', async (t) => {
  const rig = await createRig(t);
  const [old, next] = [await startReceiver(t), await startReceiver(t)];
  await rig.start();
  await activate(rig, subscription('s', old.url));
  const gates = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
  // After the first two each is answered when the one before has been recorded.
  old.answer = ({ number }) => gates[number - 1]?.promise ?? allDone(rig, 's', number - 1).then(() => 200);
  for (let i = 1; i <= 20; i++) await rig.store.put(observation(`o${i}`));
  await waitFor(() => old.received.length === 1, 'the first notification');
  gates[0]!.resolve(200);
  await waitFor(() => old.received.length === 2, 'the first of those that were waiting');
  await rig.store.put(subscription('s', next.url));
  const text = `select 1 from subscriber where id = 's' and endpoint = $1`;
  await waitFor(async () => (await rig.db.query({ text }, [next.url])).length > 0, 'the new endpoint');
  gates[1]!.resolve(200);
  await allDone(rig, 's', 20);
  // The third was on its way while the second was being recorded, and the fourth may have been.
  assert.ok(old.received.length <= 4, `the former endpoint was told of ${old.received.length}`);
  const numbers = [...old.received, ...next.received].map(({ number }) => number);
  assert.deepEqual(
    [...new Set(numbers)],
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  assert.equal(next.received.at(-1)!.number, 20);
});

for (const [name, status] of [
  ['ends it', 410],
  ['is to be repeated', 503],
] as const) {
  test(`a failure of the former endpoint that ${name} does not count for the new one`, async (t) => {
    const rig = await createRig(t);
    const [old, next] = [await startReceiver(t), await startReceiver(t)];
    // A pause that nobody here lives to see the end of.
    await rig.start({ limits: { backoffMsMin: 3_600_000, backoffMsMax: 3_600_000 } });
    await activate(rig, subscription('s', old.url));
    const gate = Promise.withResolvers<number>();
    old.answer = () => gate.promise;
    await rig.store.put(observation('o1'));
    await waitFor(() => old.received.length === 1, 'the notification');
    await rig.store.put(subscription('s', next.url));
    const text = `select 1 from subscriber where id = 's' and endpoint = $1`;
    await waitFor(async () => (await rig.db.query({ text }, [next.url])).length > 0, 'the new endpoint');
    gate.resolve(status);
    await allDone(rig, 's', 1);
    assert.deepEqual(
      next.received.map(({ number }) => number),
      [1],
    );
    const [row] = await rig.db.query({ text: `select state, attempts, error, report from subscriber where id = 's'` });
    assert.deepEqual(row, { state: 'active', attempts: 0, error: null, report: null });
  });
}
