// Attacks: whatever is done to a resource, each rule yields faults or none, never an exception; and it ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Json, type JsonObject, loadDefinitions, rawJson } from '#fhir-model';
import { random } from '#platform/testing';
import { resourceFaults } from '../resource-rules.ts';
import { datatypeRules } from './datatypes.ts';
import type { Fault } from './fault.ts';
import { createInvariantCompiler } from './invariants.ts';
import { questionnaireResponseFaults } from './questionnaire-response.ts';
import { containers, sites } from './testing.ts';

const definitions = await loadDefinitions();
const compile = createInvariantCompiler(definitions);
const parts = { definitions, isResourceType: definitions.isResourceType };
const below = random(4711);

const value: () => JsonObject = () => ({ system: 'http://unitsofmeasure.org', code: 'mg', value: 1, unit: 'mg' });
const div = '<div xmlns="http://www.w3.org/1999/xhtml"><p id="a">x</p><a href="#a">y</a></div>';

const resources: (() => JsonObject)[] = [
  () => ({
    resourceType: 'Bundle',
    type: 'document',
    link: [{ relation: 'self', url: 'http://example.org' }],
    entry: [
      {
        fullUrl: 'http://example.org/Composition/1',
        resource: { resourceType: 'Composition', id: '1', text: { div }, subject: { reference: 'Patient/1' } },
        request: { method: 'PUT', url: 'Composition/1' },
        response: { status: '200' },
        search: { mode: 'match' },
      },
      {
        fullUrl: 'urn:uuid:00000000-0000-4000-8000-000000000001',
        resource: {
          resourceType: 'Patient',
          id: '1',
          extension: [
            {
              url: 'http://hl7.org/fhir/StructureDefinition/narrativeLink',
              valueUrl: 'http://example.org/Composition/1#a',
            },
          ],
        },
      },
    ],
  }),
  () => ({
    resourceType: 'Questionnaire',
    contained: [{ resourceType: 'ValueSet', id: 'v' }],
    item: [
      {
        linkId: '1',
        type: 'quantity',
        initial: [{ valueQuantity: value() }],
        extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/minValue', valueDecimal: 1 }],
      },
      {
        linkId: '2',
        type: 'choice',
        answerValueSet: '#v',
        answerOption: [{ valueCoding: { code: 'a' } }],
        enableWhen: [{ question: '1', operator: '>', answerQuantity: value() }],
        item: [{ linkId: '3', type: 'group' }],
      },
    ],
  }),
  () => ({
    resourceType: 'CodeSystem',
    content: 'complete',
    count: 2,
    property: [{ code: 'p', uri: 'http://hl7.org/fhir/concept-properties#parent', type: 'code' }],
    concept: [{ code: 'a', property: [{ code: 'p', valueCode: 'b' }], concept: [{ code: 'b' }] }],
  }),
  () => ({
    resourceType: 'ValueSet',
    extension: [
      {
        url: 'http://hl7.org/fhir/tools/StructureDefinition/valueset-parameter',
        extension: [{ url: 'name', valueCode: 'p' }],
      },
    ],
    compose: {
      include: [
        {
          system: 'http://example.org',
          filter: [{ op: 'regex', value: 'a*', _value: { extension: [] } }],
          concept: [{ code: 'a' }],
        },
      ],
    },
    expansion: { total: 1, contains: [{ code: 'a' }] },
  }),
  () => ({
    resourceType: 'StructureDefinition',
    url: 'http://example.org',
    type: 'Patient',
    kind: 'resource',
    derivation: 'constraint',
    context: [{ type: 'element', expression: 'Patient' }],
    snapshot: {
      element: [
        { id: 'Patient', path: 'Patient', constraint: [{ key: 'a', expression: 'a.b' }] },
        {
          id: 'Patient.name:x',
          path: 'Patient.name',
          sliceName: 'x',
          type: [{ code: 'HumanName' }],
          patternHumanName: {},
          slicing: { discriminator: [{ path: '$this' }] },
        },
      ],
    },
  }),
  () => ({
    resourceType: 'ConceptMap',
    group: [
      {
        source: 'a',
        target: 'b',
        element: [{ code: 'a', target: [{ code: 'b', equivalence: 'equal' }] }],
        unmapped: { mode: 'provided' },
      },
    ],
  }),
  () => ({
    resourceType: 'SearchParameter',
    code: 'x',
    base: ['Patient'],
    type: 'composite',
    expression: 'Patient',
    target: ['Group'],
    modifier: ['exact'],
    component: [{ expression: 'a' }, { expression: 'b' }],
  }),
  () => ({
    resourceType: 'OperationDefinition',
    system: true,
    type: true,
    resource: ['Patient'],
    parameter: [{ name: 'a', use: 'in', min: 0, max: '1', type: 'string', part: [{ name: 'b' }] }],
  }),
  () => ({
    resourceType: 'CapabilityStatement',
    rest: [
      {
        resource: [
          {
            type: 'Patient',
            interaction: [{ code: 'read' }],
            searchInclude: ['Patient:x'],
            operation: [{ name: 'a' }],
          },
        ],
      },
    ],
  }),
  () => ({
    resourceType: 'Parameters',
    parameter: [
      { name: 'a', resource: { resourceType: 'Patient', id: '1' } },
      {
        name: 'b',
        part: [{ name: 'c', resource: { resourceType: 'Coverage', beneficiary: { reference: 'Patient/2' } } }],
      },
    ],
  }),
  () => ({
    resourceType: 'Observation',
    contained: [{ resourceType: 'Patient', id: 'p' }],
    text: { status: 'generated', div },
    identifier: [{ system: 'urn:ietf:rfc:3986', value: 'urn:oid:1' }],
    effectivePeriod: { start: '2024', end: '2024-02-01' },
    valueQuantity: value(),
    referenceRange: [{ low: value(), high: value(), age: { low: value(), high: value() } }],
    component: [
      { code: { coding: [{ code: 'a' }] }, valueSampledData: { origin: value(), dimensions: 1, data: '1 2' } },
    ],
  }),
];

const response = (): JsonObject => ({
  resourceType: 'QuestionnaireResponse',
  status: 'completed',
  item: [
    { linkId: '1', answer: [{ valueQuantity: value() }] },
    { linkId: '2', text: 'x', answer: [{ valueCoding: { code: 'a' }, item: [{ linkId: '3', item: [] }] }] },
  ],
});

const strangers: (() => Json)[] = [
  () => null,
  () => '',
  () => '#',
  () => '\ud800',
  () => 'x'.repeat(5000),
  () => `${'('.repeat(300)}a`,
  () => '__proto__',
  () => 'constructor',
  () => -1,
  () => 1e308,
  () => rawJson('1.000') as unknown as Json,
  () => true,
  () => [],
  () => [null, [null], 'x', { extension: [null] }],
  () => ({}),
  () => ({ url: 1, reference: [], code: {}, system: null }),
  () => ({ resourceType: 'Patient', contained: 'x', text: { div: [] } }),
];

function tamper(resource: JsonObject): void {
  const all = containers(resource);
  const target = all[below(all.length)] ?? {};
  const names = Object.keys(target);
  const name = names[below(names.length)];
  const stranger = strangers[below(strangers.length)];
  if (name === undefined || stranger === undefined) return;
  if (below(4) === 0 && !Array.isArray(target)) delete target[name];
  else target[name] = stranger();
}

function assertFaults(faults: readonly Fault[], from: JsonObject): void {
  for (const { severity, code, expression, message, id } of faults) {
    assert.ok(['error', 'warning', 'information'].includes(severity), JSON.stringify(from));
    for (const text of [code, expression, message, id])
      assert.ok(typeof text === 'string' && text !== '', JSON.stringify(from));
  }
}

test('tampered resources: faults or none, no exception', () => {
  let found = 0;
  for (let round = 0; round < 300; round++) {
    for (const make of resources) {
      const resource = make();
      for (let change = 0; change <= below(4); change++) tamper(resource);
      const faults = resourceFaults(resource, 'X', resource, parts);
      assertFaults(faults, resource);
      found += faults.length;
      for (const [name, rule] of Object.entries(datatypeRules)) {
        for (const node of containers(resource)) {
          if (Array.isArray(node)) continue;
          const fault = rule(node, () => name);
          if (fault !== undefined) assertFaults([fault], resource);
        }
      }
    }
  }
  assert.ok(found > 500, `${found} faults`);
});

test('tampered responses and Questionnaires', () => {
  const make = resources[1];
  for (let round = 0; round < 1500; round++) {
    const [given, questionnaire] = [response(), make?.() ?? {}];
    tamper(given);
    if (below(2) === 0) tamper(questionnaire);
    assertFaults(questionnaireResponseFaults(given, questionnaire, 'X', { ...parts, inValueSet: () => false }), given);
  }
});

test('invariants of tampered resources hold, are broken or cannot be told', () => {
  let broken = 0;
  for (let round = 0; round < 60; round++) {
    for (const make of resources) {
      const resource = make();
      for (let change = 0; change <= below(4); change++) tamper(resource);
      if (typeof resource.resourceType !== 'string' || !definitions.isResourceType(resource.resourceType)) continue;
      for (const { constraint, type, node, resource: own, rootResource, companion } of sites(definitions, resource)) {
        const outcome = compile(constraint.expression, type)(node, own, rootResource, companion);
        assert.ok(outcome === true || outcome === false || outcome === 'cannot', constraint.key);
        if (outcome === false) broken++;
      }
    }
  }
  assert.ok(broken > 100, `${broken} are broken`);
});
