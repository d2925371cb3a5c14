// Later messages that take something away: a refusal that becomes a dose and the other way round, values that are deleted (`""`),
// reasons of a state that is over.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { mapLines, onlyResource, segment, storedAfter, storedOf } from '../../testing/mapped.ts';

const pid = 'PID|1||777^^^HOSP^MR||TEST^PATIENT';
const head = (type: string, hour: number): string[] => [
  `MSH|^~\\&|APP|NORTH|EHR|SOUTH|2026030${hour}080000||${type}|M${hour}|P|2.5.1`,
  pid,
];

/** The one resource of the type after the messages. */
function after(type: string, ...messages: string[][]): Resource {
  const found = storedOf(storedAfter(...messages).resources, type);
  assert.equal(found.length, 1);
  return found[0]!;
}

const vaccination = (hour: number, fields: Record<number, string>): string[] => [
  ...head('VXU^V04^VXU_V04', hour),
  'ORC|RE||V1^REG',
  segment('RXA', { 1: '0', 2: '1', 3: `2026030${hour}`, 5: '08^Hep B^CVX', 20: 'CP', 21: 'A', ...fields }),
];
const given = { 6: '0.5', 7: 'mL^^UCUM', 15: 'LOT9', 16: '20271231' };
const refused = { 6: '999', 18: '00^Parental decision^NIP002', 20: 'RE' };

const said = ({ status, statusReason, doseQuantity, lotNumber, expirationDate, occurrenceDateTime }: Resource) => [
  ...[status, (statusReason as { coding: [JsonObject] } | undefined)?.coding[0].code, occurrenceDateTime],
  ...[(doseQuantity as JsonObject | undefined)?.value, lotNumber, expirationDate],
];

test('a vaccination that was refused and is then given has no reason any more, one that was not given no lot', () => {
  const [first, second] = [vaccination(1, refused), vaccination(2, given)];
  assert.deepEqual(said(after('Immunization', first, second)), [
    ...['completed', undefined, '2026-03-02'],
    ...[0.5, 'LOT9', '2027-12-31'],
  ]);
  const turned = after('Immunization', vaccination(1, given), vaccination(2, refused));
  assert.deepEqual(said(turned), ['not-done', '00', '2026-03-02', undefined, undefined, undefined]);
  assert.deepEqual((turned.identifier as JsonObject[]).length, 1);
  // What comes late turns nothing.
  assert.equal(after('Immunization', second, first).status, 'completed');
});

test('a refusal that is told again keeps what the message leaves out', () => {
  const first = vaccination(1, { ...refused, 15: 'LOT9' });
  const second = vaccination(2, { 20: 'RE', 6: '999', 21: 'U' });
  assert.deepEqual(said(after('Immunization', first, second)), [
    ...['not-done', '00', '2026-03-02'],
    ...[undefined, 'LOT9', undefined],
  ]);
});

test('what is deleted of a vaccination goes, what is left out stays', () => {
  const first = vaccination(1, given);
  const second = vaccination(2, { 6: '0.5', 7: 'mL^^UCUM', 15: '""', 21: 'U' });
  assert.deepEqual(said(after('Immunization', first, second)).slice(3), [0.5, undefined, '2027-12-31']);
});

test('a dose that was refused and is then given has no reason any more', () => {
  const dose = (hour: number, fields: Record<number, string>): string[] => [
    ...head('RAS^O17^RAS_O17', hour),
    'ORC|RE|RX1^EHR|F1^PHARM',
    segment('RXA', { 1: '0', 2: '1', 3: '20260301100000', 4: '20260301100000', 5: 'M^Med^L', 6: '500', ...fields }),
  ];
  const first = dose(1, { 18: '01^Refused^L', 20: 'RE' });
  assert.equal((after('MedicationAdministration', first).statusReason as JsonObject[]).length, 1);
  const { status, statusReason } = after('MedicationAdministration', first, dose(2, { 20: 'CP' }));
  assert.deepEqual([status, statusReason], ['completed', undefined]);
});

test('what is deleted of an order goes; what an order has to have stays', () => {
  const order = (hour: number, control: string, fields: Record<number, string>): string[] => [
    ...head('ORM^O01^ORM_O01', hour),
    `ORC|${control}|P1^EHR`,
    segment('OBR', { 1: '1', 2: 'P1^EHR', 4: 'A^Service^L', ...fields }),
  ];
  const first = order(1, 'NW', { 13: 'fasting', 31: 'R05^Cough^I10', 46: 'call' });
  const before = after('ServiceRequest', first);
  const request = after('ServiceRequest', first, order(2, 'SC', { 31: '""' }));
  assert.equal((before.reasonCode as JsonObject[]).length, 1);
  assert.equal(request.reasonCode, undefined);
  assert.deepEqual([request.status, request.intent, request.code], [before.status, before.intent, before.code]);
});

test('a prescription that is active again has no reason of its hold', () => {
  const order = (hour: number, control: string, reason: string): string[] => [
    ...head('RDE^O11^RDE_O11', hour),
    segment('ORC', { 1: control, 2: 'RX1^EHR', 16: reason }),
    segment('RXE', { 2: 'M^Med^L', 3: '500', 5: 'mg^^UCUM' }),
  ];
  const held = order(1, 'OH', 'SURG^Surgery^L');
  const before = after('MedicationRequest', held);
  assert.deepEqual([before.status, before.statusReason !== undefined], ['on-hold', true]);
  const { status, statusReason } = after('MedicationRequest', held, order(2, 'OE', ''));
  assert.deepEqual([status, statusReason], ['active', undefined]);
});

test('an amount that is no number is told; a currency may stand beside the amount', () => {
  const charge = (amount: string): string[] => [
    ...head('DFT^P03^DFT_P03', 1),
    segment('FT1', { 1: '1', 2: 'C1', 4: '20260301', 6: 'CG', 7: '99213^Visit^C4', 11: amount }),
  ];
  const wrong = mapLines(...charge('1,000.00&USD'));
  assert.deepEqual(wrong.warnings, ['FT1-11: the amount is no number; the charge has none']);
  assert.equal(onlyResource(wrong, 'ChargeItem').priceOverride, undefined);
  for (const amount of ['12.5&USD', '12.5^USD', '12.5&USD^UP']) {
    const mapped = mapLines(...charge(amount));
    assert.deepEqual(onlyResource(mapped, 'ChargeItem').priceOverride, { value: 12.5, currency: 'USD' });
    assert.deepEqual(mapped.warnings, []);
  }
  assert.deepEqual(onlyResource(mapLines(...charge('12.5^UP')), 'ChargeItem').priceOverride, { value: 12.5 });
});
