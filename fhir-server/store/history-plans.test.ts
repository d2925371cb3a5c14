// What a history of few resources reads is their versions alone, whatever PostgreSQL expects of the history of the type.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Db } from '#platform';
import { planned, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { everything, testCore } from '../testing.ts';
import { countHistory, type HistoryRequest, readHistory } from './history.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  // Few ids with many versions, by which PostgreSQL takes those of any id for a fifth of the history.
  await db.query({
    text: `insert into h_location (seq, updated, version, type, op, id, body)
      select n, to_timestamp(1700000000 + n), n, (select code from resource_type where name = 'Location'), 'u', 'id' || n % 5, '{}'
      from generate_series(1, 20000) n`,
  });
  await db.query({ text: 'analyze h_location' });
});

async function plansOf(request: Omit<HistoryRequest, 'count'>) {
  const { db: recording, plans } = planned(db);
  const { layout } = core.store;
  const page = await readHistory(recording, layout, { ...request, count: 3 }, everything);
  const count = await countHistory(recording, layout, { ...request, count: 3 }, everything);
  return { plans, count, versions: page.entries.map(({ version }) => version), more: page.more };
}

function assertByIds(plans: string[]): void {
  assert.equal(plans.length, 4);
  for (const plan of plans) {
    assert.match(plan, /h_location_id_version_idx/);
    assert.doesNotMatch(plan, /updated_seq_idx|Seq Scan/);
  }
}

describe('plans of histories', () => {
  test('of an id that was never there', async () => {
    const { plans, count, versions } = await plansOf({ type: 'Location', id: 'never' });
    assertByIds(plans);
    assert.deepEqual({ count, versions }, { count: 0, versions: [] });
  });

  test('of one id, from a place in both directions', async () => {
    const place = { updatedMs: 1_700_000_000_000 + 10_000_000, seq: 10_000n };
    const older = await plansOf({ type: 'Location', id: 'id0', cursor: { ...place, direction: 'older' } });
    assertByIds(older.plans);
    assert.deepEqual([older.versions, older.count, older.more], [[9995, 9990, 9985], 4000, true]);
    const newer = await plansOf({ type: 'Location', id: 'id0', cursor: { ...place, direction: 'newer' } });
    assertByIds(newer.plans);
    assert.deepEqual(newer.versions, [10_015, 10_010, 10_005]);
  });

  test('of one id since an instant', async () => {
    const { plans, count, versions } = await plansOf({
      ...{ type: 'Location', id: 'id1' },
      sinceMs: 1_700_000_000_000 + 19_980_000,
    });
    assertByIds(plans);
    assert.deepEqual([versions, count], [[19_996, 19_991, 19_986], 4]);
  });

  test('of what a List refers to, one of them twice', async () => {
    const only = ['id4', 'never', 'id3', 'id4'].map((id) => ({ type: 'Location', id }));
    const { plans, count, versions } = await plansOf({ type: 'Location', only });
    assertByIds(plans);
    assert.deepEqual([versions, count], [[19_999, 19_998, 19_994], 8000]);
    const all = await plansOf({ only });
    for (const plan of all.plans) assert.doesNotMatch(plan, /updated_seq_idx|Seq Scan on h_location/);
    assert.deepEqual([all.versions, all.count], [[19_999, 19_998, 19_994], 8000]);
  });
});
