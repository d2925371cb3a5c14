// Random searches over random resources, in SQL each way they can be run and in memory: what one finds the other finds.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { matches, parseJson, type Resource, type SearchQuery } from '#fhir-model';
import { type Db, isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { pageContext, parseQuery, searchPairs } from '../interactions/search.ts';
import { createReader, createWriter } from '../ports.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import { lookUpAll } from './look-up.ts';
import { findPage, findPageText, type PageContext, type Row, ways, withOrder } from './page.ts';
import type { PageText } from './page-text.ts';
import { sortKeys } from './sort.ts';
import { countMatches } from './total.ts';

export interface Drawing {
  /** From 0 to `below`, itself not. */
  next(below: number): number;
  one<T>(values: readonly T[]): T;
  some<T>(make: () => T, max: number): T[];
  /** Undefined a third of the time. */
  maybe<T>(make: () => T): T | undefined;
}

/** `next` is seeded: what it draws is the same each time. */
export function drawing(next: (below: number) => number): Drawing {
  return {
    next,
    one: (values) => values[next(values.length)]!,
    some: (make, max) => Array.from({ length: next(max + 1) }, make),
    maybe: (make) => (next(3) === 0 ? undefined : make()),
  };
}

/** Without empty arrays and undefined. */
export const clean = (resource: object): Resource =>
  Object.fromEntries(
    Object.entries(resource).filter(
      ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
    ),
  ) as Resource;

export interface Differential {
  /** An empty one, migrated. */
  database(): Promise<Db>;
  /** What resources of each type are made of. */
  makers: Record<string, () => object>;
  /** Criteria, `name=value`, that a search on the type may have. */
  askers(type: string): (() => string)[];
  sorts: Record<string, string[]>;
  draw: Drawing;
  searches: number;
  /** Of them, as many must find some resources and not all. */
  tellingMin: number;
}

const PER_TYPE = 120;
const nowMs = 1_700_000_000_000;

/** Registers the tests. */
const between = { beforeId: '|', afterId: '=' };

/** The text of a page is that of its rows. */
function assertSameText(rows: Row[] | undefined, text: PageText | undefined, name: string): void {
  assert.equal(text === undefined, rows === undefined, name);
  if (!rows || !text) return;
  const entries = rows
    .map(({ id, body }) => `|${id}=${body}`)
    .join('')
    .slice(rows[0] ? rows[0].id.length + 2 : 0);
  assert.deepEqual([text.length, text.bodies, text.text ?? ''], [rows.length, rows.length, entries], name);
  assert.equal(text.first, rows[0]?.id ?? null, name);
}

export function differential({ database, makers, askers, sorts, draw, searches, tellingMin }: Differential): void {
  const { next, one, some } = draw;
  let db: Db;
  let core: Core;
  let page: PageContext;
  const stored = new Map<string, Resource[]>();

  before(async () => {
    db = await database();
    core = await testCore(db, { now: () => nowMs });
    page = pageContext(core, { scope: everything, db });
    for (const [type, make] of Object.entries(makers)) {
      const resources = Array.from({ length: PER_TYPE }, (_, i) => ({
        ...clean(make()),
        resourceType: type,
        id: `r${i}`,
      }));
      const created = await createWriter(core).createIfAbsent(resources, { scope: everything });
      assert.ok(created.every(Boolean));
      const read = await Promise.all(resources.map(({ id }) => createReader(core).read(type, id, everything)));
      stored.set(
        type,
        read.map((version) => parseJson(version!.body).exact as Resource),
      );
    }
  });

  function randomSearch(type: string): string {
    const criteria = [one(askers(type))(), ...some(() => one(askers(type))(), 2)];
    const rules = [...new Set(Array.from({ length: next(4) }, () => one(sorts[type]!)))];
    const sort = rules.length > 0 ? `&_sort=${rules.map((rule) => one(['', '-']) + rule).join()}` : '';
    return criteria.join('&').replaceAll('+', '%2B').replaceAll('%', '%25').replaceAll('%252B', '%2B') + sort;
  }

  function inMemory(query: SearchQuery): string[] {
    return stored
      .get(query.type)!
      .filter((resource) => matches(query, core.store.extract(resource), resource))
      .map((resource) => resource.id!)
      .sort();
  }

  async function pages(query: SearchQuery): Promise<string[]> {
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const part = { ...query, count: 7, ...(cursor === undefined ? {} : { cursor }) };
      const shown = await findPage(page, part);
      assert.equal((await findPageText(page, part, between))?.nextCursor, shown.nextCursor);
      found.push(...shown.resources.map((resource) => resource.id));
      cursor = shown.nextCursor;
    } while (cursor !== undefined);
    return found;
  }

  /** The order in which the first way shows them. */
  async function byEachWay(query: SearchQuery, expected: string[], name: string): Promise<string[] | undefined> {
    const ordered = withOrder(query);
    const keys = sortKeys(ordered, core.definitions);
    const asked = { page, query: ordered, keys, cursor: undefined, limit: PER_TYPE + 1 };
    await lookUpAll(page, query.criteria);
    const found: string[][] = [];
    for (const way of ways(asked)) {
      const rows = (await way(asked)) as Row[] | undefined;
      assertSameText(rows, (await way({ ...asked, between })) as PageText | undefined, name);
      if (!rows) continue;
      found.push(rows.map((row) => row.id));
      assert.deepEqual(rows.map((row) => row.id).sort(), expected, name);
    }
    for (const order of found) assert.deepEqual(order, found[0], `order of ${name}`);
    return found[0];
  }

  describe('random searches', () => {
    let hits = 0;
    const perType = Math.floor(searches / Object.keys(makers).length);
    for (const type of Object.keys(makers)) {
      test(`${perType} on ${type}`, async () => {
        for (let i = 0; i < perType; i++) {
          const text = randomSearch(type);
          let query: SearchQuery;
          try {
            query = parseQuery(core, type, searchPairs(text), true);
            await lookUpAll(page, query.criteria);
          } catch (error) {
            // Of punctuation alone, a modifier that the type of a target forbids, an id that several types have: refused, not searched.
            assert.ok(isCerebraError(error), text);
            i--;
            continue;
          }
          const expected = inMemory(query);
          hits += expected.length > 0 && expected.length < PER_TYPE ? 1 : 0;
          const order = await byEachWay(query, expected, `${type}?${text}`);
          assert.deepEqual(await pages(query), order, `pages of ${type}?${text}`);
          assert.equal(await countMatches(page, query), expected.length, `count of ${type}?${text}`);
        }
      });
    }

    test('tell resources apart', () => assert.ok(hits >= tellingMin, `${hits} of ${searches} find some and not all`));

    test('over a store that is sound', () => assertStoreSound({ db }));
  });
}
