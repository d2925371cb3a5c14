// Results of one code under one order at several times, into the real store.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '#fhir-model';
import { hl7Rig } from './hl7-rig.ts';

const rig = hl7Rig();
let controlNumber = 0;

const reading = (code: string, hour: string, value: string, status = 'F') =>
  `OBX|1|NM|${code}^${code}^L||${value}|mmol/L|||||${status}|||20260301${hour}`;

const glucose = (hour: string, value: string, status = 'F') => reading('GLU', hour, value, status);

async function result(number: string, at: string, ...lines: string[]): Promise<void> {
  const { engine } = await rig;
  const head = [
    `MSH|^~\\&|APP|TESTHOSP|EHR|TESTHOSP|${at}||ORU^R01^ORU_R01|C${++controlNumber}|P|2.5.1`,
    `PID|1||${number}^^^TESTHOSP^MR||TEST^CLINICAL`,
    `OBR|1||${number}-F^LAB|R1^Panel^L|||2026030107||||||||||||||||||F`,
  ];
  const ack = await engine.process(Buffer.from([...head, ...lines].join('\r')));
  assert.match(ack.toString(), /\rMSA\|AA\|/);
}

const stored = async (number: string) =>
  (await (await rig).find('Observation', `subject:Patient.identifier=${number}`))
    .map((one) => [
      String(one.effectiveDateTime).slice(11, 13),
      String((one.valueQuantity as JsonObject).value),
      one.status,
    ])
    .sort();

test('a message with one result of a series means the one of its time', async () => {
  await result('T1', '20260301080000', glucose('07', '5'), glucose('08', '9'));
  await result('T1', '20260301090000', glucose('08', '8', 'C'));
  assert.deepEqual(await stored('T1'), [
    ['07', '5', 'final'],
    ['08', '8', 'corrected'],
  ]);
  await result('T1', '20260301100000', glucose('08', '8', 'W'));
  assert.deepEqual(
    (await stored('T1')).map(([hour, , status]) => [hour, status]),
    [
      ['07', 'final'],
      ['08', 'entered-in-error'],
    ],
  );
});

test('one of a time that the series does not have is its next; a message with all of them means them by their places', async () => {
  await result('T2', '20260301080000', glucose('07', '5'), glucose('08', '9'));
  await result('T2', '20260301100000', glucose('09', '6'));
  await result('T2', '20260301110000', glucose('07', '5.5', 'C'));
  assert.deepEqual(await stored('T2'), [
    ['07', '5.5', 'corrected'],
    ['08', '9', 'final'],
    ['09', '6', 'final'],
  ]);
  await result('T2', '20260301120000', glucose('07', '5.1'), glucose('08', '7'), glucose('09', '6.5'));
  assert.deepEqual(await stored('T2'), [
    ['07', '5.1', 'final'],
    ['08', '7', 'final'],
    ['09', '6.5', 'final'],
  ]);
  const { only } = await rig;
  const { result: linked } = await only('DiagnosticReport', 'identifier=T2-F');
  assert.equal((linked as JsonObject[]).length, 3);
});

test('a single result whose time of analysis changes stays one, and so do all of a panel', async () => {
  await result('T3', '20260301090000', glucose('08', '5', 'P'));
  await result('T3', '20260301100000', glucose('09', '5.5'));
  assert.deepEqual(await stored('T3'), [['09', '5.5', 'final']]);
  const codes = Array.from({ length: 12 }, (_, n) => `K${n}`);
  await result('T4', '20260301090000', ...codes.map((code) => reading(code, '08', '5', 'P')));
  await result('T4', '20260301100000', ...codes.map((code) => reading(code, '09', '5.5')));
  assert.deepEqual(
    await stored('T4'),
    codes.map(() => ['09', '5.5', 'final']),
  );
});
