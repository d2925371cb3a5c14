// How PostgreSQL runs what goes along with searches after a bulk load, where its statistics are those of small tables: by
// indexes, whether it plans for the values or for any. https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Db } from '#platform';
import { planned, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { resourceKey } from '../store/layout.ts';
import { everything, testCore } from '../testing.ts';

const FEW = 400;
const MANY = 20_000;

let db: Db;
let core: Core;

/**
 * Locations in a tree, ten below each, and at each of the first thousand 20 Encounters; but when the statistics are made there
 * is one Location that everything refers to.
 */
async function fill(from: number, to: number): Promise<void> {
  const all = Array.from({ length: to - from }, (_, i) => from + i);
  const rows = [
    ...all.map((i) => ({ type: 'Location', id: `l${i}`, rid: 1 + i, target: `l${i < FEW ? 0 : Math.floor(i / 10)}` })),
    ...all.map((i) => ({ type: 'Encounter', id: `e${i}`, rid: 1_000_001 + i, target: `l${i < FEW ? 0 : i % 1000}` })),
  ];
  const params = { Location: 'partof', Encounter: 'location' };
  for (const type of ['Location', 'Encounter'] as const) {
    const own = rows.filter((row) => row.type === type);
    await db.query(
      {
        text: `insert into r_${type.toLowerCase()} (rid, key, seq, updated, version, type, id, tokens, body)
          select rid, key, rid, now(), 1, $1, id, '{}', '{"resourceType":"' || $2 || '","id":"' || id || '","text":"' || repeat('x', 200) || '"}'
          from unnest($3::bigint[], $4::bigint[], $5::text[]) t (rid, key, id)`,
      },
      [
        core.store.layout.codeOf(type),
        type,
        own.map(({ rid }) => rid),
        own.map(({ id }) => resourceKey(type, id)),
        own.map(({ id }) => id),
      ],
    );
    await db.query(
      {
        text: 'insert into index_reference (rid, target, param) select rid, target, $1 from unnest($2::bigint[], $3::bigint[]) t (rid, target)',
      },
      [
        core.parameters.get(type, params[type])!.key,
        own.map(({ rid }) => rid),
        own.map(({ target }) => resourceKey('Location', target)),
      ],
    );
  }
}

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const tables = ['r_location', 'r_encounter', 'index_reference'];
  for (const table of tables) await db.query({ text: `alter table ${table} set (autovacuum_enabled = false)` });
  await fill(0, FEW);
  for (const table of tables) await db.query({ text: `analyze ${table}` });
  await fill(FEW, MANY);
});

/** A scan of a table, or of an index without a condition. */
const READS_ALL =
  /(Seq Scan on|Index (Only )?Scan( Backward)? using \w+ on) (r_location|r_encounter|index_reference)( \w+)?(\n(?! +Index Cond)|$)/;

/** What the search finds, what it includes, and the plans of its statements. */
async function run(type: string, text: string): Promise<[string[], string[], string[]]> {
  const { db: each, plans } = planned(db);
  const recording: Db = { ...each, until: () => each };
  const query = parseQuery(core, type, searchPairs(text), true);
  const { resources, included } = await search(core, query, { scope: everything, db: recording });
  const idsOf = (some: typeof resources) => some.map(({ id }) => id).sort();
  return [idsOf(resources), idsOf(included), plans];
}

const numbers = (letter: string, from: number, count: number, step = 1): string[] =>
  Array.from({ length: count }, (_, i) => `${letter}${from + i * step}`).sort();

const cases: [type: string, text: string, found: string[], included: string[]][] = [
  ['Location', '_id=l700&_revinclude=Encounter:location', ['l700'], numbers('e', 700, 20, 1000)],
  ['Location', '_id=l700&_revinclude=*', ['l700'], [...numbers('e', 700, 20, 1000), ...numbers('l', 7000, 10)]],
  ['Encounter', 'location:below=Location/l1000&_count=5', [], []],
  ['Encounter', 'location:below=Location/l999&_count=100', numbers('e', 999, 20, 1000), []],
  ['Encounter', '_id=e5&location:above=Location/l5', ['e5'], []],
];

for (const [type, text, found, included] of cases) {
  test(`${type}?${text}`, async () => {
    const [ids, beside, plans] = await run(type, text);
    assert.ok(plans.length > 0);
    for (const plan of plans) assert.doesNotMatch(plan, READS_ALL);
    assert.deepEqual(beside, included);
    assert.deepEqual(ids, found);
  });
}
