// The database's clock is put back by an hour: what it leaves in the tables lies an hour ahead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startReceiver, testDatabase, waitFor } from '#platform/testing';
import { createRig, observation, subscription, waitForState } from '../testing/rig.ts';
import { watchClockSteps } from './clock-steps.ts';

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
  // The holder might be alive: its lease ends when one that was given now would.
  await start({ limits: { deliveryLeaseMs: 200 } });
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
