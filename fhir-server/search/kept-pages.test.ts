// Pages that are kept and brought up to date are the pages that a search gets alone.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import type { Db, Statement } from '#platform';
import { random, testDatabase, waitFor } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { searchPairs, searchType, searchTypeBytes } from '../interactions/search.ts';
import { prepare } from '../store/store.ts';
import { insertOne } from '../store/write-one.ts';
import { everything, nothing, testCore } from '../testing.ts';
import { createChanges, write, writeWhileReading } from './changes-testing.ts';

const next = random(20_261_123);
const one = <T>(values: readonly T[]): T => values[next(values.length)]!;

let db: Db;
let core: Core;
let statements: string[] = [];

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const recorded = (): Db => ({
  ...db,
  until: (signal) => {
    const bounded = db.until(signal);
    const query = <R>(statement: Statement, values?: unknown[]) => {
      statements.push(statement.text);
      return bounded.query<R>(statement, values);
    };
    return { ...bounded, query };
  },
});
const kept = async (text: string, scope = everything): Promise<string> =>
  String(
    await searchTypeBytes(
      core,
      { type: 'Observation', pairs: searchPairs(text), strict: true },
      { scope, db: recorded() },
    ),
  );
/** Row by row, joined here. */
const alone = (text: string): Promise<string> =>
  searchType(
    { ...core, firstPages: () => undefined },
    { type: 'Observation', pairs: searchPairs(text), strict: true },
    { scope: everything, db },
  );
/** Statements that look for a page, and not only at what is kept. */
const looks = (): number =>
  statements.filter((text) => text.includes('r_observation') && !text.includes('from change c')).length;
const wasKept = (): boolean => statements.some((text) => text.includes('from change c'));

const coded = (code: string) => ({ code: { coding: [{ system: 'http://c', code }] } });
const observation = (id: string): Resource & { id: string } => ({
  ...{ resourceType: 'Observation', id, status: one(['final', 'amended']) },
  ...coded(one(['a', 'b'])),
});
const changes = createChanges(next, observation);
const post = (code: string): TransactionEntry => ({
  method: 'POST',
  url: 'Observation',
  resource: { ...observation('x'), ...coded(code) },
});

const searches = [
  'code=http://c|a',
  'code=http://c|a&_count=5',
  'code=http://c|b&_count=2',
  'status=final&_count=3',
  'status=amended',
  'code=http://c|none',
  // Of several tokens: codes without a system, one of two, both of two, a parameter that reads two elements.
  'code=a',
  'code=http://c|a,http://c|b&_count=4',
  'code=http://c|b&status=final&_count=3',
  'status=final&code=a',
  'combo-code=http://c|a&_count=6',
];

const isSettled = {
  text: `select pg_snapshot_xmin(pg_current_snapshot()) > (select xid from change order by xid desc, seq desc limit 1) as settled`,
};
/** What has been written lies behind the horizon, which transactions of other databases may hold back: it is no change any more. */
const settled = () =>
  waitFor(async () => (await db.query<{ settled: boolean }>(isSettled))[0]!.settled, 'the horizon to pass the changes');

describe('kept pages', () => {
  test('follow every kind of change', async () => {
    for (let round = 0; round < 40; round++) {
      await write(core, changes());
      const found = await Promise.all([...searches, ...searches].map((text) => kept(text)));
      for (const [i, text] of searches.entries()) {
        const expected = await alone(text);
        assert.equal(found[i], expected, `${text} in round ${round}`);
        assert.equal(found[i + searches.length], expected, `${text} in round ${round}`);
      }
    }
  });

  test('are brought up to date, not looked for anew', async () => {
    for (const text of searches) await kept(text);
    await write(core, [post('a')]);
    for (const text of searches) {
      statements = [];
      assert.equal(await kept(text), await alone(text));
      assert.ok(wasKept(), text);
    }
  });

  test('are as they were while nothing of their type changes', async () => {
    await settled();
    // The first time they may still be told of changes, the second time of none.
    for (let round = 0; round < 2; round++) await Promise.all(searches.map((text) => kept(text)));
    await write(core, [{ method: 'POST', url: 'Patient', resource: { resourceType: 'Patient' } }]);
    statements = [];
    for (const text of searches) assert.equal(await kept(text), await alone(text), text);
    assert.deepEqual(
      statements.filter((text) => text.includes('r_observation') && !text.includes('count(*)')),
      [],
    );
  });

  test('are found anew when they are larger than what is kept', async () => {
    const long = { ...observation('x'), ...coded('long'), note: [{ text: 'x'.repeat(600_000) }] };
    await write(core, [{ ...post('long'), resource: long }]);
    for (let round = 0; round < 3; round++) {
      statements = [];
      assert.equal(await kept('code=http://c|long'), await alone('code=http://c|long'));
      assert.equal(wasKept(), round > 0);
    }
  });

  test('of a code without a system have what brings it to another system', async () => {
    await kept('code=open');
    const other = { ...observation('x'), code: { coding: [{ system: 'http://d', code: 'open' }] } };
    for (const entry of [post('open'), { ...post('open'), resource: other }]) {
      await write(core, [entry]);
      const found = await kept('code=open');
      assert.equal(found, await alone('code=open'));
      assert.match(found, /"code":"open"/);
    }
    assert.equal((await kept('code=open')).split('"resourceType":"Observation"').length - 1, 2);
  });

  test('are looked for once by all who ask for one at the same moment', async () => {
    statements = [];
    await kept('code=http://c|a,http://c|none&_count=8');
    const once = looks();
    assert.ok(once > 0);
    statements = [];
    const text = 'code=http://c|a,http://c|none&_count=9';
    const found = await Promise.all(Array.from({ length: 6 }, () => kept(text)));
    assert.equal(looks(), once);
    const expected = await alone(text);
    for (const page of found) assert.equal(page, expected);
  });

  test('are looked for once by all who find more changes than are looked at', async () => {
    const text = 'code=http://c|a,http://c|none&_count=7';
    await kept(text);
    for (let i = 0; i < 3; i++)
      await write(
        core,
        Array.from({ length: 80 }, () => post('a')),
      );
    await settled();
    statements = [];
    await kept('code=http://c|a,http://c|none&_count=6');
    const once = looks();
    assert.ok(once > 0);
    statements = [];
    const found = await Promise.all(Array.from({ length: 6 }, () => kept(text)));
    assert.equal(looks(), once);
    const expected = await alone(text);
    for (const page of found) assert.equal(page, expected);
  });

  test('with fewer than they show are looked for anew', async () => {
    await write(
      core,
      Array.from({ length: 8 }, () => post('few')),
    );
    assert.equal(await kept('code=http://c|few&_count=3'), await alone('code=http://c|few&_count=3'));
    const all = await db.query<{ id: string }>({ text: `select id from r_observation order by rid desc limit 5` });
    await write(
      core,
      all.map(({ id }) => ({ method: 'DELETE', url: `Observation/${id}` })),
    );
    assert.equal(await kept('code=http://c|few&_count=3'), await alone('code=http://c|few&_count=3'));
    assert.equal(JSON.parse(await kept('code=http://c|few&_count=3')).entry.length, 3);
  });

  test('an old resource that matches now does not stand in for those that were not known', async () => {
    const put = (id: string, code: string): TransactionEntry => ({
      ...{ method: 'PUT', url: `Observation/${id}` },
      resource: { ...observation(id), ...coded(code) },
    });
    const remove = (id: string): TransactionEntry => ({ method: 'DELETE', url: `Observation/${id}` });
    const search = 'code=http://c|bound&_count=3';
    for (const id of ['old0', 'old1']) await write(core, [put(id, 'other')]);
    for (let i = 0; i < 8; i++) await write(core, [put(`m${i}`, 'bound')]);
    assert.equal(await kept(search), await alone(search));
    await write(core, [remove('m7'), remove('m6'), put('old0', 'bound'), put('old1', 'bound')]);
    const page = await kept(search);
    const { entry } = JSON.parse(page) as { entry: { resource: Resource }[] };
    assert.deepEqual(
      entry.map(({ resource }) => resource.id),
      ['m5', 'm4', 'm3'],
    );
    assert.equal(page, await alone(search));
  });

  test('follow changes that commit while others search', async () => {
    await writeWhileReading(core, changes, () => kept(one(searches)));
    for (const text of searches) assert.equal(await kept(text), await alone(text), text);
  });

  test('a transaction that was running when they were found is seen when it commits', async () => {
    const insert = (id: string) =>
      prepare(core.store, { ...observation(id), ...coded('late') }, id, Date.now(), everything);
    const count = async () => (JSON.parse(await kept('code=http://c|late')) as { total: number }).total;
    assert.equal(await count(), 0);
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
    assert.equal(await count(), 1);
    assert.equal(await count(), 1);
    go.resolve();
    await late;
    assert.equal(await count(), 3);
    assert.equal(await kept('code=http://c|late'), await alone('code=http://c|late'));
  });

  test('are looked for anew when index rows were rebuilt, and after many changes', async () => {
    for (const text of searches) await kept(text);
    await db.query({ text: `update r_observation set tokens = '{}' where rid = (select max(rid) from r_observation)` });
    await db.query({ text: 'update index_epoch set n = n + 1' });
    for (const text of searches) assert.equal(await kept(text), await alone(text), text);
    for (let i = 0; i < 3; i++)
      await write(
        core,
        Array.from({ length: 80 }, () => post(one(['a', 'b']))),
      );
    for (const text of searches) assert.equal(await kept(text), await alone(text), text);
  });

  test('have what only the rebuilt index rows tell, though the resource has not changed', async () => {
    await write(core, [post('rebuilt')]);
    const newest = 'where rid = (select max(rid) from r_observation)';
    const [row] = await db.query<{ tokens: string }>({ text: `select tokens::text from r_observation ${newest}` });
    const index = (tokens: string) =>
      db.query({ text: `update r_observation set tokens = $1::bigint[] ${newest}` }, [tokens]);
    await index('{}');
    await settled();
    const count = async () => (JSON.parse(await kept('code=http://c|rebuilt')) as { total: number }).total;
    assert.deepEqual([await count(), await count()], [0, 0]);
    await index(row!.tokens);
    await db.query({ text: 'update index_epoch set n = n + 1' });
    assert.equal(await count(), 1);
  });

  test('are looked for anew after a minute, however often they are asked for', async () => {
    let nowMs = Date.now();
    const later = await testCore(db, { now: () => nowMs });
    const asked = { type: 'Observation', pairs: searchPairs('code=http://c|lost'), strict: true };
    const count = async () =>
      (JSON.parse(String(await searchTypeBytes(later, asked, { scope: everything, db }))) as { total: number }).total;
    await write(core, [post('lost')]);
    const newest = 'where rid = (select max(rid) from r_observation)';
    const [row] = await db.query<{ tokens: string }>({ text: `select tokens::text from r_observation ${newest}` });
    // As in a database that lacks the last change, which no longer matched: nothing tells that it is gone.
    const index = (tokens: string) =>
      db.query({ text: `update r_observation set tokens = $1::bigint[] ${newest}` }, [tokens]);
    await index('{}');
    await settled();
    assert.deepEqual([await count(), await count()], [0, 0]);
    await index(row!.tokens);
    nowMs += 40_000;
    assert.equal(await count(), 0);
    nowMs += 40_000;
    assert.equal(await count(), 1);
  });

  test('have umlauts, and what is no character of one unit', async () => {
    for (const text of ['ä', '中', '𝒳']) {
      await write(core, [{ ...post('a'), resource: { ...observation('x'), ...coded('u'), note: [{ text }] } }]);
      for (const search of ['code=http://c|u&_count=1', 'code=http://c|u&_count=2', 'code=http://c|u']) {
        assert.equal(await kept(search), await alone(search));
        JSON.parse(await kept(search));
      }
    }
  });

  test('are for those who see everything', async () => {
    assert.ok((await kept('status=final')).includes('"entry"'));
    assert.ok(!(await kept('status=final', nothing)).includes('"entry"'));
    assert.equal(await kept('status=final'), await alone('status=final'));
  });
});
