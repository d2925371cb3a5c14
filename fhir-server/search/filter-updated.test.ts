// `co` and `po` of a _filter on `_lastUpdated`, a moment and no index row: https://hl7.org/fhir/R4/search_filter.html#ops
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { matches, type Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

let db: Db;
let core: Core;
let stored: Resource;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  await createWriter(core).createIfAbsent([{ resourceType: 'Patient', id: 'p' }], { scope: everything });
  await createWriter(core).createIfAbsent(
    [
      {
        resourceType: 'Encounter',
        id: 'e',
        status: 'planned',
        class: { code: 'AMB' },
        subject: { reference: 'Patient/p' },
      },
    ],
    { scope: everything },
  );
  const { resources } = await search(core, parseQuery(core, 'Patient', [], true), { scope: everything, db });
  stored = JSON.parse(resources[0]!.body.toString()) as Resource;
});

const cases: [test: string, characters: number, isFound: boolean][] = [
  ['co', '2026-01-01T00:00:00.000Z'.length, true],
  ['co', '2026-01-01T00:00:00'.length, false],
  ['co', '2026'.length, false],
  ['po', '2026-01-01T00:00:00.000Z'.length, true],
  ['po', '2026-01-01'.length, true],
  ['po', '2026'.length, true],
];
for (const [operator, characters, isFound] of cases) {
  test(`${operator} with ${characters} characters of the time`, async () => {
    const time = String(stored.meta?.lastUpdated).slice(0, characters);
    const found = async (type: string, filter: string) => {
      const query = parseQuery(core, type, searchPairs(`_filter=${encodeURIComponent(filter)}`), true);
      const { resources, total } = await search(core, query, { scope: everything, db });
      assert.equal(total, resources.length);
      return { query, isFound: resources.length === 1 };
    };
    const alone = await found('Patient', `_lastUpdated ${operator} ${time}`);
    assert.equal(alone.isFound, isFound);
    assert.equal(matches(alone.query, core.store.extract(stored), stored), isFound);
    assert.equal((await found('Patient', `not (_lastUpdated ${operator} ${time})`)).isFound, !isFound);
    assert.equal((await found('Patient', `_id eq x or _lastUpdated ${operator} ${time}`)).isFound, isFound);
    assert.equal((await found('Encounter', `subject:Patient._lastUpdated ${operator} ${time}`)).isFound, isFound);
  });
}
