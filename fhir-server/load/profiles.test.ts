// Profiles that loaded resources claim. docs/validation.md
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRig } from './testing/rig.ts';

const observation = {
  resourceType: 'Observation',
  meta: { profile: ['http://hl7.org/fhir/StructureDefinition/vitalsigns'] },
  status: 'final',
  category: [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
  ],
  code: { text: 'Rate' },
  subject: { reference: 'Patient/p' },
  effectiveDateTime: '2026-01-02',
  valueQuantity: { value: 70, system: 'http://unitsofmeasure.org', code: '/min' },
};
const { subject: _subject, ...wrong } = observation;

test('what does not conform to what it claims is told with its place, the others are loaded', async (t) => {
  const rig = await createRig(t);
  const lines = [
    { ...observation, id: 'a' },
    { ...wrong, id: 'b' },
    { ...wrong, id: 'c', meta: undefined },
  ];
  const file = await rig.file('o.ndjson', lines.map((line) => JSON.stringify(line)).join('\n'));
  const entry = [{ resource: { ...wrong, id: 'd' } }, { resource: { ...observation, id: 'e' } }];
  const bundle = await rig.file('b.json', JSON.stringify({ resourceType: 'Bundle', type: 'collection', entry }));
  const single = await rig.file('s.json', JSON.stringify({ ...wrong, id: 'f' }));
  const { faults, expressions, summary } = await rig.load([file, bundle, single]);
  assert.deepEqual([summary.counts.created, summary.counts.refused], [3, 3]);
  assert.deepEqual(faults.map((fault) => fault.split(': ')[0]).sort(), ['b.json[0]', 'o.ndjson:2', 's.json']);
  assert.deepEqual(
    expressions.map(([first]) => first),
    [['Observation.subject'], ['Observation.subject'], ['Observation.subject']],
  );
  assert.deepEqual(
    await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f'].map(async (id) => (await rig.read('Observation', id)) !== undefined),
    ),
    [...[true, false, true], ...[false, true, false]],
  );
});

test('without validation nothing is asked of them', async (t) => {
  const rig = await createRig(t);
  const file = await rig.file('o.ndjson', JSON.stringify({ ...wrong, id: 'b' }));
  const { faults, summary } = await rig.load([file], { validate: false });
  assert.deepEqual([faults, summary.counts.created], [[], 1]);
});
