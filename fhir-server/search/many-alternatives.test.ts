// Searches with hundreds of alternatives: https://hl7.org/fhir/R4/search.html#combining
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db, Queryable } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { indexedAs } from '../store/index-rows.ts';
import { everything, testCore } from '../testing.ts';

const UCUM = 'http://unitsofmeasure.org';
/** More than ten: a thousand alternatives in all of them are more than 10,000 values. */
const UNITS = ['g', 'mg', 'kg', 'ug', 'dg', 'cg', 'hg', 'dag', 'ng', 'pg', 'fg'];

let db: Db;
let core: Core;

type Stored = Resource & { id: string };
const observation = (id: string, more: object): Stored => ({
  ...{ resourceType: 'Observation', id, status: 'final', code: { text: 'w' }, ...more },
});

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const some = [
    observation('early', { effectiveDateTime: '2019-05-05' }),
    observation('late', { effectiveDateTime: '2021-05-05' }),
    observation('long', { effectivePeriod: { start: '2019-01-01', end: '2022-01-01' } }),
    ...UNITS.map((code, i) => observation(`u${i}`, { valueQuantity: { value: 3, code, system: UCUM } })),
  ];
  await createWriter(core).createIfAbsent(some, { scope: everything });
});

/** The ids that are found, and how long the longest statement was. */
async function found(...pairs: [string, string][]): Promise<{ ids: string[]; longest: number }> {
  let longest = 0;
  const recording: Queryable = {
    query: (statement, values) => {
      longest = Math.max(longest, statement.text.length);
      return db.query(statement, values);
    },
    queryCount: (statement, values) => db.queryCount(statement, values),
  };
  const query = parseQuery(core, 'Observation', pairs, true);
  const { resources } = await search(core, query, { scope: everything, db: recording });
  return { ids: resources.map(({ id }) => id).sort(), longest };
}

const many = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join(',');
/** Of 2021 on, one after the other. */
const day = (i: number): string => new Date(Date.UTC(2021, 0, 1 + i)).toISOString().slice(0, 10);

describe('many alternatives', () => {
  for (const count of [2, 100, 200, 600]) {
    test(`${count} dates and quantities with prefixes find what one of them finds`, async () => {
      const dates = (prefix: string) => found(['date', many(count, (i) => prefix + day(i))]);
      assert.deepEqual((await dates('ge')).ids, ['late', 'long']);
      assert.deepEqual((await dates('gt')).ids, ['late', 'long']);
      assert.deepEqual((await dates('lt')).ids, count > 124 ? ['early', 'late', 'long'] : ['early', 'long']);
      const between = await found(
        ['date', many(count, (i) => `ge${day(i)}`)],
        ['date', many(count, () => 'le2021-06-01')],
      );
      assert.deepEqual(between.ids, ['late', 'long']);
      const all = UNITS.map((_, i) => `u${i}`).sort();
      assert.deepEqual((await found(['value-quantity', many(count, (i) => `ge${3 + i}`)])).ids, all);
      assert.deepEqual((await found(['value-quantity', many(count, (i) => `lt${3 + i}||mg`)])).ids, ['u1']);
    });
  }

  test('make a statement that is as long as they are many, not as the square of that', async () => {
    for (const name of ['date', 'value-quantity']) {
      const text = (count: number) => many(count, (i) => `ge${name === 'date' ? day(i) : i}`);
      const [some, more] = [await found([name, text(100)]), await found([name, text(200)])];
      assert.ok(more.longest < 2.5 * some.longest, `${name}: ${some.longest}, ${more.longest}`);
    }
    const both = async (count: number) =>
      found(['date', many(count, (i) => `ge${day(i)}`)], ['date', many(count, (i) => `le${day(i)}`)]);
    const [some, more] = [await both(100), await both(200)];
    assert.ok(more.longest < 2.5 * some.longest, `two criteria: ${some.longest}, ${more.longest}`);
  });

  test('that come to more than a statement takes are refused', async () => {
    const tooCostly = { code: 'too-costly', status: 400 };
    const thousand = many(1000, (i) => `${i}||mg`);
    const pairs = Array.from({ length: 20 }, (): [string, string] => ['value-quantity', thousand]);
    await assert.rejects(found(...pairs), tooCostly);
    await assert.rejects(found(['value-quantity', many(1000, (i) => `${i}|${UCUM}|g`)]), tooCostly);
  });

  test('that stand for more texts than can be asked for are refused', async () => {
    const { key } = indexedAs(core.parameters.get('Observation', 'code')!)[0]!;
    await db.query(
      {
        text: `insert into term (rid, kind, param, value, system, token)
          select 0, 't', $1::int, 'glucose ' || n, '', n from generate_series(1, 9000) n`,
      },
      [key],
    );
    assert.deepEqual((await found(['code:text', many(2, () => 'gluc')])).ids, []);
    await assert.rejects(found(['code:text', many(6, () => 'gluc')]), { code: 'too-costly', status: 400 });
  });
});
