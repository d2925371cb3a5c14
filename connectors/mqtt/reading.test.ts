import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson } from '#fhir-model';
import { decodeMessage } from './decode.ts';
import { observationOf, sameMeasurement } from './observation.ts';
import { checkReading, isFault, type Reading } from './reading.ts';
import { nowMs } from './testing.ts';

const time = '2026-01-31T08:00:00Z';

function check(fields: string): ReturnType<typeof checkReading> {
  return checkReading(parseJson(`{"time":"${time}",${fields}}`).exact, nowMs);
}

function stored(fields: string): string {
  const reading = check(fields);
  assert.ok(!isFault(reading), JSON.stringify(reading));
  const quantity = reading.quantity ?? reading.components!.map((component) => component.quantity);
  return JSON.stringify(quantity).replaceAll('"system":"http://unitsofmeasure.org",', '');
}

const units: [fields: string, stored: string][] = [
  ['"metric":"heart-rate","value":72,"unit":"bpm"', '{"value":72,"unit":"bpm","code":"/min"}'],
  ['"metric":"heart-rate","value":72,"unit":"/min"', '{"value":72,"unit":"/min","code":"/min"}'],
  ['"metric":"heart-rate","value":1.2,"unit":"Hz"', '{"value":72,"unit":"/min","code":"/min"}'],
  ['"metric":"heart-rate","value":72,"unit":"{beats}/min"', '{"value":72,"unit":"/min","code":"/min"}'],
  ['"metric":"respiratory-rate","value":14,"unit":"breaths/min"', '{"value":14,"unit":"breaths/min","code":"/min"}'],
  ['"metric":"body-temperature","value":36.50,"unit":"°C"', '{"value":36.50,"unit":"°C","code":"Cel"}'],
  ['"metric":"body-temperature","value":36.5,"unit":"C"', '{"value":36.5,"unit":"C","code":"Cel"}'],
  ['"metric":"body-temperature","value":98.6,"unit":"degF"', '{"value":37,"unit":"Cel","code":"Cel"}'],
  ['"metric":"body-temperature","value":100.9,"unit":"F"', '{"value":38.278,"unit":"Cel","code":"Cel"}'],
  ['"metric":"body-temperature","value":310.15,"unit":"K"', '{"value":37,"unit":"Cel","code":"Cel"}'],
  ['"metric":"oxygen-saturation","value":97,"unit":"%"', '{"value":97,"unit":"%","code":"%"}'],
  ['"metric":"oxygen-saturation","value":0.97,"unit":"1"', '{"value":97,"unit":"%","code":"%"}'],
  ['"metric":"body-weight","value":212,"unit":"lbs"', '{"value":96.16,"unit":"kg","code":"kg"}'],
  ['"metric":"body-weight","value":70500,"unit":"g"', '{"value":70.5,"unit":"kg","code":"kg"}'],
  ['"metric":"body-weight","value":7.0e1,"unit":"kg"', '{"value":7.0e1,"unit":"kg","code":"kg"}'],
  ['"metric":"body-height","value":70,"unit":"in"', '{"value":177.8,"unit":"cm","code":"cm"}'],
  ['"metric":"glucose","value":99,"unit":"mg/dl"', '{"value":99,"unit":"mg/dl","code":"mg/dL"}'],
  ['"metric":"glucose","value":5.5,"unit":"mmol/L"', '{"value":5.5,"unit":"mmol/L","code":"mmol/L"}'],
  ['"metric":"glucose","value":0.99,"unit":"g/L"', '{"value":99,"unit":"mg/dL","code":"mg/dL"}'],
  [
    '"metric":"blood-pressure","value":{"systolic":120.0,"diastolic":80},"unit":"mmHg"',
    '[{"value":120.0,"unit":"mmHg","code":"mm[Hg]"},{"value":80,"unit":"mmHg","code":"mm[Hg]"}]',
  ],
  [
    '"metric":"blood-pressure","value":{"systolic":16,"diastolic":10.7,"mean":12.4},"unit":"kPa"',
    '[{"value":120,"unit":"mm[Hg]","code":"mm[Hg]"},{"value":80.26,"unit":"mm[Hg]","code":"mm[Hg]"},{"value":93.01,"unit":"mm[Hg]","code":"mm[Hg]"}]',
  ],
  [
    '"code":{"system":"http://loinc.org","code":"19935-6"},"value":420,"unit":"L/min"',
    '{"value":420,"unit":"L/min","code":"L/min"}',
  ],
];

for (const [fields, expected] of units) {
  test(`stored: ${fields}`, () => assert.equal(stored(fields), expected));
}

const faults: [fields: string, reason: string, diagnostics: RegExp][] = [
  ['"metric":"heart-rate","value":"72","unit":"bpm"', 'invalid-value', /not "72"$/],
  ['"metric":"heart-rate","value":null,"unit":"bpm"', 'invalid-value', /not null$/],
  ['"metric":"heart-rate","unit":"bpm"', 'invalid-value', /not undefined$/],
  ['"metric":"heart-rate","value":1e999,"unit":"bpm"', 'invalid-value', /not 1e999$/],
  [`"metric":"heart-rate","value":1.${'0'.repeat(100)},"unit":"bpm"`, 'invalid-value', /…$/],
  ['"metric":"heart-rate","value":-1,"unit":"bpm"', 'implausible-value', /^value is -1 \/min, plausible is 0 to 400$/],
  ['"metric":"body-temperature","value":98.6,"unit":"Cel"', 'implausible-value', /98.6 Cel/],
  ['"metric":"oxygen-saturation","value":101,"unit":"%"', 'implausible-value', /0 to 100$/],
  ['"metric":"heart-rate","value":72', 'invalid-unit', /not undefined$/],
  ['"metric":"heart-rate","value":72,"unit":" "', 'invalid-unit', /not " "$/],
  ['"metric":"heart-rate","value":72,"unit":"kg"', 'invalid-unit', /"kg" is not a unit of this metric/],
  ['"metric":"heart-rate","value":72,"unit":"constructor"', 'invalid-unit', /"constructor"/],
  ['"metric":"heart-rate","value":72,"unit":"__proto__"', 'invalid-unit', /"__proto__"/],
  [`"metric":"heart-rate","value":72,"unit":"${'m'.repeat(65)}"`, 'invalid-unit', /unit is a string/],
  ['"metric":"constructor","value":72,"unit":"bpm"', 'unknown-metric', /^metric "constructor" is not known/],
  ['"metric":"__proto__","value":72,"unit":"bpm"', 'unknown-metric', /__proto__/],
  ['"value":72,"unit":"bpm"', 'unknown-metric', /^metric undefined/],
  ['"metric":7,"value":72,"unit":"bpm"', 'invalid-reading', /^metric is a string, not 7$/],
  ['"code":"8867-4","value":72,"unit":"bpm"', 'invalid-reading', /^code is \{system, code, display\?\}/],
  ['"code":{"system":"http://loinc.org","code":" x"},"value":72,"unit":"bpm"', 'invalid-reading', /^code is/],
  ['"code":{"system":"http://loinc.org","code":"a\\u0000"},"value":72,"unit":"bpm"', 'invalid-reading', /\\u0000/],
  [
    '"code":{"system":"http://loinc.org","code":"1","display":"\\ud800"},"value":1,"unit":"%"',
    'invalid-reading',
    /^code/,
  ],
  ['"code":{"system":"http://loinc.org","code":"1"},"value":72,"unit":"furlongs"', 'invalid-unit', /not UCUM$/],
  ['"metric":"heart-rate","value":72,"unit":"bpm","sequence":-1', 'invalid-reading', /^sequence/],
  ['"metric":"heart-rate","value":72,"unit":"bpm","sequence":{}', 'invalid-reading', /^sequence/],
  ['"metric":"blood-pressure","value":120,"unit":"mmHg"', 'invalid-value', /systolic and diastolic, not 120$/],
  ['"metric":"blood-pressure","value":{"systolic":120},"unit":"mmHg"', 'invalid-value', /^value.diastolic is missing$/],
  [
    '"metric":"blood-pressure","value":{"systolic":120,"diastolic":80,"__proto__":1},"unit":"mmHg"',
    'invalid-value',
    /"__proto__" is not known$/,
  ],
];

for (const [fields, reason, diagnostics] of faults) {
  test(`put aside: ${fields.slice(0, 100)}`, () => {
    const fault = check(fields);
    assert.ok(isFault(fault), JSON.stringify(fault));
    assert.equal(fault.reason, reason);
    assert.match(fault.diagnostics, diagnostics);
  });
}

const times: [time: unknown, valid: boolean][] = [
  ['2026-01-31T08:00:00Z', true],
  ['2026-01-31T08:00:00.123456789+14:00', true],
  ['2024-02-29T23:59:59-11:30', true],
  ['2026-01-31T12:05:00Z', true],
  ['2026-01-31T12:05:01Z', false],
  ['2025-02-29T08:00:00Z', false],
  ['2026-04-31T08:00:00Z', false],
  ['2026-13-01T08:00:00Z', false],
  ['2026-00-10T08:00:00Z', false],
  ['2026-01-31T24:00:00Z', false],
  ['2026-01-31T08:00:60Z', false],
  ['2026-01-31T08:00:00', false],
  ['2026-01-31', false],
  ['1970-01-01T00:00:10Z', false],
  [' 2026-01-31T08:00:00Z', false],
  ['2026-01-31T08:00:00Z\n', false],
  ['٢٠٢٦-01-31T08:00:00Z', false],
  [1769846400000, false],
  [undefined, false],
];

for (const [given, valid] of times) {
  test(`time ${JSON.stringify(given)} is ${valid ? 'taken' : 'put aside'}`, () => {
    const reading = checkReading({ time: given, metric: 'heart-rate', value: 60, unit: 'bpm' }, nowMs);
    assert.equal(isFault(reading) ? reading.reason : reading.time, valid ? given : 'invalid-time');
  });
}

for (const raw of [null, 7, 'x', [], [[]], true, undefined]) {
  test(`${JSON.stringify(raw)} is no reading`, () => {
    assert.equal((checkReading(raw, nowMs) as { reason: string }).reason, 'invalid-reading');
  });
}

function observe(fields: string, deviceId = 'd1') {
  const reading = check(fields);
  assert.ok(!isFault(reading));
  return observationOf(reading as Reading, { id: deviceId, patient: { reference: 'Patient/1' } }, nowMs);
}

test('a blood pressure is a panel with components and no value', () => {
  const panel = observe('"metric":"blood-pressure","value":{"systolic":16,"diastolic":10},"unit":"kPa","sequence":7');
  assert.equal(panel.valueQuantity, undefined);
  assert.deepEqual(panel.note, [{ text: 'Reported by the device as 16 kPa, 10 kPa' }]);
  assert.deepEqual(panel.component, [
    {
      code: { coding: [{ system: 'http://loinc.org', code: '8480-6', display: 'Systolic blood pressure' }] },
      valueQuantity: { value: 120, unit: 'mm[Hg]', system: 'http://unitsofmeasure.org', code: 'mm[Hg]' },
    },
    {
      code: { coding: [{ system: 'http://loinc.org', code: '8462-4', display: 'Diastolic blood pressure' }] },
      valueQuantity: { value: 75.01, unit: 'mm[Hg]', system: 'http://unitsofmeasure.org', code: 'mm[Hg]' },
    },
  ]);
});

test('the unit of glucose decides its code; it is laboratory; a sent code stands beside the metric’s', () => {
  const codes = (fields: string) =>
    (observe(fields).code as { coding: { code: string }[] }).coding.map(({ code }) => code);
  assert.deepEqual(codes('"metric":"glucose","value":99,"unit":"mg/dL"'), ['2339-0']);
  const own = '"code":{"system":"urn:iso:std:iso:11073:10101","code":"160184"}';
  assert.deepEqual(codes(`"metric":"glucose","value":5.5,"unit":"mmol/L",${own}`), ['15074-8', '160184']);
  assert.match(JSON.stringify(observe('"metric":"glucose","value":99,"unit":"mg/dL"').category), /"laboratory"/);
});

test('ids follow from device, metric, instant and sequence and from nothing else', () => {
  const id = observe('"metric":"heart-rate","value":60,"unit":"bpm"').id;
  assert.equal(observe('"metric":"heart-rate","value":61,"unit":"/min"').id, id);
  assert.notEqual(observe('"metric":"heart-rate","value":60,"unit":"bpm"', 'd2').id, id);
  assert.notEqual(observe('"metric":"respiratory-rate","value":60,"unit":"/min"').id, id);
  assert.notEqual(observe('"metric":"heart-rate","value":60,"unit":"bpm","sequence":0').id, id);
  const at = (text: string) =>
    observationOf(
      checkReading({ time: text, metric: 'heart-rate', value: 60, unit: 'bpm' }, nowMs) as Reading,
      { id: 'd1', patient: {} },
      nowMs,
    ).id;
  assert.equal(at('2026-01-31T08:00:00.000Z'), id);
  assert.equal(at('2026-01-31T10:00:00.000000+02:00'), id);
  assert.notEqual(at('2026-01-31T08:00:00.0001Z'), id);
});

test('measurements are compared by number and unit', () => {
  const one = observe('"metric":"body-temperature","value":36.50,"unit":"Cel"');
  assert.ok(sameMeasurement(one, observe('"metric":"body-temperature","value":36.5,"unit":"°C"')));
  assert.ok(!sameMeasurement(one, observe('"metric":"body-temperature","value":36.51,"unit":"°C"')));
});

test('the three shapes of a message', () => {
  const limits = { payloadBytesMax: 1000, readingsPerMessageMax: 10 };
  const decode = (text: string) => decodeMessage(Buffer.from(text), limits);
  assert.deepEqual(decode('{"a":1}'), [{ a: 1 }]);
  assert.deepEqual(decode('[{"a":1},2]'), [{ a: 1 }, 2]);
  assert.deepEqual(decode('\ufeff{"readings":[{"a":1}]}'), [{ a: 1 }]);
});
