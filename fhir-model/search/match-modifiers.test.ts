// Modifiers, composites, special parameters and units, on one resource: https://hl7.org/fhir/R4/search.html#modifiers
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertMatchable } from './match.ts';
import { found, query } from './search-testing.ts';

const UCUM = 'http://unitsofmeasure.org';
const LOINC = 'http://loinc.org';

interface Case {
  resource: object;
  yes: string[];
  no: string[];
}

const observation = (fields: object) => ({ resourceType: 'Observation', ...fields });
const quantity = (value: number, code: string) => ({ value, code, system: UCUM, unit: code });
const coded = (code: string, system = LOINC) => ({ coding: [{ system, code }] });

const cases: Record<string, Case[]> = {
  ':text and :code-text': [
    {
      resource: observation({
        code: { coding: [{ system: LOINC, code: '8867-4', display: 'Heart Rate' }], text: "Puls (Ärzte's)" },
      }),
      yes: ['code:text=heart', 'code:text=RATE', 'code:text=heart rate', 'code:text=arzte', 'combo-code:text=puls'],
      no: ['code:text=art', 'code:text=8867', 'code:text=rates', 'category:text=heart'],
    },
    {
      resource: observation({ code: { coding: [{ code: 'ABC-1' }] } }),
      yes: ['code:code-text=abc', 'code:code-text=ABC-1', 'code=abc-1', 'code=ABC-1', 'code:not=ab'],
      no: ['code:code-text=bc', 'code:code-text=abc-12', 'code:text=abc', 'code=abc'],
    },
    {
      resource: { resourceType: 'Patient', identifier: [{ value: 'x', type: { text: 'Medical record' } }] },
      yes: ['identifier:text=record', 'identifier:text=medical rec'],
      no: ['identifier:text=x'],
    },
    {
      resource: observation({ subject: { reference: 'Patient/1', display: 'Eve Test' } }),
      yes: ['subject:text=eve', 'subject:text=test', 'patient:text=test'],
      no: ['subject:text=patient', 'focus:text=eve'],
    },
  ],
  'case of codes': [
    {
      resource: { resourceType: 'Patient', identifier: [{ system: 'http://a', value: 'aB' }], gender: 'male' },
      yes: ['identifier=aB', 'gender=MALE', 'identifier:not=ab'],
      no: ['identifier=ab', 'identifier=http://a|AB', 'gender=males'],
    },
    {
      resource: observation({ method: { coding: [{ system: UCUM, code: 'Mm' }] } }),
      yes: ['method=Mm', 'method=mm', `method=${UCUM}|Mm`],
      no: [`method=${UCUM}|mm`],
    },
  ],
  ':of-type and :identifier': [
    {
      resource: {
        resourceType: 'Patient',
        identifier: [
          { type: coded('MR', 'http://t'), system: 'http://a', value: '1' },
          { type: coded('SS', 'http://t'), value: '2' },
          { type: coded('MR', ''), value: '3' },
        ],
      },
      yes: ['identifier:of-type=http://t|MR|1', 'identifier:of-type=http://t|mr|1', 'identifier:ofType=|MR|3'],
      no: ['identifier:of-type=http://t|MR|2', 'identifier:of-type=http://x|MR|1', 'identifier:of-type=|MR|1'],
    },
    {
      resource: observation({ subject: { type: 'Patient', identifier: { system: 'http://a', value: 'X1' } } }),
      yes: [
        'subject:identifier=http://a|X1',
        'subject:identifier=X1',
        'patient:identifier=X1',
        'subject:missing=false',
      ],
      no: ['subject:identifier=x1', 'subject:identifier=http://b|X1', 'subject=X1'],
    },
  ],
  composites: [
    {
      resource: observation({
        code: coded('85354-9'),
        component: [
          { code: coded('8480-6'), valueQuantity: quantity(120, 'mm[Hg]') },
          { code: coded('8462-4'), valueQuantity: quantity(80, 'mm[Hg]') },
          { code: coded('q', 'http://q'), valueCodeableConcept: coded('yes', 'http://a') },
        ],
      }),
      yes: [
        'component-code-value-quantity=8480-6$gt100',
        `component-code-value-quantity=${LOINC}|8480-6$120|${UCUM}|mm[Hg]`,
        `component-code-value-quantity=8480-6$lt100,8480-6$16.0|${UCUM}|kPa`,
        'combo-code-value-quantity=8462-4$lt90',
        'component-code-value-concept=http://q|q$http://a|YES',
        'component-code-value-concept=http://q|$http://a|',
        'combo-code-value-concept=q$yes',
        'component-code-value-quantity:missing=false',
        'code-value-quantity:missing=true',
      ],
      no: [
        'component-code-value-quantity=8462-4$gt100',
        `component-code-value-quantity=http://other|8480-6$gt100`,
        'code-value-quantity=8480-6$gt100',
        'combo-code-value-quantity=85354-9$gt10',
        'component-code-value-concept=q$no',
        'component-code-value-concept=8480-6$yes',
      ],
    },
    {
      resource: observation({ code: coded('a'), valueQuantity: quantity(5, 'g') }),
      yes: ['code-value-quantity=a$5', 'combo-code-value-quantity=a$gt4999|http://unitsofmeasure.org|mg'],
      no: ['code-value-quantity=a$6', 'code-value-quantity=b$5', 'component-code-value-quantity=a$5'],
    },
    {
      resource: {
        resourceType: 'DocumentReference',
        relatesTo: [
          { code: 'replaces', target: { reference: 'DocumentReference/1' } },
          { code: 'appends', target: { reference: 'DocumentReference/2' } },
        ],
      },
      yes: [
        'relationship=replaces$DocumentReference/1',
        'relationship=appends$2',
        'relationship=http://hl7.org/fhir/document-relationship-type|appends$DocumentReference/2',
        'relationship=DocumentReference/1$replaces',
        'relationship=DocumentReference/2$http://hl7.org/fhir/document-relationship-type|appends',
        'relationship=2$http://hl7.org/fhir/document-relationship-type|appends',
      ],
      no: [
        'relationship=replaces$DocumentReference/2',
        'relationship=signs$1',
        'relationship=DocumentReference/1$appends',
        'relationship=http://x/DocumentReference/1$replaces',
      ],
    },
    {
      resource: {
        resourceType: 'MolecularSequence',
        referenceSeq: { chromosome: coded('1', 'http://c'), windowStart: 10, windowEnd: 20 },
        variant: [
          { start: 1, end: 2 },
          { start: 50, end: 60 },
        ],
      },
      yes: [
        'chromosome-variant-coordinate=1$1$2',
        'chromosome-variant-coordinate=http://c|1$gt40$lt61',
        'chromosome-window-coordinate=1$10$20',
      ],
      no: [
        'chromosome-variant-coordinate=1$1$60',
        'chromosome-variant-coordinate=2$1$2',
        'chromosome-window-coordinate=1$10$21',
      ],
    },
    {
      resource: {
        resourceType: 'ValueSet',
        useContext: [
          { code: { system: 'http://u', code: 'age' }, valueRange: { low: { value: 10 }, high: { value: 20 } } },
          { code: { system: 'http://u', code: 'focus' }, valueCodeableConcept: coded('x') },
        ],
      },
      yes: ['context-type-quantity=age$gt15', 'context-type-value=focus$x'],
      no: ['context-type-quantity=focus$gt15', 'context-type-value=age$x', 'context-type-quantity=age$sa15'],
    },
  ],
  special: [
    {
      resource: { resourceType: 'Location', position: { latitude: 52.52, longitude: 13.405 } },
      yes: [
        'near=52.52|13.405',
        'near=52.53|13.42|2|km',
        'near=48.85|2.35|900|km',
        'near=52.53|13.42|2000|m',
        'near=0|0|1,52|13|100',
      ],
      no: ['near=52.53|13.42|1|km', 'near=48.85|2.35', 'near=-52.52|13.405|100|km', 'near=48.85|2.35|500|mi'],
    },
    {
      resource: { resourceType: 'Location', position: { latitude: 10, longitude: 179.9 } },
      yes: ['near=10|-179.9|25|km'],
      no: ['near=10|-179.9|20|km'],
    },
    {
      resource: {
        resourceType: 'Condition',
        text: {
          div: '<div xmlns="http://www.w3.org/1999/xhtml"><b>Metastas</b>es of the bone &amp; K&#246;rper, no fracture</div>',
        },
        note: [{ text: 'Liver:\nfine 5.4' }],
      },
      yes: [
        '_text=bone',
        '_text=(bone OR liver) and metastas*',
        '_text="the bone"',
        '_text=bone -liver',
        '_text=korper not liver',
        '_content=liver',
        '_content="liver fine 5.4"',
        '_content=bone liver',
      ],
      no: [
        '_text=liver',
        '_text=xmlns',
        '_text="bone the"',
        '_text=bone -fracture',
        '_text=frac',
        '_content=note',
        '_content=metastases',
      ],
    },
  ],
  'quantities in UCUM': [
    {
      resource: observation({ valueQuantity: quantity(5000, 'mg') }),
      yes: [`5|${UCUM}|g`, `ge5|${UCUM}|g`, `le5|${UCUM}|g`, `gt4.9999|${UCUM}|g`, `ap5.3|${UCUM}|g`, '5000||mg'].map(
        (v) => `value-quantity=${v}`,
      ),
      no: [`gt5|${UCUM}|g`, `5|${UCUM}|kg`, `5|${UCUM}|mL`, '5||g', `ne5|${UCUM}|g`, `5.0000001|${UCUM}|g`].map(
        (v) => `value-quantity=${v}`,
      ),
    },
    {
      resource: observation({ valueQuantity: quantity(98.6, '[degF]') }),
      yes: [`value-quantity=37|${UCUM}|Cel`, `value-quantity=37.0|${UCUM}|Cel`, `value-quantity=310|${UCUM}|K`],
      no: [`value-quantity=38|${UCUM}|Cel`, `value-quantity=gt37|${UCUM}|Cel`],
    },
    {
      resource: observation({ valueQuantity: { value: 30, system: 'http://local', code: 's' } }),
      yes: ['value-quantity=30|http://local|s', 'value-quantity=30||s'],
      no: [`value-quantity=0.5|${UCUM}|min`, 'value-quantity=0.5|http://local|min'],
    },
  ],
  'numbers that are Ranges': [
    {
      resource: {
        resourceType: 'RiskAssessment',
        prediction: [{ probabilityRange: { low: { value: 0.2 }, high: { value: 0.4 } } }],
      },
      yes: ['probability=gt0.3', 'probability=lt0.3', 'probability=ap0.42', 'probability=ne0.3'],
      no: ['probability=0.2', 'probability=sa0.3', 'probability=eb0.3', 'probability=gt0.4'],
    },
  ],
};

for (const [kind, list] of Object.entries(cases)) {
  describe(kind, () => {
    for (const { resource, yes, no } of list) {
      const search = (text: string) => found(text.replaceAll('+', '%2B').replaceAll('&', '%26'), resource);
      for (const text of yes) test(`${text} finds it`, () => assert.equal(search(text), true));
      for (const text of no) test(`${text} does not`, () => assert.equal(search(text), false));
    }
  });
}

test('what needs other resources is refused, naming the parameter', () => {
  for (const [name, value] of [
    ['code:in', 'http://v'],
    ['code:not-in', 'http://v'],
    ['code:below', 'http://s|a'],
    ['code:above', 'http://s|a'],
    ['subject:below', 'Patient/1'],
  ] as const) {
    assert.throws(
      () => assertMatchable(query('Observation', [[name, value]])),
      (error: { code: string; issues: { expression: string[] }[] }) => {
        assert.equal(error.code, 'unsupported');
        assert.deepEqual(error.issues[0]?.expression, [name]);
        return true;
      },
    );
  }
  assert.doesNotThrow(() => assertMatchable(query('ValueSet', [['url:below', 'http://a/']])));
});
