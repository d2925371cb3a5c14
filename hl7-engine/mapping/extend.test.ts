// Rows of a site's own: which resource they add to, and when they leave it alone.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Resource } from '#fhir-model';
import { parseMessage } from '../message/message.ts';
import { fixedZone } from './datetime.ts';
import { mapMessage } from './map.ts';
import { compileTable, type SegmentTable } from './table/table.ts';

const mapped = (type: string, lines: string[], ...extensions: SegmentTable[]) => {
  const msh = `MSH|^~\\&|LAB|HOSP|EHR|HOSP|20260131120000+0000||${type}|T1|P|2.5.1`;
  const message = parseMessage(Buffer.from([msh, ...lines].join('\r')));
  return mapMessage(message, '1', { zone: fixedZone('Z'), identifierSystems: {}, extensions });
};

const pid = 'PID|1||100^^^HOSP^MR||DOE^JANE||19800102|F';
const obr = 'OBR|1|P1^EHR|F1^LAB|24323-8^Panel^LN|||20260131080000+0000||||||||||||||||||F';
const obx = (set: number, code: string, value = '4.1') => `OBX|${set}|NM|${code}^Test^LN||${value}|mmol/L^^UCUM|||||F`;

const device = (text: string) => [{ url: 'urn:test:device', valueString: text }];
const zob = compileTable('ZOB', 'Observation', '1 | extension[urn:test:device].valueString | ST');

/** Extensions by the code of their Observation. */
function devices({ entries }: { entries: { resource?: Resource }[] }): Record<string, unknown> {
  const observations = entries.filter(({ resource }) => resource?.resourceType === 'Observation');
  return Object.fromEntries(
    observations.map(({ resource }) => {
      const [coding] = (resource!.code as { coding: { code: string }[] }).coding;
      return [coding!.code, resource!.extension];
    }),
  );
}

it('a segment adds to the Observation of the OBX before it', () => {
  const result = mapped(
    'ORU^R01',
    [pid, obr, obx(1, '2823-3'), 'ZOB|d1', obx(2, '2951-2'), obx(3, '2075-0'), 'ZOB|d3'],
    zob,
  );
  assert.deepEqual(devices(result), { '2823-3': device('d1'), '2951-2': undefined, '2075-0': device('d3') });
  assert.deepEqual(result.warnings, []);
});

it('and not to the one before an OBX that became no Observation', () => {
  const result = mapped('ORU^R01', [pid, obr, obx(1, '2823-3'), 'OBX|2|NM', 'ZOB|d2'], zob);
  assert.deepEqual(devices(result), { '2823-3': undefined });
  assert.ok(result.warnings.includes('ZOB: no Observation that it can be told to be of'), result.warnings.join());
});

it('further fields of an OBX add to its own Observation', () => {
  const own = compileTable('OBX', 'Observation', '40 | extension[urn:test:device].valueString | ST | valued');
  const far = (line: string, value: string) => `${line}${'|'.repeat(40 - line.split('|').length + 1)}${value}`;
  const lines = [far(obx(1, '2823-3'), 'd1'), obx(2, '2951-2'), far('OBX|3|NM', 'd3')];
  assert.deepEqual(devices(mapped('ORU^R01', [pid, obr, ...lines], own)), {
    '2823-3': device('d1'),
    '2951-2': undefined,
  });
});

it('a segment adds to the only Patient, Encounter and ServiceRequest', () => {
  const tables = ['Patient', 'Encounter', 'ServiceRequest'].map((type) =>
    compileTable('ZPD', type, '1 | extension[urn:test:device].valueString | ST'),
  );
  const { entries, warnings } = mapped(
    'ORU^R01',
    [pid, 'PV1|1|I|||||||||||||||||V1^^^HOSP', 'ZPD|x', 'ORC|RE|P1^EHR|F1^LAB', obr, obx(1, '2823-3')],
    ...tables,
  );
  const having = entries.filter(({ resource }) => resource?.extension !== undefined);
  assert.deepEqual(
    having.map(({ resource }) => [resource!.resourceType, resource!.extension]).toSorted(),
    ['Encounter', 'Patient', 'ServiceRequest'].map((type) => [type, device('x')]),
  );
  assert.deepEqual(
    warnings.filter((text) => text.includes('ZPD')),
    [],
  );
});

it('what the message’s own map says stays', () => {
  const table = compileTable('ZPD', 'Patient', '1 | gender | ST\n1 | extension[urn:test:sex].valueCode | ST');
  const [patient] = mapped('ADT^A08^ADT_A01', ['EVN|A08', pid, 'PV1|1|I', 'ZPD|other'], table).entries;
  assert.equal(patient!.resource!.gender, 'female');
  assert.deepEqual(patient!.resource!.extension, [{ url: 'urn:test:sex', valueCode: 'other' }]);
});

it('"" removes what an earlier message said', () => {
  const table = compileTable('ZPD', 'Patient', '1 | extension[urn:test:device].valueString | ST');
  const [patient] = mapped('ADT^A08^ADT_A01', ['EVN|A08', pid, 'PV1|1|I', 'ZPD|""'], table).entries;
  const kept = { url: 'urn:test:other', valueString: 'kept' };
  const before: Resource = { resourceType: 'Patient', id: '1', extension: [...device('old'), kept] };
  assert.deepEqual(patient!.merge!(before, patient!.resource!).extension, [kept]);
});

it('notes that a site has rows for are not told to have no place', () => {
  const noted = compileTable('NTE', 'Patient', '3 | extension[urn:test:note].valueString | ST');
  const lines = [pid, 'NTE|1||prefers the morning', obr, obx(1, '2823-3')];
  const result = mapped('ORU^R01', lines, noted);
  const patient = result.entries.find(({ resource }) => resource?.resourceType === 'Patient')!.resource!;
  assert.deepEqual(patient.extension, [{ url: 'urn:test:note', valueString: 'prefers the morning' }]);
  assert.deepEqual(result.warnings, []);
  assert.deepEqual(mapped('ORU^R01', lines).warnings, ['NTE[1]: a note after PID has no place; left out']);
});
