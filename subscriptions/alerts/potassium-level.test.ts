import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson, type Resource } from '#fhir-model';
import { criticalLevel, defaultPotassiumLimits } from './potassium-level.ts';

const ucum = 'http://unitsofmeasure.org';
const level = (valueQuantity: JsonObject | undefined, status = 'final') =>
  criticalLevel(
    { resourceType: 'Observation', status, ...(valueQuantity ? { valueQuantity } : {}) },
    defaultPotassiumLimits,
  );
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
    [6.9, 'g/L', undefined],
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
  assert.deepEqual(criticalLevel(observation, defaultPotassiumLimits), {
    direction: 'high',
    text: '>=7.10 mmol/L',
    limit: 6.2,
  });
});
