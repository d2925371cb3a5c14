// Orders of problems and goals, and what was found for them: HL7 v2.9 chapter 12.3
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '#fhir-model';
import { entriesOf, mapLines, onlyEntry, onlyResource } from '../../testing/mapped.ts';

const of = (type: string, ...lines: string[]) =>
  mapLines(
    `MSH|^~\\&|CARE|CLINIC|EHR|HOSP|20260301080000||${type}|C1|P|2.5.1`,
    'PID|1||P1^^^CLINIC^MR||TEST^JANE',
    ...lines,
  );
const problem = 'PRB|AD|20260301|I10^Hypertension^I10C|PB1^CARE';
const echo = [
  'ORC|NW|O1^CARE',
  'OBR|1|O1^CARE||E1^Echo^L',
  'OBX|1|TX|R1^Report^L||Left ventricle normal||||||F|||20260301',
];

for (const [type, ...about] of [
  ['PPR^PC1^PPR_PC1', problem],
  ['PGL^PC6^PGL_PC6', 'GOL|AD|20260301|BP^Pressure below 140^L|G1^CARE'],
] as [string, string][]) {
  test(`${type}: what was found for an order is based on it`, () => {
    const mapped = of(type, ...about, ...echo);
    const { code, valueString, basedOn } = onlyResource(mapped, 'Observation');
    assert.equal((code as { coding: JsonObject[] }).coding[0]!.code, 'R1');
    assert.equal(valueString, 'Left ventricle normal');
    assert.deepEqual(basedOn, [{ reference: onlyEntry(mapped, 'ServiceRequest').fullUrl }]);
    assert.deepEqual(mapped.warnings, []);
  });
}

test('an order of a drug is a MedicationRequest', () => {
  const mapped = of('PPR^PC1^PPR_PC1', problem, ...echo, 'ORC|NW|O2^CARE', 'RXO|M1^Ramipril^L|5||mg^^UCUM');
  const { medicationCodeableConcept, identifier } = onlyResource(mapped, 'MedicationRequest');
  assert.deepEqual(medicationCodeableConcept, {
    coding: [{ system: 'urn:id:CLINIC:L', code: 'M1', display: 'Ramipril' }],
  });
  assert.equal((identifier as JsonObject[])[0]!.value, 'O2');
  assert.equal(entriesOf(mapped, 'ServiceRequest').length, 1);
  assert.deepEqual(mapped.warnings, []);
});

test('what was found has the time of the order (OBR-7) where it has none of its own', () => {
  const [orc, obr, obx] = [echo[0]!, `${echo[1]}|||20260302`, echo[2]!.replace('|||20260301', '')];
  const timeOf = (...lines: string[]) =>
    onlyResource(of('PPR^PC1^PPR_PC1', problem, ...lines), 'Observation').effectiveDateTime;
  assert.equal(timeOf(orc, obr, obx), '2026-03-02');
  assert.equal(timeOf(orc, obr, echo[2]!), '2026-03-01');
  assert.equal(timeOf(orc, echo[1]!, obx), undefined);
});

test('what is asked about an order of a problem (ORC-1) is a Task', () => {
  const drug = 'RXO|M1^Ramipril^L|5||mg^^UCUM';
  for (const [type, detail] of [
    ['ServiceRequest', echo[1]!],
    ['MedicationRequest', drug],
  ] as [string, string][]) {
    const mapped = of('PPR^PC2^PPR_PC1', problem, 'ORC|CA|O1^CARE', detail);
    const { status, focus } = onlyResource(mapped, 'Task');
    assert.deepEqual([status, focus], ['requested', { reference: onlyEntry(mapped, type).fullUrl }]);
  }
});

test('an order of two problems has its results once', () => {
  const other = 'PRB|AD|20260301|E11^Diabetes^I10C|PB2^CARE';
  const mapped = of('PPR^PC1^PPR_PC1', problem, ...echo, other, ...echo, echo[2]!.replace('Left', 'Right'));
  const found = entriesOf(mapped, 'Observation').map(({ resource }) => resource.valueString);
  assert.deepEqual(found, ['Left ventricle normal', 'Right ventricle normal']);
  assert.equal(entriesOf(mapped, 'ServiceRequest').length, 1);
});

test('a drug has its route, as it was ordered (RXO) and as it was encoded (RXE)', () => {
  for (const drug of ['RXO|M1^Ramipril^L|5||mg^^UCUM', 'RXE||M1^Ramipril^L|5||mg^^UCUM']) {
    const mapped = of('PPR^PC1^PPR_PC1', problem, 'ORC|NW|O2^CARE', 'TQ1|1||BID', drug, 'RXR|PO^Oral^HL70162');
    const [dosage] = onlyResource(mapped, 'MedicationRequest').dosageInstruction as JsonObject[];
    assert.equal(JSON.stringify([dosage!.route, dosage!.timing]).match(/"PO"|"BID"/g)?.length, 3);
    assert.deepEqual(mapped.warnings, []);
  }
});
