// Accounts (PID-18) of visits and charges, into the real store: which visit is meant where only the account is named, and when an
// account has ended.
import assert from 'node:assert/strict';
import test, { before } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import type { Hl7Engine } from '#hl7-engine';
import { type Hl7Rig, hl7Rig } from './hl7-rig.ts';

let engine: Hl7Engine;
let find: Hl7Rig['find'];
let only: Hl7Rig['only'];

before(async () => {
  ({ engine, find, only } = await hl7Rig());
});

let controlNumber = 0;

/** `visit` is PV1-19, `more` what follows PV1. */
async function send(type: string, at: string, patient: string, account: string, visit = '', ...more: string[]) {
  const event = type.split('^')[1];
  const lines = [
    `MSH|^~\\&|APP|TESTHOSP|EHR|TESTHOSP|${at}||${type}|A${++controlNumber}|P|2.5.1`,
    `EVN|${event}|${at}`,
    `PID|1||${patient}^^^TESTHOSP^MR||TEST^ACCOUNTS|||||||||||||${account}`,
    `PV1|1|I|W1^R1^B1||||||||||||||||${visit}`,
    ...more,
  ];
  const ack = await engine.process(Buffer.from(lines.join('\r')));
  assert.match(ack.toString('latin1').split('\r')[1] ?? '', /^MSA\|AA\|/);
}

const charge = (number: string): string => `FT1|1|${number}||20260302|20260302|CG|99213^Visit^C4|||1|100.00`;
const ofPatient = (patient: string): string => `subject:Patient.identifier=${patient}`;
const account = async (number: string): Promise<Resource> => only('Account', `identifier=${number}`);
const numbersOf = ({ identifier }: Resource): unknown[] => (identifier as JsonObject[]).map(({ value }) => value);

test('charges, bills and changes that name the account alone are of the visit that it has', async () => {
  await send('ADT^A01^ADT_A01', '20260301080000', 'ACC-1', 'AC1', 'V1');
  await send('DFT^P03^DFT_P03', '20260302080000', 'ACC-1', 'AC1', '', charge('CH1'));
  await send('BAR^P05^BAR_P05', '20260302090000', 'ACC-1', 'AC1');
  await send('ADT^A08^ADT_A01', '20260302100000', 'ACC-1', 'AC1', '', 'PV2|||^COUGH');
  await send('ADT^A03^ADT_A03', '20260303080000', 'ACC-1', 'AC1');
  await send('DFT^P03^DFT_P03', '20260304080000', 'ACC-1', 'AC1', '', charge('CH2'));
  const visit = await only('Encounter', ofPatient('ACC-1'));
  assert.deepEqual([visit.status, numbersOf(visit)], ['finished', ['V1']]);
  assert.deepEqual(visit.reasonCode, [{ text: 'COUGH' }]);
  const charges = await find('ChargeItem', ofPatient('ACC-1'));
  assert.deepEqual(
    charges.map(({ context }) => context),
    Array(2).fill({ reference: `Encounter/${visit.id}` }),
  );
  // An admission that names the account alone is another visit than the one that has ended.
  await send('ADT^A01^ADT_A01', '20260310080000', 'ACC-1', 'AC1');
  const visits = await find('Encounter', ofPatient('ACC-1'));
  assert.deepEqual(visits.map(({ status, ...one }) => [status, ...numbersOf(one as Resource)]).sort(), [
    ['finished', 'V1'],
    ['in-progress', 'AC1'],
  ]);
});

test('of an account with several visits it cannot be told which is meant: none of them changes', async () => {
  await send('ADT^A01^ADT_A01', '20260301080000', 'ACC-2', 'AC2', 'V21');
  await send('ADT^A01^ADT_A01', '20260302080000', 'ACC-2', 'AC2', 'V22');
  await send('ADT^A03^ADT_A03', '20260303080000', 'ACC-2', 'AC2');
  const visits = await find('Encounter', ofPatient('ACC-2'));
  assert.deepEqual(visits.map(({ status, ...one }) => [status, ...numbersOf(one as Resource)]).sort(), [
    ['finished', 'AC2'],
    ['in-progress', 'V21'],
    ['in-progress', 'V22'],
  ]);
});

const visitsOf = async (patient: string): Promise<string[]> =>
  (await find('Encounter', ofPatient(patient)))
    .map((one) => [one.status, (one.period as JsonObject | undefined)?.start ?? '', ...numbersOf(one)].join(' '))
    .sort();

test('a visit that came under the account gets its number by what changes or ends it', async () => {
  await send('ADT^A04^ADT_A01', '20260301080000', 'ACC-8', 'AC8');
  await send('ADT^A08^ADT_A01', '20260301090000', 'ACC-8', 'AC8', 'V8');
  assert.deepEqual(await visitsOf('ACC-8'), ['in-progress  V8']);
  // Found by its own number and by the account's.
  await send('ADT^A03^ADT_A03', '20260301100000', 'ACC-8', 'AC8');
  assert.deepEqual(await visitsOf('ACC-8'), ['finished  V8']);
  // Another visit of the account.
  await send('ADT^A04^ADT_A01', '20260401080000', 'ACC-8', 'AC8');
  await send('ADT^A03^ADT_A03', '20260401090000', 'ACC-8', 'AC8', 'V9');
  assert.deepEqual(await visitsOf('ACC-8'), ['finished  V8', 'finished  V9']);
});

test('a result with the visit’s number before the ADT that has it means the visit that came under the account', async () => {
  await send('ADT^A04^ADT_A01', '20260301080000', 'ACC-20', 'AC20');
  await send(
    'ORU^R01^ORU_R01',
    '20260301083000',
    'ACC-20',
    'AC20',
    'V20',
    'OBR|1||F20^LAB|718-7^Hb^LN',
    'OBX|1|NM|718-7^Hb^LN||9|g/dL|||||F',
  );
  await send('ADT^A08^ADT_A01', '20260301090000', 'ACC-20', 'AC20', 'V20');
  assert.deepEqual(await visitsOf('ACC-20'), ['in-progress  V20']);
  const [visit] = await find('Encounter', ofPatient('ACC-20'));
  const report = await only('DiagnosticReport', ofPatient('ACC-20'));
  assert.deepEqual(report.encounter, { reference: `Encounter/${visit!.id}` });
  // Of another patient, and where the visit has ended, it is another visit.
  const result = (number: string) => [`OBR|1||${number}^LAB|718-7^Hb^LN`, 'OBX|1|NM|718-7^Hb^LN||9|g/dL|||||F'];
  await send('ADT^A04^ADT_A01', '20260301080000', 'ACC-22', 'AC22');
  await send('ORU^R01^ORU_R01', '20260301100000', 'ACC-23', 'AC22', 'V23', ...result('F23'));
  await send('ADT^A03^ADT_A03', '20260301110000', 'ACC-22', 'AC22');
  await send('ORU^R01^ORU_R01', '20260301120000', 'ACC-22', 'AC22', 'V24', ...result('F24'));
  assert.deepEqual(await visitsOf('ACC-23'), ['in-progress  V23']);
  assert.deepEqual(await visitsOf('ACC-22'), ['finished  AC22', 'in-progress  V24']);
});

test('a visit that changes its class under another account (A06, A07 with MRG-3) is the same visit', async () => {
  const from = (account: string, former: string): string => `${account}\rMRG|||${former}`;
  await send('ADT^A04^ADT_A01', '20260301080000', 'ACC-30', 'AC30');
  await send('ADT^A06^ADT_A06', '20260301090000', 'ACC-30', from('AC31', 'AC30'));
  assert.deepEqual(await visitsOf('ACC-30'), ['in-progress  AC31']);
  await send('ADT^A07^ADT_A06', '20260301100000', 'ACC-30', from('AC32', 'AC31'), 'V32');
  assert.deepEqual(await visitsOf('ACC-30'), ['in-progress  V32']);
  await send('ADT^A06^ADT_A06', '20260301110000', 'ACC-30', from('AC33', 'AC32'), 'V33');
  assert.deepEqual(await visitsOf('ACC-30'), ['in-progress  V32 V33']);
  const [visit] = await find('Encounter', ofPatient('ACC-30'));
  assert.deepEqual(visit!.account, [{ reference: `Account/${(await account('AC33')).id}` }]);
  // Another patient's visit stays where it is, and so does one that has ended.
  await send('ADT^A03^ADT_A03', '20260301120000', 'ACC-30', 'AC33', 'V33');
  await send('ADT^A06^ADT_A06', '20260302080000', 'ACC-30', from('AC34', 'AC33'), 'V34');
  await send('ADT^A06^ADT_A06', '20260302090000', 'ACC-31', from('AC35', 'AC34'), 'V35');
  assert.deepEqual(await visitsOf('ACC-30'), ['finished  V32 V33', 'in-progress  V34']);
  assert.deepEqual(await visitsOf('ACC-31'), ['in-progress  V35']);
});

test('an admission, or another time of one, and a relative are no visit that came under the account', async () => {
  const admitted = (number: string, at: string): string => `${number}${'|'.repeat(25)}${at}`;
  await send('ADT^A01^ADT_A01', '20260301080000', 'ACC-10', 'AC10', admitted('', '20260301080000'));
  assert.deepEqual(await visitsOf('ACC-10'), ['in-progress 2026-03-01T08:00:00Z AC10']);
  await send('ADT^A01^ADT_A01', '20260302080000', 'ACC-10', 'AC10', admitted('V101', '20260302080000'));
  await send('ADT^A08^ADT_A01', '20260302090000', 'ACC-10', 'AC10', admitted('V102', '20260302090000'));
  await send('ADT^A08^ADT_A01', '20260302100000', 'ACC-11', 'AC10', 'V103');
  assert.deepEqual(await visitsOf('ACC-10'), [
    'in-progress 2026-03-01T08:00:00Z AC10',
    'in-progress 2026-03-02T08:00:00Z V101',
    'in-progress 2026-03-02T09:00:00Z V102',
  ]);
  assert.deepEqual(await visitsOf('ACC-11'), ['in-progress  V103']);
  await send('ADT^A01^ADT_A01', '20260303080000', 'ACC-10', 'AC10', admitted('V104', '20260301080000'));
  assert.deepEqual((await visitsOf('ACC-10'))[0], 'in-progress 2026-03-01T08:00:00Z V104');
});

test('an account that has ended (P06) is not active again because a visit or a charge names it', async () => {
  await send('BAR^P01^BAR_P01', '20260301080000', 'ACC-3', 'AC3', 'V3');
  await send('BAR^P06^BAR_P06', '20260310080000', 'ACC-3', 'AC3', 'V3');
  const ended = ['inactive', { end: '2026-03-10T08:00:00Z' }];
  const state = async (): Promise<unknown[]> => {
    const { status, servicePeriod } = await account('AC3');
    return [status, servicePeriod];
  };
  assert.deepEqual(await state(), ended);
  await send('ADT^A08^ADT_A01', '20260311080000', 'ACC-3', 'AC3', 'V3');
  await send('DFT^P03^DFT_P03', '20260312080000', 'ACC-3', 'AC3', 'V3', charge('CH3'));
  await send('BAR^P05^BAR_P05', '20260313080000', 'ACC-3', 'AC3', 'V3');
  assert.deepEqual(await state(), ended);
  await send('BAR^P01^BAR_P01', '20260314080000', 'ACC-3', 'AC3', 'V3');
  assert.equal((await account('AC3')).status, 'active');
  // A bill from before the new beginning changes nothing.
  await send('BAR^P06^BAR_P06', '20260310090000', 'ACC-3', 'AC3', 'V3');
  assert.equal((await account('AC3')).status, 'active');
});

test('P06 ends the accounts of several patients, also those that were never seen', async () => {
  const pid = 'PID|2||ACC-5^^^TESTHOSP^MR||TEST^OTHER|||||||||||||AC5';
  await send('BAR^P06^BAR_P06', '20260310080000', 'ACC-4', 'AC4', '', pid, 'PV1|1|I');
  for (const number of ['AC4', 'AC5']) assert.equal((await account(number)).status, 'inactive');
});

test('an account of a family has all of them', async () => {
  await send('ADT^A01^ADT_A01', '20260301080000', 'ACC-6', 'AC6', 'V6');
  await send('ADT^A01^ADT_A01', '20260301090000', 'ACC-7', 'AC6', 'V7');
  await send('ADT^A08^ADT_A01', '20260301100000', 'ACC-6', 'AC6', 'V6');
  const patients = await Promise.all(['ACC-6', 'ACC-7'].map((number) => only('Patient', `identifier=${number}`)));
  assert.deepEqual(
    (await account('AC6')).subject,
    patients.map(({ id }) => ({ reference: `Patient/${id}` })),
  );
});
