import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageDaysAt } from './age.ts';
import { bandOf, levelIn } from './level.ts';
import { analytes } from './table.ts';

const directionOf = (name: string, value: number, birthDate: string, at: string) => {
  const analyte = analytes.find((one) => one.name === name)!;
  const valueQuantity = { value, code: analyte.unit, system: 'http://unitsofmeasure.org' };
  const band = bandOf(analyte, ageDaysAt(birthDate, Date.parse(at)));
  return levelIn({ resourceType: 'Observation', status: 'final', valueQuantity }, analyte, band)?.direction;
};

test('a newborn of this night has limits of newborns, also where that was yesterday in UTC', () => {
  const at = '2026-11-22T00:30:00+01:00';
  assert.equal(directionOf('potassium', 7, '2026-11-22', at), undefined);
  assert.equal(directionOf('glucose', 2, '2026-11-22', at), undefined);
  assert.equal(directionOf('bilirubin', 300, '2026-11-22', at), 'high');
  // Years before birth: the date is wrong, and nobody knows how old the patient is.
  assert.equal(directionOf('potassium', 7, '2062-11-22', at), 'high');
});

test('limits of children hold until the 18th birthday, however many leap days lie between', () => {
  // 6,575 days, with those of 2008 to 2024; 6,574 with four of them.
  for (const [birthDate, birthday] of [
    ['2008-01-01', '2026-01-01'],
    ['2008-11-22', '2026-11-22'],
    ['2008-02-29', '2026-03-01'],
  ] as const) {
    const before = new Date(Date.parse(birthday) - 1).toISOString();
    assert.equal(directionOf('potassium', 6.3, birthDate, before), undefined, birthDate);
    assert.equal(directionOf('potassium', 6.3, birthDate, `${birthday}T00:00:00Z`), 'high', birthDate);
  }
});

test('what is no date', () => {
  for (const birthDate of [undefined, '', 'unknown', 1980]) assert.equal(ageDaysAt(birthDate, 0), undefined);
});
