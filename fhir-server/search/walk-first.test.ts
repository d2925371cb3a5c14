// Several sort rules: a walk in the order of the first finds what sorting all would, as far as it goes, wherever it begins.
// https://hl7.org/fhir/R4/search.html#sort
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { pageContext, parseQuery, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';
import { decodeCursor } from './cursor.ts';
import { type Asked, cursorOf, type PageContext, type Row, ways } from './page.ts';
import { sortKeys } from './sort.ts';
import { statementFor } from './sql-text.ts';
import { walkFor } from './walk.ts';

const PATIENTS = 120;
const next = random(20_261_122);
const one = <T>(values: readonly T[]): T => values[next(values.length)]!;
const some = <T>(make: () => T, max: number): T[] => Array.from({ length: next(max + 1) }, make);

let db: Db;
let core: Core;
let page: PageContext;

const patient = (i: number): Resource & { id: string } => ({
  ...{ resourceType: 'Patient', id: `p${(i * 37) % PATIENTS}`, gender: one(['male', 'female']) },
  ...(next(6) > 0 && { birthDate: one(['1980', '1980-01-01', '1990-05', '2000-01-01']) }),
  name: some(
    () => ({ family: one(['Alder', 'alder', 'Birch', 'Élan']), given: some(() => one(['Ann', 'Bo', 'Cy']), 2) }),
    2,
  ).filter(({ given }) => given.length > 0),
});

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  page = pageContext(core, { scope: everything, db });
  // Several at a time have one instant.
  for (let at = 0; at < PATIENTS; at += 8) {
    const resources = Array.from({ length: 8 }, (_, i) => patient(at + i));
    await createWriter(core).createIfAbsent(
      resources.map(({ name, ...rest }) => ((name as object[]).length > 0 ? { ...rest, name } : rest)),
      { scope: everything },
    );
  }
});

function askedOf(text: string, limit: number): Asked {
  const query = parseQuery(core, 'Patient', searchPairs(text), true);
  return { page, query, keys: sortKeys(query, core.definitions), cursor: undefined, limit };
}

/** By sorting all. */
const whole = async (text: string): Promise<Row[]> =>
  (await ways(askedOf(text, PATIENTS + 1)).at(-1)!(askedOf(text, PATIENTS + 1))) as Row[];

async function walked(asked: Asked): Promise<Row[] | undefined> {
  const walk = walkFor(asked);
  if (!walk) return undefined;
  const { text, values } = walk.sql(asked);
  return db.query<Row>(statementFor(text), values);
}

const sorts = [
  'birthdate,family',
  '-birthdate,-family',
  'family,-birthdate',
  '-family,given,_id',
  '_id',
  '-_id',
  '-_id,family',
];
sorts.push('_lastUpdated,_id', '-_lastUpdated,gender,-_id', 'birthdate,gender,_lastUpdated', '-given,birthdate');
const criteria = [
  '',
  'gender=male&',
  'birthdate=ge1985&',
  'birthdate=ge1980&birthdate=lt1995&family=a&',
  'gender:not=male&',
];

describe('as far as it goes', () => {
  for (const sort of sorts) {
    test(`_sort=${sort}`, async () => {
      let full = 0;
      for (const each of criteria) {
        const text = `${each}_sort=${sort}`;
        const truth = await whole(text);
        for (let i = 0; i < 20; i++) {
          const start = next(truth.length + 1);
          const limit = 1 + next(12);
          const asked = { ...askedOf(text, limit), walkRows: one([3, 12, 40, 130]) };
          const casts = asked.keys.map(({ cast }) => cast);
          const cursor = start === 0 ? undefined : decodeCursor(cursorOf(truth[start - 1]!, casts.length), casts);
          const found = await walked({ ...asked, cursor });
          if (!found) continue;
          const expected = truth.slice(start, start + found.length);
          assert.deepEqual(
            found.map(({ id }) => id),
            expected.map(({ id }) => id),
            `${text} from ${start}`,
          );
          assert.ok(found.length <= limit);
          if (found.length === limit) full++;
        }
      }
      assert.ok(full > 9, `${full} pages`);
    });
  }
});

test('a walk of all rows finds all that have a value', async () => {
  for (const sort of ['birthdate,_id', '-_id', '_lastUpdated,_id']) {
    const asked = { ...askedOf(`_sort=${sort}`, PATIENTS), walkRows: PATIENTS + 1 };
    const truth = (await whole(`_sort=${sort}`)) as (Row & { k0: unknown })[];
    const valued = truth.filter(({ k0 }) => k0 !== null);
    assert.deepEqual(
      (await walked(asked))!.map(({ id }) => id),
      valued.map(({ id }) => id),
    );
  }
});

test('no walk goes in an order that no index has, or where the values have come to an end', () => {
  assert.equal(walkFor(askedOf('_sort=gender,birthdate', 5)), undefined);
  const cursor = { rid: '5', keys: [null, 'x'] };
  assert.equal(walkFor({ ...askedOf('_sort=birthdate,family', 5), cursor }), undefined);
});
