// Operations of all kinds with bodies that fit, for others to spoil: https://hl7.org/fhir/R4/operations.html
import type { Chance } from './chance.ts';
import { V2_MESSAGES } from './messages.ts';
import { makeResource, type Tree } from './resources.ts';

export interface Call {
  path: string;
  body: Tree;
}

type Value = Tree | string | boolean | number;

/** A text is a string; another type is told as `{ valueX: … }`, `{ resource }` or `{ part }`. */
const parameterOf = ([name, value]: [string, Value]): Tree => {
  if (typeof value === 'string') return { name, valueString: value };
  if (typeof value === 'boolean') return { name, valueBoolean: value };
  return typeof value === 'number' ? { name, valueInteger: value } : { name, ...value };
};
const given = (values: Record<string, Value>): Tree => ({
  resourceType: 'Parameters',
  parameter: Object.entries(values).map(parameterOf),
});

const GENDER = 'http://hl7.org/fhir/administrative-gender';
const GENDERS = 'http://hl7.org/fhir/ValueSet/administrative-gender';
const uri = (valueUri: string) => ({ valueUri });
const code = (valueCode: string) => ({ valueCode });
const coding = { valueCoding: { system: GENDER, code: 'male', display: 'Male' } };
const concept = { valueCodeableConcept: { coding: [{ system: GENDER, code: 'male' }, { code: 'x' }], text: 'm' } };
const patient = { resourceType: 'Patient', identifier: [{ system: 'urn:example:mrn', value: 'mf1' }] };

const codeSystem = {
  ...{ resourceType: 'CodeSystem', url: 'http://fuzz.example/cs', version: '1', status: 'active' },
  ...{ content: 'complete', hierarchyMeaning: 'is-a', caseSensitive: true },
  property: [
    { code: 'p', type: 'code' },
    { code: 'n', type: 'integer' },
  ],
  concept: [
    {
      ...{ code: 'a', display: 'A', designation: [{ language: 'de', value: 'Ah' }] },
      concept: [{ code: 'b', display: 'B', property: [{ code: 'n', valueInteger: 5 }] }],
    },
    { code: 'c', property: [{ code: 'p', valueCode: 'a' }] },
  ],
};
const filtered = (filter: Tree) => ({ system: codeSystem.url, filter: [filter] });
const valueSetOf = (one: Chance['one']): Tree => ({
  ...{ resourceType: 'ValueSet', url: 'http://fuzz.example/vs', status: 'active' },
  compose: {
    inactive: false,
    include: [
      one<Tree>([
        filtered({ property: 'concept', op: 'is-a', value: 'a' }),
        filtered({ property: 'concept', op: 'descendent-of', value: 'a' }),
        filtered({ property: 'n', op: '=', value: '5' }),
        filtered({ property: 'code', op: 'regex', value: '(a|b)+' }),
        filtered({ property: 'p', op: 'exists', value: 'true' }),
        filtered({ property: 'concept', op: 'not-in', value: 'a,c' }),
        { system: GENDER, version: '4.0.1' },
        { valueSet: [GENDERS] },
        { system: 'http://loinc.org', concept: [{ code: '8867-4', display: 'Heart rate' }] },
      ]),
    ],
    exclude: [{ system: codeSystem.url, concept: [{ code: 'c' }] }],
  },
});
const conceptMap = {
  ...{ resourceType: 'ConceptMap', url: 'http://fuzz.example/map', status: 'active' },
  ...{ sourceUri: GENDERS, targetUri: 'http://fuzz.example/vs' },
  group: [
    {
      ...{ source: GENDER, target: codeSystem.url },
      element: [
        {
          code: 'male',
          target: [{ code: 'a', equivalence: 'equal', dependsOn: [{ property: 'urn:p', value: 'v' }] }],
        },
      ],
      unmapped: { mode: 'provided' },
    },
  ],
};
const tx = { resource: codeSystem };

const terminology: ((chance: Chance) => Call)[] = [
  () => ({ path: 'CodeSystem/$lookup', body: given({ system: uri(GENDER), code: code('male'), property: code('*') }) }),
  () => ({
    path: 'CodeSystem/$lookup',
    body: given({ coding, date: { valueDateTime: '2020' }, displayLanguage: code('de'), 'tx-resource': tx }),
  }),
  () => ({ path: 'CodeSystem/$validate-code', body: given({ codeableConcept: concept, 'tx-resource': tx }) }),
  () => ({
    path: 'CodeSystem/$validate-code',
    body: given({ codeSystem: tx, code: code('a'), display: 'A', version: '1', abstract: true }),
  }),
  () => ({ path: 'CodeSystem/$subsumes', body: given({ codingA: coding, codingB: coding }) }),
  () => ({
    path: 'CodeSystem/$find-matches',
    body: given({
      ...{ system: uri(codeSystem.url), exact: false, 'tx-resource': tx },
      property: { part: [parameterOf(['code', code('p')]), parameterOf(['value', code('a')])] },
    }),
  }),
  ({ one }) => ({
    path: one(['CodeSystem', 'ValueSet'].map((type) => `${type}/$batch-validate-code`)),
    body: given({
      ...{ url: uri(GENDERS), 'tx-resource': tx },
      validation: { resource: given({ url: uri(GENDERS), code: code('male'), system: uri(GENDER) }) },
    }),
  }),
  ({ one }) => ({
    path: 'ValueSet/$expand',
    body: given({
      ...{ valueSet: { resource: valueSetOf(one) }, 'tx-resource': tx, filter: one(['', 'a', 'A B', '%']) },
      ...{
        offset: one([0, 1, 1000]),
        count: one([0, 1, 1000]),
        includeDesignations: true,
        excludeNested: one([true, false]),
      },
      ...{ property: 'n', designation: 'de', date: { valueDateTime: '2020-01-01' }, activeOnly: true },
    }),
  }),
  ({ one }) => ({
    path: 'ValueSet/$expand',
    body: given({
      ...{ url: uri(one([GENDERS, 'http://snomed.info/sct?fhir_vs', 'http://loinc.org/vs'])), includeDefinition: true },
      ...{ 'system-version': { valueCanonical: `${GENDER}|4.0.1` }, 'exclude-system': { valueCanonical: GENDER } },
    }),
  }),
  ({ one }) => ({
    path: 'ValueSet/$validate-code',
    body: given({ valueSet: { resource: valueSetOf(one) }, coding, 'tx-resource': tx }),
  }),
  () => ({ path: 'ValueSet/$validate-code', body: given({ context: uri('Patient.gender'), code: code('male') }) }),
  () => ({
    path: 'ConceptMap/$translate',
    body: given({
      ...{ conceptMap: { resource: conceptMap }, code: code('male'), system: uri(GENDER), reverse: false },
      dependency: { part: [parameterOf(['element', uri('urn:p')]), parameterOf(['concept', concept])] },
    }),
  }),
  () => ({ path: 'ConceptMap/$translate', body: given({ codeableConcept: concept, target: uri(GENDERS) }) }),
  ({ one }) => ({ path: '$closure', body: given({ name: one(['fuzz', 'f2']), concept: coding }) }),
  ({ one }) => ({ path: '$closure', body: one([given({ name: 'fuzz' }), given({ name: 'fuzz', version: '0' })]) }),
];

const header = {
  resourceType: 'MessageHeader',
  eventUri: 'urn:example:admit',
  source: { endpoint: 'urn:example:him' },
};
const response = { ...header, response: { identifier: 'x', code: 'ok' } };
const messageBundle = ({ one }: Chance): Tree => ({
  ...{ resourceType: 'Bundle', type: 'message', timestamp: '2026-01-31T12:00:00Z' },
  entry: [
    {
      fullUrl: 'urn:uuid:00000000-0000-4000-8000-000000000001',
      resource: { ...one<Tree>([header, header, response]), focus: [{ reference: 'Patient/f1' }] },
    },
    { fullUrl: 'http://x.example/fhir/Patient/f1', resource: patient },
  ],
});

const clinical: ((chance: Chance) => Call)[] = [
  (chance) => ({
    path: '$convert-data',
    body: given({
      ...{ inputData: chance.one(V2_MESSAGES), inputDataType: 'Hl7v2', messageType: 'ADT_A01' },
      ...{ rootTemplate: 'ADT_A01', templateCollectionReference: 'x/y:default' },
    }),
  }),
  (chance) => ({
    path: '$process-message',
    body: given({ content: { resource: messageBundle(chance) }, async: false }),
  }),
  (chance) => ({ path: '$process-message', body: messageBundle(chance) }),
  (chance) => ({ path: '$convert', body: makeResource(chance) }),
  (chance) => ({
    path: chance.one(['$validate', 'Patient/$validate', 'Patient/f1/$validate']),
    body: given({
      ...{
        resource: { resource: makeResource(chance) },
        mode: code(chance.one(['create', 'update', 'delete', 'profile'])),
      },
      profile: { valueCanonical: 'http://hl7.org/fhir/StructureDefinition/vitalsigns' },
    }),
  }),
  (chance) => ({ path: 'Observation/$validate', body: makeResource(chance) }),
  ({ one }) => ({
    path: `Patient/f2/$meta-${one(['add', 'delete'])}`,
    body: given({
      meta: {
        valueMeta: {
          ...{ tag: [{ system: 'urn:t', code: 'x' }], security: [{ code: 'R' }] },
          profile: ['http://example.org/p'],
        },
      },
    }),
  }),
  () => ({
    path: 'Patient/$match',
    body: given({ resource: { resource: patient }, count: 3, onlyCertainMatches: false }),
  }),
  () => ({
    path: 'Patient/$member-match',
    body: given({
      MemberPatient: { resource: { ...patient, name: [{ family: 'Test', given: ['A'] }], birthDate: '1970-02-28' } },
      CoverageToMatch: {
        resource: {
          ...{ resourceType: 'Coverage', status: 'active', subscriberId: '1' },
          beneficiary: { reference: 'Patient/f1' },
          payor: [{ reference: 'Organization/f1' }],
        },
      },
      Consent: {
        resource: {
          ...{ resourceType: 'Consent', status: 'active', scope: { text: 'x' }, category: [{ text: 'x' }] },
          patient: { reference: 'Patient/f1' },
          policy: [{ uri: 'urn:p' }],
        },
      },
    }),
  }),
  ({ one, below }) => ({
    path: 'Patient/$merge',
    body: given({
      'source-patient': { valueReference: { reference: `Patient/f${below(20)}` } },
      'target-patient': { valueReference: { reference: `Patient/f${below(20)}` } },
      preview: one([true, true, false]),
      'result-patient': { resource: { ...patient, id: 'f1' } },
    }),
  }),
  () => ({
    path: 'Patient/$merge',
    body: given({
      'source-patient-identifier': { valueIdentifier: patient.identifier[0]! },
      'target-patient-identifier': { valueIdentifier: { system: 'urn:example:mrn', value: 'mf2' } },
    }),
  }),
  () => ({ path: 'Observation/$lastn', body: given({ patient: 'Patient/f1', code: '8867-4', max: 2 }) }),
  () => ({
    path: 'Observation/$stats',
    body: given({
      ...{ subject: uri('Patient/f1'), coding: { valueCoding: { system: 'http://loinc.org', code: '8867-4' } } },
      ...{ statistic: code('average'), period: { valuePeriod: { start: '2020', end: '2021' } } },
      ...{ include: true, limit: { valuePositiveInt: 3 } },
    }),
  }),
  () => ({
    path: 'DocumentReference/$docref',
    body: given({
      ...{ patient: { valueId: 'f1' }, start: { valueDateTime: '2020' }, end: { valueDateTime: '2021' } },
      ...{ type: concept, 'on-demand': false, profile: { valueCanonical: 'urn:p' } },
    }),
  }),
  () => ({ path: 'Composition/f1/$document', body: given({ persist: true }) }),
  ({ one }) => ({
    path: one(['Patient/f1', 'Patient/f3', 'Patient']).concat('/$everything'),
    body: given({
      ...{
        start: { valueDate: '2020' },
        end: { valueDate: '2021-02' },
        _since: { valueInstant: '2020-01-01T00:00:00Z' },
      },
      ...{ _type: code('Observation'), _count: 2 },
    }),
  }),
];

const administration: ((chance: Chance) => Call)[] = [
  ({ one, below }) => ({
    path: one(['Patient/', 'Patient/nope/', `Encounter/f${below(20)}/`, `Patient/f${below(20)}/_history/1/`]).concat(
      '$expunge',
    ),
    body: given({ expungeDeletedResources: true, expungePreviousVersions: true, limit: { valuePositiveInt: 2 } }),
  }),
  () => ({ path: '$reindex', body: given({ type: 'Slot' }) }),
  () => ({ path: '$reindex-status', body: given({ job: { valueId: '01900000-0000-7000-8000-000000000001' } }) }),
  () => ({ path: 'SearchParameter/$index-status', body: given({ type: 'Patient' }) }),
  () => ({
    path: '$load-package',
    body: given({ package: { valueBase64Binary: 'H4sIAAAAAAAAAwMAAAAAAAAAAAA=' }, examples: false }),
  }),
  ({ one }) => ({
    path: one(['$status', 's1/$status', '$get-ws-binding-token', 's1/$get-ws-binding-token']).replace(
      /^/,
      'Subscription/',
    ),
    body: given({ id: { valueId: 's1' } }),
  }),
  ({ one }) => ({
    path: 'Subscription/s1/$events',
    body: given({
      ...{
        eventsSinceNumber: '1',
        eventsUntilNumber: one(['3', '9223372036854775807']),
        content: code('full-resource'),
      },
    }),
  }),
  ({ one }) => ({
    path: 'Subscription/s1/$resend',
    body: one([
      given({ eventNumber: '1' }),
      given({ eventsSinceNumber: '1', eventsUntilNumber: '18446744073709551615' }),
      given({
        eventsSinceInstant: { valueInstant: '2026-01-01T00:00:00Z' },
        eventsUntilInstant: { valueInstant: '2026-01-02T00:00:00Z' },
      }),
    ]),
  }),
  () => ({
    path: 'StructureDefinition/$snapshot',
    body: given({
      definition: {
        resource: {
          ...{
            resourceType: 'StructureDefinition',
            url: 'http://fuzz.example/sd',
            name: 'F',
            status: 'draft',
            kind: 'resource',
            abstract: false,
          },
          ...{
            type: 'Patient',
            baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
            derivation: 'constraint',
          },
          differential: {
            element: [
              { id: 'Patient.name', path: 'Patient.name', min: 1, max: '2' },
              { id: 'Patient.name:n', path: 'Patient.name', sliceName: 'n' },
              { id: 'Patient.deceased[x]', path: 'Patient.deceased[x]', type: [{ code: 'boolean' }] },
              { id: 'Patient.contact.name.family', path: 'Patient.contact.name.family', max: '0' },
            ],
          },
        },
      },
    }),
  }),
  ({ one, below }) => ({
    path: `Encounter/f${below(20)}/$triage-suggestion`,
    body: given({ resources: one([0, 2, 9]), pain: 3, highRisk: false }),
  }),
];

const ALL = [...terminology, ...clinical, ...administration];

export const makeCall = (chance: Chance): Call => chance.one(ALL)(chance);
/** What others refer to: put before the requests. */
export const KNOWN: readonly Tree[] = [
  { ...codeSystem, id: 'cs' },
  { ...conceptMap, id: 'map' },
  { ...valueSetOf((values) => values[0]!), id: 'vs' },
  {
    ...{ resourceType: 'Subscription', id: 's1', status: 'requested', reason: 'fuzz', criteria: 'Patient?name=nobody' },
    channel: { type: 'websocket' },
  },
];
