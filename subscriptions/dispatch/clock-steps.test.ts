// The database's clock is put back by an hour: what it leaves in the tables lies an hour ahead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Db, Statement } from '#platform';
import { startReceiver, testDatabase, waitFor } from '#platform/testing';
import { createRig, observation, subscription, waitForState } from '../testing/rig.ts';
import { watchClockSteps } from './clock-steps.ts';
import { type Claim, claimDue, postponeDelivery, putBackClaim } from './deliveries.ts';

test('leases of a killed server and what was due by the former time hold nothing back', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const first = await start();
  for (const id of ['due', 'leased']) await store.put(subscription(id, receiver.url));
  for (const id of ['due', 'leased']) await waitForState(db, id, 'active');
  await first.stop();
  await store.put(observation('o1'));
  const ahead = `statement_timestamp() + interval '1 hour'`;
  // As a server that was killed leaves them: the first was owed already, the second was being told.
  const killed = `update subscriber set last_number = 1, due_at = ${ahead};
    update subscriber set lease_until = ${ahead}, due_at = statement_timestamp() where id = 'leased';
    insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, op)
      select s.id, 1, 0, 0, statement_timestamp(), 1, 'Observation', 'o1', 'create' from subscriber s;
    update dispatcher set holder = 'killed', lease_until = ${ahead}`;
  await db.query({ text: killed });
  const deliveryLeaseMs = 60_000;
  await start({ limits: { deliveryLeaseMs } });
  // The holder might be alive: its lease ends when one that was given now would.
  const within = `from subscriber where id = 'leased' and lease_until <= statement_timestamp() + interval '${deliveryLeaseMs} ms'`;
  await waitFor(
    async () => (await db.query({ text: `select ${within}` })).length === 1,
    'the lease to be brought back',
  );
  await db.query({ text: `update subscriber set lease_until = statement_timestamp() where id = 'leased'` });
  await waitFor(() => receiver.received.length === 4, 'what was owed, and the change');
  const numbers = Map.groupBy(receiver.received, ({ headers }) => headers['x-cerebra-subscription']);
  for (const id of ['due', 'leased'])
    assert.deepEqual(
      numbers.get(id)!.map(({ number }) => number),
      [1, 2],
    );
});

test('pauses and leases that the limits allow stay; who still holds a lease keeps it for its time', async (t) => {
  const db = await testDatabase(t);
  const put = `insert into subscriber (id, channel, state, version, due_at, lease_until)
    select id, 'rest-hook', state, 1, now() + due * interval '1 minute', now() + lease * interval '1 minute' from (values
      ('pause', 'active', 10, null), ('pause-left', 'active', 30, null), ('lease', 'active', 0, 1), ('lease-left', 'active', 0, 30),
      ('both', 'active', 30, 30), ('error', 'error', 30, 30), ('idle', 'active', null, 30)) v (id, state, due, lease)`;
  await db.query({ text: put });
  const look = watchClockSteps(db, { backoffMsMax: 600_000, leaseMs: 60_000 });
  assert.equal(await look(), true);
  assert.equal(await look(), false, 'not again so soon');
  const text = `select id, round(extract(epoch from due_at - now()) / 60)::int as due,
      round(extract(epoch from lease_until - now()) / 60)::int as lease from subscriber order by id collate "C"`;
  assert.deepEqual(await db.query({ text }), [
    { id: 'both', due: 0, lease: 1 },
    { id: 'error', due: 30, lease: 30 },
    { id: 'idle', due: null, lease: 30 },
    { id: 'lease', due: 0, lease: 1 },
    { id: 'lease-left', due: 0, lease: 1 },
    { id: 'pause', due: 10, lease: null },
    { id: 'pause-left', due: 0, lease: null },
  ]);
  assert.equal(await watchClockSteps(db, { backoffMsMax: 600_000, leaseMs: 60_000 })(), false);
});

test('a step that was seen brings back what is within the limits, and heartbeats never wait for more than their period', async (t) => {
  const db = await testDatabase(t);
  const put = `insert into subscriber (id, channel, state, version, due_at, failing_since, heartbeat_at, topic)
    select id, 'rest-hook', state, 1, now() + due * interval '1 minute', now() - failing * interval '1 minute',
      now() + beat * interval '1 minute', '{"heartbeatSeconds": 60}' from (values
      ('beat', 'active', null, null, 90), ('beat-soon', 'active', null, null, 1), ('error', 'error', null, null, 90),
      ('due', 'active', 5, null, null), ('pause', 'active', 7, 2, null), ('pause-short', 'active', 1, 3, null)) v (id, state, due, failing, beat)`;
  await db.query({ text: put });
  let monotonicMs = 0;
  const look = watchClockSteps(db, { backoffMsMax: 600_000, leaseMs: 60_000 }, () => monotonicMs);
  const text = `select id, round(extract(epoch from due_at - now()) / 60)::int as due,
      round(extract(epoch from due_at - failing_since) / 60)::int as failing,
      round(extract(epoch from heartbeat_at - now()) / 60)::int as beat from subscriber order by id collate "C"`;
  const row = (id: string, due: number | null, failing: number | null, beat: number | null) => ({
    id,
    due,
    failing,
    beat,
  });
  assert.equal(await look(), true);
  const afterTheFirst = [row('beat', null, null, 1), row('beat-soon', null, null, 1)];
  const inError = row('error', null, null, 90);
  const dues = [row('due', 5, null, null), row('pause', 7, 9, null), row('pause-short', 1, 4, null)];
  const inOrder = (rows: ReturnType<typeof row>[]) => rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  assert.deepEqual(await db.query({ text }), inOrder([...afterTheFirst, inError, ...dues]));
  // Six minutes here, none there: the database's clock was put back by as much.
  monotonicMs += 6 * 60_000;
  assert.equal(await look(), true);
  const brought = [row('due', 0, null, null), row('pause', 1, 9, null), row('pause-short', 0, 4, null)];
  assert.deepEqual(await db.query({ text }), inOrder([...afterTheFirst, inError, ...brought]));
});

const minute = 60_000;

test('an answer of the database that is long in coming is no step of its clock', async () => {
  let [databaseMs, hereMs, answerMs] = [0, 0, 0];
  const pass = (ms: number) => {
    databaseMs += ms;
    hereMs += ms;
  };
  const steps: unknown[] = [];
  const db = {
    async query() {
      const rows = [{ ms: databaseMs }];
      pass(answerMs);
      return rows;
    },
    async queryCount({ name }: Statement, values: unknown[] = []) {
      if (name === 'delivery_set_back') steps.push(values[0]);
      return 0;
    },
  } as unknown as Db;
  const look = watchClockSteps(db, { backoffMsMax: minute, leaseMs: minute }, () => hereMs);
  for (answerMs of [0, 5_000, 0]) {
    await look();
    pass(20_000);
  }
  assert.deepEqual(steps, [0], 'as far as is known at the first look');
  databaseMs -= 10 * minute;
  await look();
  assert.deepEqual(steps, [0, 10 * minute]);
});

test('how long a notification fails is counted by pauses: no step of the clock and no time without a server is in it', async (t) => {
  const db = await testDatabase(t);
  await db.query({
    text: `insert into subscriber (id, channel, state, version, last_number, due_at) values ('s', 'rest-hook', 'active', 1, 1, now())`,
  });
  const fail = async () => {
    const claim = await claimed(db);
    await postponeDelivery(db, claim, 1n, 'no', { delayMs: 5 * minute, attemptMs: minute });
    return Math.round(claim.failing_ms / minute);
  };
  // As if the clock had been put forward, by hours: what it left in the row is so much longer ago.
  const step = (hours: number) =>
    db.query(
      {
        text: `update subscriber set due_at = due_at - $1::int * interval '1 hour', failing_since = failing_since - $1::int * interval '1 hour'`,
      },
      [hours],
    );
  const pauseEnds = `update subscriber set due_at = due_at - interval '5 minutes', failing_since = failing_since - interval '5 minutes'`;
  assert.equal(await fail(), 0);
  await db.query({ text: pauseEnds });
  assert.equal(await fail(), 5, 'the pause; the first attempt came before');
  await db.query({ text: pauseEnds });
  assert.equal(await fail(), 11, 'two pauses and an attempt');
  await db.query({ text: pauseEnds });
  await step(100);
  assert.equal(await fail(), 27, 'ten minutes of the hundred hours');
  await step(-100);
  assert.equal(await watchClockSteps(db, { backoffMsMax: 10 * minute, leaseMs: minute })(), true);
  const claim = await claimed(db);
  assert.equal(Math.round(claim.failing_ms / minute), 33);
  await putBackClaim(db, claim, minute);
  await db.query({
    text: `update subscriber set due_at = due_at - interval '1 minute', failing_since = failing_since - interval '1 minute'`,
  });
  assert.equal(Math.round((await claimed(db)).failing_ms / minute), 34, 'the host was left alone for a minute');
});

async function claimed(db: Db): Promise<Claim> {
  const [claim] = await claimDue(db, 1, minute, []);
  assert.ok(claim, 'it is due');
  return claim;
}
