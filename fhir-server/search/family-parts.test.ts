// Parts of family names in SQL: https://hl7.org/fhir/R4/search.html#string
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { familyPartsKey, type JsonObject, type Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { pageContext, parseQuery, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { lastGiven, reindexChunk } from '../store/reindex.ts';
import { storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import { findContained } from './contained.ts';
import { findPage, type PageContext } from './page.ts';
import { countMatches } from './total.ts';

let db: Db;
let core: Core;
let page: PageContext;

const NAMES: Record<string, string[]> = {
  a: ['Berg'],
  b: ['van der Berg'],
  c: ['Carreño-Quiñones'],
  d: ['Carreno Quinones', 'Quinones Berg'],
  e: ['Bergman'],
  f: ['Vanderberg'],
  g: ['de la Torre'],
};
const named = (family: string): JsonObject => ({ family, given: ['Mary Berg'] });

const custom = {
  ...{ resourceType: 'SearchParameter', id: 'contact', url: 'http://test/contact', name: 'ContactName' },
  ...{ status: 'active', description: 'x', code: 'contact', base: ['Patient'], type: 'string' },
  expression: 'Patient.contact.name',
};
const composite = {
  ...{ resourceType: 'SearchParameter', id: 'gender-family', url: 'http://test/gender-family', name: 'GenderFamily' },
  ...{ status: 'active', description: 'x', code: 'gender-family', base: ['Patient'], type: 'composite' },
  expression: 'Patient',
  component: [
    { definition: 'http://hl7.org/fhir/SearchParameter/individual-gender', expression: 'gender' },
    { definition: 'http://hl7.org/fhir/SearchParameter/individual-family', expression: 'name.family' },
  ],
};
const patients = Object.entries(NAMES).map(([id, families]) => ({
  ...{ resourceType: 'Patient', id, name: families.map(named) },
  gender: 'female',
  contact: [{ name: { family: 'Ruiz Vega' } }],
}));

const others: (Resource & { id: string })[] = [
  { resourceType: 'Practitioner', id: 'p', name: [named('von Stein')] },
  { resourceType: 'Person', id: 'p', name: [named('von Stein')] },
  { resourceType: 'RelatedPerson', id: 'p', patient: { reference: 'Patient/b' }, name: [named('von Stein')] },
  {
    resourceType: 'Encounter',
    id: 'e',
    status: 'finished',
    class: { code: 'AMB' },
    subject: { reference: 'Patient/b' },
  },
  {
    ...{ resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'x' }, subject: { reference: '#s' } },
    contained: [{ resourceType: 'Patient', id: 's', name: [named('San Juan')] }],
  },
];

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  for (const own of [custom, composite]) await storeUpdate(core.store, own, own.id, undefined, everything);
  await core.store.registry.settled;
  await createWriter(core).createIfAbsent([...patients, ...others], { scope: everything });
  page = pageContext(core, { scope: everything, db });
});

const queryOf = (search: string) => {
  const [type = '', text = ''] = search.split('?');
  return parseQuery(core, type, searchPairs(text), true);
};

/** In their order, page by page. */
async function idsOf(search: string): Promise<string> {
  const query = { ...queryOf(search), count: 2 };
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const one = await findPage(page, { ...query, ...(cursor !== undefined && { cursor }) });
    found.push(...one.resources.map(({ id }) => id));
    cursor = one.nextCursor;
  } while (cursor !== undefined);
  assert.equal(await countMatches(page, query), found.length, `count of ${search}`);
  return found.join('');
}

describe('finds', () => {
  const cases: [string, string][] = [
    ['Patient?family=berg&_sort=_id', 'abde'],
    ['Patient?name=quinones&_sort=_id', 'cd'],
    ['Patient?name=mary&_sort=_id', 'abcdefg'],
    ['Patient?family=quinones&_sort=_id', 'cd'],
    ['Patient?family=QUIÑONES&_sort=-_id', 'dc'],
    ['Patient?family=Carreno-Quinones&_sort=_id', 'cd'],
    ['Patient?family=der berg', 'b'],
    ['Patient?family=van berg', ''],
    ['Patient?family=van&_sort=_id', 'bf'],
    ['Patient?family=torre,vanderberg&_sort=_id', 'fg'],
    ['Patient?family=berg&family=quinones', 'd'],
    ['Patient?phonetic=torre', 'g'],
    ['Patient?family:exact=Berg', 'a'],
    ['Patient?family:exact=Quinones', ''],
    ['Patient?family:contains=anderb', 'f'],
    ['Patient?family:missing=true', ''],
    ['Patient?given=berg', ''],
    ['Patient?_filter=family eq "berg"', 'a'],
    ['Patient?_filter=family sw "quinones" and not (family eq "quinones berg")', 'c'],
    ['Patient?_filter=family lt "berg"', ''],
    ['Patient?_sort=family', 'aedcgbf'],
    ['Patient?_sort=-family', 'fbdgcea'],
    ['Patient?_sort=family&family=berg', 'aedb'],
    ['Patient?_sort=-family&name=berg', 'bdea'],
    ['Patient?contact=vega&_sort=_id', 'abcdefg'],
    ['Patient?contact=ruiz v&_sort=_id', 'abcdefg'],
    ['Patient?gender-family=female$ruiz', ''],
    ['Patient?gender-family=female$van&_sort=_id', 'bf'],
    ['Patient?gender-family=female$berg&_sort=_id', 'abde'],
    ['Patient?gender-family=female$der&_sort=_id', 'b'],
    ['Practitioner?family=stein', 'p'],
    ['Practitioner?name=stein', 'p'],
    ['Person?name=stein', 'p'],
    ['RelatedPerson?name=stein', 'p'],
    ['RelatedPerson?name:exact=Stein', ''],
    ['Encounter?subject:Patient.family=berg', 'e'],
    ['Patient?_has:RelatedPerson:patient:name=stein', 'b'],
  ];
  for (const [search, expected] of cases) test(search, async () => assert.equal(await idsOf(search), expected));

  test('Patient?family=juan&_contained=true', async () => {
    const found = await findContained(
      { ...page, extract: core.store.extract, populated: async () => ['Observation'] },
      queryOf('Patient?family=juan&_contained=true'),
    );
    assert.deepEqual(
      found.resources.map(({ type, id }) => `${type}/${id}`),
      ['Observation/o'],
    );
  });
});

describe('rows that were written without parts', () => {
  test('are found by the beginning of the name, after $reindex by its parts too', async () => {
    const keys = ['family', 'name'].map((code) => familyPartsKey(core.parameters.get('Patient', code)!));
    const [gone] = await db.query<{ n: bigint }>(
      {
        text: 'with d as (delete from index_string where param = any($1::int[]) returning 1) select count(*) as n from d',
      },
      [keys],
    );
    assert.equal(gone?.n, 2n * 7n);
    assert.equal(await idsOf('Patient?family=berg&_sort=_id'), 'ae');
    assert.equal(await idsOf('Patient?family=van der'), 'b');
    const until = await lastGiven(db);
    const { changed } = await reindexChunk(core.store, 'Patient', { after: 0n, until }, async () => undefined);
    assert.equal(changed, 4);
    assert.equal(await idsOf('Patient?family=berg&_sort=_id'), 'abde');
    await assertStoreSound(core.store);
  });

  test('an update takes those of the former name away', async () => {
    await createWriter(core).transaction(
      [{ method: 'PUT', url: 'Patient/b', resource: { resourceType: 'Patient', id: 'b', name: [named('Ng')] } }],
      { scope: everything },
    );
    assert.equal(await idsOf('Patient?family=berg&_sort=_id'), 'ade');
    await assertStoreSound(core.store);
  });
});
