// What could not be told is kept for its time, and what is then forgotten leaves no number that would never be reached.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startReceiver, waitFor } from '#platform/testing';
import { changeFloor, pruneDeadLetters } from './retention.ts';
import { createRig, observation, type Rig, subscription, waitForState, waitForStatus } from './testing/rig.ts';
import { allDone } from './testing/topic.ts';

const hourMs = 3_600_000;

/** The Subscription `s`, in error, told of the first of `count` observations and of nothing more. */
async function inError(rig: Rig, endpoint: string, count: number): Promise<void> {
  const { db, store } = rig;
  await store.put(subscription('s', endpoint));
  await waitForState(db, 's', 'active');
  // In one transaction, so that all are owed when the second of them fails.
  await store.writer.transaction(
    Array.from({ length: count }, (_, i) => ({
      ...{ method: 'PUT' as const, url: `Observation/o${i + 1}`, resource: observation(`o${i + 1}`) },
    })),
    { scope: { kind: 'everything' } },
  );
  await waitForStatus(store, 's', 'error');
  await waitForState(db, 's', 'error');
}

const numbers = async ({ db }: Rig): Promise<number[]> => {
  const text = `select number from delivery where subscriber = 's' order by number`;
  return (await db.query<{ number: bigint }>({ text })).map(({ number }) => Number(number));
};

const age = ({ db }: Rig, until: number) =>
  db.query({ text: `update delivery set changed_at = changed_at - interval '2 hours' where number <= ${until}` });

test('what a subscription in error is owed is forgotten from its beginning on; the rest is told when it is requested again', async (t) => {
  const rig = await createRig(t);
  const { db, store } = rig;
  const receiver = await startReceiver(t);
  let isMended = false;
  receiver.answer = ({ number }) => (isMended || number === 1 ? 200 : 500);
  const limits = { attemptsMax: 1 };
  const server = await rig.start({ limits });
  await inError(rig, receiver.url, 6);
  await server.stop();
  assert.deepEqual(await pruneDeadLetters(db, { keepMs: hourMs }), { failed: 0, owed: 0 });
  await age(rig, 4);
  assert.deepEqual(await pruneDeadLetters(db, { keepMs: 3 * hourMs }), { failed: 0, owed: 0 });
  // Batches of two: the third finds nothing old.
  assert.deepEqual(await pruneDeadLetters(db, { keepMs: hourMs, batchRows: 2 }), { failed: 0, owed: 3 });
  assert.deepEqual(await numbers(rig), [1, 5, 6]);
  const [fifth] = await db.query({
    text: 'select change_xid as xid, change_seq as seq from delivery where number = 5',
  });
  assert.deepEqual(await changeFloor(db), fifth);
  isMended = true;
  receiver.received.length = 0;
  await rig.start({ limits });
  await store.put(subscription('s', receiver.url));
  await allDone(rig, 's', 6);
  assert.deepEqual(
    receiver.received.map(({ headers }) => headers['x-cerebra-event-number']),
    ['5', '6'],
  );
});

test('all that is owed may be forgotten; what is active, or tries again, keeps everything', async (t) => {
  const rig = await createRig(t);
  const { db, store } = rig;
  const receiver = await startReceiver(t);
  let answer = 500;
  receiver.answer = ({ number }) => (number === 1 ? 200 : answer);
  const server = await rig.start({ limits: { attemptsMax: 1 } });
  await inError(rig, receiver.url, 3);
  await server.stop();
  await age(rig, 3);
  assert.deepEqual(await pruneDeadLetters(db, { keepMs: hourMs }), { failed: 0, owed: 2 });
  const [row] = await db.query({ text: `select last_number, done_number from subscriber where id = 's'` });
  assert.deepEqual(row, { last_number: 3n, done_number: 3n });
  answer = 200;
  const next = await rig.start({ limits: { attemptsMax: 1 } });
  await store.put(subscription('s', receiver.url));
  await waitForStatus(store, 's', 'active');
  await waitForState(db, 's', 'active');
  await store.put(observation('o4'));
  await allDone(rig, 's', 4);
  await next.stop();
  answer = 503;
  await rig.start({ limits: { backoffMsMin: 60_000, backoffMsMax: 60_000 } });
  await store.put(observation('o5'));
  const text = `select 1 from subscriber where id = 's' and attempts = 1 and state = 'active'`;
  await waitFor(async () => (await db.query({ text })).length === 1, 'the failure of the fifth');
  await age(rig, 5);
  assert.deepEqual(await pruneDeadLetters(db, { keepMs: hourMs }), { failed: 0, owed: 0 });
  assert.deepEqual(await numbers(rig), [1, 4, 5]);
});

test('what was set aside alone is forgotten in its time, in batches; what is to be told again is not', async (t) => {
  const rig = await createRig(t);
  const { db } = rig;
  await db.query({
    text: `insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, outcome, ended_at, resend)
      select 's', n, n, n, now(), 1, 'Observation', 'o', case when n = 9 then 'delivered' else 'failed' end,
        now() - n * interval '1 hour', n = 8
      from generate_series(1, 9) n`,
  });
  assert.deepEqual(await pruneDeadLetters(db, { keepMs: 3.5 * hourMs, batchRows: 2 }), { failed: 4, owed: 0 });
  assert.deepEqual(await numbers(rig), [1, 2, 3, 8, 9]);
});
