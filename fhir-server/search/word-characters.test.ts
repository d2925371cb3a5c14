// _content and :text of references cut texts into the words that a search is cut into, whatever they are written in.
// https://hl7.org/fhir/R4/search.html#content
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { matches, parseJson, type Resource } from '#fhir-model';
import type { Db } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createReader, createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

let db: Db;
let core: Core;

/** Text → words by which it is found, and by which it is not. */
const texts: [text: string, found: string[], not: string[]][] = [
  ['CRP ≥5 mg', ['5', 'crp 5', '"crp 5 mg"', 'CRP ≥5 mg'], ['5555', 'cr']],
  ['10⁻³ → 5€, x×y, a−b', ['10', '3', '5', 'x y', '"a b"'], ['5xx']],
  ['हिन्दी रोग', ['हिन्दी', '"हिन्दी रोग"', 'हिन*'], ['हिन']],
  ['ไข้สูง', ['ไข้สูง'], ['ไข']],
  ['مُحَمَّد بن علي', ['محمد', 'مُحَمَّد', '"محمد بن"'], ['مح']],
  ['ΟΔΥΣΣΕΑΣ σας', ['οδυσσεας', 'ΣΑΣ', 'ΟΔΥΣΣΕΑΣ'], ['οδυσσ']],
  ['rash😀fever Straße', ['rash', 'fever', 'straße'], ['rashfever']],
];

const resources = texts.flatMap(([text], i): (Resource & { id: string })[] => [
  { resourceType: 'Basic', id: `b${i}`, code: { text } },
  { resourceType: 'Flag', id: `f${i}`, status: 'active', code: { text: 'x' }, subject: { display: text } },
]);

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  await createWriter(core).createIfAbsent(resources, { scope: everything });
});

async function idsOf(type: string, name: string, words: string): Promise<string[]> {
  const query = parseQuery(core, type, searchPairs(`${name}=${encodeURIComponent(words)}&_count=200`), true);
  const { resources: found } = await search(core, query, { scope: everything, db });
  return found.map(({ id }) => id);
}

texts.forEach(([text, found, not], i) => {
  test(`${text} is found by its words`, async () => {
    for (const words of found) assert.ok((await idsOf('Basic', '_content', words)).includes(`b${i}`), words);
    for (const words of not) assert.ok(!(await idsOf('Basic', '_content', words)).includes(`b${i}`), words);
  });
});

test('displays of references are found so too', async () => {
  assert.deepEqual(await idsOf('Flag', 'subject:text', 'हिन्दी'), ['f2']);
  assert.deepEqual(await idsOf('Flag', 'subject:text', 'crp 5 mg'), ['f0']);
});

/** Of each some: letters with and without marks, digits, signs, spaces. */
const CHARACTERS = [...'aZ5éßÅ≥€×−→ \t-.·µ²½हिनद्ไข้สูمُحَωΩ😀日、Ⅳ°'];

test('of random texts memory and database say the same', async () => {
  const next = random(20_261_123);
  const pick = (max: number) =>
    Array.from({ length: 1 + next(max) }, () => CHARACTERS[next(CHARACTERS.length)]).join('');
  const made = Array.from({ length: 60 }, (_, i) => ({
    resourceType: 'Basic',
    id: `r${i}`,
    code: { text: `x ${pick(12)}` },
  }));
  await createWriter(core).createIfAbsent(made, { scope: everything });
  const stored = await Promise.all(
    made.map(
      async ({ id }) => parseJson((await createReader(core).read('Basic', id, everything))!.body).exact as Resource,
    ),
  );
  let hits = 0;
  for (let i = 0; i < 60; i++) {
    const words = pick(3).trim();
    if (!/[\p{L}\p{N}]/u.test(words) || words.startsWith('-')) continue;
    const query = parseQuery(core, 'Basic', searchPairs(`_content=${encodeURIComponent(`"${words}"`)}`), true);
    const expected = stored.filter((one) => matches(query, core.store.extract(one), one)).map(({ id }) => id!);
    const found = (await idsOf('Basic', '_content', `"${words}"`)).filter((id) => id.startsWith('r'));
    assert.deepEqual(found.sort(), expected.sort(), words);
    hits += expected.length;
  }
  assert.ok(hits >= 20, `${hits}`);
});
