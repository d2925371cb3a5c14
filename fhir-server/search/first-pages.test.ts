// Pages that share a statement are the pages that each search gets alone.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs, searchType, searchTypeBytes } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, nothing, testCore } from '../testing.ts';

let db: Db;
let core: Core;
const PATIENTS = 12;

const observation = (patient: number, n: number): Resource & { id: string } => ({
  ...{ resourceType: 'Observation', id: `o-${patient}-${n}`, status: 'final', code: { text: 'x' } },
  subject: { reference: `Patient/p${patient}` },
  // One of each patient's has no date.
  ...(n > 0 && { effectiveDateTime: `2024-01-${String(1 + ((n * 7) % 28)).padStart(2, '0')}` }),
});

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const all = Array.from({ length: PATIENTS }, (_, patient) =>
    Array.from({ length: patient * 3 }, (_one, n) => observation(patient, n)),
  );
  await createWriter(core).createIfAbsent(all.flat(), { scope: everything });
});

const ids = async (text: string, scope = everything, from = core): Promise<string[]> => {
  const query = parseQuery(from, 'Observation', searchPairs(text), true);
  const { resources } = await search(from, query, { scope, db });
  return resources.map(({ id }) => id);
};

/** By the ways of a search that shares nothing. */
const alone = (text: string): Promise<string[]> => ids(text, everything, { ...core, firstPages: () => undefined });

test('many at once get each its own page, in its own order', async () => {
  for (const rest of ['', '&_sort=-date', '&_sort=date', '&_sort=-date,status', '&_count=5&_sort=-date']) {
    const texts = Array.from({ length: 2 * PATIENTS }, (_, i) => `patient=p${i % PATIENTS}${rest}`);
    const together = await Promise.all(texts.map((text) => ids(text)));
    for (const [i, text] of texts.entries()) assert.deepEqual(together[i], await alone(text), text);
  }
});

test('pages of different shapes and references do not mix', async () => {
  const texts = [
    'patient=p3',
    'subject=Patient/p3&_sort=-date',
    'patient=p5&_sort=date',
    'patient=p5&_count=2',
    'patient=none',
  ];
  const many = [...texts, ...texts, ...texts];
  const together = await Promise.all(many.map((text) => ids(text)));
  for (const [i, text] of many.entries()) assert.deepEqual(together[i], await alone(text), text);
  assert.deepEqual(together.at(-1), []);
});

test('who may see nothing finds nothing beside those who may', async () => {
  const found = await Promise.all([ids('patient=p4'), ids('patient=p4', nothing), ids('patient=p4')]);
  assert.deepEqual(
    found.map(({ length }) => length),
    [12, 0, 12],
  );
});

test('a page with a large body comes alone, whole', async () => {
  const large = { ...observation(2, 50), note: [{ text: 'x'.repeat(100_000) }] };
  await createWriter(core).createIfAbsent([large], { scope: everything });
  const texts = ['patient=p2&_sort=-date', 'patient=p3&_sort=-date', 'patient=p2&_sort=-date'];
  const together = await Promise.all(texts.map((text) => ids(text)));
  assert.deepEqual(together, await Promise.all(texts.map(alone)));
  assert.ok(together[0]!.includes('o-2-50'));
});

/** Newest of equal ones first, those without a date last. */
function byDate(patient: number, count: number, descending: boolean): string[] {
  const all = Array.from({ length: count }, (_, n) => ({ n, date: n > 0 ? (n * 7) % 28 : Number.NaN }));
  const rank = ({ date }: { date: number }) => (Number.isNaN(date) ? 99 : descending ? -date : date);
  return all.sort((a, b) => rank(a) - rank(b) || b.n - a.n).map(({ n }) => `o-${patient}-${n}`);
}

test('the order is that of the dates, also where the rows of references do not tell them', async () => {
  const check = async () => {
    for (const get of [ids, alone]) {
      assert.deepEqual(await get('patient=p8&_sort=-date&_count=50'), byDate(8, 24, true));
      assert.deepEqual(await get('patient=p8&_sort=date&_count=50'), byDate(8, 24, false));
    }
  };
  await check();
  const told = await db.query<{ n: number }>({
    text: `select count(distinct date)::int as n from index_reference x join r_observation r using (rid)
      where r.id like 'o-8-%'`,
  });
  assert.equal(told[0]!.n, 5, 'four dates and none');
  await db.query({
    text: `update index_reference set date = null where rid = (select rid from r_observation where id = 'o-8-5')`,
  });
  await check();
});

test('a period that began nobody knows when is in the order too', async () => {
  const open = { ...observation(60, 0), id: 'open', effectivePeriod: { end: '2024-01-05' } };
  const all = [open, { ...observation(60, 1), id: 'dated' }, { ...observation(60, 0), id: 'undated' }];
  await createWriter(core).createIfAbsent(all, { scope: everything });
  for (const get of [ids, alone]) {
    assert.deepEqual(await get('patient=p60&_sort=date'), ['open', 'dated', 'undated']);
    assert.deepEqual(await get('patient=p60&_sort=-date'), ['dated', 'open', 'undated']);
  }
});

test('one identifier each, with a system and without', async () => {
  const identified = Array.from({ length: 20 }, (_, i) => ({
    ...observation(50, i),
    id: `i${i}`,
    identifier: [{ system: 'urn:a', value: `v${i % 15}` }],
  }));
  await createWriter(core).createIfAbsent(identified, { scope: everything });
  const texts = Array.from({ length: 16 }, (_, i) => `identifier=${i % 2 ? 'urn:a|' : ''}v${i}`);
  const many = [...texts, 'identifier=urn:a|', 'identifier=v1,v2', 'identifier:not=v1', 'identifier=v1&_sort=-date'];
  const together = await Promise.all(many.map((text) => ids(text)));
  assert.deepEqual(together[0], ['i15', 'i0']);
  assert.deepEqual(together[15], []);
  for (const [i, text] of many.entries()) assert.deepEqual(together[i], await alone(text), text);
  assert.deepEqual(await Promise.all([ids('identifier=v1', nothing), ids('identifier=v1')]), [[], ['i16', 'i1']]);
});

test('as bytes they are the same', async () => {
  const caller = { scope: everything, db };
  const pages = ['', '&_count=3', '&_sort=-date', '&_sort=date&_count=4', '&_sort=-date,status&_total=accurate'];
  const searches = ['patient=p9', 'patient=p8', 'patient=none', 'patient=p2', 'subject=Patient/p7', 'identifier=v1'];
  for (const rest of [...pages, '&_elements=status', '&_summary=count', '&_include=Observation:patient']) {
    const texts = searches.map((text) => text + rest);
    const found = await Promise.all(
      texts.map((text) =>
        searchTypeBytes(core, { type: 'Observation', pairs: searchPairs(text), strict: true }, caller),
      ),
    );
    for (const [i, text] of texts.entries()) {
      const lone = { ...core, firstPages: () => undefined };
      assert.equal(
        String(found[i]),
        await searchType(lone, { type: 'Observation', pairs: searchPairs(text), strict: true }, caller),
        text,
      );
    }
  }
});

test('later pages follow the first', async () => {
  const whole = await ids('patient=p9&_sort=-date');
  const query = parseQuery(core, 'Observation', searchPairs('patient=p9&_sort=-date&_count=10'), true);
  const found: string[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const page = await search(core, { ...query, ...(cursor && { cursor }) }, { scope: everything, db });
    found.push(...page.resources.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  assert.equal(found.length, 27);
  assert.deepEqual(found.slice(0, whole.length), whole);
});
