// What rules remember of patients who went home is forgotten; of those who are here it is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planned, testDatabase } from '#platform/testing';
import { forgetOldMemory } from './forget.ts';

const dayMs = 86_400_000;

test('what is remembered of a subject goes when its newest value is old, with the note that the store was read', async (t) => {
  const db = await testDatabase(t);
  // Of p1, p2 … p300 the newest value is 0.1, 0.2 … 30 days old, and there are older ones. Two rules.
  await db.query({
    text: `insert into alert_fact (rule, subject, series, resource, at, value)
      select r, 'Patient/p' || p, '0', 'Observation/' || n, now() - (p * 0.1 + n) * interval '1 day' - interval '1 minute', 1
      from unnest(array['a', 'b']) r, generate_series(1, 300) p, generate_series(0, 2) n
      union all
      select r, 'Patient/p' || p, '@', '', to_timestamp(0), 1 from unnest(array['a', 'b']) r, generate_series(1, 300) p`,
  });
  // Of every other one the reading was missed.
  await db.query({
    text: `insert into alert_watch (rule, subject, seen_at, due_at, resource, version)
      select 'c', 'Patient/p' || p, now() - p * 0.1 * interval '1 day' - interval '1 minute', case when p % 2 = 0 then now() end,
        'Observation/1', 1
      from generate_series(1, 300) p`,
  });
  const { db: recording, plans } = planned(db);
  const left = async () => {
    const text = `select count(*)::int as facts, count(distinct (rule, subject))::int as subjects,
        max(substr(subject, 10)::int) as last, (select count(*)::int from alert_watch) as watches from alert_fact`;
    return (await db.query({ text }))[0];
  };
  assert.equal(await forgetOldMemory(recording, 31 * dayMs), 0);
  assert.deepEqual(await left(), { facts: 2400, subjects: 600, last: 300, watches: 300 });
  // Batches of 100 cut what is remembered of a subject in two.
  assert.equal(await forgetOldMemory(recording, 20 * dayMs, 100), 101 * 2 * 4 + 50);
  assert.deepEqual(await left(), { facts: 1592, subjects: 398, last: 199, watches: 250 });
  const walks = plans.filter((plan) => plan.includes('Recursive Union'));
  assert.equal(walks.length, 8);
  for (const plan of walks) assert.doesNotMatch(plan, /Seq Scan on alert_fact/);
});
