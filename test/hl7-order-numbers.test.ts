// The numbers of an order that come one after the other, into the real store: one request, one report, each result once.
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
  const header = `MSH|^~\\&|APP|TESTHOSP|EHR|TESTHOSP|${at}||${type}|N${++controlNumber}|P|2.5.1`;
  const ack = await engine.process(Buffer.from([header, ...lines].join('\r')));
  assert.match(ack.toString('latin1').split('\r')[1] ?? '', /^MSA\|AA\|/);
}

/** Potassium and a document of the panel P1, under a number of the placer and one of the filler. */
const result = (patient: string, at: string, placer: string, filler: string, status: string, value: string) =>
  accept(
    'ORU^R01^ORU_R01',
    at,
    `PID|1||${patient}^^^TESTHOSP^MR||TEST^NUMBERS`,
    `ORC|RE|${placer}|${filler}`,
    `OBR|1|${placer}|${filler}|P1^Panel^L|||20260301070000||||||||BLD||||||||||${status}`,
    `OBX|1|NM|K^Potassium^L||${value}|mmol/L|||||${status}`,
    `OBX|2|ED|DOC^Report^L||^TEXT^plain^A^potassium ${value}||||||${status}`,
  );

const values = (resources: Resource[]): unknown[] =>
  resources.map(({ status, valueQuantity }) => [status, (valueQuantity as JsonObject).value]).sort();

const numbersOf = ({ identifier }: Resource): string[] =>
  (identifier as { value: string }[]).map(({ value }) => value).sort();

for (const [first, placer, filler] of [
  ['placer', 'A-P^EHR', ''],
  ['filler', '', 'B-F^LAB'],
] as const) {
  test(`results that come under the ${first}’s number alone, and then under both, are of one report`, async () => {
    const patient = `NUM-${first}`;
    const letter = first === 'placer' ? 'A' : 'B';
    await result(patient, '20260301080000', placer, filler, 'P', '5.1');
    await result(patient, '20260301090000', `${letter}-P^EHR`, `${letter}-F^LAB`, 'F', '5.2');
    // Each of the two numbers alone means it as well.
    await result(patient, '20260301100000', `${letter}-P^EHR`, '', 'C', '5.3');
    await result(patient, '20260301110000', '', `${letter}-F^LAB`, 'C', '5.4');
    const ofPatient = `subject:Patient.identifier=${patient}`;
    const report = await only('DiagnosticReport', ofPatient);
    assert.deepEqual([report.status, numbersOf(report)], ['corrected', [`${letter}-F`, `${letter}-P`]]);
    const observation = await only('Observation', ofPatient);
    assert.deepEqual(values([observation]), [['corrected', 5.4]]);
    assert.deepEqual(report.result, [{ reference: `Observation/${observation.id}` }]);
    const request = await only('ServiceRequest', ofPatient);
    assert.deepEqual([request.status, numbersOf(request)], ['completed', [`${letter}-F`, `${letter}-P`]]);
    const specimen = await only('Specimen', ofPatient);
    assert.deepEqual(report.specimen, [{ reference: `Specimen/${specimen.id}` }]);
    const document = await only('DocumentReference', ofPatient);
    const data = Buffer.from('potassium 5.4').toString('base64');
    assert.deepEqual(
      (report.presentedForm as JsonObject[]).map((form) => form.data),
      [data],
    );
    assert.equal((document.content as { attachment: JsonObject }[])[0]!.attachment.data, data);
  });
}

test('a placer’s number that carries several of the filler: each has its report, and so has what names the placer’s alone', async () => {
  const ofPatient = 'subject:Patient.identifier=NUM-S';
  await result('NUM-S', '20260301080000', 'S-P^EHR', '', 'P', '5.0');
  await result('NUM-S', '20260301090000', 'S-P^EHR', 'S-F1^LAB', 'F', '5.1');
  await result('NUM-S', '20260301100000', 'S-P^EHR', 'S-F2^LAB', 'F', '5.2');
  await result('NUM-S', '20260301110000', 'S-P^EHR', '', 'F', '5.3');
  await result('NUM-S', '20260301120000', 'S-P^EHR', '', 'C', '5.4');
  await result('NUM-S', '20260301130000', 'S-P^EHR', 'S-F1^LAB', 'C', '5.5');
  await result('NUM-S', '20260301140000', 'S-P^EHR', 'S-F3^LAB', 'F', '5.6');
  const reports = await find('DiagnosticReport', ofPatient);
  assert.deepEqual(reports.map(numbersOf).sort(), [['S-F1', 'S-P'], ['S-F2', 'S-P'], ['S-F3', 'S-P'], ['S-P']]);
  assert.deepEqual(
    reports.map(({ result: own }) => (own as unknown[]).length),
    [1, 1, 1, 1],
  );
  assert.deepEqual(values(await find('Observation', ofPatient)), [
    ['corrected', 5.4],
    ['corrected', 5.5],
    ['final', 5.2],
    ['final', 5.6],
  ]);
  assert.equal((await find('DocumentReference', ofPatient)).length, 4);
  assert.deepEqual(numbersOf(await only('ServiceRequest', ofPatient)), ['S-F1', 'S-F2', 'S-F3', 'S-P']);
});

test('two reports of one placer’s number in one message, sent twice', async () => {
  const both = (at: string, status: string) =>
    accept(
      'ORU^R01^ORU_R01',
      at,
      'PID|1||NUM-T^^^TESTHOSP^MR||TEST^NUMBERS',
      ...['T-F1^LAB', 'T-F2^LAB'].flatMap((filler, index) => [
        `ORC|RE|T-P^EHR|${filler}`,
        `OBR|${index + 1}|T-P^EHR|${filler}|P1^Panel^L|||20260301070000||||||||||||||||||${status}`,
        `OBX|1|NM|K^Potassium^L||${index + 1}|mmol/L|||||${status}`,
      ]),
    );
  await both('20260301080000', 'P');
  await both('20260301090000', 'F');
  assert.deepEqual(values(await find('Observation', 'subject:Patient.identifier=NUM-T')), [
    ['final', 1],
    ['final', 2],
  ]);
  const reports = await find('DiagnosticReport', 'subject:Patient.identifier=NUM-T');
  assert.deepEqual(reports.map(numbersOf).sort(), [
    ['T-F1', 'T-P'],
    ['T-F2', 'T-P'],
  ]);
});

for (const first of ['alone', 'with the filler’s']) {
  test(`a placer’s number alone beside the same one with the filler’s, of which the one ${first} comes first: two reports`, async () => {
    const patient = first === 'alone' ? 'NUM-U' : 'NUM-V';
    const [alone, both] = [`${patient}-P^EHR|`, `${patient}-P^EHR|${patient}-F^LAB`];
    const orders = (first === 'alone' ? [alone, both] : [both, alone]).map(
      (numbers) => [numbers, numbers === both] as const,
    );
    const send = (at: string, status: string, add: number) =>
      accept(
        'ORU^R01^ORU_R01',
        at,
        `PID|1||${patient}^^^TESTHOSP^MR||TEST^NUMBERS`,
        ...orders.flatMap(([numbers, isBoth], index) => [
          `ORC|RE|${numbers}`,
          `OBR|${index + 1}|${numbers}|P1^Panel^L|||20260301070000||||||||||||||||||${status}`,
          `OBX|1|NM|K^Potassium^L||${(isBoth ? 2 : 1) + add}|mmol/L|||||${status}`,
        ]),
      );
    const ofPatient = `subject:Patient.identifier=${patient}`;
    await send('20260301080000', 'P', 0);
    await send('20260301090000', 'F', 4);
    assert.deepEqual(values(await find('Observation', ofPatient)), [
      ['final', 5],
      ['final', 6],
    ]);
    const reports = await find('DiagnosticReport', ofPatient);
    assert.deepEqual(reports.map(numbersOf).sort(), [[`${patient}-F`, `${patient}-P`], [`${patient}-P`]]);
    const request = await only('ServiceRequest', ofPatient);
    assert.deepEqual(numbersOf(request), [`${patient}-F`, `${patient}-P`]);
    // Each as before by itself.
    await result(patient, '20260301100000', `${patient}-P^EHR`, '', 'C', '7');
    await result(patient, '20260301110000', `${patient}-P^EHR`, `${patient}-F^LAB`, 'C', '8');
    assert.deepEqual(values(await find('Observation', ofPatient)), [
      ['corrected', 7],
      ['corrected', 8],
    ]);
  });
}

test('a report that is there under the placer’s number stays the one of that number alone, when both come in one message', async () => {
  const ofPatient = 'subject:Patient.identifier=NUM-W';
  await result('NUM-W', '20260301080000', 'W-P^EHR', '', 'P', '1');
  const before = await only('DiagnosticReport', ofPatient);
  await accept(
    'ORU^R01^ORU_R01',
    '20260301090000',
    'PID|1||NUM-W^^^TESTHOSP^MR||TEST^NUMBERS',
    ...['', 'W-F^LAB'].flatMap((filler, index) => [
      `ORC|RE|W-P^EHR|${filler}`,
      `OBR|${index + 1}|W-P^EHR|${filler}|P1^Panel^L|||20260301070000||||||||||||||||||F`,
      `OBX|1|NM|K^Potassium^L||${index + 2}|mmol/L|||||F`,
    ]),
  );
  const reports = await find('DiagnosticReport', ofPatient);
  assert.deepEqual(reports.map(numbersOf).sort(), [['W-F', 'W-P'], ['W-P']]);
  assert.deepEqual(numbersOf(reports.find(({ id }) => id === before.id)!), ['W-P']);
  assert.deepEqual(values(await find('Observation', ofPatient)), [
    ['final', 2],
    ['final', 3],
  ]);
});

/** An order of the services under one number, each with its own ORC. */
const order = (patient: string, at: string, control: string, number: string, ...services: string[]) =>
  accept(
    'ORM^O01^ORM_O01',
    at,
    `PID|1||${patient}^^^TESTHOSP^MR||TEST^NUMBERS`,
    ...services.flatMap((service, index) => [
      `ORC|${control}|${number}^EHR`,
      `OBR|${index + 1}|${number}^EHR||${service}^Service ${service}^L`,
    ]),
  );

interface Service {
  coding: { code: string }[];
}

async function ordered(patient: string): Promise<unknown[]> {
  const requests = await find('ServiceRequest', `subject:Patient.identifier=${patient}`);
  return requests.map(({ status, code }) => [(code as Service | undefined)?.coding[0]?.code ?? 'none', status]).sort();
}

const appointment = (patient: string, at: string, number: string) =>
  accept(
    'SIU^S12^SIU_S12',
    at,
    `SCH|A-${number}^APP|||||||30|min|||||||||||||||||${number}^EHR`,
    `PID|1||${patient}^^^TESTHOSP^MR||TEST^NUMBERS`,
  );

test('the order of which an appointment had told without its service is no second one', async () => {
  await appointment('NUM-SIU', '20260301080000', 'S-1');
  const before = await only('ServiceRequest', 'identifier=S-1');
  assert.equal(before.code, undefined);
  await order('NUM-SIU', '20260301090000', 'NW', 'S-1', 'A');
  assert.equal((await only('ServiceRequest', 'identifier=S-1')).id, before.id);
  await order('NUM-SIU', '20260301100000', 'NW', 'S-1', 'B');
  assert.deepEqual(await ordered('NUM-SIU'), [
    ['A', 'active'],
    ['B', 'active'],
  ]);
  // Two orders of one message do not say which of them it is.
  await appointment('NUM-SIU2', '20260301080000', 'T-1');
  await order('NUM-SIU2', '20260301090000', 'NW', 'T-1', 'A', 'B');
  assert.deepEqual(await ordered('NUM-SIU2'), [
    ['A', 'active'],
    ['B', 'active'],
    ['none', 'active'],
  ]);
});

for (const control of ['XO', 'RP']) {
  test(`ORC-1 ${control} with another service under the order’s number: the former one is not ordered any more`, async () => {
    const patient = `NUM-${control}`;
    await order(patient, '20260301080000', 'NW', `${control}-1`, 'A');
    const before = await only('ServiceRequest', `identifier=${control}-1`);
    await order(patient, '20260301090000', control, `${control}-1`, 'B');
    assert.equal((await only('ServiceRequest', `identifier=${control}-1`)).id, before.id);
    assert.deepEqual(await ordered(patient), [['B', 'active']]);
    // One that comes late changes nothing, and the same once more is the same.
    await order(patient, '20260301083000', control, `${control}-1`, 'C');
    await order(patient, '20260301090000', control, `${control}-1`, 'B');
    assert.deepEqual(await ordered(patient), [['B', 'active']]);
  });
}

test('of several services of a number the one that the change leaves out is replaced, if there is one only', async () => {
  await order('NUM-M', '20260301080000', 'NW', 'M-1', 'A', 'B');
  await order('NUM-M', '20260301090000', 'XO', 'M-1', 'A', 'C');
  assert.deepEqual(await ordered('NUM-M'), [
    ['A', 'active'],
    ['C', 'active'],
  ]);
  await order('NUM-M', '20260301100000', 'XO', 'M-1', 'D');
  assert.deepEqual(await ordered('NUM-M'), [
    ['A', 'active'],
    ['C', 'active'],
    ['D', 'active'],
  ]);
});

for (const isKnown of [true, false]) {
  test(`an order that comes after its change, the service ${isKnown ? 'known before' : 'never seen'}: it is not ordered again`, async () => {
    const number = isKnown ? 'L-1' : 'L-2';
    const patient = `NUM-${number}`;
    if (isKnown) await order(patient, '20260301080000', 'NW', number, 'A');
    await order(patient, '20260301090000', 'XO', number, 'B');
    await order(patient, '20260301100000', 'XO', number, 'C');
    await order(patient, '20260301080000', 'NW', number, 'A');
    await order(patient, '20260301090000', 'XO', number, 'B');
    assert.deepEqual(await ordered(patient), [['C', 'active']]);
    // Ordered anew once it was changed, it is one more.
    await order(patient, '20260301110000', 'NW', number, 'A');
    assert.deepEqual(await ordered(patient), [
      ['A', 'active'],
      ['C', 'active'],
    ]);
  });
}

test('of the services of an order that comes after its change the one that was left out is not ordered again', async () => {
  await order('NUM-N', '20260301090000', 'XO', 'N-1', 'A', 'C');
  await order('NUM-N', '20260301080000', 'NW', 'N-1', 'A', 'B');
  assert.deepEqual(await ordered('NUM-N'), [
    ['A', 'active'],
    ['C', 'active'],
  ]);
});

test('RP with its RO replaces nothing before the filler has said so, and both services stay apart', async () => {
  const replace = (at: string, first: string, second: string) =>
    accept(
      'ORM^O01^ORM_O01',
      at,
      'PID|1||NUM-R^^^TESTHOSP^MR||TEST^NUMBERS',
      `ORC|${first}|R-1^EHR`,
      'OBR|1|R-1^EHR||A^Service A^L',
      `ORC|${second}|R-2^EHR`,
      'OBR|2|R-2^EHR||B^Service B^L',
    );
  await order('NUM-R', '20260301080000', 'NW', 'R-1', 'A');
  await replace('20260301090000', 'RP', 'RO');
  assert.deepEqual(await ordered('NUM-R'), [
    ['A', 'active'],
    ['B', 'active'],
  ]);
  await replace('20260301100000', 'RQ', 'RO');
  assert.deepEqual(await ordered('NUM-R'), [
    ['A', 'revoked'],
    ['B', 'active'],
  ]);
});
