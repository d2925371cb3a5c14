import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Json, Resource } from '#fhir-model';
import type { RegistrationRules } from '../registration.ts';
import { testRules } from '../testing/rules.ts';
import { shapeOf, topicIssues, topicNotes } from './compile.ts';
import { readTopic } from './read-topic.ts';
import { topicBasic } from './testing/topic.ts';

let rules: RegistrationRules;
before(async () => {
  rules = await testRules();
});

const issuesOf = (basic: Resource): string[] =>
  topicIssues(readTopic(basic, rules.resourceTypes), rules).map(
    ({ expression, diagnostics }) => `${expression?.[0]}: ${diagnostics}`,
  );

const related = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-related-query';

/** What the guide's example Basic/r4-encounter-complete says, in elements. */
const complete: Record<string, Json | Json[]> = {
  status: 'draft',
  url: 'http://example.org/SubscriptionTopic/r4-encounter-complete',
  version: '2.0.0-alpha',
  title: 'Encounter complete',
  resourceTrigger: {
    resource: 'http://hl7.org/fhir/StructureDefinition/Encounter',
    supportedInteraction: ['create', 'update'],
    queryCriteria: {
      previous: 'status:not=finished',
      resultForCreate: 'test-passes',
      current: 'status=finished',
      resultForDelete: 'test-fails',
      requireBoth: true,
    },
    fhirPathCriteria: "(%previous.id.empty() or (%previous.status != 'finished')) and (%current.status = 'finished')",
  },
  canFilterBy: [
    { resource: 'Encounter', filterParameter: 'subject' },
    { resource: 'Encounter', filterParameter: '_in' },
    { resource: 'Encounter', filterParameter: 'length', modifier: ['gt', 'lt', 'ge', 'le'] },
  ],
  notificationShape: {
    resource: 'Encounter',
    include: ['Encounter:patient&iterate=Patient.link', 'Encounter:practitioner', 'Encounter:observation'],
    revInclude: ['Observation:encounter'],
  },
};

test("the guide's example, with the extensions of R5, of R4B and of artifacts", () => {
  const read = readTopic(topicBasic('t', complete), rules.resourceTypes);
  assert.deepEqual(topicIssues(read, rules), []);
  const { resourceTriggers, filters, ...rest } = read.topic;
  assert.deepEqual(rest, {
    ...{ url: 'http://example.org/SubscriptionTopic/r4-encounter-complete', version: '2.0.0-alpha' },
    ...{ title: 'Encounter complete', status: 'draft', eventTriggers: [] },
    shapes: [
      {
        resource: 'Encounter',
        include: ['Encounter:patient&iterate=Patient.link', 'Encounter:practitioner', 'Encounter:observation'],
        revInclude: ['Observation:encounter'],
      },
    ],
  });
  const [trigger] = resourceTriggers;
  assert.deepEqual(trigger!.interactions, ['create', 'update']);
  assert.deepEqual(trigger!.query, {
    ...{ previous: 'status:not=finished', current: 'status=finished' },
    ...{ resultForCreate: true, resultForDelete: false, requireBoth: true },
  });
  assert.deepEqual(filters[2], { resource: 'Encounter', parameter: 'length', modifiers: ['gt', 'lt', 'ge', 'le'] });
  assert.deepEqual(readTopic(topicBasic('t', complete, '4.3'), rules.resourceTypes).topic, read.topic);
  const basic = topicBasic('t', complete);
  const extension = (basic.extension as { url: string }[]).map((one) =>
    one.url.endsWith('.url') ? { ...one, url: 'http://hl7.org/fhir/StructureDefinition/artifact-url' } : one,
  );
  assert.deepEqual(readTopic({ ...basic, extension } as Resource, rules.resourceTypes).topic, read.topic);
  // What cannot be carried out of it is left out of notifications, and told to operators.
  assert.deepEqual(shapeOf(read.topic, 'Encounter', rules), {
    resource: 'Encounter',
    include: ['Encounter:patient&iterate=Patient.link', 'Encounter:practitioner'],
    revInclude: ['Observation:encounter'],
  });
  assert.deepEqual(topicNotes(read.topic, rules), [
    "canFilterBy[1]: Encounter has no search parameter '_in'",
    "notificationShape[0]: 'Encounter:observation' can't be included",
  ]);
});

test('extensions of others, and of the guide itself, are no elements', () => {
  const basic = topicBasic('t', complete);
  const shape = (basic.extension as { url: string; extension?: object[] }[]).at(-1)!;
  shape.extension!.push({ url: related, extension: [{ url: 'query', valueString: 'http://example.org/x' }] });
  (basic.extension as object[]).push({ url: 'http://example.org/other', valueString: 'x' });
  assert.deepEqual(readTopic(basic, rules.resourceTypes), readTopic(topicBasic('t', complete), rules.resourceTypes));
});

test('what is wrong in a topic is told by element', () => {
  const trigger = (elements: Record<string, Json>) =>
    issuesOf(topicBasic('t', { resourceTrigger: { resource: 'Encounter', ...elements } }));
  assert.deepEqual(trigger({}), []);
  assert.deepEqual(issuesOf(topicBasic('t', {})), [
    'Basic: A topic needs a resourceTrigger or an eventTrigger: nothing would ever be told',
  ]);
  assert.deepEqual(issuesOf(topicBasic('t', { ...complete, url: 'not absolute', status: 'live' })), [
    'Basic.extension[0]: A topic needs a url: an absolute one, without version',
    'Basic.modifierExtension[0]: The status of a topic is one of draft, active, retired, unknown, in a modifierExtension',
  ]);
  assert.deepEqual(trigger({ resource: 'Nothing' }), [
    'Basic.extension[1]: resource must be a resource type of FHIR R4, or the URL of its definition',
  ]);
  assert.deepEqual(trigger({ supportedInteraction: 'read' }), [
    'Basic.extension[1]: supportedInteraction is one of create, update, delete',
  ]);
  assert.deepEqual(trigger({ queryCriteria: { current: 'status=finished', resultForDelete: 'maybe' } }), [
    'Basic.extension[1].extension[1]: resultForDelete is test-passes or test-fails',
  ]);
  assert.match(
    trigger({ queryCriteria: { current: 'stauts=finished' } })[0]!,
    /^Basic\.extension\[1\]: queryCriteria\.current: .*stauts/,
  );
  assert.match(
    trigger({ queryCriteria: { previous: 'subject:Patient.name=x' } })[0]!,
    /^Basic\.extension\[1\]: queryCriteria\.previous: .* looks at other resources/,
  );
  assert.match(
    trigger({ fhirPathCriteria: '%current.status = ' })[0]!,
    /^Basic\.extension\[1\]: fhirPathCriteria: .*it is no FHIRPath/,
  );
  assert.deepEqual(trigger({ fhirpathCriteria: 'true', queryCriteria: { currently: 'status=finished' } }), [
    'Basic.extension[1].extension[1]: resourceTrigger has no fhirpathCriteria: it has description, resource, supportedInteraction, queryCriteria, fhirPathCriteria',
    'Basic.extension[1].extension[2].extension[0]: queryCriteria has no currently: it has previous, resultForCreate, current, resultForDelete, requireBoth',
  ]);
  assert.match(trigger({ fhirPathCriteria: "%patient.name.matches('(a+)+')" })[0]!, /there is no variable %patient/);
  assert.deepEqual(issuesOf(topicBasic('t', { eventTrigger: { resource: 'Encounter', event: { text: 'A01' } } })), [
    'Basic.extension[1]: event must be a CodeableConcept with a coding that has a code',
  ]);
  assert.deepEqual(issuesOf(topicBasic('t', { ...complete, canFilterBy: { resource: 'Encounter' } })), [
    'Basic.extension[4]: canFilterBy needs a filterParameter',
  ]);
});

test('anything at all where elements belong is told or passed over, never thrown', () => {
  for (const value of [null, 1, 'x', [], [null], [[]], {}, { coding: 1 }, [{ url: 1 }], [{ extension: [1, null] }]]) {
    for (const name of ['extension', 'modifierExtension', 'code']) {
      const basic = { ...topicBasic('t', complete), [name]: value } as Resource;
      assert.ok(Array.isArray(readTopic(basic, rules.resourceTypes).issues));
    }
  }
  const url = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic.resourceTrigger';
  const many = Array.from({ length: 5_000 }, () => ({ url, extension: [{ url: 'resource', valueUri: 5 }] }));
  const { issues } = readTopic({ ...topicBasic('t', complete), extension: many } as Resource, rules.resourceTypes);
  assert.equal(issues.length, 20);
});
