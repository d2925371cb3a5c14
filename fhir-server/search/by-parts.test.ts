// `_sort` by a code first, over more resources than are put in order as a whole: the same order as that of all of them.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db, Statement } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs, searchType } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';
import { FEW_MAX } from './by-parts.ts';

/** Of each selection more than are put in order as a whole. */
const COUNT = 3 * FEW_MAX;
const CHUNK = 500;

interface Person {
  id: string;
  active: boolean;
  gender?: string;
  birthDate?: string;
  died?: string;
  uses: string[];
}

/** The same at each run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
}

const next = generator(7);
const pick = <T>(some: readonly T[]): T => some[next(some.length)]!;
const people: Person[] = Array.from({ length: COUNT }, (_, i) => {
  const gender = pick(['male', 'female', 'other', undefined]);
  const year = next(6);
  return {
    id: `p${i}`,
    active: next(50) > 0,
    uses: Array.from({ length: next(4) }, () => pick(['home', 'work', 'temp', 'old', 'billing'])),
    ...(gender !== undefined && { gender }),
    ...(year > 0 && { birthDate: `19${50 + year}` }),
    ...(i % 100 === 7 && { died: `20${10 + (i % 11)}` }),
  };
});

const resourceOf = ({ uses, died, ...person }: Person): Resource & { id: string } => ({
  ...{ resourceType: 'Patient', ...person },
  ...(died !== undefined && { deceasedDateTime: died }),
  ...(uses.length > 0 && { address: uses.map((use) => ({ use, city: 'x' })) }),
});

let db: Db;
let core: Core;
/** Of the statements that were sent. */
const sent: string[] = [];

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const writer = createWriter(core);
  // Those of one call have rising numbers in their order, so that the newest is the last.
  for (let at = 0; at < COUNT; at += CHUNK)
    await writer.createIfAbsent(people.slice(at, at + CHUNK).map(resourceOf), { scope: everything });
  await db.query({ text: 'analyze' });
});

/** Notes what is asked. */
const listening = (): Db => ({
  ...db,
  query: ((statement: Statement, values?: unknown[]) => {
    sent.push(statement.text);
    return db.query(statement, values);
  }) as Db['query'],
  until: () => listening(),
});

type Key = (person: Person, descending: boolean) => string | undefined;
const ofUses: Key = ({ uses }, descending) => {
  const sorted = [...uses].sort();
  return descending ? sorted.at(-1) : sorted[0];
};
const KEYS: Record<string, Key> = {
  'address-use': ofUses,
  gender: ({ gender }) => gender,
  birthdate: ({ birthDate }) => birthDate,
  'death-date': ({ died }) => died,
  _id: ({ id }) => id,
};

/** By the rules; without a value last, and among equals the newest first. */
function expected(sort: string, some: readonly Person[]): string[] {
  const rules = sort
    .split(',')
    .map((rule) => ({ descending: rule.startsWith('-'), key: KEYS[rule.replace(/^-/, '')]! }));
  const newest = new Map(people.map(({ id }, i) => [id, -i]));
  const compare = (a: Person, b: Person): number => {
    for (const { key, descending } of rules) {
      const [x, y] = [key(a, descending), key(b, descending)];
      if (x === y) continue;
      if (x === undefined || y === undefined) return x === undefined ? 1 : -1;
      return (x < y ? -1 : 1) * (descending ? -1 : 1);
    }
    return newest.get(a.id)! - newest.get(b.id)!;
  };
  return [...some].sort(compare).map(({ id }) => id);
}

async function pages(text: string, count: number, wanted = Number.POSITIVE_INFINITY): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const more = `&_count=${count}${cursor === undefined ? '' : `&_cursor=${cursor}`}`;
    const query = parseQuery(core, 'Patient', searchPairs(text + more), true);
    const page = await search(core, query, { scope: everything, db: listening() });
    found.push(...page.resources.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== undefined && found.length < wanted);
  return found;
}

const isByCodes = () => sent.some((text) => text.includes('select distinct value from term'));

describe('in order, page by page', () => {
  const sorts = [
    'gender,birthdate',
    '-gender,-birthdate',
    'address-use',
    '-address-use,gender,_id',
    'address-use,-birthdate',
  ];
  const selections: [string, (person: Person) => boolean][] = [
    ['', () => true],
    ['active=true&', ({ active }) => active],
    ['gender=male,other&', ({ gender }) => gender === 'male' || gender === 'other'],
    ['birthdate=ge1952&', ({ birthDate }) => birthDate !== undefined && birthDate >= '1952'],
  ];
  for (const [criteria, isWanted] of selections) {
    for (const sort of sorts) {
      test(`Patient?${criteria}_sort=${sort}`, async () => {
        sent.length = 0;
        assert.deepEqual(await pages(`${criteria}_sort=${sort}`, 250), expected(sort, people.filter(isWanted)));
        if (criteria === '' || criteria.startsWith('active')) assert.ok(isByCodes(), 'code by code');
      });
    }
  }

  // Fifteen have one: fewer than a page.
  for (const sort of ['death-date', '-death-date', '-death-date,gender,birthdate', 'death-date,-birthdate']) {
    for (const count of [4, 15, 250]) {
      test(`Patient?_sort=${sort}, ${count} a page`, async () => {
        sent.length = 0;
        const found = await pages(`_sort=${sort}`, count, 500);
        assert.deepEqual(found, expected(sort, people).slice(0, found.length));
        assert.ok(found.length >= 500);
        // Nowhere all of them are put in order.
        const isWhole = (text: string) =>
          /^with m as materialized \(select m\.rid, m\.id, m\.updated from r_patient m where true\)/.test(text);
        assert.ok(!sent.some(isWhole));
      });
    }
  }

  test('as the text of an answer', async () => {
    const wanted = expected('-gender,birthdate', people);
    for (const count of [1, 20, 1000]) {
      const pairs = searchPairs(`_sort=-gender,birthdate&_count=${count}`);
      const text = await searchType(core, { type: 'Patient', pairs, strict: true }, { scope: everything, db });
      const { entry, link } = JSON.parse(text) as { entry: { resource: Resource }[]; link: { relation: string }[] };
      assert.deepEqual(
        entry.map(({ resource }) => resource.id),
        wanted.slice(0, count),
      );
      assert.ok(link.some(({ relation }) => relation === 'next'));
    }
  });
});

test('a code that is stored in another case has its place all the same', async () => {
  const [first] = expected(
    'gender,_id',
    people.filter(({ gender }) => gender === 'female'),
  );
  const inCapitals = { text: `update r_patient set body = replace(body, '"female"', '"FEMALE"') where id = $1` };
  await db.query(inCapitals, [first]);
  const all = people.map((person) => (person.id === first ? { ...person, gender: 'FEMALE' } : person));
  assert.deepEqual(await pages('_sort=gender,_id', 300), expected('gender,_id', all));
  assert.deepEqual(await pages('_sort=-gender,-_id', 300), expected('-gender,-_id', all));
});

test('a value that has no place in the order (<5) comes once, as those without one, whatever the page ends with', async () => {
  const quantity = (value: number, comparator?: string) => ({ value, unit: 'mg', ...(comparator && { comparator }) });
  const observations: (Resource & { id: string })[] = Array.from({ length: FEW_MAX + 20 }, (_, i) => ({
    ...{ resourceType: 'Observation', id: `o${i}`, status: 'final', code: { text: 'c' } },
    ...(i % 100 === 3 && { valueQuantity: quantity(i) }),
    ...(i % 100 === 50 && { valueQuantity: quantity(5, '<') }),
  }));
  await createWriter(core).createIfAbsent(observations, { scope: everything });
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const text = `_sort=value-quantity&_count=4${cursor === undefined ? '' : `&_cursor=${cursor}`}`;
    const query = parseQuery(core, 'Observation', searchPairs(text), true);
    const page = await search(core, query, { scope: everything, db });
    found.push(...page.resources.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  assert.deepEqual(found.slice(0, 6), ['o3', 'o103', 'o203', 'o303', 'o403', 'o503']);
  assert.deepEqual([found.length, new Set(found).size], [observations.length, observations.length]);
});
