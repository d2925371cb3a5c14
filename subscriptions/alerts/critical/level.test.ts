import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson, type Resource } from '#fhir-model';
import { bandOf, levelIn } from './level.ts';
import { type Analyte, analytes } from './table.ts';

const ucum = 'http://unitsofmeasure.org';
const level = (valueQuantity: JsonObject | undefined, status = 'final') =>
  levelIn(
    { resourceType: 'Observation', status, ...(valueQuantity ? { valueQuantity } : {}) },
    potassium,
    bandOf(potassium, undefined),
  );
const analyte = (name: string): Analyte => analytes.find((one) => one.name === name)!;
const potassium = analyte('potassium');
const direction = (value: number, unit: string, comparator?: string) =>
  level({ value, system: ucum, code: unit, unit, ...(comparator ? { comparator } : {}) })?.direction;

test('the limits are exclusive', () => {
  const expected: [number, string | undefined][] = [
    [2.79, 'low'],
    [2.8, undefined],
    [4, undefined],
    [6.2, undefined],
    [6.21, 'high'],
    [0, 'low'],
  ];
  for (const [value, result] of expected) assert.equal(direction(value, 'mmol/L'), result, String(value));
});

test('units are converted', () => {
  const expected: [number, string, string | undefined][] = [
    [6.9, 'meq/L', 'high'],
    [6.9, 'mEq/L', 'high'],
    [6900, 'umol/L', 'high'],
    [4000, 'umol/L', undefined],
    [0.0069, 'mol/L', 'high'],
    [27, 'mg/dL', 'high'], // 6.91 mmol/L
    [16, 'mg/dL', undefined], // 4.09 mmol/L
    [6.9, 'g', undefined],
    [6.9, '%', undefined],
  ];
  for (const [value, unit, result] of expected) assert.equal(direction(value, unit), result, `${value} ${unit}`);
});

test('the unit as text where there is no code; a code of another system says nothing', () => {
  assert.equal(level({ value: 7, unit: 'mmol/L' })?.direction, 'high');
  assert.equal(level({ value: 7, unit: ' MMOL/L ' })?.direction, 'high');
  assert.equal(level({ value: 7, system: 'http://local', code: '42', unit: 'mmol/L' })?.direction, 'high');
  assert.equal(level({ value: 7, system: ucum, code: '%', unit: 'mmol/L' }), undefined);
  assert.equal(level({ value: 7 }), undefined);
});

test('comparators', () => {
  const expected: [number, string, string | undefined][] = [
    [2.8, '<', 'low'],
    [3, '<', undefined],
    [2.5, '<=', 'low'],
    [6.2, '>', 'high'],
    [6, '>', undefined],
    [7, '>=', 'high'],
    [7, '<=', undefined],
    [2, '>=', undefined],
  ];
  for (const [value, comparator, result] of expected) {
    assert.equal(direction(value, 'mmol/L', comparator), result, `${comparator}${value}`);
  }
});

test('only results that stand', () => {
  const high = { value: 7, system: ucum, code: 'mmol/L' };
  for (const status of ['preliminary', 'final', 'amended', 'corrected']) assert.ok(level(high, status), status);
  for (const status of ['registered', 'cancelled', 'entered-in-error', 'unknown']) {
    assert.equal(level(high, status), undefined, status);
  }
});

test('no value, no number', () => {
  assert.equal(level(undefined), undefined);
  assert.equal(level({ unit: 'mmol/L' }), undefined);
  assert.equal(level({ value: '7' as unknown as number, unit: 'mmol/L' }), undefined);
});

test('the text keeps the digits as reported', () => {
  const text =
    '{"resourceType":"Observation","status":"final","valueQuantity":{"value":7.10,"unit":"mmol/L","comparator":">="}}';
  const observation = parseJson(text).exact as Resource;
  assert.deepEqual(levelIn(observation, potassium, bandOf(potassium, undefined)), {
    analyte: potassium,
    direction: 'high',
    text: '>=7.10 mmol/L',
    limit: 6.2,
  });
});

const of = (name: string, value: number, unit: string, ageDays?: number) =>
  levelIn(
    { resourceType: 'Observation', status: 'final', valueQuantity: { value, unit, code: unit } },
    analyte(name),
    bandOf(analyte(name), ageDays),
  )?.direction;

test('every analyte in the units that laboratories use', () => {
  const expected: [string, number, string, string | undefined][] = [
    ['sodium', 119, 'mmol/L', 'low'],
    ['sodium', 159, 'meq/L', 'high'],
    ['glucose', 45, 'mg/dL', 'low'], // 2.50 mmol/L
    ['glucose', 47, 'mg/dL', undefined], // 2.61
    ['glucose', 490, 'mg/dL', 'high'], // 27.2
    ['calcium', 6.5, 'mg/dL', 'low'], // 1.62
    ['calcium', 3.2, 'meq/L', 'low'], // divalent: 1.6
    ['calcium', 6.6, 'meq/L', 'high'], // 3.3
    ['calcium', 9.4, 'mg/dL', undefined],
    ['ionized calcium', 3.2, 'mg/dL', 'low'], // 0.798
    ['magnesium', 1, 'meq/L', undefined], // 0.5
    ['magnesium', 0.7, 'meq/L', 'low'], // 0.35
    ['phosphate', 1.1, 'mg/dL', 'low'], // 0.355
    ['carbon dioxide content', 10, 'meq/L', 'low'],
    ['urea nitrogen', 110, 'mg/dL', 'high'], // 39.3
    ['urea nitrogen', 100, 'mg/dL', undefined], // 35.7
    ['creatinine', 7.5, 'mg/dL', 'high'], // 663
    ['creatinine', 7.3, 'mg/dL', undefined], // 645
    ['osmolality', 330, 'mosm/kg', 'high'],
    ['hemoglobin', 6.5, 'g/dL', 'low'],
    ['hemoglobin', 20, 'g/dL', 'high'],
    ['hematocrit', 17, '%', 'low'],
    ['platelet count', 36, '10*3/uL', 'low'],
    ['platelet count', 150, 'K/uL', undefined],
    ['platelet count', 20, 'K/uL', 'low'],
    ['white blood cell count', 1.9, '10*9/L', 'low'],
    ['prothrombin time', 28, 's', 'high'],
    ['arterial pH', 7.2, '[pH]', 'low'],
    ['arterial pH', 7.6, '', 'high'],
    ['arterial pCO2', 9, 'kPa', 'high'], // 67.5 mm[Hg]
    ['arterial pO2', 42, 'mm[Hg]', 'low'],
  ];
  for (const [name, value, unit, result] of expected)
    assert.equal(of(name, value, unit), result, `${name} ${value} ${unit}`);
});

test('limits by age; of unknown age, or not yet born, those of adults', () => {
  const expected: [string, number, string, number | undefined, string | undefined][] = [
    ['potassium', 7, 'mmol/L', 27, undefined],
    ['potassium', 7, 'mmol/L', 28, 'high'],
    ['potassium', 6.3, 'mmol/L', 6_573, undefined],
    ['potassium', 6.3, 'mmol/L', 6_574, 'high'],
    ['potassium', 6.3, 'mmol/L', undefined, 'high'],
    ['potassium', 6.3, 'mmol/L', -3, 'high'],
    ['glucose', 2, 'mmol/L', 3, undefined],
    ['glucose', 2, 'mmol/L', 100, 'low'],
    ['bilirubin', 20, 'mg/dL', 3, 'high'],
    ['bilirubin', 20, 'mg/dL', 20_000, undefined],
  ];
  for (const [name, value, unit, ageDays, result] of expected) {
    assert.equal(of(name, value, unit, ageDays), result, `${name} ${value} at ${ageDays}`);
  }
});

test('the table is sound: each code once, bands in order, limits apart', () => {
  const codes = analytes.flatMap((one) => one.codes);
  assert.equal(new Set(codes).size, codes.length);
  for (const { name, bands } of analytes) {
    assert.equal(bands[0].fromDays, 0, name);
    for (const [i, band] of bands.entries()) {
      if (i > 0) assert.ok(band.fromDays > bands[i - 1]!.fromDays, name);
      assert.ok((band.low ?? -1) < (band.high ?? Number.POSITIVE_INFINITY), name);
    }
  }
});
