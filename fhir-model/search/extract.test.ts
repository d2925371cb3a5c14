import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Resource } from '../types.ts';
import { compileExtractor } from './extract.ts';
import { createSearchParameters } from './registry.ts';
import { definitions, extract, parameters } from './search-testing.ts';
import type { IndexValue } from './types.ts';

const observation = (fields: object) => ({ resourceType: 'Observation', ...fields });
const patient = (fields: object) => ({ resourceType: 'Patient', ...fields });

describe('token', () => {
  const cases: [string, unknown, string, Record<string, unknown>[]][] = [
    [
      'each Coding of a CodeableConcept, with its display, and the text',
      observation({
        code: {
          text: 'Glucose',
          coding: [
            { system: 'http://s', code: 'a', display: 'A' },
            { code: 'b' },
            { system: 'http://s' },
            { display: 'c' },
          ],
        },
      }),
      'code',
      [
        { system: 'http://s', code: 'a', display: 'A' },
        { code: 'b' },
        { system: 'http://s' },
        { kind: 'text', value: 'c' },
        { kind: 'text', value: 'Glucose' },
      ],
    ],
    [
      'a text that a display says already',
      observation({ code: { text: 'Glucose', coding: [{ code: 'a', display: 'Glucose' }] } }),
      'code',
      [{ code: 'a', display: 'Glucose' }],
    ],
    [
      'a CodeableConcept of text only is there',
      observation({ code: { text: 'Glucose' } }),
      'code',
      [{ kind: 'text', value: 'Glucose' }, { kind: 'present' }],
    ],
    [
      'Coding',
      { resourceType: 'Encounter', class: { system: 'http://s', code: 'AMB' } },
      'class',
      [{ system: 'http://s', code: 'AMB' }],
    ],
    [
      'Identifier',
      patient({
        identifier: [
          { system: 'http://mrn', value: '1' },
          { value: '2', type: { text: 'Record', coding: [{ code: 'MR' }, { system: 'http://t', code: 'x' }, {}] } },
          { system: 'http://only' },
        ],
      }),
      'identifier',
      [
        { system: 'http://mrn', code: '1' },
        { code: '2' },
        { kind: 'text', value: 'Record' },
        { kind: 'typed', code: 'MR', value: '2' },
        { kind: 'typed', system: 'http://t', code: 'x', value: '2' },
        { system: 'http://only' },
      ],
    ],
    [
      'ContactPoint: value without system',
      patient({
        telecom: [
          { system: 'phone', value: '555' },
          { system: 'email', value: 'a@example.org' },
        ],
      }),
      'telecom',
      [{ code: '555' }, { code: 'a@example.org' }],
    ],
    [
      'where(system=…)',
      patient({
        telecom: [
          { system: 'phone', value: '555' },
          { system: 'email', value: 'a@example.org' },
        ],
      }),
      'email',
      [{ code: 'a@example.org' }],
    ],
    [
      'code',
      patient({ gender: 'female' }),
      'gender',
      [{ system: 'http://hl7.org/fhir/administrative-gender', code: 'female' }],
    ],
    ['boolean', patient({ active: false }), 'active', [{ code: 'false' }]],
    ['id', patient({ id: 'abc' }), '_id', [{ code: 'abc' }]],
    ['uri of a choice', { resourceType: 'MessageHeader', eventUri: 'http://e' }, 'event', [{ code: 'http://e' }]],
    [
      'Coding of a choice',
      { resourceType: 'MessageHeader', eventCoding: { system: 'http://s', code: 'e' } },
      'event',
      [{ system: 'http://s', code: 'e' }],
    ],
    ['string', { resourceType: 'ValueSet', version: '1.0' }, 'version', [{ code: '1.0' }]],
    [
      '_tag',
      patient({ meta: { tag: [{ system: 'http://t', code: 'x' }] } }),
      '_tag',
      [{ system: 'http://t', code: 'x' }],
    ],
    [
      'ofType takes that type only',
      observation({ valueCodeableConcept: { coding: [{ code: 'v' }] } }),
      'value-concept',
      [{ code: 'v' }],
    ],
    ['ofType passes over another', observation({ valueString: 'v' }), 'value-concept', []],
    ['alive', patient({}), 'deceased', [{ code: 'false' }]],
    ['dead since', patient({ deceasedDateTime: '2020' }), 'deceased', [{ code: 'true' }]],
    ['dead', patient({ deceasedBoolean: true }), 'deceased', [{ code: 'true' }]],
    ['not dead', patient({ deceasedBoolean: false }), 'deceased', [{ code: 'false' }]],
    [
      'nested arrays',
      observation({ component: [{ code: { coding: [{ code: 'a' }] } }, { code: { coding: [{ code: 'b' }] } }] }),
      'component-code',
      [{ code: 'a' }, { code: 'b' }],
    ],
  ];
  for (const [name, resource, code, expected] of cases)
    test(name, () => assert.deepEqual(extract(resource, code), expected));
});

describe('reference', () => {
  const subject = (reference: unknown, more: object = {}) => observation({ subject: { reference, ...more } });

  test('relative, versioned, absolute, urn', () => {
    assert.deepEqual(extract(subject('Patient/1'), 'subject'), [{ type: 'Patient', id: '1' }]);
    assert.deepEqual(extract(subject('Patient/1/_history/2'), 'subject'), [{ type: 'Patient', id: '1', version: '2' }]);
    assert.deepEqual(extract(subject('http://other/fhir/Patient/1'), 'subject'), [
      { url: 'http://other/fhir/Patient/1' },
    ]);
    assert.deepEqual(extract(subject('urn:uuid:a'), 'subject'), [{ url: 'urn:uuid:a' }]);
  });

  test('absolute below our own base is local', () => {
    assert.deepEqual(extract(subject('http://me/fhir/Patient/1'), 'subject', 'http://me/fhir'), [
      { type: 'Patient', id: '1' },
    ]);
    assert.deepEqual(extract(subject('http://me/fhirx/Patient/1'), 'subject', 'http://me/fhir'), [
      { url: 'http://me/fhirx/Patient/1' },
    ]);
  });

  test('contained resources, identifiers and displays alone are there, but lead nowhere', () => {
    assert.deepEqual(extract(subject('#p'), 'subject'), [{ kind: 'present' }]);
    const logical = observation({ subject: { identifier: { value: '1' }, display: 'One' } });
    assert.deepEqual(extract(logical, 'subject'), [{ kind: 'present' }, { kind: 'text', value: 'One' }]);
    assert.deepEqual(extract(logical, 'subject:identifier'), [{ code: '1' }]);
  });

  test('where(resolve() is Patient) is decided by the reference, or by Reference.type', () => {
    assert.deepEqual(extract(subject('Patient/1'), 'patient'), [{ type: 'Patient', id: '1' }]);
    assert.deepEqual(extract(subject('Group/1'), 'patient'), []);
    assert.deepEqual(extract(subject('http://other/fhir/Patient/1'), 'patient'), [
      { url: 'http://other/fhir/Patient/1' },
    ]);
    assert.deepEqual(extract(subject('http://other/fhir/Group/1', { type: 'Patient' }), 'patient'), []);
    assert.deepEqual(extract(subject('urn:uuid:a', { type: 'Patient' }), 'patient'), [{ url: 'urn:uuid:a' }]);
    assert.deepEqual(extract(subject('urn:uuid:a'), 'patient'), []);
  });

  test('canonical: with its version and without', () => {
    assert.deepEqual(extract({ resourceType: 'QuestionnaireResponse', questionnaire: 'http://q|2' }, 'questionnaire'), [
      { url: 'http://q' },
      { url: 'http://q|2' },
    ]);
  });

  test('canonical: what is within a resource is named by a fragment', () => {
    const urls = (questionnaire: string) =>
      extract({ resourceType: 'QuestionnaireResponse', questionnaire }, 'questionnaire').map(
        (value) => (value as unknown as { url: string }).url,
      );
    assert.deepEqual(urls('http://q|2#a'), ['http://q', 'http://q|2', 'http://q|2#a']);
    assert.deepEqual(urls('http://q#a'), ['http://q', 'http://q#a']);
    assert.deepEqual(urls('#a'), []);
  });

  test('canonical: a URN with its version and without', () => {
    const urls = (questionnaire: string) =>
      extract({ resourceType: 'QuestionnaireResponse', questionnaire }, 'questionnaire');
    assert.deepEqual(urls('urn:oid:1.2.3|2'), [{ url: 'urn:oid:1.2.3' }, { url: 'urn:oid:1.2.3|2' }]);
    assert.deepEqual(
      urls('urn:oid:1.2.3|2#a').map(({ url }) => url),
      ['urn:oid:1.2.3', 'urn:oid:1.2.3|2', 'urn:oid:1.2.3|2#a'],
    );
    assert.deepEqual(urls('urn:oid:1.2.3'), [{ url: 'urn:oid:1.2.3' }]);
  });

  test('where(type=…).resource', () => {
    const library = {
      resourceType: 'Library',
      relatedArtifact: [
        { type: 'depends-on', resource: 'http://a' },
        { type: 'successor', resource: 'http://b' },
      ],
    };
    assert.deepEqual(extract(library, 'depends-on'), [{ url: 'http://a' }]);
    assert.deepEqual(extract(library, 'successor'), [{ url: 'http://b' }]);
  });

  test('a resource nested in a Bundle, by position', () => {
    const entry = [
      { resource: { resourceType: 'Composition', id: 'c' } },
      { resource: { resourceType: 'Composition', id: 'd' } },
    ];
    assert.deepEqual(extract({ resourceType: 'Bundle', entry }, 'composition'), [{ type: 'Composition', id: 'c' }]);
  });
});

describe('what is outside the subset runs on fhirpath', () => {
  test('first(), and as() rewritten', () => {
    const raw = [
      { code: 'first', base: ['Patient'], type: 'string', expression: 'Patient.name.first().family' },
      { code: 'odd', base: ['Patient'], type: 'string', expression: "Patient.extension('http://x').value.as(string)" },
      { code: 'broken', base: ['Patient'], type: 'string', expression: 'Patient.name.nothing(((' },
    ];
    const own = createSearchParameters(raw, ['Patient']).list('Patient');
    const resource = {
      resourceType: 'Patient',
      name: [{ family: 'A' }, { family: 'B' }],
      extension: [{ url: 'http://x', valueString: 'v' }],
    } as Resource;
    const found = compileExtractor(own)(resource).map((value) => [
      value.param.code,
      (value as { value: string }).value,
    ]);
    assert.deepEqual(found, [
      ['first', 'A'],
      ['odd', 'v'],
    ]);
  });
});

describe('malformed resources never throw', () => {
  const all = new Map(definitions.resourceTypes.map((type) => [type, compileExtractor(parameters.list(type))]));
  const odd: unknown[] = [
    null,
    true,
    0,
    -1,
    '',
    'x',
    [],
    {},
    [[]],
    [null],
    { value: {} },
    { coding: 'x' },
    { coding: [null, 1] },
    { start: 5 },
  ];
  odd.push(
    { reference: 5 },
    { event: [null, {}] },
    { repeat: { boundsPeriod: 'x' } },
    { low: 1, high: [] },
    { data: '1 2', origin: 5 },
  );

  /** Every element of every type set to the same odd thing, also one level down. */
  const withOdd = (type: string, thing: unknown, deep: boolean): Resource => {
    const resource: Record<string, unknown> = { resourceType: type };
    for (const element of definitions.type(type)?.elements ?? []) {
      for (const each of element.types) {
        const name = element.choice ? element.name + each.charAt(0).toUpperCase() + each.slice(1) : element.name;
        const below = definitions.type(each)?.elements.map((inner) => [inner.name, thing]) ?? [];
        resource[name] = deep ? Object.fromEntries(below) : thing;
      }
    }
    return resource as Resource;
  };

  test('any odd thing anywhere', () => {
    for (const [type, extractor] of all) {
      for (const thing of odd) {
        for (const deep of [false, true]) {
          const values: IndexValue[] = extractor(withOdd(type, thing, deep));
          for (const value of values) assert.equal(value.param.resourceType, type);
        }
      }
    }
  });

  test('a million codings are read once each', () => {
    const coding = Array.from({ length: 1_000_000 }, (_, i) => ({ code: String(i) }));
    assert.equal(extract(observation({ valueCodeableConcept: { coding } }), 'value-concept').length, 1_000_000);
  });
});
