// Scheduling, finance, problems, referrals and master files into the real store: what is found again, and valid resources.
import assert from 'node:assert/strict';
import test, { before } from 'node:test';
import { type JsonObject, loadDefinitions, type Resource } from '#fhir-model';
import { createResourceValidator } from '#fhir-server';
import type { Hl7Engine } from '#hl7-engine';
import { coreDefinitions } from './conformance/packages.ts';
import { type Hl7Rig, hl7Rig } from './hl7-rig.ts';

let engine: Hl7Engine;
let find: Hl7Rig['find'];
let only: Hl7Rig['only'];
let faultsOf: (resource: Resource) => Promise<string[]>;

before(async () => {
  ({ engine, find, only } = await hl7Rig());
  const definitions = await loadDefinitions();
  const { validateResource } = createResourceValidator({ definitions, profiles: await coreDefinitions() });
  faultsOf = async (resource) => {
    const issues = await validateResource(resource, { level: 'base' });
    return issues
      .filter(({ severity }) => severity === 'error' || severity === 'fatal')
      .map(({ diagnostics, expression }) => `${resource.resourceType} ${expression} ${diagnostics}`);
  };
});

let controlNumber = 0;

/** Sends the lines under a header of their own; the lines of the answer. */
async function accept(type: string, at: string, ...lines: string[]): Promise<string[]> {
  const header = `MSH|^~\\&|APP|TESTHOSP|EHR|TESTHOSP|${at}||${type}|M${++controlNumber}|P|2.5.1`;
  const ack = await engine.process(Buffer.from([header, ...lines].join('\r')));
  const answer = ack.toString('latin1').split('\r');
  assert.match(answer[1]!, /^MSA\|AA\|/, `${type}: ${ack.toString('latin1')}`);
  return answer.slice(0, -1);
}

async function assertValid(...types: string[]): Promise<void> {
  for (const type of types) {
    const found = await find(type, '');
    assert.ok(found.length > 0, type);
    for (const resource of found) assert.deepEqual(await faultsOf(resource), []);
  }
}

const segment = (name: string, fields: Record<number, string>): string =>
  [name, ...Array.from({ length: Math.max(...Object.keys(fields).map(Number)) }, (_, at) => fields[at + 1] ?? '')].join(
    '|',
  );
const pid = (number: string): string =>
  `PID|1||${number}^^^TESTHOSP^MR||TEST^MANAGED||19800101|F||||||||||ACC${number}`;
const pv1 = 'PV1|1|O|||||||||||||||||V1';

test('an appointment is booked, changed in part, moved and cancelled; what comes late changes nothing', async () => {
  const sch = (status: string) =>
    `SCH|A1^APP|F1^APP||||R^Reason^L|CHECKUP|Normal|30|min|||||||||||||||${status}|O1^APP`;
  const ais = (start: string) => `AIS|1|A|X1^Scan^L|${start}|||30|min||Booked`;
  const aip = (number: string, name: string, action = 'A') => `AIP|1|${action}|${number}^${name}|D^Doctor^L`;
  await accept(
    'SIU^S12^SIU_S12',
    '20260301080000',
    sch('Booked'),
    pid('S1'),
    pv1,
    'DG1|1||I10^X^I10C|||A',
    'RGS|1',
    ais('20260401090000'),
    'AIG|1|A|EQ1^Scanner^L|EQ',
    'AIL|1|A|WARD^R1|C',
    aip('7', 'Doc^Dora'),
  );
  await accept('SIU^S18^SIU_S12', '20260302080000', sch('Booked'), pid('S1'), 'RGS|1', aip('8', 'Roe^Rita'));
  await accept('SIU^S22^SIU_S12', '20260303080000', sch('Booked'), pid('S1'), 'RGS|1', aip('7', 'Doc^Dora', 'D'));
  const names = (appointment: Resource): unknown[] =>
    (appointment.participant as unknown as JsonObject[])
      .map(({ actor }) => (actor as JsonObject).display)
      .filter((name) => name !== undefined);
  const changed = await only('Appointment', 'identifier=A1');
  assert.deepEqual(names(changed), ['R1, WARD', 'Scanner', 'Rita Roe']);
  await accept(
    'SIU^S13^SIU_S12',
    '20260304080000',
    sch('Booked'),
    pid('S1'),
    'RGS|1',
    ais('20260402100000'),
    aip('8', 'Roe^Rita'),
  );
  await accept('SIU^S15^SIU_S12', '20260306080000', sch('Cancelled'), pid('S1'));
  await accept('SIU^S14^SIU_S12', '20260305080000', sch('Booked'), pid('S1'), ais('20260403110000'));
  const appointment = await only('Appointment', 'identifier=F1');
  assert.deepEqual(
    [appointment.status, appointment.start, appointment.id],
    ['cancelled', '2026-04-02T10:00:00Z', changed.id],
  );
  const order = await only('ServiceRequest', 'identifier=O1');
  assert.equal((await only('Appointment', `based-on=ServiceRequest/${order.id}`)).id, changed.id);
  await accept(
    'SIU^S23^SIU_S12',
    '20260301080000',
    'SCH|B1^APP||||||||||^^^20260501080000^20260501120000',
    'RGS|1',
    'AIP|1||7^Doc^Dora',
  );
  await accept(
    'SIU^S24^SIU_S12',
    '20260302080000',
    'SCH|B1^APP||||||||||^^^20260501080000^20260501120000',
    'RGS|1',
    'AIP|1||7^Doc^Dora',
  );
  assert.equal((await only('Slot', '')).status, 'free');
  await assertValid('Appointment', 'Slot', 'Schedule', 'Encounter', 'ServiceRequest', 'Device');
});

test('charges, their claim and account', async () => {
  const ft1 = (id: string, type: string) =>
    segment('FT1', {
      1: '1',
      2: id,
      4: '20260228',
      5: '20260301',
      6: type,
      7: '99213^Visit^C4',
      10: '1',
      11: '150.50&USD',
      20: '7^Doc^Dora',
      26: '25',
    });
  const in1 = segment('IN1', { 1: '1', 2: 'PLAN1^Plan', 3: 'PAYER1', 4: 'Payer One', 17: 'SEL' });
  const lines = (type: string) => [
    'EVN|P03|20260301',
    pid('F1'),
    pv1.replace('V1', 'V2'),
    ft1('T1', type),
    'PR1|1||99213^Visit^C4||20260228',
    'DG1|1||I10^X^I10C|||A',
    in1,
  ];
  await accept('DFT^P03^DFT_P03', '20260301080000', ...lines('CG'));
  await accept('DFT^P03^DFT_P03', '20260301090000', ...lines('CG'));
  await accept('DFT^P03^DFT_P03', '20260302080000', ...lines('CD'));
  await accept(
    'BAR^P01^BAR_P01',
    '20260302080000',
    'EVN|P01|20260302',
    pid('F1'),
    segment('PV1', { 2: 'O', 19: 'V2', 44: '20260228' }),
    in1,
  );
  await accept('BAR^P06^BAR_P06', '20260310080000', 'EVN|P06|20260310080000', pid('F1'));
  const account = await only('Account', 'identifier=ACCF1');
  assert.deepEqual(
    [account.status, account.servicePeriod],
    ['inactive', { start: '2026-02-28', end: '2026-03-10T08:00:00Z' }],
  );
  const charges = await find('ChargeItem', `account=Account/${account.id}`);
  assert.deepEqual(charges.map(({ overrideReason }) => overrideReason ?? 'charge').toSorted(), ['charge', 'credit']);
  await only('Claim', '');
  await assertValid('ChargeItem', 'Claim', 'Account', 'Coverage', 'Procedure', 'Condition');
});

test('problems with their goals and pathway, and a referral', async () => {
  const prb = segment('PRB', {
    1: 'AD',
    2: '20260301',
    3: 'I10^Hypertension^I10C',
    4: 'PB1^APP',
    13: 'CONFIRMED',
    14: 'ACTIVE',
    16: '20250101',
    26: 'MO',
  });
  const gol = segment('GOL', {
    1: 'AD',
    2: '20260301',
    3: 'BP^Pressure^L',
    4: 'G1^APP',
    7: '20260301',
    16: 'MET',
    18: 'ACTIVE',
  });
  const obx = 'OBX|1|NM|8480-6^Systolic^LN||160|mm[Hg]^^UCUM|||||F|||20260301';
  await accept(
    'PPR^PC1^PPR_PC1',
    '20260301080000',
    pid('C1'),
    prb,
    'ROL|1|AD|AT^Attending^HL70443|7^Doc^Dora',
    'PTH|AD|HT^Pathway^L|PT1^APP|20260301|ACTIVE',
    'VAR|V1|20260302||7^Doc^Dora||Late',
    obx,
    gol,
    'ORC|NW|OC1^APP',
    'OBR|1|OC1^APP||D1^Advice^L',
  );
  await accept(
    'PPR^PC2^PPR_PC1',
    '20260401080000',
    pid('C1'),
    prb.replace('PRB|AD', 'PRB|UP').replace('||||||CONFIRMED', '||||||CONFIRMED'),
    gol,
  );
  await accept('PPR^PC3^PPR_PC1', '20260402080000', pid('C2'), prb.replace('PB1', 'PB2').replace('PRB|AD', 'PRB|DE'));
  const problem = await only('Condition', 'identifier=PB1');
  const goal = await only('Goal', 'identifier=G1');
  assert.deepEqual(goal.addresses, [{ reference: `Condition/${problem.id}` }]);
  const plan = await only('CarePlan', `condition=Condition/${problem.id}`);
  assert.deepEqual(plan.goal, [{ reference: `Goal/${goal.id}` }]);
  const rf1 = segment('RF1', { 1: 'A', 2: 'S', 3: 'Med^Medical^HL70281', 6: 'R1^APP', 7: '20260301' });
  const aut = segment('AUT', { 2: 'PAYER1', 3: 'Payer One', 4: '20260301', 6: 'AUTH1', 7: '250&USD', 9: '10' });
  const prd = (role: string, number: string) =>
    segment('PRD', { 1: role, 2: 'DOC^DORA', 7: `${number}^NPI`, 10: 'North' });
  await accept(
    'REF^I12^REF_I12',
    '20260301080000',
    rf1,
    aut,
    prd('RP', '1'),
    prd('RT', '2'),
    pid('C1'),
    'DG1|1||I10^X^I10C|||A',
    'OBR|1|||P1^Panel^L|||20260201||||||||||||||||||F',
    obx,
  );
  await accept('REF^I14^REF_I12', '20260302080000', rf1, prd('RP', '1'), pid('C1'));
  assert.equal((await only('ServiceRequest', 'identifier=R1')).status, 'revoked');
  await assertValid('Condition', 'Goal', 'CarePlan', 'CareTeam', 'ServiceRequest', 'ClaimResponse', 'PractitionerRole');
});

test('people and places of master files are those of orders and visits', async () => {
  const stf = 'STF|900|900^^^TESTHOSP^EI|STAFF^SAM|D^Doctor^L|M|19700101|A|CARD^Cardiology^L';
  await accept(
    'ORU^R01^ORU_R01',
    '20260301080000',
    pid('M1'),
    'ORC|RE|OP1^EHR|OM1^LAB',
    'OBR|1|OP1^EHR|OM1^LAB|P1^Panel^L||||||||||||900^STAFF^SAM^^^^^^TESTHOSP',
    'OBX|1|NM|2823-3^K^LN||4.1|mmol/L^^UCUM|||||F',
  );
  const before = await only('Practitioner', 'identifier=900');
  const answer = await accept(
    'MFN^M02^MFN_M02',
    '20260301090000',
    'MFI|STF^Staff^HL70175||UPD|||AL',
    'MFE|MUP|R1|20260301|900|CWE',
    stf,
    'MFE|MAD|R2|20260301||CWE',
    'STF||',
  );
  assert.equal(answer[0]!.split('|')[8], 'MFK^M02^MFK_M01');
  assert.deepEqual(answer.slice(2), [
    'MFI|STF^Staff^HL70175||UPD|||AL',
    'MFA|MUP|R1||S^Successful^HL70181|900|CWE',
    'MFA|MAD|R2||U^STF-1, STF-2 and PRA-6 have no number^HL70181||CWE',
  ]);
  const after = await only('Practitioner', 'identifier=900');
  assert.deepEqual([after.id, after.gender, after.active], [before.id, 'male', true]);
  await accept(
    'MFN^M05^MFN_M05',
    '20260301090000',
    'MFI|LOC^Location^HL70175||UPD|||AL',
    'MFE|MAD|L1|20260301|W9^R9^B9|CWE',
    'LOC|W9^R9^B9|By the window|B',
    'LDP|W9^R9^B9|CAR|CAR^Cardiology^L|||A||||MON^FRI^0800^1800',
  );
  await accept(
    'ADT^A01^ADT_A01',
    '20260302080000',
    'EVN|A01|20260302',
    pid('M2'),
    'PV1|1|I|W9^R9^B9||||||||||||||||V9',
  );
  const bed = await only('Location', `identifier=${encodeURIComponent('W9/R9/B9')}`);
  assert.equal(bed.description, 'By the window');
  assert.equal((await find('Encounter', `location=Location/${bed.id}`)).length, 1);
  await accept(
    'MFN^M05^MFN_M05',
    '20260303080000',
    'MFI|LOC^Location^HL70175||UPD|||AL',
    'MFE|MDL|L1|20260303|W9^R9^B9|CWE',
  );
  assert.equal((await only('Location', `identifier=${encodeURIComponent('W9/R9/B9')}`)).status, 'inactive');
  await assertValid('Practitioner', 'PractitionerRole', 'Location');
});
