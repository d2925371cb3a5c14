// Former versions that go: the whole history is not read for a few of them, and the changes once.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Db, Tx } from '#platform';
import { planned, testDatabase } from '#platform/testing';
import { everything } from '../testing.ts';
import { type ExpungeTarget, expungeVersions } from './expunge.ts';

let db: Db;

// 20 versions of each of 1,000 ids, the latest of which are tombstones; a change of each, and as many of others.
before(async () => {
  db = await testDatabase();
  await db.query({
    text: `insert into h_location (seq, updated, version, type, op, id, body)
      select n, to_timestamp(1700000000 + n), 1 + n / 1000, (select code from resource_type where name = 'Location'),
        case when n < 19000 then 'u'::"char" else 'd' end, 'id' || n % 1000, case when n < 19000 then '{}' end
      from generate_series(0, 19999) n`,
  });
  await db.query({
    text: `insert into change (xid, seq, updated, version, type, op, id)
      select (10 + n)::text::xid8, n, to_timestamp(1700000000 + n), 1, 1, case when n between 19000 and 19999 then 'd'::"char" else 'u' end, 'x'
      from generate_series(0, 39999) n`,
  });
  await db.query({ text: 'analyze' });
});

const counts = async () =>
  (
    await db.query<{ versions: number; changes: number }>({
      text: 'select (select count(*)::int from h_location) as versions, (select count(*)::int from change) as changes',
    })
  )[0];

async function expunge(target: Omit<ExpungeTarget, 'type'>, limit: number): Promise<[number, string[]]> {
  const { db: recording, plans } = planned(db);
  const work = { previousVersions: true, deletedResources: false, limit };
  const gone = await expungeVersions(recording as unknown as Tx, { type: 'Location', ...target }, work, everything);
  return [gone, plans];
}

test('the oldest of a type go first, by an index', async () => {
  const [gone, plans] = await expunge({}, 1500);
  assert.equal(gone, 1500);
  assert.deepEqual(await counts(), { versions: 18_500, changes: 38_500 });
  const [first] = await db.query({ text: 'select min(seq)::int as seq from h_location' });
  assert.deepEqual(first, { seq: 1500 });
  for (const plan of plans) {
    assert.match(plan, /Index Scan using h_location_updated_seq_idx/);
    assert.match(plan, /Seq Scan on change c\n +Filter: .*hashed SubPlan/);
  }
});

test('of one id, the tombstone stays', async () => {
  const [gone, plans] = await expunge({ id: 'id700' }, 10);
  assert.equal(gone, 10);
  assert.deepEqual(await counts(), { versions: 18_490, changes: 38_490 });
  for (const plan of plans) assert.doesNotMatch(plan, /Seq Scan on h_location|updated_seq_idx/);
  assert.equal((await expunge({ id: 'id700' }, 100))[0], 8);
  const left = await db.query({ text: "select version, op from h_location where id = 'id700'" });
  assert.deepEqual(left, [{ version: 20, op: 'd' }]);
  const [none] = await expunge({ id: 'id700' }, 100);
  assert.equal(none, 0);
});
