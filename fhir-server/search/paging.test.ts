// Pages while others write: what nobody touches comes exactly once, whatever the order.
// https://hl7.org/fhir/R4/http.html#paging
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import { type Db, isCerebraError } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { searchPairs, searchType } from '../interactions/search.ts';
import { searchSystem } from '../interactions/search-system.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

const next = random(20_261_121);
const one = <T>(values: readonly T[]): T => values[next(values.length)]!;

let db: Db;
let core: Core;

const STABLE = 60;
/** Updated again and again, but not in what they are sorted by. */
const RESTLESS = 20;

const observation = (id: string, status: string): Resource & { id: string } => ({
  ...{ resourceType: 'Observation', id, status },
  code: { coding: [{ system: 'http://c', code: id.slice(-1) }] },
  subject: { reference: `Patient/${id.length % 2 === 0 ? 'a' : 'b'}` },
  ...(Number(id.slice(1)) % 7 === 0 ? {} : { effectiveDateTime: `2026-01-${String(10 + (Number(id.slice(1)) % 9))}` }),
});
const put = (resource: Resource & { id: string }): TransactionEntry => ({
  method: 'PUT',
  url: `${resource.resourceType}/${resource.id}`,
  resource,
});
/** Two writers may meet at one resource: then one has to come again, which is not what is tested here. */
const write = (entries: TransactionEntry[]) =>
  createWriter(core)
    .transaction(entries, { scope: everything })
    .catch((error: unknown) => assert.ok(isCerebraError(error, 'version-conflict'), String(error)));

const ids = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${100 + i}`);
const stable = ids('s', STABLE);
const restless = ids('r', RESTLESS);

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const all = [...stable, ...restless].sort(() => next(3) - 1);
  await write(all.map((id) => put(observation(id, 'final'))));
  await write(['e1', 'e2', 'e3'].map((id) => put({ resourceType: 'Basic', id, code: { text: 'x' } })));
});

let created = 0;

/** One of: a new resource, another version of a restless one, a deletion of a new one. */
async function disturb(): Promise<void> {
  const kind = next(3);
  if (kind === 0) await write([put(observation(`n${1000 + created++}`, 'final'))]);
  else if (kind === 1) await write([put(observation(one(restless), one(['final', 'amended'])))]);
  else if (created > 0) await write([{ method: 'DELETE', url: `Observation/n${1000 + next(created)}` }]);
}

/** More would keep a search for what is new busy for ever: it pages as fast as others create. */
const DISTURBANCES = 24;

async function pages(load: (cursor: string) => Promise<string>): Promise<string[]> {
  const seen: string[] = [];
  let cursor = '';
  for (let disturbances = 0; ; disturbances += 2) {
    const others = disturbances < DISTURBANCES ? [disturb, disturb] : [];
    // One finishes before the page is read, one while it is.
    await others[0]?.();
    const [text] = await Promise.all([load(cursor), others[1]?.()]);
    const bundle = JSON.parse(text) as {
      entry?: { resource: Resource }[];
      link: { relation: string; url: string }[];
    };
    seen.push(...(bundle.entry ?? []).map(({ resource }) => resource.id!));
    const following = bundle.link.find(({ relation }) => relation === 'next')?.url;
    if (following === undefined) return seen;
    cursor = `&_cursor=${new URL(following).searchParams.get('_cursor')}`;
  }
}

function assertOnce(seen: string[], wanted: string[], what: string): void {
  const counts = Map.groupBy(seen, (id) => id);
  for (const id of wanted) assert.equal(counts.get(id)?.length ?? 0, 1, `${what}: ${id}`);
}

const caller = () => ({ scope: everything, db });
const ofType = (query: string) => (cursor: string) =>
  searchType(core, { type: 'Observation', pairs: searchPairs(query + cursor), strict: true }, caller());

describe('every resource that keeps its place comes once', () => {
  const orders = ['', 'date', '-date', 'code,-date', '-code,date,_id', 'subject,code', '-patient,-_id', '_id', '-_id'];
  for (const sort of orders) {
    test(sort === '' ? 'without _sort' : `_sort=${sort}`, async () => {
      for (const count of [3 + next(5), 8 + next(30)]) {
        const query = `_count=${count}${sort === '' ? '' : `&_sort=${sort}`}`;
        assertOnce(await pages(ofType(query)), [...stable, ...restless], query);
      }
    });
  }

  for (const criteria of ['subject=Patient/a', 'code=http://c|5', 'date=ge2026-01-12', 'status=final,amended']) {
    test(`of ${criteria}`, async () => {
      const wanted = (JSON.parse(await ofType(`${criteria}&_count=1000`)('')).entry as { resource: Resource }[])
        .map(({ resource }) => resource.id!)
        .filter((id) => !id.startsWith('n'));
      for (const sort of ['', '&_sort=-date', '&_sort=code,_id']) {
        const query = `${criteria}&_count=${2 + next(5)}${sort}`;
        assertOnce(await pages(ofType(query)), wanted, query);
      }
    });
  }

  for (const sort of ['_lastUpdated', '-_lastUpdated', 'status,-_lastUpdated']) {
    test(`_sort=${sort}: what is not updated meanwhile`, async () => {
      assertOnce(await pages(ofType(`_count=5&_sort=${sort}`)), stable, sort);
    });
  }

  for (const sort of ['', '&_sort=-_id', '&_sort=_lastUpdated']) {
    test(`over several types${sort}`, async () => {
      const query = `_type=Observation,Basic&_count=4${sort}`;
      const seen = await pages((cursor) => searchSystem(core, searchPairs(query + cursor), caller(), true));
      const wanted = sort.includes('Updated') ? stable : [...stable, ...restless];
      assertOnce(seen, [...wanted, 'e1', 'e2', 'e3'], query);
    });
  }
});

describe('a parameter that is not known any more', () => {
  const cursorOf = (text: string) =>
    new URL(JSON.parse(text).link.at(-1).url).searchParams.get('_cursor') ?? assert.fail('no further page');
  const lenient = (query: string) =>
    searchType(core, { type: 'Observation', pairs: searchPairs(query), strict: false }, caller());
  const ofTypes = (query: string) => searchSystem(core, searchPairs(query), caller(), false);

  for (const [what, search, begin] of [
    ['one type', lenient, ''],
    ['several types', ofTypes, '_type=Observation,Basic&'],
  ] as const) {
    test(`ends a search of ${what} that has begun with it`, async () => {
      const query = `${begin}_id=s100,s101,s102,e1&_count=2`;
      const cursor = cursorOf(await search(query));
      // What is unknown from the first page on is ignored as ever.
      assert.equal(JSON.parse(await search(`${query}&_=17&_cursor=${cursor}`)).entry.length > 0, true);
      const gone = search(`${query.replace('_id=', 'ward=')}&_cursor=${cursor}`);
      await assert.rejects(gone, { code: 'unknown-parameter', message: /^'ward' is a search parameter no more/ });
    });
  }
});
