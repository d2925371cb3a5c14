// What is read from bodies as jsonb goes on where one of them has a number that PostgreSQL's numeric can't hold.
// https://hl7.org/fhir/R4/search.html#sort
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Json, type Resource, rawJson } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

let db: Db;
let core: Core;

const observation = (id: string, code: string, value: string): Resource & { id: string } => ({
  ...{ resourceType: 'Observation', id, status: 'final', code: { coding: [{ system: 'urn:s', code }] } },
  subject: { reference: 'Patient/1', display: 'Eve Everywoman' },
  // In a text it is no number.
  note: [{ text: 'at 9e12345, 1e200000 and 9e12345a' }],
  component: [{ code: { text: 'x' }, valueQuantity: { value: rawJson(value) as unknown as Json } }],
});

const digits = '1'.repeat(140_000);

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const fractions = ['1'.repeat(16_400), `${'1'.repeat(13_500)}e-999`].map((some) => `0.${some}`);
  const values = ['1.50', '1e200000', '-2.5E-99999', digits, '1e20', '1E+200', ...fractions];
  const resources = values.map((value, i) => observation(`o${i}`, `c${9 - i}`, value));
  await createWriter(core).createIfAbsent(resources, { scope: everything });
});

async function idsOf(text: string): Promise<string[]> {
  const query = parseQuery(core, 'Observation', searchPairs(text), true);
  const { resources } = await search(core, query, { scope: everything, db });
  return resources.map(({ id }) => id);
}

test('resources with numbers beyond numeric are put in order as all others', async () => {
  assert.deepEqual(await idsOf('_sort=code'), ['o7', 'o6', 'o5', 'o4', 'o3', 'o2', 'o1', 'o0']);
  assert.deepEqual(await idsOf('_sort=-code'), ['o0', 'o1', 'o2', 'o3', 'o4', 'o5', 'o6', 'o7']);
});

test('displays of their references are found', async () => {
  assert.deepEqual((await idsOf('subject:text=everywoman')).sort(), ['o0', 'o1', 'o2', 'o3', 'o4', 'o5', 'o6', 'o7']);
});
