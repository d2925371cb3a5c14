// `""` takes away what an earlier message said in that field, and nothing else: HL7 v2.9 chapter 2.5.3.2
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { head } from '../testing/adt.ts';
import { type Entry, mapLines, onlyEntry, segment } from '../testing/mapped.ts';

/** What is stored once the entry has met it. */
function after(entry: Entry, existing: object): JsonObject {
  return entry.merge!(existing as Resource, entry.resource) as JsonObject;
}

const numbersOf = ({ identifier }: JsonObject): unknown[] => (identifier as JsonObject[]).map(({ value }) => value);

test("PID-19 and PID-20 take away their own number, and no other facility's", () => {
  const licence = { type: { coding: [{ code: 'DL' }] }, system: 'urn:id:CA:DL', value: 'L77' };
  const existing = {
    resourceType: 'Patient',
    id: 'p1',
    identifier: [
      { system: 'urn:id:HA', value: '7' },
      { system: 'urn:id:HB', value: '8' },
      { use: 'old', system: 'urn:id:HA', value: '6' },
      { system: 'http://hl7.org/fhir/sid/us-ssn', value: '123-45-6789' },
      licence,
    ],
  };
  const of = (fields: Record<number, string>): unknown[] => {
    const pid = segment('PID', { 3: '7^^^HA^MR', 5: 'Doe^Jane', ...fields });
    return numbersOf(after(onlyEntry(mapLines(...head('A31'), pid), 'Patient'), existing));
  };
  assert.deepEqual(of({ 19: '""' }), ['7', '8', '6', 'L77']);
  assert.deepEqual(of({ 20: '""' }), ['7', '8', '6', '123-45-6789']);
  assert.deepEqual(of({ 19: '""', 20: '""' }), ['7', '8', '6']);
});

test('a visit keeps the class that R4 asks for, and loses where the patient was discharged to', () => {
  const existing = {
    resourceType: 'Encounter',
    id: 'e1',
    status: 'finished',
    class: { code: 'IMP' },
    hospitalization: { destination: { display: 'D9' }, admitSource: { text: '1' } },
  };
  const of = (fields: Record<number, string>): JsonObject => {
    const pv1 = segment('PV1', { 2: 'I', 10: 'MED', 19: 'V1^^^HA^VN', ...fields });
    return after(onlyEntry(mapLines(...head('A08'), 'PID|1||7^^^HA^MR', pv1), 'Encounter'), existing);
  };
  assert.deepEqual(of({ 2: '""' }).class, { code: 'IMP' });
  assert.deepEqual(of({ 37: '""' }).hospitalization, { admitSource: { text: '1' } });
});

test('a report loses what its OBR deletes', () => {
  const existing = {
    resourceType: 'DiagnosticReport',
    id: 'd1',
    status: 'final',
    code: { text: 'Panel' },
    effectiveDateTime: '2026-01-01',
    issued: '2026-01-02T00:00:00Z',
    category: [{ text: 'LAB' }],
    performer: [{ display: 'T' }],
    resultsInterpreter: [{ display: 'I' }],
  };
  const names = 'effectiveDateTime issued category performer resultsInterpreter'.split(' ');
  const lost = (fields: Record<number, string>): string[] => {
    const obr = segment('OBR', { 1: '1', 3: 'F1^LAB', 4: '24323-8^Panel^LN', 25: 'F', ...fields });
    const msh = 'MSH|^~\\&|LAB|HA|EHR|X|20260131120000||ORU^R01^ORU_R01|R1|P|2.5.1';
    const entry = onlyEntry(mapLines(msh, 'PID|1||7^^^HA^MR', obr), 'DiagnosticReport');
    const now = after(entry, existing);
    assert.notEqual(now.code, undefined);
    return names.filter((name) => now[name] === undefined);
  };
  assert.deepEqual(lost({}), []);
  assert.deepEqual(lost({ 7: '""' }), ['effectiveDateTime']);
  assert.deepEqual(lost({ 22: '""' }), ['issued']);
  assert.deepEqual(lost({ 24: '""' }), ['category']);
  assert.deepEqual(lost({ 32: '""' }), ['resultsInterpreter']);
  assert.deepEqual(lost({ 34: '""' }), ['performer']);
});

test('a charge, an appointment, a procedure and a document lose what is deleted', () => {
  const patient = 'PID|1||7^^^HA^MR';
  const msh = (type: string): string => `MSH|^~\\&|APP|HA|EHR|X|20260301120000||${type}|M1|P|2.5.1`;
  const lost = (type: string, existing: object, ...lines: string[]): string[] => {
    const entry = onlyEntry(mapLines(...lines), type);
    const now = after(entry, { ...entry.resource, ...existing, id: 'x' });
    return Object.keys(existing).filter((name) => now[name] === undefined);
  };
  const charge = { priceOverride: { value: 5 }, costCenter: { display: 'D' }, enterer: { display: 'E' } };
  const ft1 = segment('FT1', { 2: 'T1', 4: '20260228', 6: 'CG', 7: '99213^^C4', 11: '""', 13: '""', 24: '""' });
  assert.deepEqual(lost('ChargeItem', charge, msh('DFT^P03'), patient, ft1), Object.keys(charge));
  const sch = segment('SCH', { 1: 'A1^C', 7: '""', 8: '""', 11: '^^^20260401100000', 25: 'Booked' });
  const appointment = { reasonCode: [{ text: 'R' }], appointmentType: { text: 'T' } };
  assert.deepEqual(lost('Appointment', appointment, msh('SIU^S14'), sch, patient), Object.keys(appointment));
  const pr1 = segment('PR1', { 3: '0DTJ4ZZ^^I10P', 5: '""', 19: 'P1^OR' });
  const performed = { performedPeriod: { start: '2026-01-01T10:00:00Z' } };
  assert.deepEqual(lost('Procedure', performed, ...head('A08'), patient, pr1), Object.keys(performed));
  const txa = segment('TXA', { 2: 'DS', 6: '""', 10: '""', 12: 'D1^DICT', 17: 'AU', 18: '""', 25: '""' });
  const document = { date: '2026-01-01', authenticator: { display: 'A' }, securityLabel: [{}], description: 'D' };
  assert.deepEqual(lost('DocumentReference', document, msh('MDM^T08'), patient, txa), Object.keys(document));
});

test('a change of a document keeps what it leaves out of its context', () => {
  const lines = ['MSH|^~\\&|DICT|HA|EHR|X|20260301120000||MDM^T03|M1|P|2.5.1', 'PID|1||7^^^HA^MR'];
  const txa = segment('TXA', { 2: 'DS', 12: 'D1^DICT', 14: 'P2^EHR', 17: 'AU' });
  const entry = onlyEntry(mapLines(...lines, txa), 'DocumentReference');
  const period = { start: '2026-02-01T10:00:00Z' };
  const context = after(entry, { ...entry.resource, context: { period } }).context as JsonObject;
  assert.deepEqual(context, { period, related: (entry.resource.context as JsonObject).related });
});

test('who is next of kin, guarantor and insured is one person, of whom no segment is lost', () => {
  const nk1 = segment('NK1', { 1: '1', 2: 'Doe^Mary', 3: 'MTH^Mother^HL70063', 5: '555-1' });
  const gt1 = segment('GT1', { 1: '1', 3: 'Doe^Mary', 5: '2 Bill Rd^^Town', 6: '555-2', 9: 'F', 11: 'GRD^^HL70063' });
  const in1 = segment('IN1', {
    2: 'PLAN',
    3: 'INS^^^NAIC',
    16: 'Doe^Mary',
    17: 'MTH^^HL70063',
    18: '19900101',
    36: 'P1',
  });
  const mapped = mapLines(...head('A28'), 'PID|1||7^^^HA^MR||Doe^Baby|||||||||||||A7^^^HA', nk1, gt1, in1);
  const entry = onlyEntry(mapped, 'RelatedPerson');
  const { telecom, address, gender, birthDate, relationship } = entry.resource;
  const codes = (relationship as JsonObject[]).map(({ coding }) => (coding as JsonObject[])[0]!.code);
  assert.deepEqual([gender, birthDate, codes], ['female', '1990-01-01', ['MTH', 'GRD']]);
  assert.deepEqual(address, [{ line: ['2 Bill Rd'], city: 'Town' }]);
  assert.deepEqual(
    (telecom as JsonObject[]).map(({ value }) => value),
    ['555-1'],
  );
  const party = { reference: entry.url };
  assert.deepEqual(onlyEntry(mapped, 'Account').resource.guarantor, [{ party }]);
  assert.deepEqual(onlyEntry(mapped, 'Coverage').resource.subscriber, party);
});

test('practice and doctor (PD1-3, PD1-4) share a list: each is changed and deleted by itself', () => {
  const carers = (...pd1s: string[]): unknown[] => {
    let stored: Resource | undefined;
    for (const [minute, pd1] of pd1s.entries()) {
      const { merge, resource } = onlyEntry(mapLines(...head('A31', minute), 'PID|1||7^^^HA^MR', pd1), 'Patient');
      stored = merge!(stored, resource);
    }
    return ((stored?.generalPractitioner ?? []) as JsonObject[]).map(({ display }) => display);
  };
  const both = 'PD1|||Surgery|^Doc^Dora';
  assert.deepEqual(carers(both), ['Dora Doc', 'Surgery']);
  assert.deepEqual(carers(both, 'PD1|||""'), ['Dora Doc']);
  assert.deepEqual(carers(both, 'PD1||||""'), ['Surgery']);
  assert.deepEqual(carers(both, 'PD1|||""|""'), []);
  assert.deepEqual(carers(both, 'PD1|||Other practice'), ['Dora Doc', 'Other practice']);
});
