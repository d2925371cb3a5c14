import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, readConfig } from '#platform';
import { planned, testDatabase } from '#platform/testing';
import { forgetChanges, removeOld } from './maintenance.ts';

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

test('what is kept for months goes by the settings', async (t) => {
  const db = await testDatabase(t);
  await db.query({
    text: `insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, outcome, ended_at)
      select 's', n, n, n, now(), 1, 'Observation', 'o', 'failed', now() - n * interval '1 day' from generate_series(1, 9) n`,
  });
  await db.query({
    text: `insert into subscriber (id, channel, state, version, last_number) values ('e', 'rest-hook', 'error', 1, 9)`,
  });
  await db.query({
    text: `insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id)
      select 'e', n, n, n, now() - (10 - n) * interval '1 day', 1, 'Observation', 'o' from generate_series(1, 9) n`,
  });
  await db.query({
    text: `insert into device_dead_letter
        (fingerprint, topic, payload, reason, diagnostics, faults, fault_count, first_received_at, received_at)
      select convert_to(n::text, 'UTF8'), 't', '', 'rejected', '', '[]', 1, now() - n * interval '1 day', now() - n * interval '1 day'
      from generate_series(1, 9) n`,
  });
  await db.query({
    text: `insert into alert_fact (rule, subject, series, resource, at, value)
      select 'r', 'Patient/' || n, '0', 'Observation/1', now() - n * interval '10 days', 1 from generate_series(1, 9) n`,
  });
  const lines: string[] = [];
  const log = createLog({ level: 'info', destination: { write: (line) => void lines.push(line) } });
  const left = async (): Promise<unknown> =>
    db.query({
      text: `select (select count(*)::int from delivery) as told, (select count(*)::int from device_dead_letter) as letters`,
    });
  const before = await left();
  await removeOld({ db, config: readConfig({ ALERT_MEMORY_DAYS: '36500' }), log });
  assert.deepEqual([await left(), lines], [before, []], 'unless asked, none of it goes');
  const config = readConfig({ DEAD_LETTER_DAYS: '5', DEVICE_DEAD_LETTER_DAYS: '3', ALERT_MEMORY_DAYS: '55' });
  await removeOld({ db, config, log });
  const text = `select (select count(*)::int from delivery where subscriber = 's') as failed,
      (select array_agg(number) from delivery where subscriber = 'e') as owed, (select count(*)::int from device_dead_letter) as letters,
      (select count(*)::int from alert_fact) as facts`;
  assert.deepEqual(await db.query({ text }), [{ failed: 4, owed: [6n, 7n, 8n, 9n], letters: 2, facts: 5 }]);
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ level: _level, time: _time, ...rest }) => rest),
    [
      { failed: 5, deviceMessages: 7, remembered: 4, msg: 'old records removed' },
      { owed: 5, msg: 'events that Subscriptions in error were not told are no longer kept (DEAD_LETTER_DAYS)' },
    ],
  );
});
