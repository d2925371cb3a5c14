// Ranges, numbers and texts of results as they are read by people and by receivers.
import assert from 'node:assert/strict';
import test from 'node:test';
import { type JsonObject, parseJson, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { mapLines, onlyResource } from '../testing/mapped.ts';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

const ucum = (value: number, code: string): JsonObject => ({
  value,
  unit: code,
  system: 'http://unitsofmeasure.org',
  code,
});

async function built(observation: JsonObject) {
  const graph = createGraph();
  for (const id of ['1', '2']) {
    const identifier = [{ system: 'urn:id:HOSP', value: id }];
    graph.add({ resourceType: 'Patient', id, identifier } as Resource);
  }
  const subject = { reference: 'Patient/1' };
  const whole = { resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'K' }, subject, ...observation };
  const focus = graph.add(whole as unknown as Resource);
  return buildFrom({
    ...{ wanted: wantedMessage('ORU'), focus, graph, target: buildTarget({}), controlId: '1', nowMs: 0 },
  });
}

const withRange = async (...referenceRange: JsonObject[]): Promise<string | undefined> => {
  const { message } = await built({ valueQuantity: ucum(90, 'mg/dL'), referenceRange });
  return message.get('OBX-7');
};

test('figures of another unit than the value name it', async () => {
  assert.equal(await withRange({ low: ucum(70, 'mg/dL'), high: ucum(110, 'mg/dL') }), '70-110');
  assert.equal(await withRange({ low: { value: 70, unit: 'mg/dL' }, high: { value: 110 } }), '70-110');
  assert.equal(await withRange({ low: ucum(3.9, 'mmol/L'), high: ucum(6.1, 'mmol/L') }), '3.9-6.1 mmol/L');
  assert.equal(await withRange({ high: ucum(6.1, 'mmol/L') }), '<=6.1 mmol/L');
  assert.equal(await withRange({ low: ucum(3.9, 'mmol/L'), text: '3.9 - 6.1' }), '3.9 - 6.1 mmol/L');
  assert.equal(await withRange({ low: ucum(3.9, 'mmol/L'), text: 'fasting 3.9 mmol/L' }), 'fasting 3.9 mmol/L');
});

test('ranges say whom they are for, as they are read', async () => {
  const sex = (code: string): JsonObject => ({
    appliesTo: [{ coding: [{ system: 'http://hl7.org/fhir/administrative-gender', code }] }],
  });
  const bounds = (low: number, high: number): JsonObject => ({ low: ucum(low, 'mg/dL'), high: ucum(high, 'mg/dL') });
  const years = { age: { low: ucum(18, 'a'), high: ucum(65, 'a') } };
  const kind = (code: string): JsonObject => ({
    type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/referencerange-meaning', code }] },
  });
  assert.equal(
    await withRange({ ...bounds(13, 17), ...sex('male') }, { ...bounds(12, 15), ...sex('female') }),
    'M: 13-17; F: 12-15',
  );
  assert.equal(await withRange({ ...bounds(3, 5), ...years }), '18-65 y: 3-5');
  assert.equal(await withRange({ ...bounds(10, 20), ...kind('therapeutic') }), 'therapeutic: 10-20');
  assert.equal(await withRange({ ...bounds(10, 20), ...kind('normal') }), '10-20');
  const { message } = await built({
    valueQuantity: ucum(14, 'mg/dL'),
    referenceRange: [
      { ...bounds(13, 17), ...sex('male') },
      { ...bounds(12, 15), ...sex('female') },
    ],
  });
  const back = onlyResource(mapLines(...message.raw.toString('utf8').split('\r')), 'Observation');
  const ranges = back.referenceRange as JsonObject[];
  assert.deepEqual(
    ranges.map(({ appliesTo }) => appliesTo),
    [sex('male').appliesTo, sex('female').appliesTo],
  );
});

const numbers: [json: string, nm: string][] = [
  ['1e-7', '0.0000001'],
  ['1.20E-3', '0.00120'],
  ['-2.5e2', '-250'],
  ['1.25e1', '12.5'],
  ['1e21', '1000000000000000000000'],
  ['0.50', '0.50'],
];

for (const [json, nm] of numbers) {
  test(`${json} is a number without exponent`, async () => {
    const { message } = await built(parseJson(`{"valueQuantity":{"value":${json},"unit":"g"}}`).exact as JsonObject);
    assert.deepEqual([message.get('OBX-2'), message.get('OBX-5')], ['NM', nm]);
  });
}

test('two quotation marks are a text and ask nobody to delete a value', async () => {
  const { message } = await built({ valueString: '""', note: [{ text: '""' }] });
  const [value, note] = [message.part('OBX-5'), message.part('NTE-3')];
  assert.deepEqual([value.raw, value.text, value.isNull], ['\\X22\\"', '""', false]);
  assert.equal(note.isNull, false);
  const back = onlyResource(mapLines(...message.raw.toString('utf8').split('\r')), 'Observation');
  assert.deepEqual([back.valueString, back.note], ['""', [{ text: '""' }]]);
});

test('what is said of somebody else in this record is not sent as of this patient', async () => {
  const about = (reference: string): Promise<unknown> => built({ valueInteger: 4, focus: [{ reference }] });
  await assert.rejects(about('Patient/2'), (error) => error instanceof CerebraError && error.code === 'business-rule');
  await assert.rejects(about('RelatedPerson/r'), /Observation\/o is about somebody else/);
  const { warnings } = (await about('Specimen/s')) as { warnings: string[] };
  assert.deepEqual(warnings, ['Observation.focus has no place in the message']);
  await about('Patient/1');
});

test('components of one code are one OBX only where their type and unit are one', async () => {
  const code = { text: 'K' };
  const rows = async (more: JsonObject, ...values: JsonObject[]): Promise<(string | undefined)[][]> => {
    const { message } = await built({ ...more, component: values.map((value) => ({ code, ...value })) });
    return message.all('OBX').map((obx) => [2, 5, 6, 7].map((field) => obx.field(field).raw || undefined));
  };
  const [gram, milligrams] = [ucum(1, 'g'), ucum(500, 'mg')].map((valueQuantity) => ({ valueQuantity }));
  const [g, mg] = ['g^g^UCUM', 'mg^mg^UCUM'];
  assert.deepEqual(await rows({}, gram!, gram!), [['NM', '1~1', g, undefined]]);
  const both = [
    ['NM', '1', g, '<3'],
    ['NM', '500', mg, '<3'],
  ];
  assert.deepEqual(await rows({ referenceRange: [{ text: '<3' }] }, gram!, milligrams!), both);
  assert.deepEqual(await rows({}, gram!, { valueString: 'trace' }), [
    ['NM', '1', g, undefined],
    ['ST', 'trace', undefined, undefined],
  ]);
  assert.deepEqual(await rows({}, { valueString: 'a\nb' }, { valueString: 'c\nd' }), [
    ['TX', 'a~b', undefined, undefined],
    ['TX', 'c~d', undefined, undefined],
  ]);
  const [long, longer] = ['x'.repeat(200), 'y'.repeat(201)];
  assert.deepEqual(await rows({}, { valueString: long! }, { valueString: longer! }), [
    ['TX', long, undefined, undefined],
    ['TX', longer, undefined, undefined],
  ]);
  const own = { interpretation: [{ text: 'high' }], referenceRange: [{ text: '<4' }] };
  const { message } = await built({
    component: [
      { code, valueInteger: 5, ...own },
      { code, valueInteger: 3 },
      { code, dataAbsentReason: { text: 'clotted' } },
    ],
  });
  assert.deepEqual(
    message.all('OBX').map((obx) => [5, 7, 8].map((field) => obx.field(field).raw || undefined)),
    [
      ['5', '<4', 'high'],
      ['3', undefined, undefined],
      ['^clotted', undefined, undefined],
    ],
  );
  assert.deepEqual(await rows({ valueQuantity: ucum(2, 'g') }, gram!), [
    ['NM', '2', g, undefined],
    ['NM', '1', g, undefined],
  ]);
});
