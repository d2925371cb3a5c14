// What a reference in a search stands for: https://hl7.org/fhir/R4/search.html#reference
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { compartmentCriterion, matches, type Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';

let db: Db;
let core: Core;

const observation = (id: string, subject: string, more: object = {}): Resource & { id: string } => ({
  ...{ resourceType: 'Observation', id, status: 'final', code: { text: 'x' }, subject: { reference: subject } },
  ...more,
});
const observations = [
  observation('any', 'Patient/1'),
  observation('first', 'Patient/1/_history/1'),
  observation('second', 'Patient/1/_history/2', { specimen: { reference: 'Specimen/1/_history/1' } }),
  observation('here', 'http://test.example/fhir/R4/Patient/1/_history/1'),
  observation('group', 'Group/1/_history/1'),
  observation('other', 'Patient/2'),
  observation('p1', 'Patient/p1', { performer: [{ reference: 'Patient/p2' }] }),
  observation('g1', 'Group/p1', { performer: [{ reference: 'Patient/p1' }] }),
  observation('both', 'Group/p2', { performer: [{ reference: 'Patient/p1' }] }),
];

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  await createWriter(core).createIfAbsent(observations, { scope: everything });
});

const queryOf = (text: string) => parseQuery(core, 'Observation', searchPairs(text), true);
const find = async (text: string, compartment?: [string, string]): Promise<string[]> => {
  const query = queryOf(text);
  if (compartment) query.criteria.push(compartmentCriterion(core, 'Observation', ...compartment));
  const { resources } = await search(core, query, { scope: everything, db });
  return resources.map(({ id }) => id).sort();
};

describe('versions', () => {
  const cases: [string, string[]][] = [
    ['subject=Patient/1', ['any', 'first', 'here', 'second']],
    ['subject=Patient/1/_history/1', ['first', 'here']],
    ['subject=http://test.example/fhir/R4/Patient/1/_history/1', ['first', 'here']],
    ['patient=Patient/1/_history/1', ['first', 'here']],
    ['patient=Group/1/_history/1', []],
    ['subject=Group/1/_history/1', ['group']],
    ['subject:Patient=Patient/1/_history/2', ['second']],
    ['subject=Patient/1/_history/3', []],
    ['subject=Patient/1/_history/1,Patient/1/_history/2', ['first', 'here', 'second']],
    ['subject=Patient/1/_history/1,Patient/2', ['first', 'here', 'other']],
    ['subject=Patient/1/_history/2&specimen=Specimen/1/_history/1', ['second']],
    ['specimen=Specimen/1/_history/2', []],
    ['_filter=subject re Patient/1/_history/2', ['second']],
  ];
  for (const [text, ids] of cases) {
    test(`${text} finds ${ids.join(', ') || 'nothing'}`, async () => {
      assert.deepEqual(await find(text), ids);
      const query = queryOf(text);
      const inMemory = observations.filter((one) => matches(query, core.store.extract(one), one));
      assert.deepEqual(inMemory.map(({ id }) => id).sort(), ids);
    });
  }
});

describe('ids without a type', () => {
  test('one that two types have is refused', async () => {
    await assert.rejects(find('subject=p1'), /'p1' may mean Group\/p1 and Patient\/p1/);
  });
  test('it is the resource whose compartment is searched', async () => {
    assert.deepEqual(await find('subject=p1', ['Patient', 'p1']), ['p1']);
    assert.deepEqual(await find('_filter=subject re p1 or status eq x', ['Patient', 'p1']), ['p1']);
  });
  test('of another one it is told', async () => {
    await assert.rejects(find('subject=p1', ['Patient', 'p2']), /may mean/);
    assert.deepEqual(await find('subject=p2', ['Patient', 'p1']), ['both']);
  });
});
