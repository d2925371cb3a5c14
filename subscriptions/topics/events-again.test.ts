import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { RegistrationRules } from '../registration.ts';
import { testRules } from '../testing/rules.ts';
import { changeOf, matchingRig, topicBasic } from './testing/topic.ts';

let rules: RegistrationRules;
before(async () => {
  rules = await testRules();
});

const url = 'http://example.org/topic/t';

const provenance = (code: string, ...target: string[]) => ({
  ...{ resourceType: 'Provenance', id: 'v', activity: { coding: [{ code }] } },
  target: target.map((reference) => ({ reference })),
});

test('a Provenance that is changed tells what it did not say before, and nothing twice', async () => {
  const rig = matchingRig(rules);
  await rig.define(topicBasic('t', { eventTrigger: { resource: 'Encounter', event: { coding: [{ code: 'A01' }] } } }));
  rig.subscribe('all', url);
  const stays = ['e', 'f'].map((id) => ({ resourceType: 'Encounter', id, status: 'in-progress' }));
  const changed = (now: object, former: object) =>
    rig.tell([...stays.map((each) => changeOf('update', each)), changeOf('update', now)], [...stays, former]);
  // As when its patients are merged.
  const merged = provenance('A01', 'Encounter/e', 'Patient/p2');
  assert.deepEqual(await changed(merged, provenance('A01', 'Encounter/e', 'Patient/p1')), []);
  const more = provenance('A01', 'Encounter/e', 'Encounter/f');
  assert.deepEqual(await changed(more, provenance('A01', 'Encounter/e')), ['all Encounter/f']);
  assert.deepEqual(await changed(provenance('A01', 'Encounter/e'), provenance('A08', 'Encounter/e')), [
    'all Encounter/e',
  ]);
});

test('what has happened to a patient does not happen to the one who it is merged into', async () => {
  const rig = matchingRig(rules);
  await rig.define(topicBasic('t', { eventTrigger: { resource: 'Patient', event: { coding: [{ code: 'A08' }] } } }));
  rig.subscribe('all', url);
  const told = (survivor: object) =>
    rig.tell(
      [changeOf('update', survivor), changeOf('update', provenance('A08', 'Patient/p2'))],
      [{ resourceType: 'Patient', id: 'p2' }, provenance('A08', 'Patient/p1')],
    );
  const link = [{ type: 'replaces', other: { reference: 'Patient/p1' } }];
  assert.deepEqual(await told({ resourceType: 'Patient', id: 'p2', link }), []);
  assert.deepEqual(await told({ resourceType: 'Patient', id: 'p2' }), ['all Patient/p2']);
});
