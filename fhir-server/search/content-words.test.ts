// _content: words that stand between spaces are found in the body as it is, all others by cutting it into words.
// https://hl7.org/fhir/R4/search.html#content
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

let db: Db;
let core: Core;

const xmlns = 'xmlns="http://www.w3.org/1999/xhtml"';
const basic = (id: string, text: string, more: object = {}): Resource & { id: string } => ({
  ...{ resourceType: 'Basic', id, ...more },
  code: { text },
});
const narrative = (div: string) => ({ text: { status: 'generated', div: `<div ${xmlns}>${div}</div>` } });

const stored = [
  basic('between', 'the Zebra crossed'),
  basic('whole', 'ZEBRA'),
  basic('first', 'zebra crossing'),
  basic('last', 'a zebra'),
  basic('after', 'a zebra', narrative('<p>horse</p>')),
  basic('cut', 'a (zebra)'),
  basic('accents', 'a zébra'),
  basic('told', 'horse', narrative('<p>zebra</p>')),
  basic('tag', 'horse <b title=" zebra ">'),
  basic('attribute', 'horse', narrative('<p title=" zebra ">horse</p>')),
  basic('part', 'a zebras azebra'),
  basic('escaped', 'horse\nzebra'),
  // In JSON two backslashes each: what follows them is a word, and no escape.
  basic('path', 'C:\\notes C:\\udder \\\\table \\\nnews', { author: { display: 'D:\\forms "label": E' } }),
];

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  await createWriter(core).createIfAbsent(stored, { scope: everything });
});

async function idsOf(words: string): Promise<string[]> {
  const query = parseQuery(core, 'Basic', searchPairs(`_content=${encodeURIComponent(words)}`), true);
  const { resources } = await search(core, query, { scope: everything, db });
  return resources.map(({ id }) => id).reverse();
}

const plain = ['between', 'whole', 'first', 'last', 'after'];
const found = [...plain, 'cut', 'accents', 'told', 'escaped'];
const cases: [words: string, ids: string[]][] = [
  ['zebra', found],
  ['zebra crossing', ['first']],
  ['"zebra crossed"', ['between']],
  ['zebra NOT crossed', found.filter((id) => id !== 'between')],
  ['crossed OR horse', ['between', 'after', 'told', 'tag', 'attribute', 'escaped']],
  ['zeb*', [...found.slice(0, 7), 'told', 'part', 'escaped']],
  ['notes udder table news', ['path']],
  ['otes OR orms OR der', []],
  ['forms', ['path']],
  // Names of elements are no words.
  ['text', []],
  ['title', []],
];
for (const [words, ids] of cases) {
  test(words, async () => assert.deepEqual(await idsOf(words), ids));
}

test('what follows a backslash in the display of a reference is a word, and what looks like a name too', async () => {
  const found = async (words: string) => {
    const query = parseQuery(core, 'Basic', searchPairs(`author:text=${encodeURIComponent(words)}`), true);
    return (await search(core, query, { scope: everything, db })).resources.map(({ id }) => id);
  };
  assert.deepEqual(await found('forms'), ['path']);
  assert.deepEqual(await found('label'), ['path']);
  assert.deepEqual(await found('orms'), []);
});

test('what stands between spaces is found without cutting bodies into words', async (t) => {
  await db.query({ text: 'alter function content_words rename to content_words_kept' });
  await db.query({
    text: `create function content_words(body text) returns text language plpgsql volatile as
      $$ begin raise exception 'cut'; end $$`,
  });
  t.after(async () => {
    await db.query({ text: 'drop function content_words' });
    await db.query({ text: 'alter function content_words_kept rename to content_words' });
  });
  const others = stored.filter(({ id }) => !plain.includes(id));
  await db.query({ text: 'delete from resource where id = any($1)' }, [others.map(({ id }) => id)]);
  assert.deepEqual(await idsOf('zebra'), plain);
  await assert.rejects(idsOf('zebras OR (a AND NOT zebra) OR http'), /cut/);
});
