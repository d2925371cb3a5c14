import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '#fhir-model';
import { entriesOf, mapLines as map, onlyEntry as only, onlyResource, storedAfter } from '../../testing/mapped.ts';
import { oru } from '../../testing/results.ts';

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

test('lines of another status, time or observer, or with a range, are results of their own', () => {
  const texts = (...fields: [type: string, status: string, time: string, observer: string, range?: string][]) =>
    entriesOf(
      map(
        ...oru.slice(0, 5),
        ...fields.map(
          ([type, status, time, observer, range = ''], index) =>
            `OBX|${index + 1}|${type}|C^Comment^L||line ${index}||${range}||||${status}|||${time}||${observer}`,
        ),
      ),
      'Observation',
    ).map(({ resource }) => resource.valueString);
  const first = ['TX', 'F', '202601310800', '1^Doc'] as const;
  assert.deepEqual(texts([...first], [...first]), ['line 0\nline 1']);
  const apart = ['line 0', 'line 1'];
  assert.deepEqual(texts([...first], ['TX', 'P', '202601310800', '1^Doc']), apart);
  assert.deepEqual(texts([...first], ['TX', 'F', '202601310900', '1^Doc']), apart);
  assert.deepEqual(texts([...first], ['TX', 'F', '202601310800', '2^Roe']), apart);
  assert.deepEqual(texts(['ST', 'F', '', ''], ['ST', 'F', '', '']), ['line 0\nline 1']);
  assert.deepEqual(texts(['ST', 'F', '', '', 'negative'], ['ST', 'F', '', '', 'negative']), apart);
});

test('OBX of two specimens are each about their own', () => {
  const spm = (number: number) => `SPM|${number}|S${number}&EHR^L${number}&LAB||119297000^Blood^SCT`;
  const volume = (value: number) => `OBX|1|NM|VOL^Volume^L||${value}|mL|||||F`;
  const mapped = map(...oru.slice(0, 5), oru[6]!, spm(1), volume(1), spm(2), volume(2));
  const [first, second] = entriesOf(mapped, 'Specimen').map(({ fullUrl }) => fullUrl);
  const volumes = entriesOf(mapped, 'Observation').filter(({ resource }) => resource.specimen !== undefined);
  assert.deepEqual(
    volumes
      .slice(-2)
      .map(({ resource }) => [
        ((resource.valueQuantity as JsonObject).value as number).toString(),
        (resource.specimen as JsonObject).reference,
      ]),
    [
      ['1', first],
      ['2', second],
    ],
  );
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
      (
        ((extension as JsonObject[] | undefined)?.[0]?.valueCodeableConcept as JsonObject | undefined)?.coding as
          | JsonObject[]
          | undefined
      )?.[0]?.code,
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

test('a sampling frequency with trailing zeros is one', () => {
  const sampled = ['OBX|1|CD|ECG^Lead^L|1|1&I^^^^250.0||||||F', 'OBX|2|NA|ECG^Lead^L|1|1^2|uV|||||F'];
  const [, series] = entriesOf(map(...oru.slice(0, 5), ...sampled), 'Observation').map(({ resource }) => resource);
  assert.equal((series!.valueSampledData as JsonObject).period, 4);
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

test('ranges with the unit of the value are quantities, those with another one are words', () => {
  const range = (unit: string, text: string) => {
    const mapped = map(...oru.slice(0, 5), `OBX|1|NM|2345-7^Glucose^LN||90|${unit}|${text}||||F`);
    const [{ low, high, text: words }] = onlyResource(mapped, 'Observation').referenceRange as [JsonObject];
    return [low, high].map((one) => one && Number((one as JsonObject).value)).concat(String(words) as never);
  };
  assert.deepEqual(range('mg/dL', '70-100 mg/dL'), [70, 100, '70-100 mg/dL']);
  assert.deepEqual(range('mg/dL', '70 mg/dl to 100 mg/dl'), [70, 100, '70 mg/dl to 100 mg/dl']);
  for (const unit of ['1', '1^^UCUM']) assert.deepEqual(range(unit, '1.005-1.031'), [1.005, 1.031, '1.005-1.031']);
  assert.deepEqual(range('1', '0-11 1'), [0, 11, '0-11 1']);
  assert.deepEqual(range('10*9/L', '4-11 10*9/L'), [4, 11, '4-11 10*9/L']);
  assert.deepEqual(range('%', '0%-1%'), [0, 1, '0%-1%']);
  assert.deepEqual(range('mg/dL', '<100mg/dL'), [undefined, 100, '<100mg/dL']);
  assert.deepEqual(range('mmol/L', '70-100 mg/dL'), [undefined, undefined, '70-100 mg/dL']);
});

test('an amount of money keeps its currency, as MO and within CP', () => {
  const said = (type: string, value: string) =>
    onlyResource(map(...oru.slice(0, 5), `OBX|1|${type}|A^a^L||${value}||||||F`), 'Observation').valueString;
  assert.equal(said('MO', '12.50^EUR'), '12.50 EUR');
  assert.equal(said('CP', '12.50&EUR^UP'), '12.50 EUR UP');
  assert.equal(said('CP', '12.50'), '12.50');
});

test('what is too large to be read as a range or a series is kept or left out, quickly', () => {
  const digits = `${'1'.repeat(200_000)}-`;
  const [kept] = onlyResource(map(...oru.slice(0, 5), `OBX|1|NM|A^a^L||1||${digits}||||F`), 'Observation')
    .referenceRange as JsonObject[];
  assert.deepEqual(kept, { text: digits });
  const wide = `${Array(5000).fill('1').join('~')}~${Array(5000).fill('1').join('^')}`;
  const matrix = onlyResource(map(...oru.slice(0, 5), `OBX|1|NA|A^a^L||${wide}||||||F`), 'Observation');
  assert.equal(matrix.valueSampledData, undefined);
});

test('without OBR-25 a report is final where all results are; a result of a partial report is preliminary', () => {
  const statusesOf = (obr25: string, obx11: string[]) => {
    const obx = obx11.map((letter, index) => `OBX|${index + 1}|NM|${index}^Test^L||5|mmol/L|||||${letter}`);
    const obr = `OBR|1||F1^LAB|P^Panel^L|||202601310700||||||||||||||||||${obr25}`;
    const mapped = map(...oru.slice(0, 2), obr, ...obx);
    return [
      onlyResource(mapped, 'DiagnosticReport'),
      ...entriesOf(mapped, 'Observation').map(({ resource }) => resource),
    ].map(({ status }) => status);
  };
  assert.deepEqual(statusesOf('', ['F', 'F']), ['final', 'final', 'final']);
  assert.deepEqual(statusesOf('', ['F', 'P']), ['unknown', 'final', 'preliminary']);
  assert.deepEqual(statusesOf('', ['P']), ['unknown', 'preliminary']);
  assert.deepEqual(statusesOf('A', ['', 'F']), ['partial', 'preliminary', 'final']);
  const words = map(...oru.slice(0, 2), 'OBR|1||F1^LAB|P^Panel^L|||202601310700||||||||||||||||||FINAL', oru[6]!);
  assert.equal(onlyResource(words, 'DiagnosticReport').status, 'unknown');
  assert.deepEqual(words.warnings, ['OBR-25: unknown status']);
});

test('a final result that is replaced by one of another time is told', () => {
  const result = (at: string, time: string, status: string) => [
    `MSH|^~\\&|LAB|NORTH|||${at}||ORU^R01|${at}|P|2.5.1`,
    'PID|1||1^^^NORTH^MR',
    'OBR|1||F1^LAB|P^Panel^L|||202601310700',
    `OBX|1|NM|GLU^Glucose^L||5|mmol/L|||||${status}|||${time}`,
  ];
  const [preliminary, final] = [
    result('20260131080000', '202601310800', 'P'),
    result('20260131090000', '202601310900', 'F'),
  ];
  assert.deepEqual(storedAfter(preliminary, final).warnings, []);
  assert.deepEqual(storedAfter(final, result('20260131100000', '202601310900', 'C')).warnings, []);
  assert.deepEqual(storedAfter(final, result('20260131100000', '202601311000', 'F')).warnings, [
    'OBX-14: another time than that of the final result which it replaces; results of one code need an OBX-4 to be told apart',
  ]);
});

test("answers to the order form are the order's, not results of the report", () => {
  const obr = 'OBR|1|P1^EHR|F1^LAB|2345-7^Glucose^LN|||20260131080000|||||||||||||||20260131113000||LAB|F';
  const obx = [
    'OBX|1|ST|FAST^Fasting^L||yes||||||F||||||||||||||||||QST',
    'OBX|2|ST|NOTE^Note^L||by phone||||||F||||||||||||||||||SCI',
    'OBX|3|NM|2345-7^Glucose^LN||5.1|mmol/L|||||F||||||||||||||||||RSLT',
  ];
  const mapped = map(...oru.slice(0, 4), obr, ...obx);
  const [fasting, note, glucose] = entriesOf(mapped, 'Observation').map(({ url }) => ({ reference: url }));
  assert.deepEqual(onlyResource(mapped, 'ServiceRequest').supportingInfo, [fasting, note]);
  assert.deepEqual(onlyResource(mapped, 'DiagnosticReport').result, [glucose]);
  // Without a number of the placer's nobody has ordered it: they stay with the report.
  const alone = map(...oru.slice(0, 3), obr.replace('P1^EHR', ''), ...obx);
  assert.equal(entriesOf(alone, 'ServiceRequest').length, 0);
  assert.equal((onlyResource(alone, 'DiagnosticReport').result as JsonObject[]).length, 3);
});

test('results of a control are no results of the patient', () => {
  const obr = (number: string): string => `OBR|1||${number}^LAB|2345-7^Glucose^LN|||20260131080000||||||||||||||||||F`;
  const obx = (value: string): string => `OBX|1|NM|2345-7^Glucose^LN||${value}|mmol/L|||||F`;
  const spm = (number: string, role: string): string => `SPM|1|^${number}&LAB||SER^Serum^HL70487|||||||${role}`;
  const mapped = map(
    oru[0]!.replace('ORU^R01', 'OUL^R22^OUL_R22'),
    oru[1]!,
    ...[spm('S1', 'Q^Control^HL70369'), obr('F1'), obx('15')],
    ...[spm('S2', 'P'), obr('F2'), obx('5')],
  );
  const values = entriesOf(mapped, 'Observation').map(({ resource }) =>
    Number((resource.valueQuantity as JsonObject).value),
  );
  assert.deepEqual(values, [5]);
  assert.equal(entriesOf(mapped, 'DiagnosticReport').length, 1);
  assert.deepEqual(mapped.warnings, ["SPM-11: results of a control or calibrator are no patient's; left out"]);
});
