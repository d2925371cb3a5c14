// FHIR's data types as HL7's: HL7 v2.9 chapter 2A
import assert from 'node:assert/strict';
import test from 'node:test';
import { type JsonObject, type Resource, rawJson } from '#fhir-model';
import type { RepetitionValue } from '../message/build.ts';
import { buildMessage } from '../message/build.ts';
import { buildFrom, wantedMessage } from './build.ts';
import type { Building } from './building.ts';
import { createGraph } from './graph.ts';
import { compilePath } from './path.ts';
import { buildTable } from './table.ts';
import { buildTarget } from './target.ts';
import { valueType } from './types/registry.ts';
import { dt, dtm, tm } from './types/time.ts';
import { obxValue } from './value.ts';

const graph = createGraph();
graph.add({
  resourceType: 'Practitioner',
  id: 'd1',
  identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '123' }],
  name: [{ family: 'ROE', given: ['ANN'] }],
});
graph.add({ resourceType: 'Location', id: 'w', name: 'WEST', physicalType: { coding: [{ code: 'wa' }] } });
graph.add({
  resourceType: 'Location',
  id: 'b',
  name: 'B2',
  physicalType: { coding: [{ code: 'bd' }] },
  partOf: { reference: 'Location/w' },
});

const target = {
  ...buildTarget({ identifierSystems: { '1.2.3': 'https://hospital.example/mrn' } }),
  codingSystems: { 'http://lab.example/tests': '99LAB' },
};
const building: Building = { target, graph, nowMs: 0, warnings: new Set() };

/** The field as it stands in a message. */
function written(value: RepetitionValue | undefined): string {
  const segments = [{ name: 'MSH' }, { name: 'ZZZ', fields: { 1: value } }];
  return buildMessage({ segments }).segment('ZZZ')?.raw.slice('ZZZ|'.length) ?? '';
}

const cases: [type: string, value: unknown, field: string][] = [
  ['CX', { value: '1', system: 'urn:oid:1.2.840.1' }, '1^^^&1.2.840.1&ISO'],
  ['CX', { value: '1', system: 'https://hospital.example/mrn', assigner: { display: 'HOSP' } }, '1^^^HOSP&1.2.3&ISO'],
  [
    'CX',
    { value: '1', system: 'urn:id:NORTH%20LAB', period: { start: '2020-01-02T10:00:00Z' } },
    '1^^^NORTH LAB^^^20200102',
  ],
  ['CX', { value: 'a^b|c', system: 'https://other.example/x' }, 'a\\S\\b\\F\\c^^^&https://other.example/x&URI'],
  [
    'EI',
    { value: '9', system: 'urn:uuid:6f0c3a52-5a39-4a8e-9d3c-1c7f0c5be1b4' },
    '9^^6f0c3a52-5a39-4a8e-9d3c-1c7f0c5be1b4^UUID',
  ],
  ['EI', { system: 'urn:id:X' }, ''],
  [
    'XPN',
    { use: 'maiden', family: 'DOE', given: ['JANE', 'A', 'B'], prefix: ['Dr'], suffix: ['JR'] },
    'DOE^JANE^A B^JR^Dr^^M',
  ],
  ['XPN', { text: 'Jane Doe' }, 'Jane Doe'],
  [
    'XAD',
    { use: 'home', line: ['1 ROAD', 'B'], city: 'C', postalCode: '1', country: 'DE', district: 'D' },
    '1 ROAD^B^C^^1^DE^H^^D',
  ],
  ['XTN', { system: 'phone', value: '+1 5', use: 'mobile' }, '+1 5^PRS^CP'],
  ['XTN', { system: 'email', value: 'a@b.example' }, '^NET^Internet^a@b.example'],
  ['XTN', { system: 'url', value: 'https://x.example' }, ''],
  ['XCN', { reference: 'Practitioner/d1' }, '123^ROE^ANN^^^^^^NPI&2.16.840.1.113883.4.6&ISO'],
  ['XCN', { reference: 'Practitioner/d1/_history/2', display: 'x' }, '123^ROE^ANN^^^^^^NPI&2.16.840.1.113883.4.6&ISO'],
  ['XCN', { display: 'DR ROE' }, '^DR ROE'],
  ['XCN', { reference: 'Organization/o9', display: 'LAB' }, ''],
  ['XON', { reference: 'Organization/o9', display: 'LAB' }, 'LAB'],
  ['PL', { reference: 'Location/b' }, 'WEST^^B2'],
  ['PL', { display: 'somewhere' }, '^^^^^^^^somewhere'],
  [
    'CWE',
    {
      coding: [
        { system: 'http://loinc.org', code: '1-8', display: 'A' },
        { system: 'http://lab.example/tests', code: 'K' },
      ],
      text: 'K+',
    },
    '1-8^A^LN^K^^99LAB^^^K+',
  ],
  ['CWE', { text: 'only words' }, '^only words'],
  ['CWE', { system: 'urn:id:CEREBRA:OWN%20LIST', code: 'K' }, 'K^^OWN LIST'],
  // No name that is read as that system again.
  ['CWE', { system: 'urn:id:CEREBRA:50%', code: 'K' }, 'K^^urn:id:CEREBRA:50%'],
  ['CWE', { system: 'urn:id:CEREBRA:LN', code: 'K' }, 'K^^urn:id:CEREBRA:LN'],
  ['CWE', { coding: [{ system: 'http://loinc.org' }, { display: 'Positive' }] }, '^Positive'],
  ['CWE', { coding: [{ display: 'Positive' }], text: 'pos.' }, '^pos.'],
  [
    'CWE MaritalStatus',
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-MaritalStatus', code: 'M' }] },
    'M^^HL70002',
  ],
  ['code AdministrativeSex', 'other', 'O'],
  ['CQ', { value: rawJson('1.50'), unit: 'mL', system: 'http://unitsofmeasure.org', code: 'mL' }, '1.50^mL&mL&UCUM'],
  ['ST', true, 'Y'],
];

for (const [type, value, field] of cases) {
  test(`${type} of ${JSON.stringify(value)}`, () => {
    const [name = '', ...args] = type.split(' ');
    assert.equal(written(valueType(name, args)(building, value as JsonObject)), field);
  });
}

test('an organization has its number where the version looks for it', () => {
  const fieldOf = (version: string, value: string): string => {
    const reference = { type: 'Organization', display: 'LAB', identifier: { system: 'urn:id:X', value } };
    return written(valueType('XON', [])({ ...building, target: { ...target, version } }, reference));
  };
  assert.equal(fieldOf('2.5.1', '12'), 'LAB^^^^^X^^^^12');
  assert.equal(fieldOf('2.4', '12'), 'LAB^^12^^^X');
  // No number (NM): fit.ts tells that the version has no place for it.
  assert.equal(fieldOf('2.4', 'L1'), 'LAB^^^^^X^^^^L1');
});

test('times keep their precision and offset', () => {
  const times = [
    '2026',
    '2026-01',
    '2026-01-31',
    '2026-01-31T08:05:00Z',
    '2026-01-31T08:05:00.123456-03:30',
    'yesterday',
  ];
  assert.deepEqual(times.map(dtm), [
    '2026',
    '202601',
    '20260131',
    '20260131080500+0000',
    '20260131080500.1234-0330',
    undefined,
  ]);
  assert.equal(dt('2026-01-31T23:00:00+01:00'), '20260131');
  assert.equal(tm('08:05:00.5'), '080500.5');
});

const values: [value: JsonObject, type: string | undefined, field?: string][] = [
  [{ valueQuantity: { value: rawJson('5.10') as never, unit: 'mg' } }, 'NM', '5.10'],
  [{ valueQuantity: { value: 5, comparator: '<' } }, 'SN', '<^5'],
  [{ valueRange: { low: { value: 1 }, high: { value: 2 } } }, 'SN', '^1^-^2'],
  [{ valueRange: { low: { value: 1 } } }, 'SN', '>=^1'],
  [{ valueRatio: { numerator: { value: 1 }, denominator: { value: 128 } } }, 'SN', '^1^:^128'],
  [{ valueRatio: { numerator: { value: 1, unit: 'mg' }, denominator: { value: 24, unit: 'h' } } }, 'ST', '1 mg : 24 h'],
  [{ valueRatio: { numerator: { value: 1, unit: 'mg' }, denominator: { value: 2 } } }, 'ST', '1 mg : 2'],
  [{ valueRatio: { numerator: { value: 1 }, denominator: { value: 64, comparator: '>' } } }, 'ST', '1 : >64'],
  [{ valueRatio: { numerator: { value: 5 } } }, undefined],
  [{ valueRange: { low: { value: 900, unit: 'mg' }, high: { value: 2, unit: 'g' } } }, 'ST', '900 mg - 2 g'],
  [{ valueRange: { low: { value: 1 }, high: { value: 2, unit: 'g' } } }, 'SN', '^1^-^2'],
  [{ valueCodeableConcept: { text: 'pos' } }, 'CWE', '^pos'],
  [{ valueString: 'one\ntwo' }, 'TX'],
  [{ valueBoolean: false }, 'CWE', 'N^No^HL70136'],
  [{ valueDateTime: '2026-01-31' }, 'TS', '20260131'],
  [{ valueTime: '08:00:00' }, 'TM', '080000'],
  [{ valuePeriod: { start: '2026', end: '2027' } }, 'DR', '2026^2027'],
  // What nobody has checked says neither yes nor no.
  [{ valueBoolean: 'true' }, undefined],
  [{ valueSampledData: { origin: { value: 0 }, period: 10, dimensions: 1, data: '1 E 3' } }, 'NA', '1^^3'],
  [
    {
      valueSampledData: {
        origin: { value: rawJson('0.0') as never },
        factor: 1,
        period: 10,
        dimensions: 1,
        data: '1 2',
      },
    },
    'NA',
    '1^2',
  ],
  [{ valueSampledData: { origin: { value: 2 }, period: 10, dimensions: 1, data: '1 2' } }, undefined],
  [{ valueSampledData: { origin: { value: 0 }, factor: 2, period: 10, dimensions: 1, data: '1 2' } }, undefined],
];

for (const [value, type, field] of values) {
  test(`OBX-5 of ${JSON.stringify(value)}`, () => {
    const made = obxValue(building, value);
    assert.equal(made?.type, type);
    if (field !== undefined) assert.equal(written(made!.value as RepetitionValue), field);
  });
}

test('paths go through lists, and take items by their code or url', () => {
  const visit = {
    participant: [{ type: [{ coding: [{ code: 'ATND' }] }], individual: 1 }, { individual: 2 }],
    extension: [{ url: 'http://x.y/z', valueString: 'v' }],
  };
  assert.deepEqual(compilePath('participant.individual')(visit), [1, 2]);
  assert.deepEqual(compilePath('participant[type=ATND].individual')(visit), [1]);
  assert.deepEqual(compilePath('participant[type!=ATND].individual')(visit), [2]);
  assert.deepEqual(compilePath('participant[type=CON,ATND].individual')(visit), [1]);
  assert.deepEqual(compilePath('participant[type!=CON,ATND].individual')(visit), [2]);
  assert.deepEqual(compilePath('extension[http://x.y/z].valueString')(visit), ['v']);
  assert.deepEqual(compilePath('absent.deeper')(visit), []);
});

for (const row of [
  'x | name | XPN',
  '1 | | XPN',
  '1 | name | NOPE',
  '1 | name | custom none',
  '1 | na me | XPN',
  '1 | gender | code NoSuchMap',
]) {
  test(`a table with the row "${row}" is a SyntaxError`, () =>
    assert.throws(() => buildTable('PID', row), SyntaxError));
}

const patient: Resource = {
  resourceType: 'Patient',
  id: 'p',
  identifier: [{ value: '1' }],
  name: [{ family: 'MÜLLER' }],
};

test('text that the character set has not is refused, not written as a question mark', async () => {
  const own = createGraph();
  own.add(patient);
  const request = { wanted: wantedMessage('ADT^A28'), focus: patient, graph: own, controlId: '1', nowMs: 0 };
  const latin = await buildFrom({ ...request, target: { ...target, charset: '8859/1' } });
  assert.ok(latin.message.raw.includes(Buffer.from('MÜLLER', 'latin1')));
  assert.equal(latin.message.get('MSH-18'), '8859/1');
  await assert.rejects(buildFrom({ ...request, target: { ...target, charset: 'ASCII' } }), { code: 'invalid' });
  await assert.rejects(buildFrom({ ...request, target: { ...target, version: '9.9' } }), { code: 'unsupported' });
});

test('contained resources are found, each in its own', async () => {
  const own = createGraph();
  own.add(patient);
  const report: Resource = {
    ...{
      resourceType: 'DiagnosticReport',
      id: 'r',
      status: 'final',
      code: { text: 'CBC' },
      subject: { reference: 'Patient/p' },
    },
    contained: [
      {
        resourceType: 'Observation',
        id: 'o',
        status: 'final',
        code: { text: 'HB' },
        valueQuantity: { value: rawJson('7.0') as never },
      },
    ],
    result: [{ reference: '#o' }],
  };
  const focus = own.add(report);
  const { message } = await buildFrom({
    wanted: wantedMessage('ORU'),
    focus,
    graph: own,
    target,
    controlId: '1',
    nowMs: 0,
  });
  assert.equal(message.get('OBX-5'), '7.0');
  assert.equal(message.get('OBR-3.1'), 'r');
});
