// Orders, results, documents, medication and vaccinations into the real store: what is found again, and what is linked.
import assert from 'node:assert/strict';
import test, { before } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import type { FhirServer } from '#fhir-server';
import type { Hl7Engine } from '#hl7-engine';
import type { Db } from '#platform';
import { type Hl7Rig, hl7Rig, scope } from './hl7-rig.ts';

let db: Db;
let fhir: FhirServer;
let engine: Hl7Engine;
let find: Hl7Rig['find'];
let only: Hl7Rig['only'];

before(async () => {
  ({ db, fhir, engine, find, only } = await hl7Rig());
});

let controlNumber = 0;

/** Sends the lines under a header of their own; MSA of the answer. */
async function answerTo(type: string, at: string, ...lines: string[]): Promise<string> {
  const header = `MSH|^~\\&|APP|TESTHOSP|EHR|TESTHOSP|${at}||${type}|C${++controlNumber}|P|2.5.1`;
  const ack = await engine.process(Buffer.from([header, ...lines].join('\r')));
  return ack.toString('latin1').split('\r')[1] ?? '';
}

/** As answerTo, and asserts that they are accepted. */
async function accept(type: string, at: string, ...lines: string[]): Promise<void> {
  assert.match(await answerTo(type, at, ...lines), /^MSA\|AA\|/, type);
}

const pid = (number: string): string => `PID|1||${number}^^^TESTHOSP^MR||TEST^CLINICAL`;
const ofPatient = (number: string): string => `subject:Patient.identifier=${number}`;

test('a number of another patient’s order changes nothing of that one, until it is withdrawn', async () => {
  const result = (number: string, at: string, status: string, code = 'K1') =>
    answerTo(
      'ORU^R01^ORU_R01',
      at,
      pid(number),
      'ORC|RE|W-P^EHR|W-F^LAB',
      `OBR|1|W-P^EHR|W-F^LAB|P1^Panel^L|||20260301070000||||||||||||||||||${status}`,
      `OBX|1|NM|${code}^Test^L||5.1|mmol/L|||||${status === 'X' ? 'W' : status}`,
    );
  assert.match(await result('W1', '20260301080000', 'F'), /^MSA\|AA\|/);
  const before = await only('DiagnosticReport', 'identifier=W-F');
  assert.match(
    await result('W2', '20260301090000', 'F', 'K2'),
    /^MSA\|AE\|C\d+\|What has the number of this order, result or document is another patient's \(ServiceRequest\/\S+\): /,
  );
  assert.deepEqual(await only('DiagnosticReport', 'identifier=W-F'), before);
  assert.deepEqual(await find('Patient', 'identifier=W2'), []);
  const [review] = await db.query<{ kind: string; concerns: string[] }>({
    text: 'select kind, concerns from hl7_review order by id desc limit 1',
  });
  const request = await only('ServiceRequest', 'identifier=W-P');
  assert.equal(review!.kind, 'identity');
  assert.deepEqual(review!.concerns.slice(0, 2), [
    `ServiceRequest/${request.id}`,
    (before.subject as { reference: string }).reference,
  ]);
  // The sender takes it back from the wrong patient, and sends it of the right one.
  assert.match(await result('W1', '20260301100000', 'X'), /^MSA\|AA\|/);
  assert.match(await result('W2', '20260301110000', 'F', 'K2'), /^MSA\|AA\|/);
  const patient = await only('Patient', 'identifier=W2');
  const subject = { reference: `Patient/${patient.id}` };
  const after = await only('DiagnosticReport', 'identifier=W-F');
  assert.deepEqual([after.id, after.status, after.subject], [before.id, 'final', subject]);
  assert.deepEqual((await only('ServiceRequest', 'identifier=W-P')).subject, subject);
  const own = await only('Observation', ofPatient('W2'));
  assert.deepEqual(after.result, [{ reference: `Observation/${own.id}` }]);
  assert.equal((await only('Observation', ofPatient('W1'))).status, 'entered-in-error');
});

test('numbers that each patient’s list begins anew with are that patient’s alone; a visit number is one patient’s', async () => {
  const said = async (number: string) => {
    await accept('ADT^A60^ADT_A60', '20260301080000', pid(number), 'IAM|1||7980^Penicillin^RXNORM|MO||A|1');
    await accept('DFT^P03^DFT_P03', '20260301080000', pid(number), 'FT1|1|1||20260301||CG|K1^Charge^L||||10');
    await accept('PPR^PC1^PPR_PC1', '20260301080000', pid(number), 'PRB|AD|20260301|E11.9^Diabetes^I10|1');
    const specimen = ['OBR|1||N-1^LAB|P1^Panel^L', 'OBX|1|NM|K1^Test^L||5||||||F', 'SPM|1|1&EHR^1&LAB||SER'];
    const named = specimen.map((line) => line.replace('N-1', `N-${number}`));
    await accept('ORU^R01^ORU_R01', '20260301080000', pid(number), 'PV1|1|I|||||||||||||||||N-V1', ...named);
  };
  await said('N1');
  assert.match(
    await answerTo('ORU^R01^ORU_R01', '20260301080000', pid('N2'), 'PV1|1|I|||||||||||||||||N-V1', 'OBR|1||N-9^LAB|P1'),
    /^MSA\|AE\|C\d+\|The visit \(PV1-19\) is another patient's: /,
  );
  assert.deepEqual(await find('Patient', 'identifier=N2'), []);
  await accept('ADT^A04^ADT_A01', '20260301080000', pid('N2'), 'PV1|1|O');
  await assert.rejects(said('N2'), /The visit|ORU/);
  for (const type of ['AllergyIntolerance', 'ChargeItem', 'Condition']) {
    const ofEach = type === 'AllergyIntolerance' ? 'patient:Patient.identifier' : 'subject:Patient.identifier';
    const [one, two] = [await only(type, `${ofEach}=N1`), await only(type, `${ofEach}=N2`)];
    assert.notEqual(one.id, two.id);
    assert.equal(two.meta!.versionId, '1');
  }
  const panel = ['OBR|1||N-8^LAB|P1^Panel^L', 'SPM|1|1&EHR^1&LAB||SER'];
  await accept('ORU^R01^ORU_R01', '20260301080000', pid('N2'), ...panel);
  await accept('ORU^R01^ORU_R01', '20260301080000', pid('N1'), 'OBR|1||N-7^LAB|P1^Panel^L', 'SPM|1|1&EHR^1&LAB||SER');
  for (const number of ['N1', 'N2']) await only('Specimen', `identifier=1&${ofPatient(number)}`);
});

test('an order, its specimen, a question and its answer; then results: one request, one report, all linked', async () => {
  await accept(
    'OML^O21^OML_O21',
    '20260301080000',
    pid('C1'),
    'ORC|NW|C1-P^EHR||||||||||100^Doc^Dora^^^^^^TESTHOSP|||||||||North^^^^^TESTHOSP^XX^^^N1',
    'TQ1|1||BID|||5^d',
    'OBR|1|C1-P^EHR||24323-8^Panel^LN|||20260301070000',
    'DG1|1||E11.9^Type 2 diabetes^I10',
    'OBX|1|CWE|49541-6^Fasting^LN||Y^Yes^HL70136||||||O',
    'SPM|1|C1-S1&EHR^C1-S2&LAB||SER^Serum^HL70487',
  );
  const ordered = await only('ServiceRequest', 'identifier=C1-P');
  assert.equal(ordered.status, 'active');
  const result = (at: string, status: string, value: string) =>
    accept(
      'ORU^R01^ORU_R01',
      at,
      pid('C1'),
      'ORC|RE|C1-P^EHR|C1-F^LAB',
      `OBR|1|C1-P^EHR|C1-F^LAB|24323-8^Panel^LN|||20260301070000|||||||||||||||${at}||CH|${status}`,
      `OBX|1|NM|2823-3^Potassium^LN||${value}|mmol/L^^UCUM|3.5-5.1|H|||${status}|||||||AN1^ANALYZER`,
      `OBX|2|ED|PDF^Report^L||^AP^PDF^Base64^${Buffer.from('%PDF-1.7').toString('base64')}||||||${status}`,
      'SPM|1|C1-S1&EHR^C1-S2&LAB||SER^Serum^HL70487',
    );
  await result('20260301090000', 'P', '6.8');
  await result('20260301100000', 'F', '6.90');
  await result('20260301093000', 'P', '6.7');
  const request = await only('ServiceRequest', 'identifier=C1-P');
  assert.deepEqual([request.id, request.status], [ordered.id, 'completed']);
  const report = await only('DiagnosticReport', 'identifier=C1-F');
  assert.deepEqual([report.status, report.basedOn], ['final', [{ reference: `ServiceRequest/${request.id}` }]]);
  const [{ reference }] = report.result as [{ reference: string }];
  const potassium = await only('Observation', `_id=${reference.split('/')[1]}`);
  assert.deepEqual(
    [potassium.status, JSON.stringify(potassium.valueQuantity)],
    ['final', '{"value":6.9,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}'],
  );
  const specimen = await only('Specimen', 'identifier=C1-S2');
  assert.deepEqual(
    [report.specimen, potassium.specimen],
    [[{ reference: `Specimen/${specimen.id}` }], { reference: `Specimen/${specimen.id}` }],
  );
  const [form] = report.presentedForm as [JsonObject];
  const binary = await fhir.reader.read('Binary', String(form.url).slice('Binary/'.length), scope);
  assert.equal((JSON.parse(binary!.body) as Resource).data, Buffer.from('%PDF-1.7').toString('base64'));
  assert.equal((await find('DocumentReference', ofPatient('C1'))).length, 1);
  assert.equal((await find('Observation', ofPatient('C1'))).length, 2);
});

test('a report shows the corrected document alone, and none that was withdrawn', async () => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const result = (at: string, [text, pdf]: [string, string], ...[ofText, ofPdf]: string[]) =>
    accept(
      'ORU^R01^ORU_R01',
      at,
      pid('D1'),
      'ORC|RE|D1-P^EHR|D1-F^LAB',
      'OBR|1|D1-P^EHR|D1-F^LAB|R1^Report^L|||20260301070000||||||||||||||||||C',
      `OBX|1|ED|TXT^Text^L||^TEXT^plain^A^${text}||||||${ofText}`,
      `OBX|2|ED|PDF^Document^L||^AP^PDF^Base64^${pdf}||||||${ofPdf}`,
      `OBX|3|RP|IMG^Image^L||https://pacs.example.org/${at}^PACS^IM^JPEG||||||${ofText}`,
    );
  const reportForms = async () =>
    ((await only('DiagnosticReport', 'identifier=D1-F')).presentedForm as JsonObject[] | undefined)?.map(
      ({ title, data, size, url }) => [title, data ?? (title === 'Image' ? url : size)],
    );
  await result('20260301080000', ['Mass in the lung', base64('%PDF-1')], 'P', 'P');
  await result('20260301090000', ['No mass', base64('%PDF-1.7')], 'C', 'C');
  assert.deepEqual(await reportForms(), [
    ['Text', base64('No mass')],
    ['Document', 8],
    ['Image', 'https://pacs.example.org/20260301090000'],
  ]);
  await result('20260301100000', ['', ''], 'F', 'W');
  assert.deepEqual(await reportForms(), [
    ['Text', base64('No mass')],
    ['Image', 'https://pacs.example.org/20260301100000'],
  ]);
  const documents = await find('DocumentReference', `${ofPatient('D1')}&_sort=type`);
  const states = documents.map(({ status, docStatus, content }) => [
    ((content as JsonObject[])[0]!.attachment as JsonObject).title,
    status,
    docStatus,
    (content as JsonObject[]).length,
  ]);
  states.sort();
  assert.deepEqual(states, [
    ['Document', 'entered-in-error', 'entered-in-error', 1],
    ['Image', 'current', 'final', 1],
    ['Text', 'current', 'amended', 1],
  ]);
  const withdrawn = documents.find(({ status }) => status === 'entered-in-error')!;
  const { attachment } = (withdrawn.content as [{ attachment: JsonObject }])[0];
  assert.match(String(attachment.url), /^Binary\//);
  await result('20260301110000', ['No mass', base64('%PDF-1.7')], 'D', 'W');
  assert.equal(await reportForms(), undefined);
});

test('a report has no conclusion that was withdrawn', async () => {
  const result = (at: string, impression: string, ofText: string, value: string) =>
    accept(
      'ORU^R01^ORU_R01',
      at,
      pid('D2'),
      'OBR|1||D2-F^LAB|R1^Report^L|||20260301070000||||||||||||||||||F',
      `OBX|1|TX|19005-8^Impression^LN||${impression}||||||${ofText}`,
      `OBX|2|NM|2823-3^Potassium^LN||${value}|mmol/L|||||F`,
    );
  const concluded = async () => (await only('DiagnosticReport', 'identifier=D2-F')).conclusion;
  await result('20260301080000', 'Mass in the lung', 'F', '4.1');
  assert.equal(await concluded(), 'Mass in the lung');
  await result('20260301090000', '', 'W', '4.1');
  assert.equal(await concluded(), undefined);
  await result('20260301100000', 'No mass', 'C', '4.1');
  assert.equal(await concluded(), 'No mass');
  await result('20260301110000', 'No mass', 'D', '4.1');
  assert.equal(await concluded(), undefined);
});

test('an order named twice in one message: both have their results in the report, the second withdraws what is stored', async () => {
  const obr = (status: string) => `OBR|1||D3-F^LAB|R1^Report^L|||20260301070000||||||||||||||||||${status}`;
  const impression = (text: string, status: string) => `OBX|1|TX|19005-8^Impression^LN||${text}||||||${status}`;
  const note = (text: string, status: string) => `OBX|2|ED|TXT^Text^L||^TEXT^plain^A^${text}||||||${status}`;
  const potassium = (value: string, status: string) => `OBX|3|NM|2823-3^Potassium^LN||${value}|mmol/L|||||${status}`;
  const sodium = 'OBX|4|NM|2951-2^Sodium^LN||140|mmol/L|||||P';
  const result = (at: string, ...lines: string[]) => accept('ORU^R01^ORU_R01', at, pid('D3'), ...lines);
  const report = async () => {
    const found = await only('DiagnosticReport', 'identifier=D3-F');
    const forms = ((found.presentedForm ?? []) as JsonObject[]).map(({ data }) => atob(String(data)));
    return [found.status, (found.result as JsonObject[]).length, found.conclusion, forms];
  };
  await result(
    '20260301080000',
    obr('F'),
    impression('Mass', 'F'),
    note('Mass in the lung', 'F'),
    potassium('4.1', 'F'),
  );
  assert.deepEqual(await report(), ['final', 2, 'Mass', ['Mass in the lung']]);
  await result('20260301090000', obr('F'), potassium('4.2', 'C'), obr('P'), sodium);
  assert.deepEqual(await report(), ['final', 3, 'Mass', ['Mass in the lung']]);
  await result('20260301100000', obr('C'), potassium('4.3', 'C'), obr('X'), impression('', 'W'), note('', 'D'));
  assert.deepEqual(await report(), ['cancelled', 3, undefined, []]);
  await result('20260301110000', obr('X'), impression('', 'W'), obr('C'), note('Clear', 'C'), potassium('4.4', 'C'));
  assert.deepEqual(await report(), ['corrected', 3, undefined, ['Clear']]);
  const { valueQuantity } = await only('Observation', `${ofPatient('D3')}&code=2823-3`);
  assert.equal(String((valueQuantity as JsonObject).value), '4.4');
});

test('forms that a report has without an id: their correction takes their place, and so does what they were', async () => {
  const form = (code: string, text: string, status: string) =>
    `OBX|1|ED|${code}^${code}^L||^TEXT^plain^A^${text}||||||${status}`;
  const result = (at: string, ...forms: string[]) =>
    accept(
      'ORU^R01^ORU_R01',
      at,
      pid('D4'),
      'OBR|1||D4-F^LAB|R1^Report^L|||20260301070000||||||||||||||||||F',
      ...forms,
    );
  const texts = async () =>
    ((await only('DiagnosticReport', 'identifier=D4-F')).presentedForm as JsonObject[]).map(({ data }) =>
      atob(String(data)),
    );
  await result('20260301080000', form('A', 'Mass', 'F'), form('B', 'Left', 'F'), form('C', 'Note', 'F'));
  const report = await only('DiagnosticReport', 'identifier=D4-F');
  const presentedForm = (report.presentedForm as JsonObject[]).map(({ id: _id, ...rest }) => rest);
  const url = `DiagnosticReport/${report.id}`;
  const resource = { ...report, presentedForm } as Resource;
  await fhir.writer.transaction([{ fullUrl: url, method: 'PUT', url, resource }], { scope });
  await result('20260301090000', form('A', 'No mass', 'C'), form('B', '', 'W'));
  assert.deepEqual(await texts(), ['Note', 'No mass']);
  await result('20260301100000', form('C', 'Note', 'F'));
  assert.deepEqual(await texts(), ['No mass', 'Note']);
});

test('cancel and answer: the request and its Task', async () => {
  const order = (control: string, at: string) =>
    accept('ORM^O01^ORM_O01', at, pid('C2'), `ORC|${control}|C2-P^EHR`, 'OBR|1|C2-P^EHR||24323-8^Panel^LN');
  await order('NW', '20260301080000');
  await order('CA', '20260301080100');
  const request = await only('ServiceRequest', 'identifier=C2-P');
  const asked = await only('Task', `focus=ServiceRequest/${request.id}`);
  assert.deepEqual([request.status, asked.status], ['active', 'requested']);
  await accept(
    'ORR^O02^ORR_O02',
    '20260301080200',
    'MSA|AA|X',
    pid('C2'),
    'ORC|CR|C2-P^EHR',
    'OBR|1|C2-P^EHR||24323-8^Panel^LN',
  );
  assert.equal((await only('ServiceRequest', 'identifier=C2-P')).status, 'revoked');
  assert.equal((await only('Task', `focus=ServiceRequest/${request.id}`)).status, 'completed');
});

test('a prescription, its dispense and its administration', async () => {
  const orc = 'ORC|NW|C3-P^EHR|C3-F^PHARM';
  const rxe = 'RXE|1^BID|1234^Amoxicillin^L|500||mg|CAP^Capsule^L';
  await accept('OMP^O09^OMP_O09', '20260301080000', pid('C3'), 'ORC|NW|C3-P^EHR', 'RXO|1234^Amoxicillin^L|500||mg');
  await accept('RDE^O11^RDE_O11', '20260301080100', pid('C3'), orc, rxe, 'RXR|PO');
  await accept('RDS^O13^RDS_O13', '20260301080200', pid('C3'), orc, rxe, 'RXD|1|1234^Amoxicillin^L|20260301|21|EA');
  await accept(
    'RAS^O17^RAS_O17',
    '20260301080300',
    pid('C3'),
    orc,
    'RXA|0|1|20260301||1234^Amoxicillin^L|500|mg|||||||||||||CP|A',
  );
  const request = await only('MedicationRequest', 'identifier=C3-P');
  assert.equal(((request.contained as JsonObject[])[0]!.code as JsonObject).coding !== undefined, true);
  const dispense = await only('MedicationDispense', ofPatient('C3'));
  assert.deepEqual(dispense.authorizingPrescription, [{ reference: `MedicationRequest/${request.id}` }]);
  assert.equal((await only('MedicationAdministration', ofPatient('C3'))).status, 'completed');
});

test('diet, supply, vaccination, document: each is found again', async () => {
  for (const at of ['20260301080000', '20260301080100']) {
    await accept('ORM^O01^ORM_O01', at, pid('C4'), 'ORC|NW|C4-D^EHR||||||||20260301', 'ODS|D||160^Diabetic^L');
    await accept('ORM^O01^ORM_O01', at, pid('C4'), 'ORC|NW|C4-S^EHR', 'RQD|1|G1^Gloves^L|||2|BX');
    await accept('VXU^V04^VXU_V04', at, pid('C4'), 'ORC|RE||C4-V^CLINIC', 'RXA|0|1|20260301||08^Hep B^CVX|0.5|mL');
    await accept(
      'VXU^V04^VXU_V04',
      at,
      pid('C4'),
      'ORC|RE||9999^CLINIC',
      'RXA|0|1|20260301||20^DTaP^CVX|999||||||||||||||RE|A',
    );
    const txa = (number: string, parent: string) => `TXA|1|DS^Summary^L|TX|||||||||${number}^DICT|${parent}||||AU`;
    const text = 'OBX|1|TX|DS^Summary^L||A line||||||F';
    await accept('MDM^T02^MDM_T02', at, 'EVN|T02', pid('C4'), 'PV1|1|O', txa('C4-1', ''), text);
    await accept('MDM^T10^MDM_T02', at, 'EVN|T10', pid('C4'), 'PV1|1|O', txa('C4-2', 'C4-1^DICT'), text);
  }
  assert.equal((await find('NutritionOrder', 'identifier=C4-D')).length, 1);
  assert.equal((await find('SupplyRequest', 'identifier=C4-S')).length, 1);
  assert.deepEqual((await find('Immunization', 'patient.identifier=C4')).map(({ status }) => status).sort(), [
    'completed',
    'not-done',
  ]);
  const documents = await find('DocumentReference', 'patient.identifier=C4');
  assert.deepEqual(
    documents.map(({ masterIdentifier, status }) => `${(masterIdentifier as JsonObject).value} ${status}`).sort(),
    ['C4-1 superseded', 'C4-2 current'],
  );
});

test('a document of 10 MB comes back as it went', async () => {
  const data = Buffer.alloc(10 * 1024 * 1024, 'cerebra ').toString('base64');
  await accept(
    'MDM^T02^MDM_T02',
    '20260301080000',
    'EVN|T02',
    pid('C5'),
    'PV1|1|O',
    'TXA|1|DS^Summary^L|AP|||||||||C5-1^DICT|||||AU',
    `OBX|1|ED|DS^Summary^L||^AP^PDF^Base64^${data}||||||F`,
  );
  const document = await only('DocumentReference', 'patient.identifier=C5');
  const url = String(((document.content as JsonObject[])[0]!.attachment as JsonObject).url);
  const binary = await fhir.reader.read('Binary', url.slice('Binary/'.length), scope);
  assert.equal((JSON.parse(binary!.body) as Resource).data === data, true);
});
