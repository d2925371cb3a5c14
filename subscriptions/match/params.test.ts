// Criteria that look at values of parameters they do not name: composites of https://hl7.org/fhir/R4/search.html#composite, the logic
// of https://hl7.org/fhir/R4/search_filter.html, and identifiers of references, https://hl7.org/fhir/R4/search.html#modifiers
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import { testRules } from '../testing/rig.ts';
import { parseCriteria, testOf } from './criteria.ts';
import { createMatcher } from './matcher.ts';

const pulse = {
  ...{ resourceType: 'Observation', id: 'o', status: 'final' },
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
  valueQuantity: { value: 120 },
  component: [{ code: { coding: [{ code: 'c' }] }, valueQuantity: { value: 3 } }],
} as Resource;
const sequence = {
  ...{ resourceType: 'MolecularSequence', id: 'm', coordinateSystem: 0 },
  referenceSeq: { chromosome: { coding: [{ code: '1' }] }, windowStart: 10, windowEnd: 20 },
  variant: [{ start: 1, end: 2 }],
} as Resource;

const booking = {
  ...{ resourceType: 'Appointment', id: 'a', status: 'booked' },
  participant: [
    { status: 'accepted', actor: { type: 'Patient', identifier: { system: 'http://h', value: 'M1' } } },
    { status: 'accepted', actor: { reference: 'Practitioner/1', identifier: { value: 'D1' } } },
  ],
} as Resource;

const cases: [Resource, { yes: string[]; no: string[] }][] = [
  [
    pulse,
    {
      yes: [
        'code-value-quantity=8867-4$gt100',
        'combo-code-value-quantity=8867-4$120',
        'combo-code-value-quantity=c$3',
        'component-code-value-quantity=c$3',
        'code-value-quantity:missing=false',
        '_filter=status eq amended or code eq 8867-4',
        '_filter=not (status eq amended)',
        '_filter=status eq final and (status eq amended or code-value-quantity eq 8867-4$120)',
      ],
      no: [
        'code-value-quantity=8867-4$lt100',
        'code-value-quantity=c$3',
        'code-value-quantity:missing=true',
        '_filter=status eq amended or code eq 1',
        '_filter=not (status eq final)',
        '_filter=not (code-value-quantity eq 8867-4$120)',
      ],
    },
  ],
  [
    booking,
    {
      yes: [
        'actor:identifier=http://h|M1',
        'actor:identifier=D1,D2',
        'patient:identifier=M1',
        'practitioner:identifier=|D1',
        'actor:identifier=M1&actor=Practitioner/1',
      ],
      no: ['actor:identifier=http://x|M1', 'actor:identifier=m1', 'patient:identifier=D1', 'patient:identifier=1'],
    },
  ],
  [
    sequence,
    {
      yes: [
        'chromosome-window-coordinate=1$10$20',
        'chromosome-variant-coordinate=1$1$2',
        'chromosome-variant-coordinate:missing=false',
      ],
      no: ['chromosome-variant-coordinate=2$1$2', 'chromosome-window-coordinate=1$10$21'],
    },
  ],
];

test('composites, the logic of filters and identifiers of references, one criterion by itself and among others', async () => {
  const rules = await testRules();
  for (const [resource, { yes, no }] of cases) {
    const type = resource.resourceType;
    const queryOf = (text: string) => {
      const { query, stored } = parseCriteria(`${type}?${text}`, rules);
      assert.equal(stored, '', text);
      return query;
    };
    for (const text of [...yes, ...no]) {
      assert.equal(testOf(queryOf(text), rules)(resource), yes.includes(text), text);
      const matcher = createMatcher();
      matcher.put({ id: text, query: queryOf(text) });
      // It brings parameters, and takes them with it.
      matcher.put({ id: 'other', query: queryOf(yes[0]!) });
      matcher.remove('other');
      const found = matcher.match(resource, 1, 0, (_, error) => assert.fail(String(error)));
      assert.deepEqual(found, yes.includes(text) ? [text] : [], text);
    }
  }
});
