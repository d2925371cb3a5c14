// What was current at a time, by every prefix: https://hl7.org/fhir/R4/http.html#history
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { CerebraError, type Clock, type Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { everything, testCore } from '../testing.ts';
import type { Core } from './core.ts';
import { type HistoryTarget, history } from './history.ts';

let db: Db;
let core: Core;

/** Version → its day in January 2026. The third is a deletion; the fifth was expunged. */
const DAYS = { 1: 2, 2: 4, 3: 6, 4: 8, 6: 12, 7: 14 };
const noon: Clock = { now: () => Date.parse('2026-01-20T12:00:00Z') };

before(async () => {
  db = await testDatabase();
  core = await testCore(db, noon);
  const versionsSql = `insert into h_basic (seq, updated, version, type, op, id, body)
      select v, make_timestamptz(2026, 1, d, 12, 0, 0, 'UTC'), v, (select code from resource_type where name = 'Basic'),
        case v when 1 then 'c' when 3 then 'd' else 'u' end::"char", 'b1', case when v <> 3 then '{"resourceType":"Basic"}' end
      from unnest($1::int[], $2::int[]) as t(v, d)`;
  await db.query({ text: versionsSql }, [Object.keys(DAYS).map(Number), Object.values(DAYS)]);
});

async function versions(query: string, target: HistoryTarget = { type: 'Basic', id: 'b1' }): Promise<number[]> {
  const pairs = [...new URLSearchParams(query)] as [string, string][];
  const text = await history(core, target, pairs, { scope: everything, db }, true);
  const { entry = [] } = JSON.parse(text) as { entry?: { response: { etag: string } }[] };
  return entry.map(({ response }) => Number(/\d+/.exec(response.etag)![0]));
}

describe('_at', () => {
  for (const [query, expected] of [
    ['_at=2026-01-04', [2, 1]],
    ['_at=2026-01-05', [2]],
    ['_at=2026-01-04T12:00:00Z', [2]],
    ['_at=2026-01-04T11:59:59.999Z', [1]],
    ['_at=2026-01-04T13:30:00%2B02:00', [1]],
    ['_at=2026-01-07', []],
    ['_at=2026-01', [7, 6, 4, 2, 1]],
    ['_at=2025', []],
    ['_at=gt2026-01-04', [7, 6, 4, 2]],
    ['_at=gt2026-01-04T11:59:59.999Z', [7, 6, 4, 2]],
    ['_at=ge2026-01-06', [7, 6, 4, 2]],
    ['_at=le2026-01-04', [2, 1]],
    ['_at=sa2026-01-05', [7, 6, 4, 2]],
    ['_at=sa2026-01-06', [7, 6, 4]],
    ['_at=lt2026-01-04', [1]],
    ['_at=eb2026-01-05', [2, 1]],
    ['_at=ap2026-01-10T12:00:00Z', [4]],
    ['_at=ap2026-01-08T11:00:00Z', [4]],
    ['_at=ap2026-01-11T18:00:00Z', [6, 4]],
  ] as const) {
    test(query, async () => assert.deepEqual(await versions(query), expected));
  }

  test('what came after an expunged version ends the one before it', async () => {
    assert.deepEqual(await versions('_at=2026-01-10'), [4]);
    assert.deepEqual(await versions('_at=2026-01-13'), [6]);
    assert.deepEqual(await versions('_at=2026-01-13', { type: 'Basic' }), [6]);
    assert.deepEqual(await versions('_at=2026-01-13', {}), [6]);
  });

  test('several are what was current at some time of each', async () => {
    assert.deepEqual(await versions('_at=ge2026-01-05&_at=lt2026-01-09'), [4, 2]);
    assert.deepEqual(await versions('_at=lt2026-01-09&_at=ge2026-01-05', {}), [4, 2]);
    assert.deepEqual(await versions('_at=2026-01-03&_at=2026-01-04'), [1]);
    assert.deepEqual(await versions('_at=2026-01-03&_at=2026-01-13'), []);
  });

  test('links keep all of them', async () => {
    const pairs: [string, string][] = [
      ['_at', 'ge2026-01-05'],
      ['_at', 'lt2026-01-09'],
      ['_count', '1'],
    ];
    const text = await history(core, { type: 'Basic' }, pairs, { scope: everything, db }, true);
    const { link } = JSON.parse(text) as { link: { relation: string; url: string }[] };
    const next = link.find(({ relation }) => relation === 'next')!.url;
    assert.deepEqual(await versions(next.slice(next.indexOf('?') + 1), { type: 'Basic' }), [2]);
  });

  test('ne is refused with what to ask', async () => {
    const isTold = (error: unknown) => error instanceof CerebraError && /prefix ne: ask with lt/.test(error.message);
    await assert.rejects(versions('_at=ne2026-01-05'), isTold);
  });
});

test('_since a day has what came on that day', async () => {
  assert.deepEqual(await versions('_since=2026-01-04'), [7, 6, 4, 3, 2]);
});

describe('a page', () => {
  const page = async (target: HistoryTarget, pairs: [string, string][], by: Core = core) => {
    const text = await history(by, target, pairs, { scope: everything, db }, true);
    const { total, link, entry } = JSON.parse(text) as {
      total?: number;
      link: { relation: string; url: string }[];
      entry: unknown[];
    };
    const next = link.find(({ relation }) => relation === 'next')?.url.split('?')[1] ?? '';
    return { total, count: entry.length, next: [...new URLSearchParams(next)] as [string, string][] };
  };

  test('of one resource tells how many versions there are, one of a type does not, the last no more than the first', async () => {
    for (const [target, total] of [
      [{ type: 'Basic', id: 'b1' }, 6],
      [{ type: 'Basic' }, undefined],
    ] as const) {
      const first = await page(target, [['_count', '4']]);
      assert.deepEqual([first.total, first.count], [total, 4]);
      const last = await page(target, first.next);
      assert.deepEqual([last.total, last.count, last.next], [total, 2, []]);
    }
  });

  test('has no more than the server gives, whatever _count asks', async () => {
    const limited: Core = { ...core, limits: { ...core.limits, searchCountMax: 3 } };
    assert.equal((await page({ type: 'Basic' }, [['_count', '1000']], limited)).count, 3);
  });
});
