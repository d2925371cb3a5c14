import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { RegistrationRules } from '../registration.ts';
import { testRules } from '../testing/rules.ts';
import { matchingRig, topicBasic } from './testing/topic.ts';

let rules: RegistrationRules;
before(async () => {
  rules = await testRules();
});

const url = 'http://example.org/topic/t';

test('of several filters that a name may be of, the one that says most of it is meant', async () => {
  const rig = matchingRig(rules);
  await rig.define(
    topicBasic('t', {
      resourceTrigger: { resource: 'Encounter' },
      canFilterBy: [
        { resource: 'Encounter', filterParameter: 'subject' },
        { resource: 'Encounter', filterParameter: 'subject:Patient.family' },
        { filterParameter: 'date' },
        { resource: 'Encounter', filterParameter: 'date', comparator: ['ge'] },
      ],
    }),
  );
  const subscribe = (filter: string) => () => rig.subscribe('s', url, `Encounter?${filter}`);
  subscribe('subject:Patient.family=DOE')();
  subscribe('subject:Patient=p1')();
  subscribe('date=ge2024')();
  assert.throws(subscribe('subject:Patient.birthdate=1950'), /can't be used with ':Patient.birthdate'/);
});
