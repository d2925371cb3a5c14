import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inUnit, measuredOf, type Substance } from './quantity.ts';

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

test('units as laboratories and monitors write them, also where UCUM reads something else in them', () => {
  const thousands = [
    'K/uL',
    'k/µL',
    'x10E3/uL',
    '10^3/mcL',
    'X10(3)/UL',
    '10*3/mm3',
    'Thousand/uL',
    'thou/mm3',
    'K/cmm',
  ];
  const millions = ['G/L', 'Gpt/l', '/nL', '10*9/L', '10^9/L', 'x10^9/L', '10E9/L', '10*6/mL'];
  const expected: [string[], string, number][] = [
    [[...thousands, ...millions], '10*9/L', 20],
    [['G/L', 'gm/L'], 'g/L', 20],
    [['gm/dL', 'G/DL'], 'g/L', 200],
    [['C', '°C', '℃', 'ºC', 'degC', 'CEL'], 'Cel', 20],
    [['F', '°F', '℉', 'ºF', 'degF'], '[degF]', 20],
    [['S', 'SEC'], 's', 20],
    [['TORR', 'MM[HG]'], 'mm[Hg]', 20],
    [['mcmol/L', 'UMOL/L'], 'umol/L', 20],
  ];
  const system = 'http://unitsofmeasure.org';
  for (const [units, wanted, value] of expected) {
    for (const quantity of units.flatMap((unit) => [{ unit }, { code: unit }, { unit: 'x', system, code: unit }])) {
      const found = inUnit(measuredOf({ value: 20, ...quantity })!, wanted);
      assert.equal(found?.toPrecision(6), value.toPrecision(6), `${JSON.stringify(quantity)} in ${wanted}`);
    }
  }
  for (const [unit, wanted] of [
    ['G/L', 'mmol/L'],
    ['C', 'mm[Hg]'],
    ['K/uL', 'Cel'],
  ] as const) {
    assert.equal(inUnit(measuredOf({ value: 20, unit })!, wanted), undefined, unit);
  }
});
