// ADT: what the store is asked to do, and what becomes of a resource that is there. HL7 v2.9 chapter 3
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { Refusal } from '../../message/refusal.ts';
import { head, pid, pv1 } from '../../testing/adt.ts';
import { entriesOf, mapLines, onlyEntry, refusalOf } from '../../testing/mapped.ts';

test('ADT^A01: patient, people, places and the visit', () => {
  const nk1 = 'NK1|1|Test^Bert|SPO^Spouse^HL70063||555-2000';
  const doctor = '100^Doc^Dora^^^Dr^MD^^HOSP';
  const mapped = mapLines(
    ...head('A01'),
    pid,
    nk1,
    pv1('WARD^R1^B1^NORTH', { 4: 'E', 7: doctor, 44: '20260131110000' }),
  );
  assert.deepEqual(
    mapped.entries.map(({ method, url, ifNoneExist }) =>
      `${method} ${decodeURIComponent(url)} ${decodeURIComponent(ifNoneExist ?? '')}`.trim().replace(/\/.{36}$/, '/…'),
    ),
    [
      'PUT Patient?identifier=urn:oid:1.2.3|777',
      'PUT RelatedPerson/…',
      'PUT Account?identifier=urn:id:NORTH:account|888',
      'POST Practitioner identifier=urn:id:HOSP|100',
      'POST Location identifier=urn:id:NORTH:location|NORTH',
      'POST Location identifier=urn:id:NORTH:location|WARD',
      'POST Location identifier=urn:id:NORTH:location|WARD/R1',
      'POST Location identifier=urn:id:NORTH:location|WARD/R1/B1',
      'PUT Encounter?identifier=urn:id:HOSP|V55',
    ],
  );
  const bed = entriesOf(mapped, 'Location').at(-1)!;
  const encounter = onlyEntry(mapped, 'Encounter').resource;
  assert.equal(encounter.status, 'in-progress');
  assert.equal((encounter.class as JsonObject).code, 'IMP');
  assert.deepEqual(encounter.period, { start: '2026-01-31T11:00:00Z' });
  assert.deepEqual(encounter.location, [
    { location: { reference: bed.fullUrl, display: 'B1, R1, WARD, NORTH' }, status: 'active' },
  ]);
  assert.deepEqual(encounter.account, [{ reference: onlyEntry(mapped, 'Account').fullUrl }]);
  const patient = onlyEntry(mapped, 'Patient').resource;
  assert.deepEqual(
    (patient.identifier as JsonObject[]).map(({ system, value }) => `${system}|${value}`),
    ['urn:oid:1.2.3|777'],
  );
  assert.equal(((patient.contact as JsonObject[])[0]!.name as JsonObject).family, 'Test');
});

test('a patient is matched by any number but those that several have', () => {
  const numbers = '1^^^HOSP^MR~999-99-9999^^^USSSA^SS~2^^^EPI^PI~3^^^CARD^DL~4^^^HOSP^VN';
  const mapped = mapLines(...head('A04'), `PID|1||${numbers}||Test`);
  assert.equal(decodeURIComponent(onlyEntry(mapped, 'Patient').url), 'Patient?identifier=urn:id:HOSP|1,urn:id:EPI|2');
  const poor = mapLines(...head('A04'), 'PID|1||999-99-9999^^^USSSA^SS||Test');
  assert.equal(
    decodeURIComponent(onlyEntry(poor, 'Patient').url),
    'Patient?identifier=http://hl7.org/fhir/sid/us-ssn|999-99-9999',
  );
  const numbersOf = (resource: Resource) =>
    (resource.identifier as JsonObject[]).map(({ system, value }) => `${system}|${value}`);
  assert.ok(!numbersOf(onlyEntry(mapped, 'Patient').resource).includes('urn:id:HOSP|4'), "the visit's number");
  // Without an authority numbers of another kind are no medical record numbers, which senders type as MR, PI or not at all.
  const bare = mapLines(...head('A04'), 'PID|1||1^^^^MR~1^^^^NI~2^^^^PI~3||Test');
  assert.deepEqual(numbersOf(onlyEntry(bare, 'Patient').resource), [
    ...['urn:id:NORTH|1', 'urn:id:NORTH:NI|1', 'urn:id:NORTH|2', 'urn:id:NORTH|3'],
  ]);
});

const stored = (id: string, more: object = {}): Resource => ({ resourceType: 'Patient', id, ...more });
const replacedBy = (id: string) => ({
  active: false,
  link: [{ other: { reference: `Patient/${id}` }, type: 'replaced-by' }],
});

test('what several matches mean', () => {
  const { choose } = onlyEntry(mapLines(...head('A08'), pid), 'Patient');
  const [a, b] = [stored('a'), stored('b')];
  assert.deepEqual(choose!([]), {});
  assert.deepEqual(choose!([a]), { match: a });
  assert.deepEqual(choose!([stored('a', replacedBy('b')), b]), { match: b });
  assert.deepEqual(choose!([stored('a', replacedBy('b'))]), { follow: 'Patient/b' });
  assert.throws(
    () => choose!([a, b]),
    (error) => {
      assert.ok(error instanceof Refusal);
      assert.deepEqual([error.acknowledgment, error.condition], ['AE', '205']);
      assert.deepEqual([error.review?.kind, error.review?.references], ['identity', ['Patient/a', 'Patient/b']]);
      return true;
    },
  );
});

const withoutMeta = ({ meta: _meta, ...rest }: Resource) => rest;

test('ADT changes: carried fields replace, others stay, "" clears, identifiers are united', () => {
  const entry = onlyEntry(
    mapLines(head('A08')[0]!, 'PID|1||777^^^HOSP&1.2.3&ISO^MR||Test^Anna||""||||||555-9|||""'),
    'Patient',
  );
  const existing: Resource = {
    resourceType: 'Patient',
    id: 'p1',
    identifier: [
      { system: 'urn:x', value: '1' },
      { system: 'urn:oid:1.2.3', value: '777' },
    ],
    name: [{ family: 'Old' }],
    birthDate: '1980-01-02',
    gender: 'female',
    maritalStatus: { text: 'M' },
    telecom: [
      { system: 'phone', value: '1', use: 'home' },
      { system: 'phone', value: '2', use: 'work' },
    ],
    photo: [{ title: 'kept' }],
  };
  assert.deepEqual(withoutMeta(entry.merge!(existing, entry.resource)), {
    resourceType: 'Patient',
    id: 'p1',
    identifier: [
      { system: 'urn:x', value: '1' },
      {
        type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }] },
        system: 'urn:oid:1.2.3',
        value: '777',
        assigner: { display: 'HOSP' },
      },
    ],
    name: [{ family: 'Test', given: ['Anna'] }],
    gender: 'female',
    telecom: [
      { system: 'phone', value: '2', use: 'work' },
      { system: 'phone', value: '555-9', use: 'home' },
    ],
    photo: [{ title: 'kept' }],
  });
});

test('an older message changes nothing but for a number that was not known', () => {
  const newer = onlyEntry(mapLines(...head('A08', 5), 'PID|1||1^^^HOSP^MR||New'), 'Patient');
  const older = onlyEntry(mapLines(...head('A08', 1), 'PID|1||1^^^HOSP^MR~2^^^EPI^PI||Old'), 'Patient');
  const merged = older.merge!(newer.resource, older.resource);
  assert.deepEqual(merged.name, [{ family: 'New' }]);
  assert.deepEqual(
    (merged.identifier as JsonObject[]).map(({ value }) => value),
    ['1', '2'],
  );
});

test('an encounter keeps its class and status when the update names none', () => {
  const entry = onlyEntry(mapLines(...head('A01'), pid, `PV1|1${'|'.repeat(18)}V55^^^HOSP`), 'Encounter');
  assert.equal((entry.resource.class as JsonObject).code, 'UNK');
  const existing: Resource = { resourceType: 'Encounter', status: 'finished', class: { code: 'IMP' } };
  const merged = entry.merge!(existing, entry.resource);
  assert.deepEqual([merged.status, merged.class], ['finished', { code: 'IMP' }]);
});

test('an encounter that nothing identifies is left out with a warning', () => {
  const mapped = mapLines(...head('A01'), 'PID|1||777^^^HOSP^MR', 'PV1|1|R');
  assert.deepEqual(entriesOf(mapped, 'Encounter'), []);
  assert.deepEqual(mapped.warnings, [
    'PV1: no visit number (PV1-19), account number or admit time to know the encounter by',
  ]);
});

test('allergies: categories, reactions, what is deleted, nothing for an allergy to nothing', () => {
  const mapped = mapLines(
    ...head('A01'),
    pid,
    pv1('W1'),
    'AL1|1|DA|1191^Aspirin^RXNORM|SV|Hives~Rash',
    'AL1|2|MA|^Latex|SV',
    'AL1|3|DA||SV',
  );
  const [aspirin, latex, ...more] = entriesOf(mapped, 'AllergyIntolerance').map(({ resource }) => resource);
  assert.deepEqual(more, []);
  assert.deepEqual([aspirin!.type, aspirin!.category, aspirin!.criticality], ['allergy', ['medication'], undefined]);
  assert.deepEqual(aspirin!.reaction, [{ manifestation: [{ text: 'Hives' }, { text: 'Rash' }], severity: 'severe' }]);
  assert.deepEqual([latex!.criticality, latex!.category, latex!.code], ['high', undefined, { text: 'Latex' }]);
  assert.ok(mapped.warnings.includes('AL1-3: an allergy to nothing has no place'));
  const deleted = onlyEntry(
    mapLines(...head('A60'), pid, 'IAM|1|DA|1191^Aspirin^RXNORM|SV|Hives|D'),
    'AllergyIntolerance',
  );
  assert.equal(deleted.url, entriesOf(mapped, 'AllergyIntolerance')[0]!.url);
  const after = deleted.merge!({ ...aspirin!, meta: {} }, deleted.resource);
  assert.equal(after.clinicalStatus, undefined);
  assert.equal(((after.verificationStatus as JsonObject).coding as JsonObject[])[0]!.code, 'entered-in-error');
});

test('diagnoses stand in the visit, procedures have their time', () => {
  const mapped = mapLines(
    ...head('A01'),
    pid,
    pv1('W1'),
    'DG1|1||I10^Hypertension^I10||20260130|A|||||||||1',
    'PR1|1||80146002^Appendectomy^SCT||20260131100000+0100||45',
  );
  const condition = onlyEntry(mapped, 'Condition');
  const encounter = onlyEntry(mapped, 'Encounter');
  assert.deepEqual(condition.resource.encounter, { reference: encounter.fullUrl });
  const [diagnosis] = encounter.resource.diagnosis as JsonObject[];
  assert.deepEqual([diagnosis!.condition, diagnosis!.rank], [{ reference: condition.url }, 1]);
  const { performedPeriod, status } = onlyEntry(mapped, 'Procedure').resource;
  assert.deepEqual(performedPeriod, { start: '2026-01-31T10:00:00+01:00', end: '2026-01-31T10:45:00+01:00' });
  assert.equal(status, 'completed');
});

test('insurance: coverage, payer, subscriber, and the account with its guarantor', () => {
  const in1 =
    'IN1|1|PLAN1|INS9^^^PAYER|Payer Inc|1 Pay St^^Town||555-7|GR7||||20260101|20261231|||Test^Carl|SPO^Spouse^HL70063|19790101';
  const mapped = mapLines(
    ...head('A01'),
    `${pid}||ACC1^^^HOSP`,
    pv1('W1'),
    'GT1|1||Test^Carl||2 Main St',
    `${in1}${'|'.repeat(18)}POL5`,
  );
  const coverage = onlyEntry(mapped, 'Coverage').resource;
  const payer = onlyEntry(mapped, 'Organization');
  assert.deepEqual(coverage.payor, [{ reference: payer.fullUrl, display: 'Payer Inc' }]);
  assert.deepEqual(coverage.period, { start: '2026-01-01', end: '2026-12-31' });
  assert.deepEqual(
    (coverage.class as JsonObject[]).map(({ value }) => value),
    ['PLAN1', 'GR7'],
  );
  const people = entriesOf(mapped, 'RelatedPerson');
  assert.deepEqual(coverage.subscriber, { reference: people.at(0)!.url });
  const account = onlyEntry(mapped, 'Account').resource;
  assert.deepEqual(account.coverage, [{ coverage: { reference: onlyEntry(mapped, 'Coverage').url } }]);
  assert.deepEqual(account.guarantor, [{ party: { reference: people.at(-1)!.url } }]);
});

test('restrictions are security labels', () => {
  const mapped = mapLines(...head('A01'), pid, `PD1|${'|'.repeat(11)}Y`, pv1('W1'), 'ARV|1|A|REST');
  const label = [
    { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R', display: 'restricted' },
  ];
  assert.deepEqual((onlyEntry(mapped, 'Patient').resource.meta as unknown as JsonObject).security, label);
  assert.deepEqual((onlyEntry(mapped, 'Encounter').resource.meta as unknown as JsonObject).security, label);
});

test('A20: the state of a bed', () => {
  const mapped = mapLines(...head('A20'), 'NPU|WARD^R1^B1|K');
  const bed = mapped.entries.at(-1)!;
  assert.equal(
    `${bed.method} ${decodeURIComponent(bed.url)}`,
    'PUT Location?identifier=urn:id:NORTH:location|WARD/R1/B1',
  );
  assert.deepEqual(bed.resource?.operationalStatus, {
    system: 'http://terminology.hl7.org/CodeSystem/v2-0116',
    code: 'K',
    display: 'Contaminated',
  });
  // What the file of places (MFN^M05) or a person has made of it stays.
  const known = { status: 'inactive', name: 'Bed by the window', partOf: { reference: 'Location/r' } };
  const { status, name, partOf } = bed.merge!({ ...bed.resource!, ...known }, bed.resource!);
  assert.deepEqual({ status, name, partOf }, known);
});

test('A17: two patients, two visits', () => {
  const other = pid.replace('777', '778');
  const mapped = mapLines(...head('A17'), pid, pv1('W2'), other, pv1('W1', { 19: 'V56^^^HOSP' }));
  assert.deepEqual(
    entriesOf(mapped, 'Encounter').map(({ resource }) => resource.subject),
    entriesOf(mapped, 'Patient').map(({ fullUrl }) => ({ reference: fullUrl })),
  );
});

test('what is refused', () => {
  assert.equal(refusalOf(...head('A99'), pid), 'AR 201 Unsupported message type: unsupported event code');
  assert.equal(refusalOf(...head('A01')), 'AE 100 Required segment PID is missing');
  assert.equal(refusalOf(...head('A40'), pid), 'AE 100 Required segment MRG is missing');
  assert.equal(
    refusalOf(...head('A40'), pid, 'MRG|777^^^HOSP&1.2.3&ISO^MR'),
    'AE 101 PID-3 and MRG-1 name the same patient number: there is nothing to merge',
  );
  assert.equal(refusalOf(...head('A40'), pid, 'MRG|'), 'AE 101 MRG-1 has no identifier');
  assert.equal(
    refusalOf(...head('A24'), pid),
    'AE 100 Required segment PID is missing: the event is about two patients',
  );
  assert.equal(refusalOf(...head('A20')), 'AE 100 Required segment NPU is missing');
});

test('every ADT event of chapter 3 that is no query has a map', () => {
  const known =
    'A01 A02 A03 A04 A05 A06 A07 A08 A09 A10 A11 A12 A13 A14 A15 A16 A21 A22 A23 A25 A26 A27 A28 A29 A31 A32 A33 A38 A52 A53 A54 A55 A60 A61 A62';
  for (const event of known.split(' ')) assert.equal(refusalOf(...head(event), pid, pv1('W1')), 'mapped', event);
  const mrg = 'MRG|666^^^HOSP&1.2.3&ISO^MR||ACC0||V54^^^HOSP';
  for (const event of 'A18 A30 A34 A35 A36 A39 A40 A41 A42 A43 A44 A45 A46 A47 A48 A49 A50 A51'.split(' '))
    assert.equal(refusalOf(...head(event), pid, mrg, pv1('W1')), 'mapped', event);
});

test('IN1-8 and IN1-9 without a plan: the group has its name', () => {
  const mapped = mapLines(...head('A01'), pid, pv1('W'), 'IN1|1||INS9^^^PAYER|Payer Inc||||GR7|Group Seven');
  const coverage = onlyEntry(mapped, 'Coverage');
  const [group, ...others] = coverage.resource.class as JsonObject[];
  assert.deepEqual([group!.value, group!.name, others], ['GR7', 'Group Seven', []]);
});
