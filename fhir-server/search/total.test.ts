// _total=estimate: https://hl7.org/fhir/R4/search.html#total
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { TransactionEntry } from '#fhir-model';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { searchPairs, searchType } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

let core: Core;

const COUNT = 60;

before(async () => {
  const db = await testDatabase();
  core = await testCore(db);
  const entries = Array.from({ length: COUNT }, (_, i): TransactionEntry => {
    const resource = {
      ...{ resourceType: 'Encounter', id: `e${i}`, status: i % 2 === 0 ? 'planned' : 'finished' },
      ...{ class: { code: 'AMB' }, subject: { reference: `Patient/${i % 3}` } },
      period: { start: `2026-01-${10 + (i % 10)}`, end: `2026-01-${10 + (i % 10)}` },
    };
    return { method: 'PUT', url: `Encounter/e${i}`, resource };
  });
  await createWriter(core).transaction(entries, { scope: everything });
});

const cases: [string, number][] = [
  ['', 60],
  ['status=planned', 30],
  ['subject=Patient/1', 20],
  ['date=ge2026-01-15', 30],
  ['status:not=planned', 30],
  ['status=planned&subject=Patient/1', 10],
  ['_filter=status eq planned or date ge 2026-01-15', 48],
];

// Nothing has been analysed yet, and the planner knows nothing of what was written.
for (const [criteria, expected] of cases) {
  test(`few resources are counted for an estimate: ${criteria || 'all'}`, async () => {
    const pairs = searchPairs(`${criteria}&_total=estimate&_count=1`);
    const text = await searchType(
      core,
      { type: 'Encounter', pairs, strict: true },
      { scope: everything, db: core.store.db },
    );
    assert.equal(JSON.parse(text).total, expected);
  });
}
