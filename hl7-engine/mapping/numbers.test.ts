// Numbers of persons that are not a facility's own: whom a message is matched by, and under which system they stand.
import assert from 'node:assert/strict';
import test from 'node:test';
import { entriesOf, mapLines, onlyEntry, onlyResource, segment } from '../testing/mapped.ts';

const msh = (type: string) => `MSH|^~\\&|PAS|RXX|EHR|HOSP|20260301080000||${type}|C1|P|2.5.1`;
const criteria = (numbers: string) =>
  decodeURIComponent(onlyEntry(mapLines(msh('ADT^A28'), 'EVN||20260301080000', `PID|1||${numbers}`), 'Patient').url);

test('a patient is matched by the NHS number beside the hospital’s, but not by an insurer’s of the same type', () => {
  const own = 'RX1^^^RXX^MR';
  const both = 'Patient?identifier=urn:id:RXX|RX1,urn:id:NHS|9434765919';
  assert.equal(criteria(`9434765919^^^NHS^NH~${own}`), both);
  assert.equal(
    criteria(`${own}~9434765919^^^X&2.16.840.1.113883.2.1.4.1&ISO^NH`),
    'Patient?identifier=urn:id:RXX|RX1,urn:oid:2.16.840.1.113883.2.1.4.1|9434765919',
  );
  assert.equal(criteria(`${own}~77^^^PAYER^NH`), 'Patient?identifier=urn:id:RXX|RX1');
});

test('an NPI in PRD-7 is the country’s, as it is in XCN: one practitioner', () => {
  const mapped = mapLines(
    msh('REF^I12^REF_I12'),
    'RF1|P|R',
    segment('PRD', { 1: 'RP', 2: 'Doc^Dora', 7: '1234567893^NPI' }),
    'PID|1||1^^^RXX^MR||TEST',
    segment('PV1', { 1: '1', 2: 'O', 7: '1234567893^Doc^Dora^^^^^^NPPES^^^^NPI', 19: 'V1' }),
  );
  assert.deepEqual(
    entriesOf(mapped, 'Practitioner').map(({ ifNoneExist }) => decodeURIComponent(ifNoneExist!)),
    ['identifier=http://hl7.org/fhir/sid/us-npi|1234567893'],
  );
});

test('a number keeps its type and assigner where it comes again without them', () => {
  const adt = (at: string, numbers: string): string[] => [
    msh('ADT^A28').replace('20260301080000', at),
    `EVN||${at}`,
    `PID|1||${numbers}||TEST`,
  ];
  const typed = {
    type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }] },
    system: 'urn:id:RXX',
    value: 'RX1',
    assigner: { display: 'RXX' },
  };
  // PID-4 has the number of PID-3 once more.
  const { identifier } = onlyResource(mapLines(...adt('20260301080000', 'RX1^^^RXX^MR|RX1')), 'Patient');
  assert.deepEqual(identifier, [typed]);
  // Another sender's message has it without type.
  const first = onlyEntry(mapLines(...adt('20260301080000', 'RX1^^^RXX^MR')), 'Patient').resource;
  const later = onlyEntry(mapLines(...adt('20260301090000', 'RX1')), 'Patient');
  assert.deepEqual(later.merge!(first, later.resource).identifier, [typed]);
});
