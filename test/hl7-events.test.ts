// What is said about one of several events of an order stays that one's, and what is only asked changes no order: into the real store.
import assert from 'node:assert/strict';
import test, { before } from 'node:test';
import type { JsonObject } from '#fhir-model';
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
  const header = `MSH|^~\\&|APP|TESTHOSP|EHR|TESTHOSP|${at}||${type}|E${++controlNumber}|P|2.5.1`;
  const ack = await engine.process(Buffer.from([header, ...lines].join('\r')));
  assert.match(ack.toString('latin1').split('\r')[1] ?? '', /^MSA\|AA\|/, type);
}

const pid = (number: string): string => `PID|1||${number}^^^TESTHOSP^MR||TEST^EVENTS`;

test('what was seen when one dose was given is not overwritten by that of the next; sent again it is the same', async () => {
  const given = (at: string, dose: string, pain: number) =>
    accept(
      'RAS^O17^RAS_O17',
      at,
      pid('EV-G'),
      'ORC|RE|EV-G1^EHR',
      `RXA|0|1|${dose}|${dose}|MO^Morphine^L|5|mg^mg^UCUM|||||||||||||CP`,
      'RXR|IV^Intravenous^HL70162',
      `OBX|1|NM|PAIN^Pain score^L||${pain}||||||F`,
    );
  await given('20260301080500', '20260301080000', 7);
  await given('20260301120500', '20260301120000', 3);
  await given('20260301130000', '20260301120000', 2);
  const seen = await find('Observation', 'subject:Patient.identifier=EV-G&_sort=_lastUpdated');
  assert.deepEqual(
    seen.map(({ valueQuantity }) => (valueQuantity as JsonObject).value),
    [7, 2],
  );
  for (const [index, { partOf }] of seen.entries()) {
    const [{ reference } = { reference: '' }] = partOf as { reference: string }[];
    const administration = await only('MedicationAdministration', `_id=${reference.split('/')[1]}`);
    const { start } = administration.effectivePeriod as { start: string };
    assert.equal(start, index === 0 ? '2026-03-01T08:00:00Z' : '2026-03-01T12:00:00Z');
  }
});

test('a dispense has its own observations, and the order’s stay', async () => {
  const order = ['ORC|NW|EV-D1^EHR', 'RXO|AM^Amoxicillin^L|500||mg', 'OBX|1|NM|WT^Weight^L||70|kg|||||F'];
  await accept('OMP^O09^OMP_O09', '20260301080000', pid('EV-D'), ...order);
  const dispense = (at: string, number: number, weight: number) =>
    accept(
      'RDS^O13^RDS_O13',
      at,
      pid('EV-D'),
      'ORC|RE|EV-D1^EHR',
      `RXD|${number}|AM^Amoxicillin^L|${at}|20|TAB`,
      `OBX|1|NM|WT^Weight^L||${weight}|kg|||||F`,
    );
  await dispense('20260302080000', 1, 71);
  await dispense('20260303080000', 2, 72);
  const weights = await find('Observation', 'subject:Patient.identifier=EV-D');
  assert.deepEqual(weights.map(({ valueQuantity }) => (valueQuantity as JsonObject).value).sort(), [70, 71, 72]);
});

test('asking for a cancellation or a hold leaves an order as it was', async () => {
  const order = (at: string, control: string) =>
    accept('OMP^O09^OMP_O09', at, pid('EV-C'), `ORC|${control}|EV-C1^EHR`, 'RXO|AM^Amoxicillin^L|500||mg');
  const status = async () => (await only('MedicationRequest', 'identifier=EV-C1')).status;
  await order('20260301080000', 'NW');
  await order('20260301090000', 'OH');
  await order('20260301100000', 'CA');
  assert.equal(await status(), 'on-hold');
  await order('20260301110000', 'DC');
  await order('20260301120000', 'CA');
  await order('20260301130000', 'HD');
  assert.equal(await status(), 'stopped');
});

test('OBX of a specimen that orders stand within is kept, once, and is about the specimen', async () => {
  const report = (at: string, volume: number) =>
    accept(
      'OUL^R22^OUL_R22',
      at,
      pid('EV-S'),
      'SPM|1|^EV-S1&LAB||SER^Serum^HL70487',
      `OBX|1|NM|VOL^Volume^L||${volume}|mL|||||F`,
      ...['A', 'B'].flatMap((code) => [
        `OBR|1||EV-S2^LAB|${code}^Panel ${code}^L|||20260301070000||||||||||||||||||F`,
        `OBX|1|NM|${code}1^Test^L||5|mmol/L|||||F`,
      ]),
    );
  await report('20260301080000', 4);
  await report('20260301090000', 3);
  const specimen = await only('Specimen', 'identifier=EV-S1');
  const volume = await only('Observation', 'code=VOL');
  assert.equal((volume.valueQuantity as JsonObject).value, 3);
  assert.deepEqual(volume.specimen, { reference: `Specimen/${specimen.id}` });
  for (const report of await find('DiagnosticReport', 'subject:Patient.identifier=EV-S'))
    assert.equal((report.result as unknown[]).length, 1);
});
