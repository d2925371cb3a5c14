import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { checkHeader } from '../message/header.ts';
import { parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { corpusMessages, corpusMissing } from '../testing/corpus.ts';
import type { Mapped } from './context.ts';
import { namedZone } from './datetime.ts';
import { mapMessage } from './map.ts';

const config = { zone: namedZone('UTC'), identifierSystems: {} };

function map(...lines: string[]): Mapped {
  return mapMessage(parseMessage(Buffer.from(lines.join('\r'))), 'm1', config);
}

function entriesOf(mapped: Mapped, type: string): (TransactionEntry & { resource: Resource })[] {
  return mapped.entries.filter((entry) => entry.resource?.resourceType === type) as never;
}

function only(mapped: Mapped, type: string): TransactionEntry & { resource: Resource } {
  const found = entriesOf(mapped, type);
  assert.equal(found.length, 1, `one ${type}`);
  return found[0]!;
}

const oru = [
  'MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260131120000+0100||ORU^R01^ORU_R01|M1|P|2.5.1',
  'PID|1||777^^^HOSP&1.2.3&ISO^MR~999-99-9999^^^USSSA^SS||Test^Anna||19800102|F',
  'PV1|1|I|WARD^R1^B1^NORTH||||100^Doc^Dora^^^Dr^MD^^HOSP||||||||||||V55^^^HOSP',
  'ORC|RE|P1^EHR|F1^LAB||CM||||20260131',
  'OBR|1|P1^EHR|F1^LAB|24323-8^Panel^LN|||20260131080000|||||||||100^Doc^Dora^^^Dr^MD^^HOSP||||||20260131113000||CH|F',
  'NTE|1||Order note',
  'OBX|1|NM|2823-3^Potassium^LN||6.90|mmol/L^^UCUM|3.5-5.1|HH^^HL70078|||F|||20260131081500|||||||||Lab Inc^^^^^CLIA&2.16.840.1.113883.4.7&ISO^XX^^^45D0000001',
  'NTE|1||critical, phoned',
  'OBX|2|ST|COLOR^Color^L||yellow||||||F',
  'SPM|1|S1&EHR^S2&LAB|||119297000^Blood^SCT||||||||||||||20260131080000|20260131090000',
];

test('ORU^R01: the resources and how they are found', () => {
  const mapped = map(...oru);
  assert.deepEqual(mapped.warnings, []);
  assert.deepEqual(
    mapped.entries.map((entry) =>
      `${entry.method} ${decodeURIComponent(entry.url)} ${decodeURIComponent(entry.ifNoneExist ?? '')}`
        .trim()
        .replace(/(Observation)\/.*/, '$1/…'),
    ),
    [
      'POST Patient identifier=urn:oid:1.2.3|777',
      'POST Practitioner identifier=urn:id:HOSP|100',
      'POST Encounter identifier=urn:id:HOSP|V55',
      'PUT ServiceRequest?identifier=urn:id:EHR|P1&code=http://loinc.org|24323-8',
      'POST Specimen identifier=urn:id:LAB|S2',
      'POST Organization identifier=urn:oid:2.16.840.1.113883.4.7|45D0000001',
      'PUT Observation/…',
      'PUT Observation/…',
      'PUT DiagnosticReport?identifier=urn:id:LAB|F1&code=http://loinc.org|24323-8',
    ],
  );
});

test('ORU^R01: an observation in full', () => {
  const mapped = map(...oru);
  const [potassium, color] = entriesOf(mapped, 'Observation').map((entry) => entry.resource);
  const reference = (type: string) => only(mapped, type).fullUrl;
  const { id, ...rest } = potassium!;
  assert.match(String(id), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(JSON.parse(JSON.stringify(rest)), {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '2823-3', display: 'Potassium' }] },
    subject: { reference: reference('Patient') },
    encounter: { reference: reference('Encounter') },
    effectiveDateTime: '2026-01-31T08:15:00+01:00',
    issued: '2026-01-31T11:30:00+01:00',
    performer: [{ reference: reference('Organization'), display: 'Lab Inc' }],
    valueQuantity: { value: 6.9, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
    interpretation: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', code: 'HH' }] },
    ],
    note: [{ text: 'critical, phoned' }],
    specimen: { reference: reference('Specimen') },
    referenceRange: [
      {
        low: { value: 3.5, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
        high: { value: 5.1, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
        text: '3.5-5.1',
      },
    ],
  });
  assert.match(JSON.stringify(potassium!.valueQuantity), /"value":6\.90,/);
  assert.equal(color!.valueString, 'yellow');
  assert.equal(color!.effectiveDateTime, '2026-01-31T08:00:00+01:00');
});

test('ORU^R01: report and order', () => {
  const mapped = map(...oru);
  const report = only(mapped, 'DiagnosticReport').resource;
  assert.equal(report.status, 'final');
  assert.deepEqual(
    (report.result as JsonObject[]).map((item) => item.reference),
    entriesOf(mapped, 'Observation').map((entry) => `Observation/${entry.resource.id}`),
  );
  assert.deepEqual(report.category, [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0074', code: 'CH' }] },
  ]);
  assert.deepEqual(report.basedOn, [{ reference: only(mapped, 'ServiceRequest').fullUrl }]);
  assert.equal(
    (report.extension as JsonObject[])[0]!.url,
    'http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note',
  );
  const request = only(mapped, 'ServiceRequest').resource;
  assert.equal(request.status, 'completed');
  assert.equal(request.intent, 'order');
  assert.deepEqual(request.requester, { reference: only(mapped, 'Practitioner').fullUrl, display: 'Dr Dora Doc' });
});

test('preliminary, final and corrected results of an order mean the same resources', () => {
  const names = (mapped: Mapped) => mapped.entries.filter((entry) => entry.method === 'PUT').map((entry) => entry.url);
  const status = (letter: string) =>
    oru.map((line) => line.replace(/\|F$/, `|${letter}`).replace('|||F|||', `|||${letter}|||`));
  const first = map(...status('P'));
  assert.equal(only(first, 'DiagnosticReport').resource.status, 'preliminary');
  const second = map(...status('C'));
  assert.equal(only(second, 'DiagnosticReport').resource.status, 'corrected');
  assert.deepEqual(names(first), names(second));
});

test('a report keeps results that a later message leaves out', () => {
  const entry = only(map(...oru), 'DiagnosticReport');
  const existing: Resource = {
    ...entry.resource,
    id: 'r1',
    result: [{ reference: 'Observation/old' }],
    conclusion: 'kept',
  };
  const merged = entry.merge!(existing, entry.resource);
  assert.equal((merged.result as JsonObject[]).length, 3);
  assert.equal(merged.conclusion, 'kept');
  assert.equal(merged.id, 'r1');
});

test('one number for two panels: two reports; the same panel twice: one', () => {
  const other = oru[4]!.replace('24323-8^Panel', '58410-2^CBC').replace('OBR|1', 'OBR|2');
  const two = map(...oru, oru[3]!, other, 'OBX|1|NM|2823-3^Potassium^LN||5|||||F');
  assert.equal(entriesOf(two, 'DiagnosticReport').length, 2);
  assert.equal(new Set(entriesOf(two, 'Observation').map((entry) => entry.url)).size, 3);
  const twice = map(...oru, oru[3]!, oru[4]!, 'OBX|1|NM|2823-3^Potassium^LN||5||||||F');
  assert.equal(entriesOf(twice, 'ServiceRequest').length, 1);
  assert.equal((only(twice, 'DiagnosticReport').resource.result as unknown[]).length, 3);
  assert.equal(new Set(entriesOf(twice, 'Observation').map((entry) => entry.url)).size, 3);
});

test('a monitor without order numbers: patient, panel and time make the key', () => {
  const monitor = (time: string) =>
    map(oru[0]!, 'PID|1||777^^^HOSP^MR', `OBR|1||||||${time}`, 'OBX|1|ST|HR||68|/min', 'OBX|2|NM|SPO2||97|%|||||R');
  const ids = (mapped: Mapped) => mapped.entries.map((entry) => entry.url);
  assert.deepEqual(ids(monitor('20260131120000')), ids(monitor('20260131120000')));
  assert.notDeepEqual(ids(monitor('20260131120000')), ids(monitor('20260131120500')));
  const [, second] = entriesOf(monitor('20260131120000'), 'Observation');
  assert.equal(second!.resource.status, 'preliminary');
});

test('a PDF goes into the report, data of another encoding is left out with a warning', () => {
  const pdf = Buffer.from('%PDF-1.7').toString('base64');
  const mapped = map(
    ...oru.slice(0, 5),
    `OBX|1|ED|PDF^Report^L||LAB^AP^PDF^Base64^${pdf}||||||F`,
    'OBX|2|ED|BAD||^AP^PDF^Base64^%%%||||||F',
  );
  assert.deepEqual(only(mapped, 'DiagnosticReport').resource.presentedForm, [
    { contentType: 'application/pdf', data: pdf, title: 'Report' },
  ]);
  assert.deepEqual(entriesOf(mapped, 'Observation'), []);
  assert.deepEqual(mapped.warnings, ['OBX-5: encapsulated data is not of its encoding; left out']);
});

test('results without a value say why', () => {
  const mapped = map(
    ...oru.slice(0, 5),
    'OBX|1|NM|A^a^L||""||||||F',
    'OBX|2|NM|B^b^L||||||||X',
    'OBX|3|NM|C^c^L||||||||N',
    'OBX|4|NM|D^d^L||||||||I',
  );
  assert.deepEqual(
    entriesOf(mapped, 'Observation').map(({ resource }) => [
      resource.status,
      ((resource.dataAbsentReason as JsonObject | undefined)?.coding as JsonObject[] | undefined)?.[0]?.code,
    ]),
    [
      ['final', 'unknown'],
      ['cancelled', 'not-performed'],
      ['final', 'not-asked'],
      ['registered', undefined],
    ],
  );
});

const adt = [
  'MSH|^~\\&|ADT|NORTH|EHR|SOUTH|20260131120000||ADT^A01^ADT_A01|A1|P|2.5.1',
  'EVN|A01|20260131120000',
  'PID|1||888^^^^AN~777^^^HOSP&1.2.3&ISO^MR||Test^Anna^Maria||19800102|F|||1 Main St^^Town^ST^12345||555-1000||||M',
  'NK1|1|Test^Bert|SPO^Spouse^HL70063||555-2000',
  'PV1|1|I|WARD^R1^B1^NORTH|E|||100^Doc^Dora^^^Dr^MD^^HOSP||||||||||||V55^^^HOSP|||||||||||||||||||||||||20260131110000',
];

test('ADT^A01: patient and encounter are changed where they are found', () => {
  const mapped = map(...adt);
  assert.deepEqual(
    mapped.entries.map((entry) => `${entry.method} ${decodeURIComponent(entry.url)}`),
    ['PUT Patient?identifier=urn:oid:1.2.3|777', 'POST Practitioner', 'PUT Encounter?identifier=urn:id:HOSP|V55'],
  );
  const encounter = only(mapped, 'Encounter').resource;
  assert.equal(encounter.status, 'in-progress');
  assert.deepEqual(encounter.class, {
    system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode',
    code: 'IMP',
    display: 'inpatient encounter',
  });
  assert.deepEqual(encounter.period, { start: '2026-01-31T11:00:00Z' });
  assert.deepEqual(encounter.location, [{ location: { display: 'B1, R1, WARD, NORTH' }, status: 'active' }]);
  const patient = only(mapped, 'Patient').resource;
  assert.deepEqual(
    (patient.identifier as JsonObject[]).map((identifier) => `${identifier.system}|${identifier.value}`),
    ['urn:id:NORTH:AN|888', 'urn:oid:1.2.3|777'],
  );
  assert.equal(((patient.contact as JsonObject[])[0]!.name as JsonObject).family, 'Test');
});

test('ADT merges: carried fields replace, others stay, "" clears, identifiers are united', () => {
  const lines = [
    adt[0]!.replace('A01^ADT_A01', 'A08^ADT_A01'),
    'PID|1||777^^^HOSP&1.2.3&ISO^MR||Test^Anna||""||||||555-9|||""',
  ];
  const entry = only(map(...lines), 'Patient');
  const existing: Resource = {
    resourceType: 'Patient',
    id: 'p1',
    identifier: [
      { system: 'urn:x', value: '1' },
      { system: 'urn:oid:1.2.3', value: '777' },
    ],
    name: [{ family: 'Old' }],
    birthDate: '1980-01-02',
    gender: 'female',
    maritalStatus: { text: 'M' },
    telecom: [
      { system: 'phone', value: '1', use: 'home' },
      { system: 'phone', value: '2', use: 'work' },
    ],
    photo: [{ title: 'kept' }],
  };
  const merged = entry.merge!(existing, entry.resource);
  assert.deepEqual(merged, {
    resourceType: 'Patient',
    id: 'p1',
    identifier: [
      { system: 'urn:x', value: '1' },
      {
        type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }] },
        system: 'urn:oid:1.2.3',
        value: '777',
        assigner: { display: 'HOSP' },
      },
    ],
    name: [{ family: 'Test', given: ['Anna'] }],
    gender: 'female',
    telecom: [
      { system: 'phone', value: '2', use: 'work' },
      { system: 'phone', value: '555-9', use: 'home' },
    ],
    photo: [{ title: 'kept' }],
  });
  assert.equal(entry.merge!(undefined, entry.resource), entry.resource);
});

test('an encounter keeps its class when the update names none', () => {
  const lines = [adt[0]!, adt[2]!, `PV1|1${'|'.repeat(18)}V55^^^HOSP`];
  const entry = only(map(...lines), 'Encounter');
  assert.equal((entry.resource.class as JsonObject).code, 'UNK');
  const existing: Resource = { resourceType: 'Encounter', status: 'finished', class: { code: 'IMP' } };
  const merged = entry.merge!(existing, entry.resource);
  assert.deepEqual([merged.status, merged.class], ['finished', { code: 'IMP' }]);
});

test('an encounter that nothing identifies is left out with a warning', () => {
  const mapped = map(adt[0]!, 'PID|1||777^^^HOSP^MR', 'PV1|1|R');
  assert.deepEqual(entriesOf(mapped, 'Encounter'), []);
  assert.equal(mapped.warnings.length, 1);
});

function refusalOf(...lines: string[]): string {
  try {
    map(...lines);
    return 'mapped';
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return `${error.acknowledgment} ${error.condition} ${error.message}`;
  }
}

test('refusals', () => {
  assert.equal(refusalOf(oru[0]!.replace('ORU^R01^ORU_R01', 'MDM^T02')), 'AR 200 Unsupported message type');
  assert.equal(
    refusalOf(oru[0]!.replace('ORU^R01^ORU_R01', 'ORU^R30')),
    'AR 201 Unsupported message type: unsupported event code',
  );
  assert.equal(refusalOf(oru[0]!, oru[4]!), 'AE 100 Required segment PID is missing');
  assert.equal(refusalOf(oru[0]!, oru[1]!), 'AE 100 Required segment OBR is missing');
  assert.equal(
    refusalOf(oru[0]!, 'PID|1||^^^HOSP^MR||Test', oru[4]!),
    'AE 101 PID-3, the patient identifier list, has no identifier',
  );
  assert.equal(refusalOf(adt[0]!), 'AE 100 Required segment PID is missing');
});

/** Paths of what FHIR's JSON never has: empty texts, lists and objects, undefined, control characters. */
function faults(value: unknown, path: string): string[] {
  if (value === undefined || value === null || value === '') return [path];
  if (typeof value === 'string') return /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(value) ? [path] : [];
  if (typeof value !== 'object' || 'rawJSON' in value) return [];
  const entries = Object.entries(value);
  if (entries.length === 0) return [path];
  return entries.flatMap(([name, element]) => faults(element, `${path}.${name}`));
}

test('control characters never reach a resource', () => {
  const mapped = map(...oru.slice(0, 5), 'OBX|1|ST|A\u0000B^x\u0001^L||a\u0000\u0007b\\X00\\c||||||F');
  const [observation] = entriesOf(mapped, 'Observation');
  assert.deepEqual(faults(observation!.resource, 'Observation'), []);
  assert.equal(observation!.resource.valueString, 'abc');
});

test('every message of the corpus is mapped or refused', { skip: corpusMissing }, () => {
  const outcomes = { mapped: 0, refused: 0 };
  for (const { name, raw } of corpusMessages()) {
    try {
      const message = parseMessage(raw);
      checkHeader(message);
      const mapped = mapMessage(message, name, config);
      for (const entry of mapped.entries) assert.deepEqual(faults(entry.resource, entry.url), [], name);
      outcomes.mapped++;
    } catch (error) {
      assert.ok(error instanceof Refusal, `${name}: ${String(error)}`);
      outcomes.refused++;
    }
  }
  assert.deepEqual(outcomes, { mapped: 93, refused: 77 });
});
