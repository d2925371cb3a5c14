import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planned, testDatabase } from '#platform/testing';
import { forgetChanges } from './maintenance.ts';

const HOUR_MS = 3_600_000;

test('changes that all consumers have passed go by age, and only the oldest are looked at', async (t) => {
  const db = await testDatabase(t);
  // Hours old: 30, 29 … 1 of every thousand changes. The cursors stand before the last thousand.
  await db.query({
    text: `insert into change (xid, seq, updated, version, type, op, id)
      select (1 + n / 10)::text::xid8, n, now() - (30 - n / 1000) * interval '1 hour', 1, 1, 'c', 'a' || n
      from generate_series(0, 29999) n`,
  });
  await db.query({ text: 'update dispatcher set xid = 1 + 2900, seq = 29000' });
  const left = async () =>
    (
      await db.query<{ n: number; first: bigint }>({ text: 'select count(*)::int as n, min(seq) as first from change' })
    )[0];
  const { db: recording, plans } = planned(db);
  assert.equal(await forgetChanges(recording, 100 * HOUR_MS), 0);
  assert.deepEqual(await left(), { n: 30_000, first: 0n });
  assert.equal(await forgetChanges(recording, 15.5 * HOUR_MS), 15_000);
  assert.deepEqual(await left(), { n: 15_000, first: 15_000n });
  assert.equal(await forgetChanges(recording, 0), 14_000);
  assert.deepEqual(await left(), { n: 1000, first: 29_000n });
  const deletions = plans.filter((plan) => plan.includes('Delete on change'));
  assert.equal(deletions.length, 10);
  for (const plan of deletions) {
    assert.match(plan, /Tid Scan on change/);
    assert.match(plan, /Index Scan using change_pkey on change change_1\n +Index Cond: \(ROW\(xid, seq\) < /);
    assert.doesNotMatch(plan, /Seq Scan on change/);
  }
});
