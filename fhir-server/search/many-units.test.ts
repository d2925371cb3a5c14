// Quantities in other units where many units are in use: https://hl7.org/fhir/R4/search.html#quantity
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { type Db, isCerebraError } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { searchPairs, searchType } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

const UCUM = 'http://unitsofmeasure.org';
const GRAMS = { g: 5, mg: 5000, kg: 0.005, ug: 5_000_000, dg: 50, cg: 500, hg: 0.05, Mg: 0.000005 };
let db: Db;
let core: Core;

const addUnits = (from: number, to: number) =>
  db.query(
    {
      text: `insert into term (rid, kind, param, value, system, token)
        select 0, 'u', 0, 'x' || n, '', n from generate_series($1::int, $2::int) n`,
    },
    [from, to],
  );

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  await addUnits(1, 3000);
  const weights = Object.entries(GRAMS).map(([code, value], i): Resource & { id: string } => ({
    ...{ resourceType: 'Observation', id: `w${i}`, status: 'final', code: { text: 'w' } },
    valueQuantity: { value, code, system: UCUM },
  }));
  await createWriter(core).createIfAbsent(weights, { scope: everything });
});

const search = async (more: string, strict: boolean) => {
  const pairs = searchPairs(`value-quantity=5|${UCUM}|g${more}`);
  return JSON.parse(await searchType(core, { type: 'Observation', pairs, strict }, { scope: everything, db }));
};

test('beside thousands of others each of the dimension is found', async () => {
  assert.equal((await search('', true)).total, Object.keys(GRAMS).length);
});

test('of more than can be read the search says that it lacks some', async () => {
  await addUnits(3001, 6000);
  const { total, entry } = await search('', false);
  assert.equal(total, undefined);
  const { resource, search: role } = entry.at(-1);
  assert.equal(role.mode, 'outcome');
  assert.equal(resource.issue[0].code, 'incomplete');
  assert.deepEqual(resource.issue[0].expression, ['value-quantity']);
  for (const [more, strict] of [
    ['', true],
    ['&_summary=count', false],
  ] as const) {
    await assert.rejects(search(more, strict), (error) => isCerebraError(error, 'not-indexed'));
  }
});
