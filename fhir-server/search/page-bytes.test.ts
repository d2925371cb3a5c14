// A page ends after 32 MB of bodies, by whatever way it is found; the next one goes on with what was left out.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { searchPairs, searchType } from '../interactions/search.ts';
import { searchSystem } from '../interactions/search-system.ts';
import { createWriter } from '../ports.ts';
import { readMany, readSome } from '../store/read.ts';
import { PAGE_BYTES_MAX } from '../store/sql.ts';
import { everything, testCore } from '../testing.ts';

let db: Db;
let core: Core;

/** Four fit, since a page ends with the body that fills it. */
const BYTES = Math.floor(PAGE_BYTES_MAX / 3.5);
const ids = ['b1', 'b2', 'b3', 'b4', 'b5', 'b6'];

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const data = 'A'.repeat(BYTES - (BYTES % 4));
  for (const id of ids) {
    const binary = { resourceType: 'Binary', id, contentType: 'text/plain', data };
    const document = {
      ...{ resourceType: 'DocumentReference', id, status: 'current', date: '2026-01-01T00:00:00Z' },
      subject: { reference: 'Patient/p' },
      content: [{ attachment: { url: `Binary/${id}`, data } }],
    };
    const written = await createWriter(core).createIfAbsent([binary, document], { scope: everything });
    assert.deepEqual(written, [true, true]);
  }
});

interface Searchset {
  entry?: { resource: Resource; search: { mode: string } }[];
  link: { relation: string; url: string }[];
}

/** The ids of each page. */
async function pages(load: (cursor: string) => Promise<string>): Promise<string[][]> {
  const found: string[][] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { entry = [], link } = JSON.parse(await load(cursor)) as Searchset;
    found.push(entry.map(({ resource }) => resource.id!));
    const next = link.find(({ relation }) => relation === 'next')?.url;
    cursor = next === undefined ? null : `&_cursor=${new URL(next).searchParams.get('_cursor')}`;
  }
  return found;
}
const caller = () => ({ scope: everything, db });
const ofType = (type: string, query: string) =>
  pages((cursor) => searchType(core, { type, pairs: searchPairs(query + cursor), strict: true }, caller()));

const falling = [...ids].reverse();
const cut = (order: string[]): string[][] => [order.slice(0, 4), order.slice(4)];

for (const [type, query, order] of [
  ['Binary', '_count=100', falling],
  ['Binary', '_sort=_id', ids],
  ['Binary', '_sort=-_lastUpdated', falling],
  ['DocumentReference', 'subject=Patient/p', falling],
  ['DocumentReference', 'subject=Patient/p&_sort=-date', falling],
  ['DocumentReference', 'status=current&_sort=date', falling],
  ['DocumentReference', `_id=${ids.join(',')}&status=current`, falling],
] as const) {
  test(`${type}?${query}`, async () => assert.deepEqual(await ofType(type, query), cut([...order])));
}

test('_count below that counts', async () => {
  assert.deepEqual(await ofType('Binary', '_count=3'), [falling.slice(0, 3), falling.slice(3)]);
});

test('over several types', async () => {
  const found = await pages((cursor) => searchSystem(core, searchPairs(`_type=Binary,Basic${cursor}`), caller(), true));
  assert.deepEqual(found, cut(falling));
});

test('a page of parts has whole pages too', async () => {
  assert.deepEqual(await ofType('Binary', '_elements=contentType'), cut(falling));
});

test('what is included ends as well, and an entry says so', async () => {
  const text = await searchType(
    core,
    { type: 'Patient', pairs: searchPairs('_revinclude=DocumentReference:subject'), strict: true },
    caller(),
  );
  assert.equal(JSON.parse(text).entry, undefined);
  await createWriter(core).createIfAbsent([{ resourceType: 'Patient', id: 'p' }], { scope: everything });
  const whole = await searchType(
    core,
    { type: 'Patient', pairs: searchPairs('_revinclude=DocumentReference:subject'), strict: true },
    caller(),
  );
  const { entry = [] } = JSON.parse(whole) as Searchset;
  const modes = entry.map(({ search }) => search.mode);
  assert.deepEqual([modes[0], modes.at(-1)], ['match', 'outcome']);
  assert.ok(modes.length - 2 < ids.length);
});

test('a read of many ends with the one that fills it, and tells what is behind that', async () => {
  const read = async (some: string[]) => {
    const { found, left } = await readSome(db, 'Binary', some, everything);
    return { found: found.map(({ id }) => id), left };
  };
  assert.deepEqual(await read([...ids, 'none']), { found: ids.slice(0, 4), left: ids.slice(4) });
  assert.deepEqual(await read(ids.slice(4)), { found: ids.slice(4), left: [] });
  assert.equal(await readMany(db, 'Binary', ids, everything), undefined);
});

test('containers end a page too, even one of each', async () => {
  const data = 'A'.repeat(BYTES - (BYTES % 4));
  const containers = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6'];
  for (const id of containers) {
    const media = {
      ...{ resourceType: 'Media', id, status: 'completed', content: { data } },
      contained: [{ resourceType: 'Device', id: 'd' }],
      device: { reference: '#d' },
    };
    await createWriter(core).createIfAbsent([media], { scope: everything });
  }
  const search = (query: string) =>
    searchType(core, { type: 'Device', pairs: searchPairs(query), strict: true }, caller());
  const order = [...containers].reverse();
  for (const contained of ['true', 'both']) {
    assert.deepEqual(await ofType('Device', `_contained=${contained}&_total=none`), cut(order));
    assert.deepEqual(
      await ofType('Device', `_contained=${contained}&_total=none&_count=1`),
      order.map((id) => [id]),
    );
  }
  assert.equal(JSON.parse(await search('_contained=true&_summary=count')).total, 6);
});
