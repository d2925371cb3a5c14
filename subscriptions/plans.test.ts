// What tables that grow without bound are read for: the rows that are asked for, not all there ever were.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Db, Tx } from '#platform';
import { planned, testDatabase } from '#platform/testing';
import { adminRoutes } from './admin.ts';
import { lockGroup } from './alerts/state/rows.ts';
import { openStorms } from './alerts/timers.ts';
import { applySubscriberChanges } from './dispatch/subscribers.ts';
import { changeFloor } from './retention.ts';
import { isKeptBefore } from './stream/patient-stream.ts';

let db: Db;

// Of `done` all but each thousandth were delivered, of `owed` none, and two are to be repeated, of changes 7 and 8.
before(async () => {
  db = await testDatabase();
  await db.query({
    text: `insert into subscriber (id, channel, state, version, last_number, done_number, error)
      values ('done', 'rest-hook', 'active', 1, 20010, 20000, null), ('owed', 'rest-hook', 'error', 1, 20002, 100, 'down')`,
  });
  await db.query({
    text: `insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, outcome, ended_at)
      select 'done', n, 1000, n, now(), 1, 'Patient', 'a' || n, case when n <= 20000 then
          case when n % 1000 = 0 then 'failed' else 'delivered' end end, case when n <= 20000 then now() end
        from generate_series(1, 20010) n
      union all select 'owed', n, 900, n, now(), 1, 'Patient', 'a' || n, null, null from generate_series(101, 20000) n`,
  });
  await db.query({
    text: `insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, again)
      select 'owed', 20000 + n, 500, 9 - n, now(), 1, 'Patient', 'a', true from generate_series(1, 2) n`,
  });
  await db.query({ text: 'update dispatcher set xid = 5000, seq = 1' });
  await db.query({
    text: `insert into change (xid, seq, updated, version, type, op, id)
      select (100 + n / 10)::text::xid8, n, now(), 1, 1, 'c', 'a' || n from generate_series(1, 20000) n`,
  });
  await db.query({ text: 'analyze' });
});

const numbersOf = (first: number, last: number, step = 1): bigint[] =>
  Array.from({ length: (last - first) / step + 1 }, (_, at) => BigInt(first + at * step));

describe('deliveries', () => {
  test('the changes that are needed: the first that is owed, and those that are repeated', async () => {
    const { db: recording, plans } = planned(db);
    assert.deepEqual(await changeFloor(recording), { xid: 500n, seq: 7n });
    for (const plan of plans) {
      assert.match(plan, /Limit\n +-> {2}Index Scan using delivery_pkey on delivery/);
      assert.doesNotMatch(plan, /Seq Scan on delivery|(Hash|Merge) Join/);
    }
    await db.query({ text: 'update delivery set again = false where again' });
    assert.deepEqual(await changeFloor(db), { xid: 900n, seq: 101n });
    await db.query({ text: 'update delivery set again = true where number > 20000 and change_xid = 500' });
  });

  test('those of one outcome are listed by what leads to them', async () => {
    const { db: recording, plans } = planned(db);
    const parts = { db: recording, wake: () => undefined };
    const routes = adminRoutes(parts as unknown as Parameters<typeof adminRoutes>[0]);
    const { handle } = routes.find(({ path }) => path === '/admin/subscriptions/:id/deliveries')!;
    const list = async (query: string) => {
      const request = { params: { id: 'done' }, query: new URLSearchParams(query), body: Buffer.alloc(0) };
      const { body } = (await handle(request)) as { body: { deliveries: { number: bigint; outcome: string }[] } };
      return body.deliveries;
    };
    const pending = await list('outcome=pending');
    assert.deepEqual(
      pending.map(({ number }) => number),
      numbersOf(20_001, 20_010),
    );
    assert.ok(pending.every(({ outcome }) => outcome === 'pending'));
    const pendingPlans = plans.filter((plan) => plan.includes('delivery'));
    for (const plan of pendingPlans) assert.match(plan, /Index Cond: .*number > GREATEST/);
    const failed = await list('outcome=failed&after=2000');
    assert.deepEqual(
      failed.map(({ number }) => number),
      numbersOf(3000, 20_000, 1000),
    );
    const failedPlans = plans.filter((plan) => plan.includes('delivery')).slice(pendingPlans.length);
    assert.equal(failedPlans.length, 2);
    for (const plan of failedPlans) {
      assert.match(plan, /using delivery_subscriber_number_idx2? /);
      assert.doesNotMatch(plan, /Filter/);
    }
    assert.equal((await list('after=19999&limit=2')).length, 2);
    assert.deepEqual(await list('outcome=gone'), []);
  });

  test('with a subscription goes what it was owed, and what has ended is not looked at', async () => {
    const { db: recording, plans } = planned(db);
    await applySubscriberChanges(recording as unknown as Tx, [{ kind: 'delete', id: 'done', version: 2 }]);
    for (const plan of plans) assert.match(plan, /Index Cond: .*number > /);
    const rows = await db.query({
      text: `select subscriber, count(*)::int as n, count(*) filter (where outcome is null)::int as owed from delivery
        group by 1 order by 1`,
    });
    assert.deepEqual(rows, [
      { subscriber: 'done', n: 20_000, owed: 0 },
      { subscriber: 'owed', n: 19_902, owed: 19_902 },
    ]);
    const [one] = await db.query({ text: "select state, done_number::int as done from subscriber where id = 'done'" });
    assert.deepEqual(one, { state: 'deleted', done: 20_010 });
    await applySubscriberChanges(db as unknown as Tx, [{ kind: 'delete', id: 'owed', version: 1 }]);
    const [other] = await db.query({ text: "select count(*)::int as n from delivery where subscriber = 'owed'" });
    assert.deepEqual(other, { n: 19_902 });
  });
});

test('whether a change before a place is kept is asked of the first', async () => {
  const { db: recording, plans } = planned(db);
  const asked = async (xid: number) => (await recording.query<{ kept: boolean }>(isKeptBefore, [xid, 0]))[0]!.kept;
  assert.equal(await asked(100), false);
  assert.equal(await asked(101), true);
  assert.equal(await asked(9999), true);
  for (const plan of plans) assert.match(plan, /Limit\n +-> {2}Index Only Scan using change_pkey on change/);
});

describe('alerts', () => {
  // Of 20,000 two are open: a storm and what it stands for. PostgreSQL has not looked at them.
  before(async () => {
    await db.query({
      text: `insert into alert (id, rule, subject, key, episode, status, severity, title, detail, evidence, at, raised_at, group_id)
        select 'a' || n, 'r', 'Patient/1', case when n = 20000 then 'storm' else '' end, n,
          case when n < 19999 then 'resolved' else 'active' end, 'low', 't', 'd', '{}', now(),
          to_timestamp(1700000000 + n), case when n < 20000 then 'a20000' end
        from generate_series(1, 20000) n`,
    });
  });

  test('those of a storm are locked by their own indexes', async () => {
    const { db: recording, plans } = planned(db);
    await recording.query({ text: 'select 1' });
    await lockGroup(recording as unknown as Tx, 'a20000');
    for (const plan of plans) assert.doesNotMatch(plan, /Seq Scan on alert/);
    await db.tx(async (tx) => {
      await lockGroup(tx, 'a20000');
      const free = await db.query<{ id: string }>({ text: 'select id from alert for update skip locked' });
      assert.equal(free.length, 19_998);
      assert.ok(!free.some(({ id }) => id === 'a20000' || id === 'a19999'));
    });
  });

  test('storms are found by their index, and what they stand for', async () => {
    const { db: recording, plans } = planned(db);
    assert.deepEqual(await recording.query(openStorms, [100]), [
      { id: 'a20000', revision: 1, rule: 'r', last: (1_700_000_000 + 19_999) * 1000, stands: true },
    ]);
    for (const plan of plans) {
      assert.match(plan, /using alert_rule_idx on alert s/);
      assert.doesNotMatch(plan, /Seq Scan on alert/);
    }
  });
});
