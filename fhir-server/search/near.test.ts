// The smallest distances of `near`: https://hl7.org/fhir/R4/location.html#search
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { matches, type Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

let db: Db;
let core: Core;

const place = (id: string, latitude: number, longitude: number): Resource & { id: string } => ({
  ...{ resourceType: 'Location', id, position: { latitude, longitude } },
});
// The index rounds the first by 6 mm, the second is a tenth of a metre north of it.
const places = [place('gate', 47.123456748, 8.123456753), place('door', 47.12345765, 8.12345675)];

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  await createWriter(core).createIfAbsent(places, { scope: everything });
});

const cases: [near: string, ids: string][] = [
  ['47.123456748|8.123456753|0|km', 'gate'],
  ['47.123456748|8.123456753|0.05|m', 'gate'],
  ['47.123456748|8.123456753|0.2|m', 'door gate'],
  ['47.12345765|8.12345675|0.0', 'door'],
  ['47.1234572|8.1234567|0|m', ''],
];
for (const [near, ids] of cases) {
  test(`near=${near}`, async () => {
    const query = parseQuery(core, 'Location', searchPairs(`near=${near}`), true);
    const page = await search(core, query, { scope: everything, db });
    const found = page.resources.map(({ id }) => id);
    assert.equal(found.sort().join(' '), ids);
    const inMemory = places.filter((one) => matches(query, core.store.extract(one), one)).map(({ id }) => id);
    assert.equal(inMemory.sort().join(' '), ids);
  });
}
