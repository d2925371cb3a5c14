import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convertDecimal } from '#fhir-model';
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

test('UCUM in other spellings is the same for rules and for searches, in each unit of the critical values', () => {
  const same: Record<string, string[]> = {
    '10*9/L': ['10*3/mm3', '10*3/uL', '/nL', '1/nL', '10*3.uL-1', '10*9.L-1', '10*3{cells}/uL', '10*6/mL', '10^9/L'],
    'mmol/L': ['mmol/l', 'mmol.L-1', 'mmol{K}/L', 'umol/mL', 'mol/m3'],
    'umol/L': ['umol.L-1', 'nmol/mL', 'mmol/m3'],
    'g/L': ['g.L-1', 'mg/mL', 'kg/m3', 'g{Hb}/L'],
    '%': ['10*-2', 'mL/dL', '%{vol}', 'cL/L'],
    'mm[Hg]': ['mm[Hg]{arterial}'],
    'mosm/kg': ['mosm/kg{water}', 'osm/(1000.kg)'],
    s: ['s{clotting}'],
    '/min': ['{H.B}/min', '{beats}/min', '/min{beats}', 'min-1', '1/min'],
  };
  for (const [wanted, units] of Object.entries(same)) {
    for (const code of units) {
      const found = inUnit(measuredOf({ value: 20, system: 'http://unitsofmeasure.org', code })!, wanted);
      const searched = Number(convertDecimal('20', code, wanted));
      assert.deepEqual(
        [found?.toPrecision(9), searched.toPrecision(9)],
        ['20.0000000', '20.0000000'],
        `${code} in ${wanted}`,
      );
    }
  }
});

test('a unit that is called as what every object has is none', () => {
  for (const unit of ['constructor', '__proto__', 'valueOf', 'K/constructor', '10^3/constructor', 'zonstructor']) {
    const measured = measuredOf({ value: 5, unit });
    assert.equal(measured?.unit, '', unit);
    for (const wanted of ['g/L', '1', '10*9/L']) assert.equal(inUnit(measured!, wanted), undefined, unit);
  }
});
