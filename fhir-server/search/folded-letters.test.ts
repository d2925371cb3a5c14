// Letters that fold to others than their base, written now and before they did: https://hl7.org/fhir/R4/search.html#string
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { pageContext, parseQuery, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';
import { findPage, type PageContext } from './page.ts';

const migration = path.join(import.meta.dirname, '../../migrations/0034_folded_letters.sql');

let core: Core;
let page: PageContext;

const patient = (id: string, family: string, city: string) => ({
  ...{ resourceType: 'Patient', id },
  name: [{ family }],
  address: [{ city }],
  identifier: [{ type: { text: `Straße ${id}` }, system: 'http://test', value: id }],
});

// Of the ids that end in `-before` the rows are made what they were before, and then migrated.
before(async () => {
  const db = await testDatabase();
  core = await testCore(db);
  const people = ['now', 'before'].flatMap((when) => [
    patient(`s-${when}`, 'Sørensen', 'Łódź'),
    patient(`w-${when}`, 'weiß', 'Σύρος'),
    patient(`t-${when}`, 'Thor', 'Ærø'),
  ]);
  await createWriter(core).createIfAbsent(people, { scope: everything });
  const former = [
    ['sorensen', 'sørensen'],
    ['lodz', 'łodz'],
    ['weiss', 'weiß'],
    ['συροσ', 'συρος'],
    ['aero', 'ærø'],
  ];
  for (const [value, was] of former) {
    const rows = await db.queryCount(
      {
        text: `update index_string s set value = $2, exact = nullif(coalesce(s.exact, s.value), $2)
          from r_patient p where p.rid = s.rid and p.id like '%-before' and s.value = $1`,
      },
      [value, was],
    );
    assert.notEqual(rows, 0, value);
  }
  const terms = await db.queryCount({
    text: "update term set value = replace(value, 'strasse', 'straße') where value like '%before'",
  });
  assert.equal(terms, 3);
  const sql = await readFile(migration, 'utf8');
  // Twice: what has been migrated stays.
  for (let run = 0; run < 2; run++) await db.query({ text: sql });
  page = pageContext(core, { scope: everything, db });
});

const find = async (search: string): Promise<string[]> => {
  const [type = '', text = ''] = search.split('?');
  const found = await findPage(page, parseQuery(core, type, searchPairs(text), true));
  return found.resources.map(({ id }) => id).sort();
};

describe('finds', () => {
  const both = (letter: string) => [`${letter}-before`, `${letter}-now`];
  const cases: [string, string[]][] = [
    ['Patient?family=SORENSEN', both('s')],
    ['Patient?family=sørensen', both('s')],
    ['Patient?family:contains=oren', both('s')],
    ['Patient?family:exact=Sørensen', both('s')],
    ['Patient?family:exact=Sorensen', []],
    ['Patient?address-city=lodz', both('s')],
    ['Patient?family=WEISS', both('w')],
    ['Patient?family=WEIẞ', both('w')],
    ['Patient?family:exact=weiß', both('w')],
    ['Patient?address-city=ΣΥΡΟΣ', both('w')],
    ['Patient?address-city=σύροσ', both('w')],
    ['Patient?address-city=aero', both('t')],
    ['Patient?family=þor', both('t')],
    ['Patient?identifier:text=STRASSE w', both('w')],
    ['Patient?identifier:text=straße t', both('t')],
  ];
  for (const [search, expected] of cases) {
    test(search, async () => assert.deepEqual(await find(search), expected));
  }
});
