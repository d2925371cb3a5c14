// A server that learns of its lease when that is over: it, or the database's answer, stood still for so long.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Db, Statement } from '#platform';
import { type Received, startReceiver, waitFor } from '#platform/testing';
import { createRig, observation, type Rig, subscription } from '../testing/rig.ts';
import { activate, allDone } from '../testing/topic.ts';

const short = { deliveryLeaseMs: 200, dispatchLeaseMs: 200 };
const long = { deliveryLeaseMs: 60_000, dispatchLeaseMs: 60_000 };

/** Leased as it came to be owed, or since it was due. */
const leasing = ['dispatcher_move_and_owe', 'delivery_claim'];

/** A database of which the answers to these statements, which tell of a lease, wait from when `hold` is called until what it returns is. */
function holding({ db }: Rig, names = leasing) {
  let gate: Promise<void> | undefined;
  let waiting = 0;
  let looked = 0;
  const query = async (statement: Statement, values?: unknown[]) => {
    const rows = await db.query<{ lease_token: bigint | null }>(statement, values);
    if (gate && names.includes(statement.name ?? '') && rows.some(({ lease_token }) => lease_token !== null)) {
      waiting++;
      await gate;
    }
    if (statement.name === 'delivery_prolong') looked++;
    return rows;
  };
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return () => {
      looked = 0;
      resolve();
    };
  };
  return {
    db: { ...db, query: query as Db['query'] },
    hold,
    isWaiting: () => waiting > 0,
    hasLooked: () => looked > 0,
  };
}

const numbers = (received: Received[]) => received.map(({ number }) => number);

/** The numbers of what is told before the first server hears of its lease, and afterwards. `refused`: the first time. */
async function toldAround(t: TestContext, refused: boolean): Promise<number[]> {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const held = holding(rig);
  // One place: this server does not lease it to itself anew meanwhile.
  const slow = await rig.start({ db: held.db, limits: { ...short, deliverers: 1 } });
  await activate(rig, subscription('s', receiver.url));
  let release = refused ? () => {} : held.hold();
  receiver.answer = () => {
    if (!refused || receiver.received.length > 1) return 200;
    release = held.hold();
    return 503;
  };
  await rig.store.put(observation('o1'));
  await waitFor(held.isWaiting, 'the first server to wait for its lease');
  await rig.start({ limits: long });
  await allDone(rig, 's', 1);
  await rig.store.put(observation('o2'));
  await allDone(rig, 's', 2);
  release();
  await waitFor(held.hasLooked, 'the first server to look whether the lease is its own');
  await slow.stop();
  return numbers(receiver.received);
}

test('what another has told meanwhile is not told again behind it', async (t) => {
  assert.deepEqual(await toldAround(t, false), [1, 2]);
});

test('the same of what was to be repeated', async (t) => {
  assert.deepEqual(await toldAround(t, true), [1, 1, 2]);
});

test('nor what follows one whose end was recorded in time, and heard of late', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const held = holding(rig, ['delivery_end']);
  const slow = await rig.start({ db: held.db, limits: { ...short, deliverers: 1 } });
  await activate(rig, subscription('s', receiver.url));
  const isSo = (text: string) => async () => (await rig.db.query({ text })).length > 0;
  const lease = (than: string) =>
    `select from subscriber where id = 's' and lease_until < statement_timestamp() + interval '${than}'`;
  let release = () => {};
  // Half of the lease is over when the first has been told: its end is waited for before the second is.
  const slowly: typeof receiver.answer = async ({ number }) => {
    if (number === 1) await waitFor(isSo(lease('90 ms')), 'half of the lease');
    return 200;
  };
  // Refused until the second is owed as well: what claims it again has both.
  receiver.answer = async () => {
    await waitFor(isSo('select from delivery where number = 2'), 'both to be owed');
    release = held.hold();
    receiver.answer = slowly;
    return 503;
  };
  await rig.store.put(observation('o1'));
  await rig.store.put(observation('o2'));
  await waitFor(held.isWaiting, 'the end of the first');
  const before = receiver.received.length;
  await waitFor(isSo(lease('0 ms')), 'the end of the lease');
  await rig.start({ limits: long });
  await allDone(rig, 's', 2);
  await rig.store.put(observation('o3'));
  await allDone(rig, 's', 3);
  release();
  await waitFor(held.hasLooked, 'the first server to look whether the lease is its own');
  await slow.stop();
  assert.deepEqual(numbers(receiver.received.slice(before)), [2, 3]);
});

test('who comes late to a lease that is nobody else’s yet prolongs it and goes on', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const held = holding(rig);
  // One place, which is taken until the answer is there: this server does not lease it to itself anew.
  await rig.start({ db: held.db, limits: { ...short, deliverers: 1 } });
  await activate(rig, subscription('s', receiver.url));
  const release = held.hold();
  await rig.store.put(observation('o1'));
  const over = { text: `select from subscriber where id = 's' and lease_until < statement_timestamp()` };
  await waitFor(async () => held.isWaiting() && (await rig.db.query(over)).length === 1, 'the end of the lease');
  release();
  await allDone(rig, 's', 1);
  assert.deepEqual(numbers(receiver.received), [1]);
});
