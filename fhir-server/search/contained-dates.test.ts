// `ap` on dates of contained resources, which have no time of their own: https://hl7.org/fhir/R4/search.html#prefix, #contained
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

let core: Core;

type Stored = Resource & { id: string };
const patient = (id: string, birthDate: string): Stored => ({ resourceType: 'Patient', id, birthDate });
const containing = (id: string, birthDate: string): Stored => ({
  ...{ resourceType: 'Basic', id, code: { text: 'made up' }, subject: { reference: '#p' } },
  contained: [patient('p', birthDate)],
});

before(async () => {
  core = await testCore(await testDatabase());
  const some = [patient('stored', '1990-06-01'), containing('close', '1990-06-01'), containing('far', '1950-06-01')];
  await createWriter(core).createIfAbsent(some, { scope: everything });
});

const found = async (text: string): Promise<string[]> => {
  const query = parseQuery(core, 'Patient', searchPairs(text), true);
  const { resources } = await search(core, query, { scope: everything, db: core.store.db });
  return resources.map(({ id }) => id).sort();
};

test('ap is 10 % of the time from now for these as well', async () => {
  assert.deepEqual(await found('birthdate=ap1991'), ['stored']);
  assert.deepEqual(await found('birthdate=ap1991&_contained=true'), ['close']);
  assert.deepEqual(await found('birthdate=ap1991&_contained=both'), ['close', 'stored']);
});
