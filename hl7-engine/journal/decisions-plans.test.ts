// Pages of dead letters begin where they are asked for, however many messages came since.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planned, testDatabase } from '#platform/testing';
import { listDeadLetters, listReviews } from './decisions.ts';

test('a page of old dead letters and reviews reads neither those after it nor the messages', async (t) => {
  const db = await testDatabase(t);
  await db.query({
    text: `insert into hl7_message (received_at, sender, control_id, content_hash, control_id_reused, type, raw, state)
      select now(), 'A|B', 'c' || n, sha256(n::text::bytea), false, 'ADT^A01', 'MSH', 'failed' from generate_series(1, 20000) n`,
  });
  await db.query({
    text: `insert into hl7_dead_letter (message, since, resolved_at, resolved_by)
      select id, now(), case when id % 2 = 0 then now() end, case when id % 2 = 0 then 'a' end from hl7_message where id % 5 = 0`,
  });
  await db.query({
    text: `insert into hl7_review (message, kind, text, concerns, created_at)
      select id, 'link', 't', '{}', now() from hl7_message where id % 5 = 0 order by id`,
  });
  await db.query({ text: 'analyze' });
  const { db: recording, plans } = planned(db);
  const numbers = async (which: 'open' | 'resolved' | 'all', beyond: bigint) =>
    (await listDeadLetters(recording, { which, beyond, limit: 2 })).map(({ id }) => Number(id));
  assert.deepEqual(await numbers('resolved', 60n), [50, 40, 30]);
  assert.deepEqual(await numbers('open', 45n), [35, 25, 15]);
  assert.deepEqual(await numbers('all', 12n), [10, 5]);
  const newest = await listDeadLetters(db, { which: 'all', beyond: undefined, limit: 1 });
  assert.deepEqual(
    newest.map(({ id }) => Number(id)),
    [20_000, 19_995],
  );
  assert.equal(plans.length, 6);
  for (const plan of plans) {
    assert.match(plan, /Index Cond: \(message < /);
    assert.match(plan, /Index Scan using hl7_message_pkey on hl7_message m\n +Index Cond: \(id = x.message\)/);
    assert.doesNotMatch(plan, /Merge Join|Hash Join/);
  }
  const reviews = await listReviews(recording, { which: 'all', beyond: 4n, limit: 2 }, undefined);
  assert.deepEqual(
    reviews.map(({ id }) => Number(id)),
    [3, 2, 1],
  );
  for (const plan of plans.slice(6)) assert.match(plan, /Index Cond: \(id < /);
});
