import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import {
  entriesOf,
  mapLines as map,
  onlyEntry as only,
  onlyResource,
  refusalOf,
  segment,
  storedAfter,
  storedOf,
} from '../../testing/mapped.ts';
import { oru } from '../../testing/results.ts';
import type { Mapped } from '../context.ts';

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
      'PUT Specimen?identifier=urn:id:LAB|S2',
      'POST Organization identifier=urn:oid:2.16.840.1.113883.4.7|45D0000001',
      'PUT Observation/…',
      'PUT Observation/…',
      'PUT ServiceRequest?identifier=urn:id:EHR|P1&code=http://loinc.org|24323-8',
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
    'OBX|3|ED|TXT^Words^L||^TEXT^^A^Caf\u00e9 \\F\\ bar||||||F',
    'OBX|4|RP|IMG^Image^L||https://pacs.example.org/1?a=b\\T\\c=d^PACS^IM^JPEG||||||F',
  );
  const binary = only(mapped, 'Binary').resource;
  assert.deepEqual([binary.contentType, binary.data], ['application/pdf', pdf]);
  const url = `Binary/${binary.id}`;
  const forms = [
    { contentType: 'application/pdf', url, size: 8, title: 'Report' },
    { contentType: 'text/plain', data: 'SGk=', size: 2, title: 'Note' },
    { contentType: 'text/plain; charset=utf-8', data: 'Q2Fmw6kgfCBiYXI=', size: 11, title: 'Words' },
    { contentType: 'image/jpeg', url: 'https://pacs.example.org/1?a=b&c=d', title: 'Image' },
  ];
  // What has no Binary has an id, so that its correction finds it.
  const presented = only(mapped, 'DiagnosticReport').resource.presentedForm as JsonObject[];
  assert.deepEqual(
    presented.map(({ id: _id, ...form }) => form),
    forms,
  );
  assert.deepEqual(
    presented.map(({ id }) => typeof id),
    ['undefined', 'string', 'string', 'string'],
  );
  const [document] = entriesOf(mapped, 'DocumentReference').map(({ resource }) => resource);
  assert.deepEqual(document!.content, [{ attachment: forms[0] }]);
  assert.deepEqual([document!.status, document!.docStatus], ['current', 'final']);
  assert.deepEqual((document!.context as JsonObject).related, [{ reference: only(mapped, 'ServiceRequest').fullUrl }]);
  assert.equal(entriesOf(mapped, 'DocumentReference').length, 4);
  assert.deepEqual(entriesOf(mapped, 'Observation'), []);
  assert.deepEqual(mapped.warnings, ['OBX-5: encapsulated data is not of its encoding; left out']);
});

test('a document that is withdrawn and never came has content all the same, which R4 asks for', () => {
  const mapped = map(...oru.slice(0, 5), 'OBX|1|ED|||||||||D');
  const { status, content } = only(mapped, 'DocumentReference').resource;
  assert.equal(status, 'entered-in-error');
  const url = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
  assert.deepEqual(content, [{ attachment: { extension: [{ url, valueCode: 'unknown' }] } }]);
  assert.equal(only(mapped, 'DiagnosticReport').resource.presentedForm, undefined);
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
  assert.deepEqual(potassiumAfter(before, withoutValue('20260131110000', 'W')).slice(0, 2), [
    'entered-in-error',
    '6.1',
  ]);
  assert.deepEqual(potassiumAfter(before, withoutValue('20260131110000', 'D')).slice(0, 2), [
    'entered-in-error',
    '6.1',
  ]);
  assert.deepEqual(potassiumAfter(before, withoutValue('20260131110000', 'U')).slice(0, 2), ['final', '6.1']);
  assert.deepEqual(potassiumAfter(before, withoutValue('20260131110000', 'X')).slice(0, 2), ['cancelled', undefined]);
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

test('an order that comes with its result (ORU^R30) is as far as that, unless ORC-5 says how far it is', () => {
  const states = (control: string, state: string, result: string) => {
    const orc = `ORC|${control}||POC7^POC||${state}`;
    const obr = `OBR|1||POC7^POC|41653-7^Glucose^LN|||20260301150000${'|'.repeat(18)}${result}`;
    const obx = 'OBX|1|NM|41653-7^Glucose^LN||14.2|mmol/L|||||F';
    const mapped = map(oru[0]!.replace('ORU^R01^ORU_R01', 'ORU^R30^ORU_R30'), oru[1]!, orc, obr, obx);
    return ['ServiceRequest', 'DiagnosticReport'].map((type) => onlyResource(mapped, type).status);
  };
  assert.deepEqual(states('NW', '', 'F'), ['completed', 'final']);
  assert.deepEqual(states('NW', '', 'C'), ['completed', 'corrected']);
  assert.deepEqual(states('NW', '', 'P'), ['active', 'preliminary']);
  assert.deepEqual(states('NW', '', 'X'), ['revoked', 'cancelled']);
  assert.deepEqual(states('NW', 'IP', 'F'), ['active', 'final']);
  assert.deepEqual(states('OC', '', 'F'), ['revoked', 'final']);
});

test('a new order that repeats the result status of a former one (OBR-25) is a new one', () => {
  const orc = 'ORC|NW|P9^HIS';
  const obr = `OBR|1|P9^HIS||41653-7^Glucose^LN|||20260301150000${'|'.repeat(18)}F`;
  const mapped = map(oru[0]!.replace('ORU^R01^ORU_R01', 'OML^O21^OML_O21'), oru[1]!, orc, obr);
  assert.equal(onlyResource(mapped, 'ServiceRequest').status, 'active');
});

test('what the collector says of a specimen (OBR-39) is a note of it, with SPM and without', () => {
  const notes = (obr15: string, ...spm: string[]) => {
    const obr = segment('OBR', {
      1: '1',
      3: 'F9^LAB',
      4: 'K^K^L',
      7: '20260301',
      15: obr15,
      25: 'F',
      39: 'C1^hard to draw^L~^two tries',
    });
    return onlyResource(map(oru[0]!, oru[1]!, obr, 'OBX|1|NM|K^K^L||4|||||F', ...spm), 'Specimen').note;
  };
  const both = [{ text: 'hard to draw' }, { text: 'two tries' }];
  assert.deepEqual(notes('BLD^Blood^HL70487'), both);
  assert.deepEqual(notes('', 'SPM|1|S9||BLD^Blood^HL70487'), both);
});

test('messages of results that lack what they are about are refused', () => {
  assert.equal(refusalOf(oru[0]!, oru[4]!), 'AE 100 Required segment PID is missing');
  assert.equal(refusalOf(oru[0]!, oru[1]!), 'AE 100 Required segment OBR is missing');
});

test('what stands beside a result (PV1, SPM, OBR-24) is kept by a later message that leaves it out', () => {
  const bare = sent('20260131110000', 'C', '6.2')
    .filter((line) => !/^(?:PV1|SPM)/.test(line))
    .map((line) => (line.startsWith('OBR') ? line.replace('|CH|', '||') : line));
  const potassiumOf = (...messages: string[][]) =>
    storedOf(storedAfter(...messages).resources, 'Observation').find(
      ({ code }) => ((code as JsonObject).coding as JsonObject[])[0]!.code === '2823-3',
    )!;
  const first = potassiumOf(sent('20260131100000', 'F', '6.1'));
  const after = potassiumOf(sent('20260131100000', 'F', '6.1'), bare);
  assert.equal(after.status, 'corrected');
  for (const name of ['encounter', 'specimen', 'category']) {
    assert.ok(first[name] !== undefined, name);
    assert.deepEqual(after[name], first[name]);
  }
});
