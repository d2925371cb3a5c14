// What is taken away and told again: allergies, diagnoses of a visit, charges, in the real store.
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

async function accept(type: string, at: string, ...lines: string[]): Promise<void> {
  const header = `MSH|^~\\&|APP|TESTHOSP|EHR|TESTHOSP|${at}||${type}|G${++controlNumber}|P|2.5.1`;
  const event = type.split('^')[1];
  const ack = await engine.process(Buffer.from([header, `EVN|${event}|${at}`, ...lines].join('\r')));
  assert.match(ack.toString('latin1').split('\r')[1] ?? '', /^MSA\|AA\|/, type);
}

const pid = (number: string): string => `PID|1||${number}^^^TESTHOSP^MR||TEST^AGAIN`;

const codeOf = (concept: unknown): unknown => (concept as { coding: JsonObject[] } | undefined)?.coding[0]?.code;

test('an allergy that was deleted and is told again is not in error any more; what was confirmed stays so', async () => {
  const told = (at: string, action: string, status = '') =>
    accept('ADT^A60^ADT_A60', at, pid('AG-A'), `IAM|1|DA|7980^Penicillin^RXNORM|SV||${action}|1||||||||||${status}`);
  const states = async () => {
    const { clinicalStatus, verificationStatus } = await only('AllergyIntolerance', 'patient.identifier=AG-A');
    return [codeOf(clinicalStatus), codeOf(verificationStatus)];
  };
  await told('20260301080000', 'A', 'C');
  await told('20260301090000', 'U');
  assert.deepEqual(await states(), ['active', 'confirmed']);
  await told('20260301100000', 'D');
  assert.deepEqual(await states(), [undefined, 'entered-in-error']);
  await told('20260301110000', 'A');
  assert.deepEqual(await states(), ['active', undefined]);
});

test('diagnoses with action codes change those that they name; without any the message has all', async () => {
  const diagnoses = (type: string, at: string, ...dg1: [code: string, action: string][]) =>
    accept(
      type,
      at,
      pid('AG-D'),
      'PV1|1|I|||||||||||||||||AG-V1',
      ...dg1.map(
        ([code, action], index) => `DG1|${index + 1}||${code}^Diagnosis^I10|||F|||||||||${index + 1}||||||${action}`,
      ),
    );
  const ofVisit = async () => {
    const { diagnosis = [] } = (await only('Encounter', 'identifier=AG-V1')) as Resource & { diagnosis?: JsonObject[] };
    const references = diagnosis.map(({ condition }) => (condition as { reference: string }).reference.split('/')[1]);
    const conditions = await Promise.all(references.map((id) => only('Condition', `_id=${id}`)));
    return conditions.map(({ code }) => codeOf(code));
  };
  await diagnoses('ADT^A01^ADT_A01', '20260301080000', ['E11.9', ''], ['I10', '']);
  assert.deepEqual(await ofVisit(), ['E11.9', 'I10']);
  await diagnoses('BAR^P12^BAR_P12', '20260301090000', ['J45.9', 'A']);
  assert.deepEqual(await ofVisit(), ['E11.9', 'I10', 'J45.9']);
  await diagnoses('BAR^P12^BAR_P12', '20260301100000', ['E11.9', 'D']);
  assert.deepEqual(await ofVisit(), ['I10', 'J45.9']);
  // Late; nothing newer was told of that one.
  await diagnoses('BAR^P12^BAR_P12', '20260301093000', ['I10', 'D']);
  assert.deepEqual(await ofVisit(), ['J45.9']);
  await diagnoses('ADT^A08^ADT_A01', '20260301110000', ['I10', '']);
  assert.deepEqual(await ofVisit(), ['I10']);
  await diagnoses('BAR^P12^BAR_P12', '20260301120000', ['I10', 'D']);
  assert.deepEqual(await ofVisit(), []);
});

test('a credit takes away, with a sign of its own and without one', async () => {
  for (const [number, amount] of [
    ['AG-C1', '120.50'],
    ['AG-C2', '-120.50'],
  ]) {
    await accept(
      'DFT^P03^DFT_P03',
      '20260301080000',
      pid(number!),
      `FT1|1|${number}||20260301||CD|K1^Charge^L|||1|${amount}&USD`,
    );
    const [credit] = await find('ChargeItem', `subject:Patient.identifier=${number}`);
    assert.equal(JSON.stringify(credit!.priceOverride), '{"value":-120.5,"currency":"USD"}');
  }
});

test('an account that is another patient’s (A44) takes along its visits and what was recorded of them', async () => {
  const of = (number: string, account: string): string => `${pid(number)}|||||||||||||${account}^^^TESTHOSP`;
  const visits = [
    ['AG-M1', 'AG-M-ACC', 'AG-M-V1'],
    ['AG-M1', 'AG-M-ACC', 'AG-M-V2'],
    ['AG-M1', 'AG-M-OTHER', 'AG-M-V3'],
  ] as const;
  for (const [number, account, visit] of visits) {
    const pv1 = `PV1|1|O|||||||||||||||||${visit}`;
    await accept('ADT^A04^ADT_A01', '20260301080000', of(number, account), pv1);
    const result = [`OBR|1||${visit}^LAB|P1^Panel^L`, 'OBX|1|NM|K^Test^L||5|mmol/L|||||F'];
    await accept('ORU^R01^ORU_R01', '20260301090000', pid(number), pv1, ...result);
  }
  const move = (at: string) =>
    accept('ADT^A44^ADT_A43', at, of('AG-M2', 'AG-M-ACC'), 'MRG|AG-M1^^^TESTHOSP^MR||AG-M-ACC^^^TESTHOSP');
  await move('20260301100000');
  await move('20260301100000');
  const visitsOf = async (number: string) => {
    const encounters = await find('Encounter', `subject:Patient.identifier=${number}&_sort=_lastUpdated`);
    return encounters.map(({ identifier }) => (identifier as JsonObject[])[0]!.value).sort();
  };
  assert.deepEqual(await visitsOf('AG-M2'), ['AG-M-V1', 'AG-M-V2']);
  assert.deepEqual(await visitsOf('AG-M1'), ['AG-M-V3']);
  for (const [number, count] of [
    ['AG-M2', 2],
    ['AG-M1', 1],
  ] as const) {
    for (const type of ['Observation', 'DiagnosticReport', 'Account'])
      assert.equal((await find(type, `subject:Patient.identifier=${number}`)).length, type === 'Account' ? 1 : count);
  }
});
