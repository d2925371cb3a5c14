import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import {
  entriesOf,
  mapLines as map,
  onlyEntry as only,
  onlyResource,
  refusalOf,
  storedAfter,
  storedOf,
} from '../../testing/mapped.ts';
import type { Mapped } from '../context.ts';

const oru = [
  'MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260131120000+0100||ORU^R01^ORU_R01|M1|P|2.5.1',
  'PID|1||777^^^HOSP&1.2.3&ISO^MR~999-99-9999^^^USSSA^SS||Test^Anna||19800102|F',
  'PV1|1|I|||||100^Doc^Dora^^^Dr^MD^^HOSP||||||||||||V55^^^HOSP',
  'ORC|RE|P1^EHR|F1^LAB||CM||||20260131',
  'OBR|1|P1^EHR|F1^LAB|24323-8^Panel^LN|||20260131080000|||||||||100^Doc^Dora^^^Dr^MD^^HOSP||||||20260131113000||CH|F',
  'NTE|1||Order note',
  'OBX|1|NM|2823-3^Potassium^LN||6.90|mmol/L^^UCUM|3.5-5.1|HH^^HL70078|||F|||20260131081500|||||||||Lab Inc^^^^^CLIA&2.16.840.1.113883.4.7&ISO^XX^^^45D0000001',
  'NTE|1||critical, phoned',
  'OBX|2|ST|COLOR^Color^L||yellow||||||F',
  'SPM|1|S1&EHR^S2&LAB||119297000^Blood^SCT|||||||||||||20260131080000|20260131090000',
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
      'PUT Specimen?identifier=urn:id:LAB|S2',
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
  const { id, meta, ...rest } = potassium!;
  assert.deepEqual(meta, {
    extension: [{ url: 'urn:cerebra:hl7v2-message-time', valueInstant: '2026-01-31T12:00:00+01:00' }],
  });
  assert.match(String(id), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(JSON.parse(JSON.stringify(rest)), {
    resourceType: 'Observation',
    status: 'final',
    category: [
      {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/observation-category',
            code: 'laboratory',
            display: 'Laboratory',
          },
        ],
      },
    ],
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

test('a PDF is a Binary, a DocumentReference and a form of the report; data of another encoding is left out', () => {
  const pdf = Buffer.from('%PDF-1.7').toString('base64');
  const mapped = map(
    ...oru.slice(0, 5),
    `OBX|1|ED|PDF^Report^L||LAB^AP^PDF^Base64^${pdf}||||||F`,
    'OBX|2|ED|BAD||^AP^PDF^Base64^%%%||||||F',
    'OBX|3|ED|HEX^Note^L||^TEXT^plain^Hex^4869||||||F',
    'OBX|4|RP|IMG^Image^L||https://pacs.example.org/1?a=b\\T\\c=d^PACS^IM^JPEG||||||F',
  );
  const binary = only(mapped, 'Binary').resource;
  assert.deepEqual([binary.contentType, binary.data], ['application/pdf', pdf]);
  const url = `Binary/${binary.id}`;
  const forms = [
    { contentType: 'application/pdf', url, size: 8, title: 'Report' },
    { contentType: 'text/plain', data: 'SGk=', size: 2, title: 'Note' },
    { contentType: 'image/jpeg', url: 'https://pacs.example.org/1?a=b&c=d', title: 'Image' },
  ];
  assert.deepEqual(only(mapped, 'DiagnosticReport').resource.presentedForm, forms);
  const [document] = entriesOf(mapped, 'DocumentReference').map(({ resource }) => resource);
  assert.deepEqual(document!.content, [{ attachment: forms[0] }]);
  assert.deepEqual([document!.status, document!.docStatus], ['current', 'final']);
  assert.deepEqual((document!.context as JsonObject).related, [{ reference: only(mapped, 'ServiceRequest').fullUrl }]);
  assert.equal(entriesOf(mapped, 'DocumentReference').length, 3);
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


/** The same results, sent at another time with another status. */
function sent(at: string, status: string, value = '6.90'): string[] {
  return oru.map((line) =>
    line
      .replace('20260131120000+0100', at)
      .replace(/\|F$/, `|${status}`)
      .replace('|||F|||', `|||${status}|||`)
      .replace('6.90', value),
  );
}

function potassiumAfter(...messages: string[][]): [status: unknown, value: unknown, report: unknown] {
  const { resources } = storedAfter(...messages);
  const potassium = storedOf(resources, 'Observation').find(
    ({ code }) => ((code as JsonObject).coding as JsonObject[])[0]!.code === '2823-3',
  )!;
  const [report] = storedOf(resources, 'DiagnosticReport');
  return [potassium.status, (potassium.valueQuantity as JsonObject | undefined)?.value?.toString(), report!.status];
}

test('preliminary, final, corrected: the newest message holds, whatever the order of their arrival', () => {
  const preliminary = sent('20260131100000', 'P', '6.1');
  const final = sent('20260131110000', 'F', '6.2');
  const corrected = sent('20260131120000', 'C', '6.3');
  assert.deepEqual(potassiumAfter(preliminary, final, corrected), ['corrected', '6.3', 'corrected']);
  assert.deepEqual(potassiumAfter(corrected, preliminary, final), ['corrected', '6.3', 'corrected']);
  assert.deepEqual(potassiumAfter(final, preliminary), ['final', '6.2', 'final']);
  const { resources, warnings } = storedAfter(final, preliminary);
  assert.equal(storedOf(resources, 'Observation').length, 2);
  assert.ok(warnings.some((text) => text.startsWith('Observation: older')));
});

test('two messages of one time: the status that is further on stays, else the later one holds', () => {
  const at = '20260131100000';
  assert.deepEqual(potassiumAfter(sent(at, 'F', '6.2'), sent(at, 'P', '6.1')), ['final', '6.2', 'final']);
  assert.deepEqual(potassiumAfter(sent(at, 'P', '6.1'), sent(at, 'F', '6.2')), ['final', '6.2', 'final']);
  assert.deepEqual(potassiumAfter(sent(at, 'F', '6.2'), sent(at, 'F', '6.4')), ['final', '6.4', 'final']);
});

test('a result that is withdrawn keeps its value; U makes it final; X and a corrected one replace it', () => {
  const before = sent('20260131100000', 'P', '6.1');
  const withoutValue = (at: string, status: string) =>
    sent(at, status).map((line) => line.replace('||6.90|mmol/L^^UCUM|3.5-5.1|HH^^HL70078|', '||||||'));
  assert.deepEqual(potassiumAfter(before, withoutValue('20260131110000', 'W')).slice(0, 2), ['entered-in-error', '6.1']);
  assert.deepEqual(potassiumAfter(before, withoutValue('20260131110000', 'D')).slice(0, 2), ['entered-in-error', '6.1']);
  assert.deepEqual(potassiumAfter(before, withoutValue('20260131110000', 'U')).slice(0, 2), ['final', '6.1']);
  assert.deepEqual(potassiumAfter(before, withoutValue('20260131110000', 'X')).slice(0, 2), ['cancelled', undefined]);
});

test('lines of a text are one observation, results of one code are not', () => {
  const mapped = map(
    ...oru.slice(0, 5),
    'OBX|1|TX|8251-1^Comment^LN|1|first||||||F',
    'OBX|2|TX|8251-1^Comment^LN|2|second||||||F',
    'OBX|3|TX|8251-1^Comment^LN|4|other||||||F',
    'OBX|4|FT|NARR^Narrative^L||a\\.br\\b||||||F',
    'OBX|5|FT|NARR^Narrative^L||c||||||F',
    'OBX|6|ST|ORG^Organism^L|1|one||||||F',
    'OBX|7|ST|ORG^Organism^L|2|two||||||F',
    'OBX|8|NM|2345-7^Glucose^LN||5.1|mmol/L|||||F|||20260131080000',
    'OBX|9|NM|2345-7^Glucose^LN||6.1|mmol/L|||||F|||20260131090000',
  );
  const values = entriesOf(mapped, 'Observation').map(
    ({ resource }) => resource.valueString ?? Number((resource.valueQuantity as JsonObject).value),
  );
  assert.deepEqual(values, ['first\nsecond', 'other', 'a\nb\nc', 'one', 'two', 5.1, 6.1]);
});

test('the impression of a report is its conclusion', () => {
  const mapped = map(
    ...oru.slice(0, 4),
    'OBR|1|P1^EHR|F1^LAB|36643-5^Chest^LN|||20260131080000|||||||||||||||20260131113000||RAD|F',
    'OBX|1|TX|36643-5&GDT^Chest^LN||Lungs are clear.||||||F',
    'OBX|2|TX|36643-5&IMP^Chest^LN||No acute finding.||||||F',
  );
  assert.equal(onlyResource(mapped, 'DiagnosticReport').conclusion, 'No acute finding.');
  const [text, impression] = entriesOf(mapped, 'Observation').map(({ resource }) => resource);
  assert.notEqual(text!.id, impression!.id);
  assert.equal((impression!.code as JsonObject).text, 'Chest (IMP)');
  assert.equal(((impression!.category as JsonObject[])[0]!.coding as JsonObject[])[0]!.code, 'imaging');
});

test('a culture and its susceptibilities: the child is derived from its parent', () => {
  const mapped = map(
    ...oru.slice(0, 4),
    'OBR|1|P1^EHR|F1^LAB|630-4^Culture^LN|||20260131080000|||||||||||||||20260131113000||MB|F',
    'OBX|1|CWE|11475-1^Organism^LN|1|112283007^Escherichia coli^SCT||||||F',
    'OBR|2|P2^EHR|F2^LAB|50545-3^Susceptibility^LN|||20260131080000|||||||||||||||20260131113000||MB|F|11475-1&Organism&LN^1^Escherichia coli|||P1&EHR^F1&LAB',
    'OBX|1|NM|28-1^Ampicillin^LN||8|ug/mL|||||F',
    'OBR|3|P3^EHR|F3^LAB|50545-3^Susceptibility^LN|||20260131080000|||||||||||||||20260131113000||MB|F|11475-1&Organism&LN^9^Other|||P7&EHR^F7&LAB',
    'OBX|1|NM|28-1^Ampicillin^LN||4|ug/mL|||||F',
  );
  const [organism, child, stranger] = entriesOf(mapped, 'Observation').map(({ resource }) => resource);
  assert.deepEqual(child!.derivedFrom, [{ reference: `Observation/${organism!.id}` }]);
  assert.deepEqual(organism!.hasMember, [{ reference: `Observation/${child!.id}` }]);
  assert.deepEqual(JSON.parse(JSON.stringify(stranger!.derivedFrom)), [
    {
      type: 'Observation',
      identifier: {
        type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'FILL' }] },
        system: 'urn:id:LAB',
        value: 'F7',
      },
      display: 'Organism: Other',
    },
  ]);
});

test('OBX after SPM: about the specimen, or the results where the order has no others', () => {
  const spm = oru.at(-1)!;
  const after = map(...oru.slice(0, 5), spm, 'OBX|1|NM|2823-3^Potassium^LN||5||||||F');
  assert.equal((onlyResource(after, 'DiagnosticReport').result as unknown[]).length, 1);
  const both = map(...oru.slice(0, 5), oru[6]!, spm, 'OBX|1|ST|VOL^Volume^L||3 mL||||||F');
  assert.equal((onlyResource(both, 'DiagnosticReport').result as unknown[]).length, 1);
  assert.equal(entriesOf(both, 'Observation').length, 2);
});

test('who and what: device, director, functions, notes of several lines with their source', () => {
  const mapped = map(
    ...oru.slice(0, 5),
    'OBX|1|NM|2823-3^Potassium^LN||5|mmol/L||H~HH|||F||||PRD^Producer|7^Obs^Olga^^^^^^HOSP|MET^Method^L|SN1^ANALYZER||SITE^Arm^L|||Lab^^^^^CLIA^XX^^^9||8^Dir^Dan^^^^^^HOSP',
    'NTE|1|L|line one',
    'NTE|2|L|line two',
    'NTE|3|P|from the ward',
  );
  const found = onlyResource(mapped, 'Observation');
  assert.deepEqual(found.note, [
    { authorString: 'Ancillary (filler) department', text: 'line one\nline two' },
    { authorString: 'Orderer (placer)', text: 'from the ward' },
  ]);
  assert.equal(only(mapped, 'Device').ifNoneExist, 'identifier=urn%3Aid%3AANALYZER%7CSN1');
  assert.deepEqual(found.device, { reference: only(mapped, 'Device').fullUrl, display: 'ANALYZER SN1' });
  assert.deepEqual(
    (found.performer as JsonObject[]).map(({ display, extension }) => [
      display,
      (((extension as JsonObject[] | undefined)?.[0]?.valueCodeableConcept as JsonObject | undefined)?.coding as
        | JsonObject[]
        | undefined)?.[0]?.code,
    ]),
    [
      ['Olga Obs', undefined],
      ['Dan Dir', 'MDIR'],
      ['Lab', undefined],
    ],
  );
  assert.equal((found.interpretation as unknown[]).length, 2);
});

test('NA and MA are sampled data, the channel tells how often', () => {
  const mapped = map(
    ...oru.slice(0, 5),
    'OBX|1|CD|ECG^Lead^L|1|1&I^^^^500||||||F',
    'OBX|2|NA|ECG^Lead^L|1|1^-2^x^4.50|uV|||||F',
    'OBX|3|MA|PRES^Pressures^L|2|1^2~3^4||||||F',
  );
  const [, series, multiplexed] = entriesOf(mapped, 'Observation').map(({ resource }) => resource);
  assert.deepEqual(JSON.parse(JSON.stringify(series!.valueSampledData)), {
    origin: { value: 0, unit: 'uV' },
    period: 2,
    dimensions: 1,
    data: '1 -2 E 4.50',
  });
  assert.deepEqual(
    [(multiplexed!.valueSampledData as JsonObject).dimensions, (multiplexed!.valueSampledData as JsonObject).data],
    [2, '1 2 3 4'],
  );
});

test('ranges name sex and age', () => {
  const range = (text: string) => {
    const mapped = map(...oru.slice(0, 5), `OBX|1|NM|718-7^Hb^LN||14|g/dL|${text}||||F`);
    return onlyResource(mapped, 'Observation').referenceRange as JsonObject[];
  };
  const gender = (code: string) => [{ coding: [{ system: 'http://hl7.org/fhir/administrative-gender', code }] }];
  const unit = { unit: 'g/dL', system: 'http://unitsofmeasure.org', code: 'g/dL' };
  assert.deepEqual(range('M: 13-17; F: 12-15'), [
    { low: { value: 13, ...unit }, high: { value: 17, ...unit }, appliesTo: gender('male'), text: 'M: 13-17' },
    { low: { value: 12, ...unit }, high: { value: 15, ...unit }, appliesTo: gender('female'), text: 'F: 12-15' },
  ]);
  const [aged] = range('18-65 y: 3.5-5.1');
  assert.deepEqual((aged!.age as JsonObject).high, {
    value: 65,
    unit: 'year',
    system: 'http://unitsofmeasure.org',
    code: 'a',
  });
  assert.deepEqual(range('negative, see note'), [{ text: 'negative, see note' }]);
});

test('OUL: the orders of a specimen', () => {
  const head = oru[0]!.replace('ORU^R01^ORU_R01', 'OUL^R22^OUL_R22');
  const mapped = map(head, oru[1]!, oru.at(-1)!, 'SAC|1||C77^LAB', oru[4]!, oru[3]!, oru[6]!);
  const report = onlyResource(mapped, 'DiagnosticReport');
  const specimen = only(mapped, 'Specimen');
  assert.deepEqual(report.specimen, [{ reference: specimen.fullUrl }]);
  assert.deepEqual(onlyResource(mapped, 'Observation').specimen, { reference: specimen.fullUrl });
  assert.equal(((specimen.resource.container as JsonObject[])[0]!.identifier as JsonObject[])[0]!.value, 'C77');
  assert.deepEqual(mapped.warnings, []);
});

test('messages of results that lack what they are about are refused', () => {
  assert.equal(refusalOf(oru[0]!, oru[4]!), 'AE 100 Required segment PID is missing');
  assert.equal(refusalOf(oru[0]!, oru[1]!), 'AE 100 Required segment OBR is missing');
});
