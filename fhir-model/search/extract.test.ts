import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDefinitions } from '../definitions.ts';
import { parseJson } from '../json.ts';
import type { Resource } from '../types.ts';
import { compileExtractor } from './extract.ts';
import { createSearchParameters } from './registry.ts';
import type { IndexValue } from './types.ts';

const definitions = await loadDefinitions();
const parameters = createSearchParameters(definitions.searchParameters, definitions.resourceTypes);

/** The values of one parameter, without the parameter. */
function extract(resource: unknown, code: string, baseUrl?: string): Record<string, unknown>[] {
  const typed = resource as Resource;
  const values = compileExtractor(parameters.list(typed.resourceType), { baseUrl })(typed);
  return values.filter((value) => value.param.code === code).map(({ param: _, kind, ...rest }) => rest);
}

const day = (text: string): { lo: number; hi: number } => ({
  lo: Date.parse(`${text}T00:00:00Z`),
  hi: Date.parse(`${text}T23:59:59.999Z`),
});

const observation = (fields: object) => ({ resourceType: 'Observation', ...fields });
const patient = (fields: object) => ({ resourceType: 'Patient', ...fields });

describe('token', () => {
  const cases: [string, unknown, string, Record<string, unknown>[]][] = [
    [
      'each Coding of a CodeableConcept, not its text',
      observation({
        code: {
          text: 'Glucose',
          coding: [{ system: 'http://s', code: 'a' }, { code: 'b' }, { system: 'http://s' }, { display: 'c' }],
        },
      }),
      'code',
      [{ system: 'http://s', code: 'a' }, { code: 'b' }, { system: 'http://s' }],
    ],
    ['a CodeableConcept of text only', observation({ code: { text: 'Glucose' } }), 'code', []],
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
          { value: '2', type: { coding: [{ code: 'MR' }] } },
          { system: 'http://only' },
        ],
      }),
      'identifier',
      [{ system: 'http://mrn', code: '1' }, { code: '2' }, { system: 'http://only' }],
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
    ['code', patient({ gender: 'female' }), 'gender', [{ code: 'female' }]],
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
    assert.deepEqual(extract(subject('Patient/1/_history/2'), 'subject'), [{ type: 'Patient', id: '1' }]);
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

  test('contained resources and identifiers alone are not found', () => {
    assert.deepEqual(extract(subject('#p'), 'subject'), []);
    assert.deepEqual(extract(observation({ subject: { identifier: { value: '1' } } }), 'subject'), []);
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

describe('date', () => {
  const cases: [string, unknown, string, Record<string, unknown>[]][] = [
    ['date', patient({ birthDate: '1970-03-30' }), 'birthdate', [day('1970-03-30')]],
    ['dateTime of a choice', observation({ effectiveDateTime: '2013-01-14' }), 'date', [day('2013-01-14')]],
    [
      'instant',
      observation({ effectiveInstant: '2013-01-14T00:00:00.000Z' }),
      'date',
      [{ lo: day('2013-01-14').lo, hi: day('2013-01-14').lo }],
    ],
    [
      '_lastUpdated',
      patient({ meta: { lastUpdated: '1970-01-01T00:00:01.500+00:00' } }),
      '_lastUpdated',
      [{ lo: 1500, hi: 1500 }],
    ],
    [
      'Period',
      observation({ effectivePeriod: { start: '2013-01-01', end: '2013-01-14' } }),
      'date',
      [{ lo: day('2013-01-01').lo, hi: day('2013-01-14').hi }],
    ],
    [
      'Period without end',
      observation({ effectivePeriod: { start: '2013-01-01' } }),
      'date',
      [{ lo: day('2013-01-01').lo, hi: Number.POSITIVE_INFINITY }],
    ],
    [
      'Period without start',
      observation({ effectivePeriod: { end: '2013-01-14' } }),
      'date',
      [{ lo: Number.NEGATIVE_INFINITY, hi: day('2013-01-14').hi }],
    ],
    ['Period without either', observation({ effectivePeriod: { extension: [] } }), 'date', []],
    ['Period that ends before it starts', observation({ effectivePeriod: { start: '2013', end: '2012' } }), 'date', []],
    ['Period with a malformed end', observation({ effectivePeriod: { start: '2013', end: 'soon' } }), 'date', []],
    [
      'Timing: the outer limits of its events',
      observation({ effectiveTiming: { event: ['2013-01-14', '2013-01-01', '2013-01-05'] } }),
      'date',
      [{ lo: day('2013-01-01').lo, hi: day('2013-01-14').hi }],
    ],
    [
      'Timing: its bounds',
      observation({ effectiveTiming: { repeat: { boundsPeriod: { start: '2013-01-01' } } } }),
      'date',
      [{ lo: day('2013-01-01').lo, hi: Number.POSITIVE_INFINITY }],
    ],
    ['Timing of a code only', observation({ effectiveTiming: { code: { text: 'BID' } } }), 'date', []],
    [
      'dateTime of a narrowed choice',
      { resourceType: 'Condition', onsetDateTime: '2013-01-14' },
      'onset-date',
      [day('2013-01-14')],
    ],
    ['Age is no date', { resourceType: 'Condition', onsetAge: { value: 5 } }, 'onset-date', []],
    ['malformed', patient({ birthDate: '1970-02-30' }), 'birthdate', []],
  ];
  for (const [name, resource, code, expected] of cases)
    test(name, () => assert.deepEqual(extract(resource, code), expected));
});

describe('number and quantity', () => {
  const exact = (text: string): unknown => parseJson(text).exact;
  const cases: [string, unknown, string, Record<string, unknown>[]][] = [
    [
      'integer',
      { resourceType: 'MolecularSequence', variant: [{ start: 5 }, { start: 7 }] },
      'variant-start',
      [{ value: '5' }, { value: '7' }],
    ],
    [
      'decimal with its digits',
      exact('{"resourceType":"ChargeItem","factorOverride":1.00}'),
      'factor-override',
      [{ value: '1.00' }],
    ],
    [
      'decimal of a choice',
      { resourceType: 'RiskAssessment', prediction: [{ probabilityDecimal: 0.8 }] },
      'probability',
      [{ value: '0.8' }],
    ],
    [
      'Range under a number: both ends',
      { resourceType: 'RiskAssessment', prediction: [{ probabilityRange: { low: { value: 1 }, high: { value: 2 } } }] },
      'probability',
      [{ value: '1' }, { value: '2' }],
    ],
    [
      'Quantity',
      exact(
        '{"resourceType":"Observation","valueQuantity":{"value":5.40,"unit":"milligram","system":"http://unitsofmeasure.org","code":"mg"}}',
      ),
      'value-quantity',
      [{ low: '5.40', high: '5.40', system: 'http://unitsofmeasure.org', code: 'mg', unit: 'milligram' }],
    ],
    [
      'Quantity below',
      observation({ valueQuantity: { value: 5, comparator: '<', unit: 'mg' } }),
      'value-quantity',
      [{ high: '5', unit: 'mg' }],
    ],
    ['Quantity from', observation({ valueQuantity: { value: 5, comparator: '>=' } }), 'value-quantity', [{ low: '5' }]],
    ['Quantity without value', observation({ valueQuantity: { code: 'mg' } }), 'value-quantity', []],
    [
      'Money',
      { resourceType: 'Invoice', totalNet: { value: 9.5, currency: 'EUR' } },
      'totalnet',
      [{ low: '9.5', high: '9.5', system: 'urn:iso:std:iso:4217', code: 'EUR' }],
    ],
    [
      'Age',
      { resourceType: 'Condition', onsetAge: { value: 40, code: 'a' } },
      'onset-age',
      [{ low: '40', high: '40', code: 'a' }],
    ],
    [
      'Range',
      { resourceType: 'Condition', onsetRange: { low: { value: 40, code: 'a' }, high: { value: 50, code: 'a' } } },
      'onset-age',
      [{ low: '40', high: '50', code: 'a' }],
    ],
    [
      'Range open above',
      { resourceType: 'Condition', onsetRange: { low: { value: 40 } } },
      'onset-age',
      [{ low: '40' }],
    ],
    [
      'Range open below',
      { resourceType: 'Condition', onsetRange: { high: { value: 40, unit: 'a' } } },
      'onset-age',
      [{ high: '40', unit: 'a' }],
    ],
    [
      'Range upside down',
      { resourceType: 'Condition', onsetRange: { low: { value: 50 }, high: { value: 40 } } },
      'onset-age',
      [],
    ],
    [
      'SampledData: the bounds of its samples',
      observation({
        valueSampledData: {
          origin: { value: 10, unit: 'mV' },
          factor: 0.1,
          data: '3 -5 E L 12 U 7',
          period: 1,
          dimensions: 1,
        },
      }),
      'value-quantity',
      [{ low: '9.5', high: '11.2', unit: 'mV' }],
    ],
    [
      'SampledData without samples',
      observation({ valueSampledData: { origin: { value: 0 }, data: 'E E' } }),
      'value-quantity',
      [],
    ],
    [
      'a number beyond the limits',
      exact('{"resourceType":"Observation","valueQuantity":{"value":1e999}}'),
      'value-quantity',
      [],
    ],
  ];
  for (const [name, resource, code, expected] of cases)
    test(name, () => assert.deepEqual(extract(resource, code), expected));
});

describe('string and uri', () => {
  const values = (...texts: string[]) => texts.map((value) => ({ value }));
  const name = [
    {
      use: 'official',
      text: 'Dr Eve A. Test',
      family: 'Test',
      given: ['Eve', 'A.'],
      prefix: ['Dr'],
      suffix: ['III'],
      period: { start: '2000' },
    },
  ];
  const address = [
    {
      use: 'home',
      type: 'postal',
      text: 'all',
      line: ['1 Road', 'Flat 2'],
      city: 'C',
      district: 'D',
      state: 'S',
      postalCode: '1',
      country: 'X',
    },
  ];
  const cases: [string, unknown, string, Record<string, unknown>[]][] = [
    [
      'HumanName: every string part',
      patient({ name }),
      'name',
      values('Dr Eve A. Test', 'Test', 'Eve', 'A.', 'Dr', 'III'),
    ],
    ['a part of it', patient({ name }), 'given', values('Eve', 'A.')],
    [
      'Address: every string part',
      patient({ address }),
      'address',
      values('all', '1 Road', 'Flat 2', 'C', 'D', 'S', '1', 'X'),
    ],
    ['string of a choice', observation({ valueString: 'abc' }), 'value-string', values('abc')],
    [
      'text of a CodeableConcept',
      observation({ valueCodeableConcept: { text: 'abc', coding: [{ code: 'x' }] } }),
      'value-string',
      values('abc'),
    ],
    ['markdown', { resourceType: 'ValueSet', description: '# A' }, 'description', values('# A')],
    ['name | alias', { resourceType: 'InsurancePlan', name: 'a', alias: ['b', 'c'] }, 'name', values('a', 'b', 'c')],
    [
      'null beside an extension',
      patient({ name: [{ given: [null, 'B'], _given: [{ extension: [] }, null] }] }),
      'given',
      values('B'),
    ],
    ['uri', { resourceType: 'ValueSet', url: 'http://v' }, 'url', values('http://v')],
    ['_profile', patient({ meta: { profile: ['http://p'] } }), '_profile', values('http://p')],
    ['_source', patient({ meta: { source: 'urn:s' } }), '_source', values('urn:s')],
  ];
  for (const [title, resource, code, expected] of cases)
    test(title, () => assert.deepEqual(extract(resource, code), expected));
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
