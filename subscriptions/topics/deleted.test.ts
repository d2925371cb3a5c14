// Deletions under filters that look at other resources: what the deleted one referred to is asked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredSearch } from '../match/stored.ts';
import { testRules } from '../testing/rules.ts';
import { changeOf, matchingRig, topicBasic } from './testing/topic.ts';

const stay = {
  ...{ resourceType: 'Encounter', id: 'e', status: 'finished', class: { code: 'IMP' } },
  subject: { reference: 'Patient/p' },
  participant: ['Practitioner/d', 'RelatedPerson/r', 'https://other.example.org/Practitioner/x'].map((reference) => {
    return { individual: { reference } };
  }),
};

/** What there is to find: `Type?search`, and the ids that it finds. */
const stored: Record<string, string[]> = {
  'Patient?family=Doe': ['p'],
  'Patient?gender:not=male': ['p'],
  'Patient?organization.name=Ward': ['p'],
  'Practitioner?name=Ann': ['d'],
  'RelatedPerson?name=Sue': ['r'],
};

const parameters = ['patient.family', 'subject:Patient.gender:not', 'patient.organization.name', 'subject.family'];
const others = ['participant.name', '_has:Condition:encounter:code', 'type:in', 'status'];

test('a deletion is told to whose chained filters are met by what the deleted resource referred to', async () => {
  const asked = new Set<string>();
  const search: StoredSearch = async (type, text, ids) => {
    const question = `${type}?${decodeURIComponent(text)}`;
    for (const id of ids) asked.add(`${question} ${id}`);
    return new Set(stored[question]?.filter((id) => ids.includes(id)));
  };
  const rig = matchingRig(await testRules(), [], search);
  const canFilterBy = [...parameters, ...others].map((filterParameter) => ({ resource: 'Encounter', filterParameter }));
  const resourceTrigger = { resource: 'Encounter', supportedInteraction: 'delete' };
  await rig.define(topicBasic('t', { resourceTrigger, canFilterBy }));
  const filters: Record<string, string[]> = {
    none: [],
    family: ['patient.family=Doe'],
    otherFamily: ['patient.family=Smith'],
    typed: ['subject:Patient.gender:not=male'],
    far: ['patient.organization.name=Ward'],
    // Groups are subjects, too, and have no family.
    untyped: ['subject.family=Doe'],
    anyOfTheirs: ['participant.name=Sue'],
    both: ['patient.family=Doe&status=finished', 'participant.name=Ann'],
    oneOfTwo: ['patient.family=Doe', 'participant.name=Bob'],
    otherStatus: ['patient.family=Doe&status=planned'],
    has: ['_has:Condition:encounter:code=c'],
    valueSet: ['type:in=http://example.org/vs'],
  };
  for (const [id, some] of Object.entries(filters)) {
    rig.subscribe(id, 'http://example.org/topic/t', ...some.map((one) => `Encounter?${one}`));
  }
  const told = await rig.tell([changeOf('delete', stay, 4)], [stay]);
  const expected = ['none', 'family', 'typed', 'far', 'untyped', 'anyOfTheirs', 'both'];
  assert.deepEqual(told.toSorted(), expected.map((id) => `${id} Encounter/e`).toSorted());
  assert.deepEqual([...asked].toSorted(), [
    ...[
      'Patient?family=Doe p',
      'Patient?family=Smith p',
      'Patient?gender:not=male p',
      'Patient?organization.name=Ward p',
    ],
    ...['Practitioner?name=Ann d', 'Practitioner?name=Bob d', 'Practitioner?name=Sue d'],
    ...['RelatedPerson?name=Ann r', 'RelatedPerson?name=Bob r', 'RelatedPerson?name=Sue r'],
  ]);
  assert.deepEqual(rig.errors, []);
});
