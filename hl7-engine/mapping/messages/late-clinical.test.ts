// Doses, documents and their data that arrive after newer ones: what is newer stays. HL7 v2.9 chapter 2.13.9.7
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { segment, storedAfter, storedOf } from '../../testing/mapped.ts';

const head = (type: string, day: number): string[] => [
  `MSH|^~\\&|APP|NORTH|EHR|SOUTH|2026030${day}080000||${type}|M${day}|P|2.5.1`,
  'PID|1||777^^^HOSP^MR||TEST^PATIENT',
];

/** The one resource of the type after the messages, the older one last. */
function after(type: string, make: (day: number) => string[]): Resource {
  const { resources, warnings } = storedAfter(make(2), make(1));
  assert.ok(warnings.includes(`${type}: older than what is stored; it stays as it is`), warnings.join('; '));
  const [found, ...others] = storedOf(resources, type);
  assert.deepEqual(others, []);
  return found!;
}

test('a dose that was given', () => {
  const dose = (day: number): string[] => [
    ...head('RAS^O17^RAS_O17', day),
    'ORC|RE|RX1^EHR|F1^PHARM',
    segment('RXA', { 1: '0', 2: '1', 3: '20260301100000', 5: 'M^Med^L', 6: `${day}`, 7: 'mg', 20: 'CP' }),
  ];
  const { dosage } = after('MedicationAdministration', dose);
  assert.equal(((dosage as JsonObject).dose as JsonObject).value, 2);
});

test('what was dispensed, with its lot', () => {
  const dispensed = (day: number): string[] => [
    ...head('RDS^O13^RDS_O13', day),
    'ORC|RE|RX1^EHR|F1^PHARM',
    segment('RXD', { 1: '1', 2: 'M^Med^L', 3: '20260301', 4: '20', 7: 'N1', 18: `LOT${day}`, 19: '20271231' }),
  ];
  const { contained } = after('MedicationDispense', dispensed);
  assert.deepEqual((contained as JsonObject[])[0]!.batch, { lotNumber: 'LOT2', expirationDate: '2027-12-31' });
});

test('a document of a report, and its data', () => {
  const report = (day: number): string[] => [
    ...head('ORU^R01^ORU_R01', day),
    'OBR|1||F1^LAB|P^Panel^L|||20260301||||||||||||||||||F',
    `OBX|1|ED|PDF^Report^L||^AP^PDF^Base64^${Buffer.from(`%PDF ${day}`).toString('base64')}||||||F`,
    `NTE|1||version ${day}`,
  ];
  assert.equal(after('DocumentReference', report).description, 'version 2');
  assert.equal(Buffer.from(String(after('Binary', report).data), 'base64').toString(), '%PDF 2');
});
