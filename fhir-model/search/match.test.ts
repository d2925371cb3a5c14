import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertMatchable, matches } from './match.ts';
import { found, query } from './search-testing.ts';

interface Case {
  resource: object;
  yes: string[];
  no: string[];
}

const at = (effective: object): object => ({ resourceType: 'Observation', ...effective });
const on = (effectiveDateTime: string): object => at({ effectiveDateTime });
const during = (effectivePeriod: object): object => at({ effectivePeriod });

// The examples of https://hl7.org/fhir/R4/search.html come first in each list.
const cases: Record<string, Case[]> = {
  date: [
    { resource: on('2013-01-14T00:00:00Z'), yes: ['date=eq2013-01-14', 'date=2013-01-14'], no: ['date=ne2013-01-14'] },
    {
      resource: on('2013-01-14T10:00:00Z'),
      yes: ['date=eq2013-01-14', 'date=2013', 'date=2013-01'],
      no: ['date=ne2013-01-14', 'date=sa2013-01-14'],
    },
    {
      resource: on('2013-01-15T00:00:00Z'),
      yes: ['date=ne2013-01-14', 'date=gt2013-01-14', 'date=sa2013-01-14'],
      no: ['date=eq2013-01-14', 'date=lt2013-01-15'],
    },
    {
      resource: on('2013-01-14'),
      yes: ['date=lt2013-01-14T10:00', 'date=gt2013-01-14T10:00'],
      no: ['date=2013-01-14T10:00', 'date=sa2013-01-14T10:00', 'date=eb2013-01-14T10:00'],
    },
    {
      resource: during({ start: '2013-01-21' }),
      yes: ['date=ge2013-03-14', 'date=le2013-03-14', 'date=gt2050'],
      no: ['date=sa2013-03-14', 'date=eb2013-03-14', 'date=2013', 'date=lt2013-01-21'],
    },
    { resource: during({ start: '2013-03-15' }), yes: ['date=sa2013-03-14'], no: ['date=eb2013-03-14'] },
    {
      resource: during({ end: '2013-01-21' }),
      yes: ['date=eb2013-03-14', 'date=lt1800'],
      no: ['date=sa2013-03-14', 'date=gt2013-01-21'],
    },
    {
      resource: on('2010-06-01'),
      yes: ['date=ge2010-01-01&date=le2011-12-31'],
      no: ['date=ge2010-01-01&date=le2010-05-31'],
    },
    {
      resource: on('2013-01-14T23:30:00-08:00'),
      yes: ['date=2013-01-15', 'date=1999,2013-01-15'],
      no: ['date=2013-01-14'],
    },
    {
      resource: { ...on('2013-03-14'), meta: { lastUpdated: '2013-03-24T00:00:00Z' } },
      yes: ['date=ap2013-03-14', 'date=ap2013-03-13', '_lastUpdated=2013-03-24', '_lastUpdated=ge2013'],
      no: ['date=ap2013-03-10', 'date=ap2013-03-16', '_lastUpdated=lt2013-03-24'],
    },
    { resource: at({}), yes: ['date:missing=true'], no: ['date:missing=false', 'date=ne2013', 'date=lt2013'] },
  ],
  string: [
    {
      resource: { resourceType: 'Patient', name: [{ given: ['Evelyn'] }] },
      yes: ['given=eve', 'given=EVELYN', 'given=évé', 'given:contains=VEL', 'given:exact=Evelyn', 'given=bob,eve'],
      no: ['given=velyn', 'given:exact=evelyn', 'given:exact=Eve', 'given=evelyns'],
    },
    {
      resource: { resourceType: 'Patient', name: [{ given: ['Severine'] }] },
      yes: ['given:contains=eve'],
      no: ['given=eve', 'given:exact=Eve'],
    },
    {
      resource: { resourceType: 'Patient', name: [{ family: "O'Brien-Núñez" }] },
      yes: ['family=obrien', 'name=OBrien nunez', "family=o'b", 'family=Nun', "family:exact=O'Brien-Núñez"],
      no: ["family:exact=O'Brien-Nunez", 'given=obrien', 'family=brien', 'family=Obrien nunez x'],
    },
    {
      resource: { resourceType: 'Patient', address: [{ line: ['1 Main  Street'], city: 'Athens' }] },
      yes: ['address=1 main street', 'address=ath', 'address-city=ATHENS'],
      no: ['address=main'],
    },
  ],
  token: [
    {
      resource: {
        resourceType: 'Patient',
        identifier: [{ system: 'http://acme.org/patient', value: '2345' }, { value: 'x' }],
        gender: 'male',
        active: true,
      },
      yes: [
        'identifier=http://acme.org/patient|2345',
        'identifier=2345',
        'identifier=|x',
        'identifier=http://acme.org/patient|',
        'gender=male',
        'active=true',
        'gender=Male',
        'gender=female,male',
        'gender:not=female',
        'gender:missing=false',
      ],
      no: [
        'identifier=|2345',
        'identifier=http://other|2345',
        'identifier=http://other|',
        'identifier=X',
        'gender=http://other|male',
        'active=false',
        'gender:not=male',
        'gender:not=female,male',
        'gender:missing=true',
        'identifier=x&gender=female',
      ],
    },
    {
      resource: { resourceType: 'Patient' },
      yes: ['gender:not=male', 'gender:missing=true', 'deceased=false'],
      no: ['gender=male', 'gender:missing=false'],
    },
    {
      resource: {
        resourceType: 'Composition',
        section: [{ code: { coding: [{ code: '48765-2' }] } }, { code: { coding: [{ code: 'other' }] } }],
      },
      yes: ['section=48765-2'],
      no: ['section:not=48765-2'],
    },
    {
      resource: {
        resourceType: 'Patient',
        id: 'Abc',
        communication: [{ language: { coding: [{ code: 'FR' }] } }, { language: { coding: [{ code: 'EN' }] } }],
      },
      yes: ['language=FR,NL&language=EN', '_id=Abc', '_id=x,Abc'],
      no: ['language=FR&language=NL', '_id=abc', '_id=Ab'],
    },
  ],
  reference: [
    {
      resource: { resourceType: 'Observation', subject: { reference: 'Patient/23' } },
      yes: [
        'subject=Patient/23',
        'subject:Patient=23',
        'subject=23',
        'patient=23',
        'patient=Patient/23',
        'subject:missing=false',
      ],
      no: ['subject=Group/23', 'subject:Group=23', 'subject=Patient/2', 'subject=http://x/Patient/23', 'encounter=23'],
    },
    {
      resource: { resourceType: 'Observation', subject: { reference: 'http://x/Patient/23' } },
      yes: ['subject=http://x/Patient/23', 'patient=http://x/Patient/23'],
      no: ['subject=Patient/23', 'subject=23'],
    },
    {
      resource: { resourceType: 'QuestionnaireResponse', questionnaire: 'http://q|2' },
      yes: ['questionnaire=http://q', 'questionnaire=http://q|2'],
      no: ['questionnaire=http://q|1', 'questionnaire=http://q|'],
    },
  ],
  number: [
    {
      resource: { resourceType: 'RiskAssessment', prediction: [{ probabilityDecimal: 0.85 }] },
      yes: [
        'probability=gt0.8',
        'probability=gt8e-1',
        'probability=0.85',
        'probability=0.9',
        'probability=ge0.85',
        'probability=le0.85',
        'probability=ap0.8',
      ],
      no: [
        'probability=0.8',
        'probability=gt0.85',
        'probability=lt0.85',
        'probability=ne0.85',
        'probability=eb0.8',
        'probability=ap0.7',
      ],
    },
    {
      resource: { resourceType: 'MolecularSequence', variant: [{ start: 100 }] },
      yes: ['variant-start=100', 'variant-start=1e2', 'variant-start=100.00', 'variant-start=sa99'],
      no: ['variant-start=101', 'variant-start=100.4', 'variant-start=ne100'],
    },
  ],
  quantity: [
    {
      resource: {
        resourceType: 'Observation',
        valueQuantity: { value: 5.42, system: 'http://unitsofmeasure.org', code: 'mg', unit: 'milligram' },
      },
      yes: [
        '5.4|http://unitsofmeasure.org|mg',
        '5.4||mg',
        '5.4||milligram',
        '5.4',
        'gt5.4',
        'ap5',
        'ne5.3',
        'sa5',
        'eb6',
      ].map((value) => `value-quantity=${value}`),
      no: [
        '5.4|http://other|mg',
        '5.4|http://unitsofmeasure.org|g',
        '5.4||g',
        '5.40',
        'le5.4',
        'ne5.4',
        'ap4',
        '5.4|http://unitsofmeasure.org|milligram',
      ].map((value) => `value-quantity=${value}`),
    },
    {
      resource: { resourceType: 'Observation', valueQuantity: { value: 5, comparator: '<' } },
      yes: ['value-quantity=lt3', 'value-quantity=le5', 'value-quantity=ne4', 'value-quantity=ap3'],
      no: ['value-quantity=gt5', 'value-quantity=5', 'value-quantity=sa1'],
    },
    // In plain notation these have more characters than a search value may have.
    {
      resource: { resourceType: 'Observation', valueQuantity: { value: 1.5e150 } },
      yes: ['gt1e150', 'lt2e150', '1.5e150', 'ap1.6e150', 'ge1.5e150', 'ne1.6e150'].map(
        (one) => `value-quantity=${one}`,
      ),
      no: ['lt1e150', 'gt1.5e150', 'ap2e150', '1.0e150', '1.60e150'].map((one) => `value-quantity=${one}`),
    },
    {
      resource: { resourceType: 'Condition', onsetRange: { low: { value: 40 }, high: { value: 44 } } },
      yes: ['onset-age=gt43', 'onset-age=lt41', 'onset-age=4e1', 'onset-age=ap40', 'onset-age=eb45'],
      no: ['onset-age=40', 'onset-age=gt44', 'onset-age=sa40', 'onset-age=lt40'],
    },
  ],
  uri: [
    {
      resource: { resourceType: 'ValueSet', url: 'http://acme.org/fhir/ValueSet/123' },
      yes: [
        'url=http://acme.org/fhir/ValueSet/123',
        'url:below=http://acme.org/fhir/',
        'url:above=http://acme.org/fhir/ValueSet/123/_history/5',
        'url:above=http://acme.org/fhir/ValueSet/123',
      ],
      no: [
        'url=http://acme.org/fhir/ValueSet/12',
        'url=HTTP://acme.org/fhir/ValueSet/123',
        'url:below=http://acme.org/fhir/ValueSet/1234',
        'url:above=http://acme.org/fhir/ValueSet/1234',
        'url:above=http://acme.org/fhir',
      ],
    },
  ],
};

for (const [kind, list] of Object.entries(cases)) {
  describe(kind, () => {
    for (const { resource, yes, no } of list) {
      for (const search of yes) test(`${search} finds it`, () => assert.equal(found(search, resource), true));
      for (const search of no) test(`${search} does not`, () => assert.equal(found(search, resource), false));
    }
  });
}

describe('matches', () => {
  test('another type never matches', () => {
    assert.equal(matches(query('Patient', []), [], { resourceType: 'Observation' }), false);
    assert.equal(matches(query('Patient', []), [], { resourceType: 'Patient' }), true);
  });

  test('assertMatchable refuses chains and includes, naming the parameter', () => {
    const refused = (pairs: [string, string][], expression: string): void => {
      assert.throws(
        () => assertMatchable(query('Observation', pairs)),
        (error: { code: string; issues: { expression: string[] }[] }) => {
          assert.equal(error.code, 'unsupported');
          assert.deepEqual(error.issues[0]?.expression, [expression]);
          return true;
        },
      );
    };
    refused([['subject.name', 'x']], 'subject.name');
    refused([['_has:DiagnosticReport:result:code', 'x']], '_has:DiagnosticReport:result:code');
    refused([['_list', '1']], '_list');
    refused([['_filter', 'code eq x or subject.name co y']], '_filter');
    refused([['_include', 'Observation:subject']], '_include');
    refused([['_revinclude', 'Provenance:target']], '_revinclude');
    assert.doesNotThrow(() =>
      assertMatchable(
        query('Observation', [
          ['code', 'x'],
          ['_filter', 'code eq x or not (date po 2020)'],
          ['_sort', 'date'],
        ]),
      ),
    );
  });
});
