// Filters that name no type, of a topic that is about several.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { RegistrationRules } from '../registration.ts';
import { testRules } from '../testing/rules.ts';
import { changeOf, matchingRig, topicBasic } from './testing/topic.ts';

let rules: RegistrationRules;
before(async () => {
  rules = await testRules();
});

const about = { subject: { reference: 'Patient/p1' } };
const encounter = { resourceType: 'Encounter', id: 'e', status: 'planned', class: { code: 'IMP' }, ...about };
const url = 'http://example.org/topic/t';

test('a filter without a type is about every type: one that can not meet it has no events', async () => {
  const rig = matchingRig(rules);
  await rig.define(
    topicBasic('t', {
      resourceTrigger: [{ resource: 'Encounter' }, { resource: 'Condition' }],
      canFilterBy: [
        { resource: 'Encounter', filterParameter: 'patient' },
        { resource: 'Condition', filterParameter: 'patient' },
        { resource: 'Encounter', filterParameter: 'class' },
        { resource: 'Condition', filterParameter: 'code' },
      ],
    }),
  );
  rig.subscribe('patient', url, 'patient=Patient/p1');
  rig.subscribe('class', url, 'class=IMP');
  rig.subscribe('marked', url, '?class=IMP');
  rig.subscribe('typed', url, 'Encounter?class=IMP');
  rig.subscribe('together', url, 'patient=Patient/p1&class=IMP', 'Condition?patient=Patient/p1');
  const condition = { resourceType: 'Condition', id: 'c', ...about };
  const told = await rig.tell([changeOf('create', encounter), changeOf('create', condition)]);
  assert.deepEqual(told.toSorted(), [
    'class Encounter/e',
    'marked Encounter/e',
    'patient Condition/c',
    'patient Encounter/e',
    'together Encounter/e',
    'typed Condition/c',
    'typed Encounter/e',
  ]);
  assert.throws(
    () => rig.subscribe('none', url, 'class=IMP', 'code=x'),
    /^CerebraError: Subscription\.criteria\.extension: no type that the topic is about has all of the filters$/,
  );
});

test("a topic's filter without a type is one of the types that have its parameter", async () => {
  const rig = matchingRig(rules);
  await rig.define(
    topicBasic('t', {
      resourceTrigger: [{ resource: 'Encounter' }, { resource: 'Condition' }],
      canFilterBy: [{ filterParameter: 'class' }, { filterParameter: 'patient' }, { filterParameter: '_in' }],
    }),
  );
  rig.subscribe('class', url, 'class=IMP');
  rig.subscribe('both', url, 'patient=Patient/p1&class=IMP');
  const condition = { resourceType: 'Condition', id: 'c', ...about };
  const told = await rig.tell([changeOf('create', encounter), changeOf('create', condition)]);
  assert.deepEqual(told.toSorted(), ['both Encounter/e', 'class Encounter/e']);
  const at = 'CerebraError: Subscription.criteria.extension: filter 1:';
  const refused = (filter: string, why: string) =>
    assert.throws(
      () => rig.subscribe('none', url, filter),
      (error) => String(error) === `${at} ${why}`,
    );
  refused('Condition?class=IMP', "Condition has no search parameter 'class'");
  refused('_in=Group/1', "Encounter has no search parameter '_in'");
  refused('status=planned', "'status' is none of the topic's filters (class, patient, _in)");
});
