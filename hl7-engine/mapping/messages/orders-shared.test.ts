// What OBR of one ORC have in common, and which ORC is an earlier result's. HL7 v2.9 chapter 4.5.1
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '#fhir-model';
import { entriesOf, mapLines, onlyEntry, onlyResource, segment } from '../../testing/mapped.ts';

const msh = (type: string) => `MSH|^~\\&|EHR|SOUTH|LAB|NORTH|20260301080000||${type}|M1|P|2.5.1`;
const pid = 'PID|1||777^^^HOSP^MR||TEST^PATIENT';
const obr = 'OBR|1|P1^EHR||24323-8^Panel^LN|R||20260301070000';

const requestsOf = (...lines: string[]) =>
  entriesOf(mapLines(...lines), 'ServiceRequest').map(({ url, resource }) => ({
    url: decodeURIComponent(url).replace('ServiceRequest?identifier=', ''),
    resource: JSON.parse(JSON.stringify(resource)) as JsonObject,
  }));

test('OBR that share an ORC have its number, orderer, group, schedule and state in common', () => {
  const orc = 'ORC|NW|P1^EHR||G1^EHR|||||20260301075500|||100^Doc^Dora^^^^^^HOSP';
  for (const type of ['OML^O21^OML_O21', 'OMG^O19^OMG_O19', 'ORM^O01^ORM_O01']) {
    const [first, second, third, ...others] = requestsOf(
      msh(type),
      pid,
      orc,
      'TQ1|1||BID',
      'OBR|1|||24323-8^Panel^LN',
      'OBR|2|||2345-7^Glucose^LN',
      'OBR|3|P3^EHR||2823-3^Potassium^LN',
      'ORC|NW|P4^EHR',
      'OBR|1|||718-7^Hemoglobin^LN',
    );
    assert.deepEqual(
      [first, second, third, ...others].map((one) => one!.url),
      [
        'urn:id:EHR|P1&code=http://loinc.org|24323-8',
        'urn:id:EHR|P1&code=http://loinc.org|2345-7',
        'urn:id:EHR|P3&code=http://loinc.org|2823-3',
        'urn:id:EHR|P4&code=http://loinc.org|718-7',
      ],
      type,
    );
    for (const name of ['requester', 'requisition', 'authoredOn', 'occurrenceTiming', 'status'] as const) {
      assert.ok(first!.resource[name] !== undefined, name);
      assert.deepEqual(second!.resource[name], first!.resource[name], `${type} ${name}`);
      assert.deepEqual(third!.resource[name], first!.resource[name], `${type} ${name}`);
    }
    assert.equal(others[0]!.resource.requester, undefined);
  }
});

test('notes between an ORC and its first OBR are of each OBR that shares it', () => {
  const requests = requestsOf(
    msh('OML^O21^OML_O21'),
    pid,
    'ORC|NW|P1^EHR',
    'NTE|1||for all',
    'OBR|1|||24323-8^Panel^LN',
    'NTE|1||for the first',
    'OBR|2|||2345-7^Glucose^LN',
  );
  assert.deepEqual(
    requests.map(({ resource }) => (resource.note as JsonObject[]).map(({ text }) => text)),
    [['for all\nfor the first'], ['for all']],
  );
});

test('OBR of one service that share an ORC are not made one by its number', () => {
  const orc = 'ORC|RE|P1^EHR|F1^LAB||CM';
  const glucose = (set: number, at: string, status: string) =>
    segment('OBR', { 1: String(set), 4: '2345-7^Glucose^LN', 7: at, 25: status });
  const mapped = mapLines(
    msh('ORU^R01^ORU_R01'),
    pid,
    orc,
    glucose(1, '202603010700', 'F'),
    'OBX|1|NM|2345-7^Glucose^LN||90|mg/dL|||||F',
    glucose(2, '202603010800', 'P'),
    'OBX|1|NM|2345-7^Glucose^LN||140|mg/dL|||||P',
  );
  assert.equal(entriesOf(mapped, 'DiagnosticReport').length, 2);
  assert.equal(new Set(entriesOf(mapped, 'Observation').map(({ url }) => url)).size, 2);
  assert.equal(onlyResource(mapped, 'ServiceRequest').status, 'completed');
});

test('what one ORC has for very many OBR is refused before it fills the memory', () => {
  const orders = (count: number) => Array.from({ length: count }, (_, at) => segment('OBR', { 4: `C${at}^Test^L` }));
  const notes = Array.from({ length: 1_000 }, () => segment('NTE', { 3: 'x'.repeat(100) }));
  const sent = (count: number) => mapLines(msh('OML^O21^OML_O21'), pid, 'ORC|NW|P1^EHR', ...notes, ...orders(count));
  assert.equal(entriesOf(sent(10), 'ServiceRequest').length, 10);
  assert.throws(() => sent(1_000), { acknowledgment: 'AE', message: /all 1000 OBR .* give each OBR its own ORC/ });
});

test('an ORC of a report holds for the OBR after it; OBR-25 tells the state of each', () => {
  const mapped = mapLines(
    msh('ORU^R01^ORU_R01'),
    pid,
    'ORC|RE|P1^EHR|F1^LAB||CM||||||||100^Doc^Dora^^^^^^HOSP',
    segment('OBR', { 2: 'P1^EHR', 3: 'F1^LAB', 4: '24323-8^Panel^LN', 25: 'F' }),
    segment('OBR', { 3: 'F2^LAB', 4: '2345-7^Glucose^LN', 25: 'P' }),
    'OBX|1|NM|2345-7^Glucose^LN||90|mg/dL|||||P',
  );
  const [first, second] = entriesOf(mapped, 'ServiceRequest');
  assert.deepEqual([first!.resource.status, second!.resource.status], ['completed', 'active']);
  assert.deepEqual(
    (second!.resource.identifier as JsonObject[]).map(({ value }) => value),
    ['F2'],
  );
  assert.deepEqual(second!.resource.requester, first!.resource.requester);
});

test('ORC-1 tells earlier results from the next order', () => {
  const earlier = 'OBR|1|P0^EHR|F0^LAB|24323-8^Panel^LN|||20260201||||||||||||||||||F';
  const result = 'OBX|1|NM|2823-3^Potassium^LN||4|mmol/L|||||F';
  for (const type of ['OML^O21^OML_O21', 'OMG^O19^OMG_O19']) {
    for (const begin of [['PID|1||777^^^HOSP^MR', 'ORC|PR|P0^EHR|F0^LAB'], ['ORC|PR|P0^EHR|F0^LAB']]) {
      const next = 'OBR|1|P2^EHR||2345-7^Glucose^LN';
      const mapped = mapLines(
        msh(type),
        pid,
        'PV1|1|I|||||||||||||||||V9^^^HOSP^VN',
        ...['ORC|NW|P1^EHR', obr, ...begin, earlier, result, 'ORC|NW|P2^EHR', next],
      );
      const report = onlyResource(mapped, 'DiagnosticReport');
      assert.deepEqual([report.status, report.encounter], ['final', undefined], `${type} ${begin.length}`);
      const requests = entriesOf(mapped, 'ServiceRequest').map(({ url }) => decodeURIComponent(url));
      assert.deepEqual(
        requests.map((url) => /P\d/.exec(url)?.[0]),
        ['P1', 'P0', 'P2'],
        `${type} ${begin.length}`,
      );
      assert.deepEqual(report.result, [{ reference: onlyEntry(mapped, 'Observation').url }]);
      assert.equal(entriesOf(mapped, 'Patient').length, 1);
    }
  }
});

test('earlier results under another number are that number’s patient’s', () => {
  const mapped = mapLines(
    msh('OML^O21^OML_O21'),
    pid,
    'ORC|NW|P1^EHR',
    obr,
    'PID|1||888^^^HOSP^MR',
    'ORC|PR|P0^EHR',
    'OBR|1|P0^EHR||24323-8^Panel^LN|||20260201',
    'OBX|1|NM|2823-3^Potassium^LN||4|mmol/L|||||F',
  );
  const [mother, other] = entriesOf(mapped, 'Patient');
  assert.deepEqual(onlyResource(mapped, 'Observation').subject, { reference: other!.fullUrl });
  assert.notEqual(mother!.fullUrl, other!.fullUrl);
});
