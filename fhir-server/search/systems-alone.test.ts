// `[system]|` finds whatever is of the system, a Coding without a code too. https://hl7.org/fhir/R4/search.html#token
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';

let db: Db;
let core: Core;

const basic = (id: string, ...coding: Record<string, string>[]): Resource & { id: string } => ({
  ...{ resourceType: 'Basic', id, code: { coding } },
});

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const some = [
    basic('code', { system: 'urn:a', code: 'x' }),
    basic('alone', { system: 'urn:a' }),
    basic('display', { system: 'urn:b', display: 'Words' }),
    basic('both', { system: 'urn:b' }, { system: 'urn:a', code: 'y' }),
    basic('none', { code: 'x' }),
  ];
  await createWriter(core).createIfAbsent(some, { scope: everything });
});

const cases: [text: string, ids: string[]][] = [
  ['code=urn:a|', ['code', 'alone', 'both']],
  ['code=urn:b|', ['display', 'both']],
  ['code=urn:a|,urn:b|', ['code', 'alone', 'display', 'both']],
  ['code=urn:a|&code=urn:b|', ['both']],
  ['code:not=urn:a|', ['display', 'none']],
  ['code:text=words', ['display']],
  ['code=urn:b|&_summary=count', []],
  ['code:missing=true', []],
];
for (const [text, ids] of cases) {
  test(text, async () => {
    const query = parseQuery(core, 'Basic', searchPairs(text), true);
    const { resources, total } = await search(core, query, { scope: everything, db });
    assert.deepEqual(resources.map(({ id }) => id).reverse(), ids);
    assert.equal(total, text.includes('count') ? 2 : ids.length);
  });
}

test('what is stored is what is looked for', () => assertStoreSound(core.store));
