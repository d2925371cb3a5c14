// Dates, numbers, quantities, strings and URIs as they are indexed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseJson } from '../json.ts';
import { extract } from './search-testing.ts';

const day = (text: string): { lo: number; hi: number } => ({
  lo: Date.parse(`${text}T00:00:00Z`),
  hi: Date.parse(`${text}T23:59:59.999Z`),
});

const observation = (fields: object) => ({ resourceType: 'Observation', ...fields });
const patient = (fields: object) => ({ resourceType: 'Patient', ...fields });

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
      [{ low: '0.8', high: '0.8' }],
    ],
    [
      'Range under a number: a range',
      { resourceType: 'RiskAssessment', prediction: [{ probabilityRange: { low: { value: 1 }, high: { value: 2 } } }] },
      'probability',
      [{ low: '1', high: '2' }],
    ],
    [
      'Range under a number, open above',
      { resourceType: 'RiskAssessment', prediction: [{ probabilityRange: { low: { value: 1 } } }] },
      'probability',
      [{ low: '1' }],
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
      [{ value: 'Dr Eve A. Test' }, { value: 'Test', family: true }, ...values('Eve', 'A.', 'Dr', 'III')],
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
    [
      '_profile with a version',
      patient({ meta: { profile: ['http://p|1.0', '|2'] } }),
      '_profile',
      values('http://p|1.0', 'http://p', '|2'),
    ],
    [
      '_profile with a place within it',
      patient({ meta: { profile: ['http://p|1.0#a', 'http://q#b|2', '#c'] } }),
      '_profile',
      values('http://p|1.0#a', 'http://p|1.0', 'http://p', 'http://q#b|2', 'http://q', '#c'),
    ],
    ['_source', patient({ meta: { source: 'urn:s' } }), '_source', values('urn:s')],
  ];
  for (const [title, resource, code, expected] of cases)
    test(title, () => assert.deepEqual(extract(resource, code), expected));
});
