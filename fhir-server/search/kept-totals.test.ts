// Totals that are kept and brought up to date say what counting anew says.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import type { Db } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { pageContext, parseQuery, searchPairs } from '../interactions/search.ts';
import { expungeVersions } from '../store/expunge.ts';
import { prepare } from '../store/store.ts';
import { insertOne } from '../store/write-one.ts';
import { everything, nothing, testCore } from '../testing.ts';
import { createChanges, write, writeWhileReading } from './changes-testing.ts';
import { countMatches } from './total.ts';

const next = random(20_261_122);
const one = <T>(values: readonly T[]): T => values[next(values.length)]!;

let db: Db;
let core: Core;
let statements: string[] = [];
/** What totals are kept for: every total is kept. */
let owner: { extract: Core['store']['extract']; layout: Core['store']['layout']; slowMs: number };

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  owner = { extract: core.store.extract, layout: core.store.layout, slowMs: 0 };
});

const query = (text: string) => parseQuery(core, 'Observation', searchPairs(text), true);
const recorded = (): Db => ({
  ...db,
  query: (statement, values) => {
    statements.push(statement.text);
    return db.query(statement, values);
  },
});
const kept = (text: string, scope = everything): Promise<number> =>
  countMatches({ ...pageContext(core, { scope, db: recorded() }), totals: owner }, query(text));
async function anew(text: string): Promise<number> {
  const { totals: _totals, ...page } = pageContext(core, { scope: everything, db });
  return countMatches(page, query(text));
}
const isKept = (): boolean => statements.some((text) => text.includes('from change c\n') || text.includes('from g'));

const codes = ['a', 'b'];
const observation = (id: string): Resource & { id: string } => ({
  ...{ resourceType: 'Observation', id, status: one(['final', 'amended']) },
  code: { coding: [{ system: 'http://c', code: one(codes) }] },
  effectiveDateTime: one(['2026-01-01', '2026-02-01', '2026-03-01']),
});
const changes = createChanges(next, observation);

const searches = [
  'code=a',
  'code=http://c|b',
  'code=a&status=final',
  'status=final,amended',
  'code=a&date=ge2026-02-01',
  'date=2026-02',
  'code=none',
  '_lastUpdated=gt2020',
];

describe('kept totals', () => {
  test('follow every kind of change', async () => {
    for (let round = 0; round < 40; round++) {
      await write(core, changes());
      for (const text of searches) assert.equal(await kept(text), await anew(text), `${text} in round ${round}`);
    }
  });

  test('are brought up to date, not counted anew', async () => {
    assert.equal(await kept('code=a'), await anew('code=a'));
    await write(core, [
      {
        method: 'POST',
        url: 'Observation',
        resource: { ...observation('x'), code: { coding: [{ system: 'http://c', code: 'a' }] } },
      },
    ]);
    statements = [];
    assert.equal(await kept('code=a'), await anew('code=a'));
    assert.ok(isKept());
    assert.ok(!statements.some((text) => text.startsWith('select (select count(*) from r_observation')));
  });

  test('follow changes that commit while others count', async () => {
    const totals = await Promise.all(searches.map((text) => kept(text)));
    assert.equal(totals.length, searches.length);
    await writeWhileReading(core, changes, () => kept(one(searches)));
    for (const text of searches) assert.equal(await kept(text), await anew(text), text);
  });

  test('a transaction that was running when they were counted is counted when it commits', async () => {
    const insert = (id: string) => {
      const resource = { ...observation(id), code: { coding: [{ system: 'http://c', code: 'late' }] } };
      return prepare(core.store, resource, id, Date.now(), everything);
    };
    assert.equal(await kept('code=late'), 0);
    const [go, ready] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const late = db.tx(async (tx) => {
      await insertOne(tx, insert('late1'));
      await tx.query({ text: 'savepoint s' });
      await insertOne(tx, insert('late2'));
      ready.resolve();
      await go.promise;
    });
    await ready.promise;
    await insertOne(db, insert('early'));
    assert.equal(await kept('code=late'), 1);
    assert.equal(await kept('code=late'), 1);
    go.resolve();
    await late;
    assert.equal(await kept('code=late'), 3);
    assert.equal(await anew('code=late'), 3);
  });

  test('are counted anew when index rows were rebuilt, or a replaced version is gone for good', async () => {
    await write(core, [{ method: 'PUT', url: 'Observation/o1', resource: observation('o1') }]);
    assert.equal(await kept('code=a'), await anew('code=a'));
    await db.query({ text: `update r_observation set tokens = '{}' where id = 'o1'` });
    await db.query({ text: 'update index_epoch set n = n + 1' });
    assert.equal(await kept('code=a'), await anew('code=a'));
    await write(core, [{ method: 'PUT', url: 'Observation/o2', resource: observation('o2') }]);
    assert.equal(await kept('code=b'), await anew('code=b'));
    await write(core, [{ method: 'PUT', url: 'Observation/o2', resource: observation('o2') }]);
    await db.query({ text: `delete from h_observation where id = 'o2'` });
    assert.equal(await kept('code=b'), await anew('code=b'));
  });

  test('are counted anew when one was deleted for good and its id is used again', async () => {
    const put = (code: string): TransactionEntry => ({
      ...{ method: 'PUT', url: 'Observation/again' },
      resource: { ...observation('again'), code: { coding: [{ system: 'http://c', code }] } },
    });
    const expunge = () =>
      db.tx((tx) =>
        expungeVersions(
          tx,
          { type: 'Observation', id: 'again' },
          { previousVersions: false, deletedResources: true, limit: 100 },
          everything,
        ),
      );
    for (const after of [['reborn'], ['other', 'reborn'], ['reborn', 'other']]) {
      await write(core, [put('reborn')]);
      assert.equal(await kept('code=reborn'), 1);
      assert.equal(await kept('code=other'), 0);
      await write(core, [{ method: 'DELETE', url: 'Observation/again' }]);
      assert.ok((await expunge()) > 0);
      for (const code of after) await write(core, [put(code)]);
      assert.equal(await kept('code=reborn'), await anew('code=reborn'), after.join());
      assert.equal(await kept('code=other'), await anew('code=other'), after.join());
    }
  });

  test('of one _filter are none of another that asks the same of another parameter', async () => {
    const patient = (id: string, system: string): TransactionEntry => ({
      ...{ method: 'PUT', url: `Patient/${id}` },
      resource: { resourceType: 'Patient', id, telecom: [{ system, value: 'made-up' }] },
    });
    await write(core, [patient('p1', 'phone'), patient('p2', 'phone'), patient('p3', 'email')]);
    const count = (filter: string): Promise<number> => {
      const page = { ...pageContext(core, { scope: everything, db }), totals: owner };
      return countMatches(page, parseQuery(core, 'Patient', [['_filter', filter]], true));
    };
    assert.equal(await count('phone eq made-up'), 2);
    assert.equal(await count('email eq made-up'), 1);
    assert.equal(await count('phone eq made-up'), 2);
  });

  test('are for those who see everything', async () => {
    assert.ok((await kept('status=final')) > 0);
    assert.equal(await kept('status=final', nothing), 0);
    assert.equal(await kept('status=final'), await anew('status=final'));
  });
});
