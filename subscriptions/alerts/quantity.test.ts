import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inUnit, type Substance } from './quantity.ts';

const convert = (value: number, unit: string, wanted: string, substance?: Substance): string | undefined =>
  inUnit({ value, unit, comparator: '', text: '', ...(substance ? { substance } : {}) }, wanted)?.toPrecision(6);

test('mass, amount of substance and equivalents, where the substance is known', () => {
  const calcium: Substance = { molarMass: 40.078, valence: 2 };
  const expected: [number, string, string, Substance | undefined, string | undefined][] = [
    [10, 'mg/dL', 'mmol/L', calcium, '2.49513'],
    [2.49513, 'mmol/L', 'mg/dL', calcium, '9.99998'],
    [2.49513, 'mmol/L', 'g/L', calcium, '0.0999998'],
    [5, 'meq/L', 'mmol/L', calcium, '2.50000'],
    [2.5, 'mmol/L', 'meq/L', calcium, '5.00000'],
    [2500, 'umol/L', 'meq/L', calcium, '5.00000'],
    [10, 'mg/dL', 'meq/L', calcium, '4.99027'],
    [5, 'meq/L', 'mg/dL', calcium, '10.0195'],
    [5000, 'ueq/L', 'meq/L', calcium, '5.00000'],
    [5, 'meq/L', 'meq/L', calcium, '5.00000'],
    [5, 'meq/L', 'mmol/L', { molarMass: 40.078 }, undefined],
    [10, 'mg/dL', 'mmol/L', { valence: 2 }, undefined],
    [10, 'mg/dL', 'mmol/L', undefined, undefined],
    [10, 'mg', 'mmol/L', calcium, undefined],
    [10, '%', 'mmol/L', calcium, undefined],
    [10, 'mg/dL', 'g/L', undefined, '0.100000'],
    [37, 'Cel', '[degF]', undefined, '98.6000'],
  ];
  for (const [value, unit, wanted, substance, result] of expected) {
    assert.equal(convert(value, unit, wanted, substance), result, `${value} ${unit} in ${wanted}`);
  }
});
