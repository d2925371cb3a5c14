// HL7 messages into the real store: what the rooms agree on. https://hl7.org/fhir/uv/v2mappings/
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { before } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import type { FhirServer } from '#fhir-server';
import { createMllpClient, type Hl7Engine } from '#hl7-engine';
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

async function send(...lines: string[]): Promise<string> {
  const ack = await engine.process(Buffer.from(lines.join('\r')));
  return ack.toString('latin1').split('\r')[1]!;
}

let controlNumber = 0;

function msh(type: string): string {
  return `MSH|^~\\&|TESTLAB|TESTHOSP|EHR|TESTHOSP|20260131120000+0000||${type}|T${++controlNumber}|P|2.5.1`;
}

interface Order {
  patient: string;
  order: string;
  status?: string;
  value?: string;
}

function oru({ patient, order, status = 'F', value = '6.90' }: Order): string[] {
  const doctor = '100^Doc^Dora^^^Dr^^^TESTHOSP';
  return [
    msh('ORU^R01^ORU_R01'),
    `PID|1||${patient}^^^TESTHOSP&2.999.5&ISO^MR||Labname^Anna||19800102|F`,
    `PV1|1|I|WARD^1^1||||${doctor}||||||||||||V${patient}^^^TESTHOSP`,
    `ORC|RE|P${order}^EHR|F${order}^LAB||CM|||||||${doctor}`,
    `OBR|1|P${order}^EHR|F${order}^LAB|24323-8^Panel^LN|||20260131080000|||||||||||||||20260131113000||CH|${status}`,
    `OBX|1|NM|2823-3^Potassium^LN||${value}|mmol/L^^UCUM|3.5-5.1|HH|||${status}`,
    `OBX|2|NM|2951-2^Sodium^LN||140|mmol/L^^UCUM|136-145|N|||${status}`,
    `SPM|1|S${order}&EHR^S${order}&LAB||119297000^Blood^SCT`,
  ];
}

const mrn = (patient: string): string => `identifier=urn:oid:2.999.5|${patient}`;

test('a result becomes resources that are found by search', async () => {
  assert.match(await send(...oru({ patient: '1', order: 'A' })), /^MSA\|AA\|T\d+$/);
  const patient = await only('Patient', mrn('1'));
  const observation = await only('Observation', `subject=Patient/${patient.id}&code=http://loinc.org|2823-3`);
  assert.equal(observation.status, 'final');
  const { body } = (await fhir.reader.read('Observation', observation.id!, scope))!;
  assert.match(body, /"value":6\.90,/);
  const report = await only('DiagnosticReport', `identifier=urn:id:LAB|FA`);
  assert.deepEqual(
    (report.result as JsonObject[]).map((result) => result.reference).toSorted(),
    (await find('Observation', `subject=Patient/${patient.id}&_sort=_lastUpdated`)).map(
      ({ id }) => `Observation/${id}`,
    ),
  );
  for (const [type, query] of [
    ['Encounter', 'identifier=urn:id:TESTHOSP|V1'],
    ['Practitioner', 'identifier=urn:id:TESTHOSP|100'],
    ['ServiceRequest', 'identifier=urn:id:EHR|PA'],
    ['Specimen', 'identifier=urn:id:LAB|SA'],
  ] as const) {
    await only(type, query);
  }
});

test('preliminary, final, corrected: the same report and observations, one version more each', async () => {
  for (const [status, value] of [
    ['P', '5.0'],
    ['F', '5.10'],
    ['C', '5.2'],
  ] as const) {
    await send(...oru({ patient: '2', order: 'B', status, value }));
  }
  const patient = await only('Patient', mrn('2'));
  assert.equal(patient.meta!.versionId, '1');
  const report = await only('DiagnosticReport', 'identifier=urn:id:LAB|FB');
  assert.deepEqual([report.status, report.meta!.versionId], ['corrected', '3']);
  const observation = await only('Observation', `subject=Patient/${patient.id}&code=http://loinc.org|2823-3`);
  assert.deepEqual(
    [observation.status, observation.meta!.versionId, (observation.valueQuantity as JsonObject).value],
    ['corrected', '3', 5.2],
  );
  await only('ServiceRequest', 'identifier=urn:id:EHR|PB');
});

test('demographics come from ADT, before or after a result', async () => {
  const pid =
    'PID|1||3^^^TESTHOSP&2.999.5&ISO^MR~33^^^OTHER^PI||Adtname^Anna||19800103|F|||1 Example Street^^Sampletown';
  const pv1 = 'PV1|1|I|WARD^2^2|E|||||||||||||||V3^^^TESTHOSP';
  await send(...oru({ patient: '3', order: 'C' }));
  assert.equal(((await only('Patient', mrn('3'))).name as JsonObject[])[0]!.family, 'Labname');
  assert.match(await send(msh('ADT^A01^ADT_A01'), 'EVN|A01', pid, pv1), /AA/);
  await send(...oru({ patient: '3', order: 'D' }));
  assert.match(await send(msh('ADT^A08^ADT_A01'), 'EVN|A08', pid.replace('||19800103', '||""'), pv1), /AA/);
  const patient = await only('Patient', mrn('3'));
  assert.deepEqual(patient.name, [{ family: 'Adtname', given: ['Anna'] }]);
  assert.equal(patient.birthDate, undefined);
  assert.equal((patient.identifier as JsonObject[]).length, 2);
  assert.equal(patient.meta!.versionId, '3');
  const encounter = await only('Encounter', 'identifier=urn:id:TESTHOSP|V3');
  assert.deepEqual(encounter.subject, { reference: `Patient/${patient.id}` });
});

test('16 connections, few patients: no duplicate of anything', async () => {
  const { port } = await engine.start();
  await Promise.all(
    Array.from({ length: 16 }, async (_, connection) => {
      const client = createMllpClient({ host: '127.0.0.1', port, timeoutMs: 120_000 });
      for (let index = 0; index < 5; index++) {
        const message = oru({ patient: `P${index % 2}`, order: `X${connection}-${index}` });
        const ack = await client.send(message.join('\r'));
        assert.match(ack.toString('latin1'), /\rMSA\|AA\|/);
      }
      await client.close();
    }),
  );
  await engine.stop();
  for (const name of ['P0', 'P1']) {
    await only('Patient', mrn(name));
    await only('Encounter', `identifier=urn:id:TESTHOSP|V${name}`);
  }
  await only('Practitioner', 'identifier=urn:id:TESTHOSP|100');
  const patient = await only('Patient', mrn('P0'));
  assert.equal((await find('DiagnosticReport', `subject=Patient/${patient.id}&_count=1000`)).length, 16 * 3);
  const [row] = await db.query<{ count: number }>({
    text: "select count(*)::int as count from hl7_message where state <> 'acknowledged'",
  });
  assert.equal(row!.count, 0);
});

test('the journal is marked in the transaction that stores: a store that fails marks nothing', async () => {
  // The same number on two patients that were entered by hand: the message cannot say which one it means.
  const twin = (id: string): Resource & { id: string } => ({
    resourceType: 'Patient',
    id,
    identifier: [{ system: 'urn:oid:2.999.5', value: 'TWIN' }],
  });
  await fhir.writer.createIfAbsent([twin('twin-1'), twin('twin-2')], { scope });
  assert.match(
    await send(...oru({ patient: 'TWIN', order: 'T' })),
    /^MSA\|AE\|T\d+\|The numbers in PID-3 belong to 2 patients: /,
  );
  assert.deepEqual(await find('DiagnosticReport', 'identifier=urn:id:LAB|FT'), []);
  const [row] = await db.query<{ state: string; wrote: string[] }>({
    text: 'select state, wrote from hl7_message order by id desc limit 1',
  });
  assert.deepEqual(row, { state: 'failed', wrote: [] });
});

const corpus = path.join(process.env.CORPUS_DIR ?? path.join(import.meta.dirname, '../../shared/corpus'), 'hl7v2');

test('every corpus message is stored, or refused by its header or for a number that is another patient’s', {
  skip: !existsSync(corpus) && 'no corpus',
}, async () => {
  // In enhanced mode the first answer is CA, and a sender that wants no answer gets none.
  const counts = { AA: 0, AE: 0, AR: 0, CA: 0, none: 0 };
  const faults: string[] = [];
  for (const entry of readdirSync(corpus, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(hl7|txt)$/.test(entry.name)) continue;
    const ack = await engine.process(readFileSync(path.join(entry.parentPath, entry.name)));
    const code = /\rMSA.([AC][AER])/.exec(ack.toString('latin1'))?.[1] ?? 'none';
    counts[code as keyof typeof counts]++;
    if (code === 'AE') faults.push(`${entry.name} ${ack.toString('latin1').split('\r').slice(1).join(' ')}`);
  }
  // Test messages were copied for another patient with the number of the order, or of the visit.
  const ofOthers = /document is another patient's |The visit \(PV1-19\) is another patient's/;
  assert.deepEqual(
    faults.filter((fault) => !ofOthers.test(fault)),
    [],
  );
  assert.ok(counts.AE < 20, JSON.stringify(counts));
  assert.ok(counts.AA > 100 && counts.AR < counts.AA, JSON.stringify(counts));
});

test('a message from a clock that is ahead holds back nothing that comes after it', async () => {
  const dtm = (ms: number): string => `${new Date(ms).toISOString().replaceAll(/\D/g, '').slice(0, 14)}+0000`;
  const update = (at: string, street: string): Promise<string> =>
    send(
      `MSH|^~\\&|ADT|TESTHOSP|||${at}||ADT^A08|T${++controlNumber}|P|2.5.1`,
      `EVN|A08|${at}`,
      `PID|1||CLOCK^^^TESTHOSP^MR||||||||${street}`,
    );
  const street = async () => {
    const { address } = await only('Patient', 'identifier=CLOCK');
    return (address as [{ line: string[] }])[0].line[0];
  };
  assert.match(await update('20990101080000+0000', 'Ahead'), /^MSA\|AA/);
  const [ahead] = await db.query<{ warnings: string[] }>({
    name: 'test_ahead',
    text: 'select warnings from hl7_message order by id desc limit 1',
  });
  assert.deepEqual(ahead!.warnings, [
    'EVN-2, MSH-7: over an hour ahead of the clock here; the message counts as of when it came',
  ]);
  await update(dtm(Date.now() + 1000), 'Now');
  assert.equal(await street(), 'Now');
  // Clocks differ by minutes: this one's messages keep their own order.
  await update(dtm(Date.now() + 600_000), 'Second');
  await update(dtm(Date.now() + 500_000), 'First');
  assert.equal(await street(), 'Second');
});
