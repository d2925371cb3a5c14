// The few resources that are without what all others have are found by two indexes: bodies of the type are not read for them.
// https://hl7.org/fhir/R4/search.html#missing
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { planned, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

/** More than a walk looks at. */
const MANY = 2500;

let db: Db;
let core: Core;

const encounter = (id: string, more: object): Resource & { id: string } => ({
  ...{
    resourceType: 'Encounter',
    id,
    status: 'finished',
    class: { code: 'IMP' },
    meta: { source: `urn:x:${'y'.repeat(500)}` },
  },
  ...more,
});
const subject = { reference: 'Patient/1' };
const period = { start: '2020-01-01' };

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  const few = [
    encounter('no-subject', { period }),
    encounter('named', { subject: { display: 'Jim' }, period }),
    encounter('group', { subject: { reference: 'Group/1' }, period }),
    encounter('no-date', { subject }),
    encounter('nothing', {}),
  ];
  const many = Array.from({ length: MANY }, (_, i) => encounter(`e${i}`, { subject, period }));
  for (const some of [few, many]) await createWriter(core).createIfAbsent(some, { scope: everything });
  await db.query({ text: 'analyze' });
});

async function run(text: string): Promise<{ ids: string[]; total: number | undefined; plans: string[] }> {
  const { db: each, plans } = planned(db);
  const recording: Db = { ...each, until: () => each };
  const query = parseQuery(core, 'Encounter', searchPairs(text), true);
  const { resources, total } = await search(core, query, { scope: everything, db: recording });
  return { ids: resources.map(({ id }) => id), total, plans };
}

const cases: [text: string, ids: string[], total?: number][] = [
  ['subject:missing=true', ['nothing', 'no-subject']],
  ['subject:missing=true&_sort=date', ['no-subject', 'nothing']],
  ['subject:missing=true&_count=1&_total=accurate', ['nothing'], 2],
  ['subject:missing=true&_summary=count', [], 2],
  ['date:missing=true', ['nothing', 'no-date']],
  ['date:missing=true&subject:missing=true', ['nothing']],
  ['date:missing=true&class:not=AMB', ['nothing', 'no-date']],
  ['subject:missing=true&date:missing=false', ['no-subject']],
];

for (const [text, ids, total = ids.length] of cases) {
  test(text, async () => {
    const found = await run(text);
    assert.deepEqual(found.ids, ids);
    assert.equal(found.total, total);
    assert.ok(found.plans.length > 0);
    assert.ok(found.plans.some((plan) => plan.includes('Anti Join')));
    // Of all resources the numbers alone are read; what is tested are few.
    for (const plan of found.plans) assert.doesNotMatch(plan, /Seq Scan on r_encounter \w+\n +Filter/);
  });
}

test('what is narrower than the rows of its parameter is told by facts alone', async () => {
  const { ids } = await run('patient:missing=true');
  assert.deepEqual(ids, ['nothing', 'group', 'named', 'no-subject']);
});

test('what many are without is found among the newest', async () => {
  const { ids } = await run('location:missing=true&_count=2');
  assert.deepEqual(ids, [`e${MANY - 1}`, `e${MANY - 2}`]);
});
