// cerebra load: criteria that name another entry by a relative reference. https://hl7.org/fhir/R4/http.html#trules
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import { transaction } from '../interactions/transaction.ts';
import { assertStoreSound, everything } from '../testing.ts';
import { createRig, observation, patient } from './testing/rig.ts';

const counts = (created: number, present = 0) => ({ created, updated: 0, present, refused: 0 });
const post = (fullUrl: string | undefined, resource: Resource, ifNoneExist?: string) => ({
  ...{ ...(fullUrl !== undefined && { fullUrl }), resource },
  request: { method: 'POST', url: resource.resourceType, ...(ifNoneExist !== undefined && { ifNoneExist }) },
});
const numbered = (resource: Resource, value: string): Resource => ({ ...resource, identifier: [{ value }] });

/** Another patient's id is the beginning of the one's, and a patient elsewhere has the same. */
const entriesOf = (baseUrl: string) => {
  const about = (value: string, subject: string) => numbered(observation(undefined, subject), value);
  return [
    post(undefined, about('o1', 'Patient/1'), 'identifier=o1&subject=Patient/1'),
    post(undefined, about('o2', 'Patient/12'), 'identifier=o2&subject=Patient%2F12,Patient/1'),
    post(undefined, about('o3', 'Patient/12'), '_filter=identifier eq o3 and subject eq Patient/12'),
    post(`${baseUrl}/Patient/1`, numbered(patient(undefined), 'p1'), 'identifier=p1'),
    post(`${baseUrl}/Patient/12`, numbered(patient(undefined), 'p2'), 'identifier=p2'),
  ];
};

test('a relative reference in criteria means the entry that has its fullUrl, whatever id that gets', async (t) => {
  const rig = await createRig(t);
  const { baseUrl } = rig.core;
  const content = JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry: entriesOf(baseUrl) });
  await rig.file('a.json', content);
  const first = await rig.load([rig.folder]);
  assert.deepEqual([first.faults, first.summary.counts], [[], counts(5)]);
  await rig.file('b.json', content);
  const second = await rig.load([rig.folder]);
  assert.deepEqual([second.faults, second.summary.counts], [[], counts(0, 5)]);
  assert.deepEqual([await rig.count('Patient'), await rig.count('Observation')], [2, 3]);
  await assertStoreSound(rig.core.store);
});

test('as a transaction has it', async (t) => {
  const rig = await createRig(t);
  const entries = entriesOf(rig.core.baseUrl).map(({ request, ...entry }) => ({
    ...entry,
    ...{ method: 'POST' as const, url: request.url },
    ...(request.ifNoneExist !== undefined && { ifNoneExist: request.ifNoneExist }),
  }));
  const statuses = async () =>
    (await transaction(rig.core, entries, { scope: everything })).map(({ status }) => status);
  assert.deepEqual(await statuses(), [201, 201, 201, 201, 201]);
  assert.deepEqual(await statuses(), [200, 200, 200, 200, 200]);
});
