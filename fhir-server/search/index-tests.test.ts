// Index rows of one resource are found by its number also where PostgreSQL has no statistics of the table, as after a
// restore, until autovacuum has looked at it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planned, testDatabase } from '#platform/testing';
import { isOf, rowsOf } from './index-tests.ts';

test('of tables without statistics no row is looked for through all of it', async (t) => {
  const db = await testDatabase(t);
  await db.query({
    text: `insert into r_patient (rid, key, seq, updated, version, type, id, tokens, body)
      select n, -n, n, now(), 1, (select code from resource_type where name = 'Patient'), 'p' || n, '{}', repeat('x', 300)
      from generate_series(1, 5000) n`,
  });
  await db.query({
    text: `insert into index_string (rid, param, value) select n % 5000 + 1, 3, 'family' || n % 50 from generate_series(1, 150000) n`,
  });
  await db.query({
    text: `insert into index_reference (rid, target, param) select 10000 + n, -(n % 5000 + 1), 7 from generate_series(1, 60000) n`,
  });
  // As a restore leaves them: PostgreSQL counts the rows when it makes the indexes.
  for (const table of ['r_patient', 'index_string', 'index_reference'])
    await db.query({ text: `reindex table ${table}` });
  const { db: recording, plans } = planned(db);
  // As joins.ts tests a chain: whoever refers to a patient whose family name begins so.
  const named = `exists (select 1 from ${rowsOf('index_string', 'p')} s where s.param = 3 and left(s.value, 100) like 'family7%')`;
  const patient = `(select * from r_patient where ${isOf('key', 'x.target')} offset 0)`;
  const text = `select m.rid::int as rid from unnest($1::bigint[]) as m(rid)
    where exists (select 1 from ${rowsOf('index_reference', 'm')} x where x.param = 7
      and exists (select 1 from ${patient} p where ${named})) order by 1`;
  assert.deepEqual(await recording.query({ text }, [[10_007n, 10_008n, 15_057n, 999_999n]]), [
    { rid: 10_007 },
    { rid: 15_057 },
  ]);
  assert.equal(plans.length, 2);
  for (const plan of plans) {
    for (const index of ['index_reference_rid_idx', 'r_patient_key_idx', 'index_string_rid_idx']) {
      assert.ok(plan.includes(index), plan);
    }
    assert.doesNotMatch(plan, /Seq Scan/);
  }
});
