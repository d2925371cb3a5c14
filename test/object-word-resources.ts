// Resources in whose places tests put words that every JavaScript object answers to.
import type { Tree } from './object-words.ts';

export const U = 'http://example.org/';
export const S = 'http://hl7.org/fhir/StructureDefinition/';
const element = (path: string) => ({ id: path, path });
const coded = (code: string) => ({ coding: [{ system: 'http://loinc.org', code, display: 'x' }], text: 'x' });

export const resources: (Tree & { resourceType: string })[] = [
  {
    ...{ resourceType: 'Patient', language: 'en', implicitRules: `${U}r`, gender: 'male', birthDate: '1980-01-01' },
    meta: { profile: [`${U}p`], tag: [{ system: U, code: 'x' }], security: [{ code: 'R' }], source: U },
    text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>A</p></div>' },
    extension: [{ url: `${S}patient-birthPlace`, valueAddress: { city: 'x', use: 'home' } }],
    _birthDate: { extension: [{ url: `${S}patient-birthTime`, valueDateTime: '1980-01-01T00:00:00Z' }] },
    contained: [{ resourceType: 'Organization', id: 'o', name: 'x' }],
    managingOrganization: { reference: '#o', type: 'Organization' },
    identifier: [{ use: 'usual', system: U, value: '1', type: { coding: [{ system: U, code: 'MR' }] } }],
    telecom: [{ system: 'phone', value: '1', use: 'home' }],
    link: [{ other: { reference: 'Patient/p' }, type: 'seealso' }],
  },
  {
    ...{ resourceType: 'Observation', status: 'final', code: coded('8867-4'), category: [coded('x')] },
    ...{ subject: { reference: 'Patient/p' }, effectiveDateTime: '2026-01-01' },
    valueQuantity: { value: 5, comparator: '<', unit: 'g', system: 'http://unitsofmeasure.org', code: 'g' },
    referenceRange: [{ low: { value: 1, system: 'http://unitsofmeasure.org', code: 'g' }, text: 'x' }],
    component: [{ code: coded('1'), valueCodeableConcept: coded('2') }],
  },
  {
    ...{ resourceType: 'CodeSystem', url: `${U}cs`, version: '1', status: 'active', content: 'complete' },
    ...{ hierarchyMeaning: 'is-a', valueSet: `${U}vs` },
    property: [{ code: 'p', uri: 'http://hl7.org/fhir/concept-properties#inactive', type: 'boolean' }],
    filter: [{ code: 'f', operator: ['='], value: 'x' }],
    concept: [
      {
        ...{ code: 'a', display: 'A', designation: [{ language: 'de', use: { code: 'x' }, value: 'A' }] },
        ...{ property: [{ code: 'p', valueCode: 'x' }], concept: [{ code: 'b' }] },
      },
    ],
  },
  {
    ...{ resourceType: 'ValueSet', url: `${U}vs`, version: '1', status: 'active' },
    compose: {
      include: [
        { system: 'http://hl7.org/fhir/administrative-gender', concept: [{ code: 'male', display: 'x' }] },
        { system: 'http://loinc.org', filter: [{ property: 'STATUS', op: '=', value: 'x' }] },
        { valueSet: [`${U}other`] },
      ],
    },
  },
  {
    ...{ resourceType: 'ConceptMap', url: `${U}cm`, status: 'active', sourceUri: `${U}a`, targetUri: `${U}b` },
    group: [
      {
        ...{ source: `${U}a`, target: `${U}b`, unmapped: { mode: 'fixed', code: 'x' } },
        element: [
          { code: 'a', target: [{ code: 'b', equivalence: 'equal', dependsOn: [{ property: U, value: 'x' }] }] },
        ],
      },
    ],
  },
  {
    ...{ resourceType: 'Questionnaire', url: `${U}q`, status: 'active', subjectType: ['Patient'] },
    item: [
      { linkId: 'a', type: 'choice', answerOption: [{ valueCoding: { code: 'x' } }] },
      { linkId: 'b', type: 'string', enableWhen: [{ question: 'a', operator: '=', answerCoding: { code: 'x' } }] },
    ],
  },
  {
    ...{ resourceType: 'QuestionnaireResponse', questionnaire: `${U}stored`, status: 'completed' },
    item: [{ linkId: 'a', answer: [{ valueCoding: { code: 'x' } }] }],
  },
  {
    ...{ resourceType: 'SearchParameter', url: `${U}sp`, name: 'Sp', status: 'active', description: 'x', code: 'sp' },
    ...{ base: ['Patient'], type: 'reference', expression: 'Patient.link.other', target: ['Patient'] },
    ...{ modifier: ['missing'], comparator: ['eq'], xpathUsage: 'normal', multipleOr: true },
  },
  {
    ...{ resourceType: 'OperationDefinition', url: `${U}od`, name: 'Od', status: 'active', kind: 'operation' },
    ...{ code: 'od', resource: ['Patient'], system: false, type: true, instance: false },
    parameter: [{ name: 'a', use: 'in', min: 0, max: '1', type: 'string', searchType: 'token' }],
  },
  {
    ...{ resourceType: 'PlanDefinition', status: 'active', name: 'R', title: 'x' },
    type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/plan-definition-type', code: 'eca-rule' }] },
    extension: [
      { url: 'urn:cerebra:alert:kind', valueCode: 'threshold' },
      { url: 'urn:cerebra:alert:key', valueString: 'x' },
    ],
    action: [
      {
        ...{ title: 'x', priority: 'urgent' },
        trigger: [{ type: 'data-changed', data: [{ type: 'Observation' }] }],
        condition: [{ kind: 'applicability', expression: { language: 'text/fhirpath', expression: 'true' } }],
        extension: [{ url: 'urn:cerebra:alert:severity', valueCode: 'high' }],
      },
    ],
  },
  {
    ...{ resourceType: 'Subscription', status: 'requested', reason: 'x', criteria: 'Observation?code=x' },
    channel: { type: 'rest-hook', endpoint: 'http://127.0.0.1:1/', payload: 'application/fhir+json', header: ['A: b'] },
  },
  {
    ...{ resourceType: 'Group', type: 'person', actual: true },
    characteristic: [{ code: coded('x'), valueBoolean: true, exclude: false }],
  },
  {
    ...{
      resourceType: 'Bundle',
      type: 'document',
      timestamp: '2026-01-01T00:00:00Z',
      identifier: { system: U, value: '1' },
    },
    entry: [
      {
        fullUrl: 'urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7',
        resource: {
          resourceType: 'Composition',
          status: 'final',
          type: coded('x'),
          date: '2026',
          title: 'x',
          author: [{ display: 'x' }],
        },
      },
    ],
  },
  {
    ...{ resourceType: 'StructureDefinition', url: `${U}sd`, name: 'Sd', status: 'active', kind: 'resource' },
    ...{ abstract: false, type: 'Patient', baseDefinition: `${S}Patient`, derivation: 'constraint' },
    differential: {
      element: [
        { ...element('Patient'), constraint: [{ key: 'a-1', severity: 'error', human: 'x', expression: 'true' }] },
        {
          ...element('Patient.identifier'),
          slicing: { discriminator: [{ type: 'value', path: 'system' }], rules: 'open' },
        },
        {
          ...{ id: 'Patient.identifier:a', path: 'Patient.identifier', sliceName: 'a' },
          patternIdentifier: { system: 'x' },
        },
        {
          ...element('Patient.gender'),
          ...{ binding: { strength: 'required', valueSet: `${S}x` }, fixedCode: 'male' },
        },
      ],
    },
  },
];

export const resourceOf = (type: string): Tree => resources.find(({ resourceType }) => resourceType === type)!;
