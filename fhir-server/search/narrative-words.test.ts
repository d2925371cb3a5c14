// _text of narratives that are longer than PostgreSQL's tsvector holds: https://hl7.org/fhir/R4/search.html#content
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches, parseJson, type Resource } from '#fhir-model';
import { testDatabase } from '#platform/testing';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { storeCreate } from '../store/store.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';

/** The `i`-th of many words of 100 characters, three bytes each: 4,000 of them have 1.2 MB. */
const word = (i: number): string => `${String.fromCodePoint(0x4e00 + i)}${'字'.repeat(99)}`;

test('a narrative of more bytes than its index holds is stored, and found by its first words', async (t) => {
  const db = await testDatabase(t);
  const core = await testCore(db);
  const words = Array.from({ length: 4_000 }, (_, i) => word(i));
  const div = `<div xmlns="http://www.w3.org/1999/xhtml">${words.join(' ')}</div>`;
  const resource = { resourceType: 'Basic', code: { text: 'x' }, text: { status: 'generated', div } } as Resource;
  const { id, body } = await storeCreate(core.store, resource, everything);
  const stored = parseJson(body).exact as Resource;
  const finds = async (text: string): Promise<boolean[]> => {
    const query = parseQuery(core, 'Basic', searchPairs(`_text=${encodeURIComponent(text)}`), true);
    const { resources } = await search(core, query, { scope: everything, db });
    return [resources.some((one) => one.id === id), matches(query, core.store.extract(stored), stored)];
  };
  // 305 bytes each: 3,278 of them are 999,790.
  assert.deepEqual(await finds(word(0)), [true, true]);
  assert.deepEqual(await finds(word(3277)), [true, true]);
  assert.deepEqual(await finds(word(3278)), [false, false]);
  await assertStoreSound(core.store);
});
