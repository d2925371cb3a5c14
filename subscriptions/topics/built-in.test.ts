import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Change, isTopicBasic } from '#fhir-model';
import type { RegistrationRules } from '../registration.ts';
import { testRules } from '../testing/rules.ts';
import { basicOf } from './basic.ts';
import { builtInTopics } from './built-in.ts';
import { compileTopic, shapeOf, topicIssues, topicNotes } from './compile.ts';
import { readTopic } from './read-topic.ts';
import { changeOf, matchingRig } from './testing/topic.ts';
import { focusTypes } from './topic.ts';

let rules: RegistrationRules;
before(async () => {
  rules = await testRules();
});

/** Whether Subscriptions to the built-in topic of that name are told of the change. */
async function tells(name: string, op: Change['op'], now: object, former?: object): Promise<boolean> {
  const rig = matchingRig(rules, builtInTopics);
  rig.subscribe('s', `urn:cerebra:topic:${name}`);
  const told = await rig.tell([changeOf(op, now)], [former]);
  assert.deepEqual(rig.errors, []);
  return told.length === 1;
}

test('all of them are sound to the last filter and include, and the same when read from a Basic', () => {
  assert.equal(new Set(builtInTopics.map(({ url }) => url)).size, builtInTopics.length);
  for (const topic of builtInTopics) {
    assert.equal(compileTopic(topic, rules).topic, topic);
    assert.deepEqual(topicNotes(topic, rules), [], topic.url);
    const basic = basicOf(topic, 'x');
    assert.equal(isTopicBasic(basic), true);
    const reading = readTopic(basic, rules.resourceTypes);
    assert.deepEqual(topicIssues(reading, rules), []);
    assert.deepEqual(reading.topic, topic);
    for (const type of focusTypes(topic)) assert.notEqual(shapeOf(topic, type, rules)?.include.length, 0, type);
  }
});

const stay = (status: string, code: string, ...location: object[]) => ({
  ...{ resourceType: 'Encounter', id: 'e', status, class: { code }, subject: { reference: 'Patient/p' } },
  ...(location.length > 0 ? { location } : {}),
});

test('admission', async () => {
  assert.equal(await tells('admission', 'create', stay('in-progress', 'IMP')), true);
  assert.equal(await tells('admission', 'create', stay('planned', 'IMP')), false);
  assert.equal(await tells('admission', 'create', stay('in-progress', 'AMB')), false);
  assert.equal(await tells('admission', 'update', stay('in-progress', 'IMP'), stay('planned', 'IMP')), true);
  assert.equal(await tells('admission', 'update', stay('in-progress', 'IMP'), stay('in-progress', 'IMP')), false);
  assert.equal(await tells('admission', 'update', stay('in-progress', 'IMP'), stay('onleave', 'IMP')), false);
  assert.equal(await tells('admission', 'update', stay('in-progress', 'ACUTE'), stay('in-progress', 'EMER')), true);
  assert.equal(await tells('admission', 'update', stay('finished', 'IMP'), stay('planned', 'IMP')), false);
  assert.equal(await tells('admission', 'delete', stay('in-progress', 'IMP'), stay('in-progress', 'IMP')), false);
});

test('discharge', async () => {
  assert.equal(await tells('discharge', 'update', stay('finished', 'IMP'), stay('in-progress', 'IMP')), true);
  assert.equal(await tells('discharge', 'update', stay('finished', 'EMER'), stay('in-progress', 'EMER')), true);
  assert.equal(await tells('discharge', 'update', stay('finished', 'IMP'), stay('finished', 'IMP')), false);
  assert.equal(await tells('discharge', 'update', stay('finished', 'AMB'), stay('in-progress', 'AMB')), false);
});

test('transfer', async () => {
  const at = (id: string, status?: string) => ({
    location: { reference: `Location/${id}` },
    ...(status ? { status } : {}),
  });
  // Encounter.location.location is the reference.
  const was = stay('in-progress', 'IMP', at('w1', 'active'));
  const isIn = (...location: object[]) => stay('in-progress', 'IMP', ...location);
  assert.equal(await tells('transfer', 'update', isIn(at('w1', 'completed'), at('w2', 'active')), was), true);
  assert.equal(await tells('transfer', 'update', isIn(at('w2')), was), true);
  assert.equal(await tells('transfer', 'update', isIn(at('w1', 'active')), was), false);
  assert.equal(await tells('transfer', 'update', isIn(at('w1', 'active'), at('w2', 'planned')), was), false);
  assert.equal(await tells('transfer', 'update', stay('finished', 'IMP', at('w2', 'active')), was), false);
  assert.equal(await tells('transfer', 'create', isIn(at('w1', 'active'))), false);
  const known = (value: string) => isIn({ location: { identifier: { system: 'urn:wards', value } } });
  assert.equal(await tells('transfer', 'update', known('w2'), known('w1')), true);
  assert.equal(await tells('transfer', 'update', known('w1'), known('w1')), false);
});

const result = (status: string, rest: object = {}) => ({
  ...{
    resourceType: 'Observation',
    id: 'o',
    status,
    code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }] },
  },
  ...rest,
});
const category = (code: string) => ({ category: [{ coding: [{ code }] }] });

test('new result, new report', async () => {
  assert.equal(await tells('new-result', 'create', result('final')), true);
  assert.equal(await tells('new-result', 'create', result('final', category('laboratory'))), true);
  assert.equal(await tells('new-result', 'create', result('final', category('vital-signs'))), false);
  assert.equal(await tells('new-result', 'create', result('preliminary')), false);
  assert.equal(await tells('new-result', 'update', result('final'), result('preliminary')), true);
  assert.equal(await tells('new-result', 'update', result('final'), result('final')), false);
  assert.equal(await tells('new-result', 'update', result('corrected'), result('final')), true);
  assert.equal(await tells('new-result', 'update', result('corrected'), result('corrected')), true);
  const report = (status: string) => ({ resourceType: 'DiagnosticReport', id: 'r', status });
  assert.equal(await tells('new-report', 'create', report('final')), true);
  assert.equal(await tells('new-report', 'update', report('appended'), report('final')), true);
  assert.equal(await tells('new-report', 'update', report('final'), report('final')), false);
});

test('critical result', async () => {
  const marked = (code: string, value: number, status = 'final') =>
    result(status, { interpretation: [{ coding: [{ code }] }], valueQuantity: { value } });
  const component = result('final', { component: [{ interpretation: [{ coding: [{ code: 'LL' }] }] }] });
  assert.equal(await tells('critical-result', 'create', marked('HH', 7)), true);
  assert.equal(await tells('critical-result', 'create', component), true);
  assert.equal(await tells('critical-result', 'create', marked('H', 7)), false);
  assert.equal(await tells('critical-result', 'create', marked('HH', 7, 'cancelled')), false);
  assert.equal(await tells('critical-result', 'update', marked('HH', 7), marked('H', 7)), true);
  assert.equal(await tells('critical-result', 'update', marked('HH', 7), marked('HH', 7, 'preliminary')), false);
  assert.equal(await tells('critical-result', 'update', marked('HH', 7.5), marked('HH', 7)), true);
  assert.equal(await tells('critical-result', 'update', marked('HH', 7), result('final')), true);
  for (const status of ['entered-in-error', 'registered', 'unknown']) {
    assert.equal(await tells('critical-result', 'update', marked('HH', 7), marked('HH', 7, status)), true, status);
  }
});

test('order', async () => {
  const order = (resourceType: string, status: string, intent = 'order') => ({ resourceType, id: 'r', status, intent });
  assert.equal(await tells('order', 'create', order('ServiceRequest', 'active')), true);
  assert.equal(await tells('order', 'create', order('MedicationRequest', 'active')), true);
  assert.equal(await tells('order', 'create', order('ServiceRequest', 'active', 'plan')), false);
  assert.equal(
    await tells('order', 'update', order('ServiceRequest', 'active'), order('ServiceRequest', 'draft')),
    true,
  );
  assert.equal(
    await tells('order', 'update', order('ServiceRequest', 'active'), order('ServiceRequest', 'active')),
    false,
  );
});

test('appointment', async () => {
  const visit = (status: string, rest: object = {}) => ({ resourceType: 'Appointment', id: 'a', status, ...rest });
  const at = (start: string) => visit('booked', { start, end: '2024-05-01T11:00:00Z' });
  assert.equal(await tells('appointment', 'create', visit('proposed')), true);
  assert.equal(await tells('appointment', 'update', visit('booked'), visit('proposed')), true);
  assert.equal(await tells('appointment', 'update', visit('booked', { comment: 'x' }), visit('booked')), false);
  assert.equal(await tells('appointment', 'update', at('2024-05-01T10:00:00Z'), at('2024-05-01T09:00:00Z')), true);
  assert.equal(await tells('appointment', 'update', at('2024-05-01T10:00:00Z'), visit('booked')), true);
  assert.equal(await tells('appointment', 'update', visit('booked'), at('2024-05-01T10:00:00Z')), true);
  assert.equal(await tells('appointment', 'delete', visit('booked'), visit('booked')), true);
});

test('claim denied', async () => {
  const answer = (outcome: string, rest: object = {}) => ({
    ...{ resourceType: 'ClaimResponse', id: 'c', status: 'active', outcome },
    ...rest,
  });
  const denial = { adjudication: [{ category: { coding: [{ code: 'denied' }] } }] };
  assert.equal(await tells('claim-denied', 'create', answer('complete')), false);
  assert.equal(await tells('claim-denied', 'create', answer('error')), true);
  assert.equal(await tells('claim-denied', 'create', answer('complete', { disposition: 'Claim DENIED' })), true);
  assert.equal(await tells('claim-denied', 'create', answer('complete', denial)), true);
  assert.equal(
    await tells('claim-denied', 'create', answer('complete', { item: [{ itemSequence: 1, ...denial }] })),
    true,
  );
  assert.equal(await tells('claim-denied', 'update', answer('complete', denial), answer('queued')), true);
  assert.equal(await tells('claim-denied', 'update', answer('complete', denial), answer('complete', denial)), false);
  const draft = { ...answer('complete', denial), status: 'draft' };
  assert.equal(await tells('claim-denied', 'create', draft), false);
  assert.equal(await tells('claim-denied', 'update', answer('complete', denial), draft), true);
  const benefit = { ...answer('complete', denial), resourceType: 'ExplanationOfBenefit' };
  assert.equal(await tells('claim-denied', 'create', benefit), true);
});

test('device reading', async () => {
  const device = { device: { reference: 'Device/d' } };
  assert.equal(
    await tells('device-reading', 'create', result('final', { ...device, ...category('vital-signs') })),
    true,
  );
  assert.equal(await tells('device-reading', 'create', result('final')), false);
  assert.equal(
    await tells('device-reading', 'update', result('entered-in-error', device), result('final', device)),
    false,
  );
});
