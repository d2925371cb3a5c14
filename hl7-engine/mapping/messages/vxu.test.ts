import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '#fhir-model';
import {
  entriesOf,
  mapLines,
  onlyEntry,
  onlyResource,
  refusalOf,
  storedAfter,
  storedOf,
} from '../../testing/mapped.ts';

const head = [
  'MSH|^~\\&|IIS|CLINIC|REG|STATE|20260301080000||VXU^V04^VXU_V04|M1|P|2.5.1',
  'PID|1||777^^^HOSP^MR||TEST^PATIENT||20200101|F',
];
const orc = 'ORC|RE|P1^CLINIC|F1^CLINIC|||||||7^Nurse^Nora^^^^^^CLINIC||100^Doc^Dora^^^^^^CLINIC';
const rxa = (rest = '|||CP|A') =>
  `RXA|0|1|20260301||08^Hep B^CVX|0.5|mL^mL^UCUM||00^New immunization record^NIP001|7^Nurse^Nora^^^^^^CLINIC|^^^NORTH||||LOT9|20271231|SKB^GSK^MVX${rest}`;
const obx = (number: number, type: string, code: string, value: string, sub = '1') =>
  `OBX|${number}|${type}|${code}|${sub}|${value}||||||F|||20260301`;

test('a dose that is no number stands in a note', () => {
  const mapped = mapLines(...head, orc, rxa().replace('|0.5|', '|0,5|'));
  const { doseQuantity, note } = onlyResource(mapped, 'Immunization');
  assert.deepEqual([doseQuantity, note], [undefined, [{ text: 'Dose: 0,5 mL' }]]);
  assert.equal(mapped.warnings.length, 1);
  assert.equal(onlyResource(mapLines(...head, orc, rxa().replace('|0.5|', '|999|')), 'Immunization').note, undefined);
});

test('VXU^V04: an immunization in full', () => {
  const mapped = mapLines(
    ...head,
    orc,
    rxa(),
    'RXR|IM^Intramuscular^HL70162|LD^Left Deltoid^HL70163',
    obx(1, 'CE', '64994-7^Eligibility^LN', 'V02^Medicaid^HL70064'),
    obx(2, 'CE', '30963-3^Funding^LN', 'PHC70^Private^CDCPHINVS'),
    obx(3, 'CE', '69764-9^Document type^LN', '253088698300003511070816^Hep B VIS^cdcgs1vis', '2'),
    obx(4, 'DT', '29769-7^Presented^LN', '20260301', '2'),
    obx(5, 'DT', '29768-9^Published^LN', '20250101', '3'),
    obx(6, 'NM', '30973-2^Dose number^LN', '2'),
    obx(7, 'CE', '31044-1^Reaction^LN', '39579001^Anaphylaxis^SCT'),
    obx(8, 'ST', '99999-9^Other^LN', 'something'),
  );
  const immunization = onlyResource(mapped, 'Immunization');
  const { status, occurrenceDateTime, lotNumber, expirationDate, primarySource, doseQuantity } = immunization;
  assert.deepEqual(
    [status, occurrenceDateTime, lotNumber, expirationDate, primarySource],
    ['completed', '2026-03-01', 'LOT9', '2027-12-31', true],
  );
  assert.equal((doseQuantity as JsonObject).value, 0.5);
  assert.deepEqual(((immunization.vaccineCode as JsonObject).coding as JsonObject[])[0], {
    system: 'http://hl7.org/fhir/sid/cvx',
    code: '08',
    display: 'Hep B',
  });
  assert.deepEqual(
    (immunization.performer as JsonObject[]).map(
      ({ function: what }) => ((what as JsonObject).coding as JsonObject[])[0]!.code,
    ),
    ['AP', 'OP'],
  );
  assert.deepEqual(immunization.education, [
    { documentType: '253088698300003511070816', presentationDate: '2026-03-01' },
    {
      publicationDate: '2025-01-01',
      _documentType: {
        extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
      },
    },
  ]);
  assert.deepEqual(immunization.protocolApplied, [{ doseNumberPositiveInt: 2 }]);
  assert.equal((immunization.programEligibility as unknown[]).length, 1);
  assert.deepEqual(immunization.reaction, [{ date: '2026-03-01', detail: { display: 'Anaphylaxis' } }]);
  assert.deepEqual(onlyResource(mapped, 'Observation').partOf, [
    { reference: onlyEntry(mapped, 'Immunization').fullUrl },
  ]);
  assert.equal(decodeURIComponent(onlyEntry(mapped, 'Immunization').url), 'Immunization?identifier=urn:id:CLINIC|F1');
});

test('a combined vaccine has the dose and series of each of its vaccines', () => {
  const of = (...lines: string[]) => mapLines(...head, orc, rxa(), ...lines);
  const [type, dose, series, count] = ['30956-7^Type^LN', '30973-2^Dose^LN', '59780-7^Series^LN', '59782-3^Doses^LN'];
  const combined = of(
    obx(1, 'CE', type, '107^DTaP^CVX', '1'),
    obx(2, 'NM', dose, '3', '1'),
    obx(3, 'NM', count, '5', '1'),
    obx(4, 'CE', type, '45^Hep B^CVX', '2'),
    obx(5, 'ST', dose, 'booster', '2'),
    obx(6, 'ST', series, 'Hep B series', '2'),
  );
  const { protocolApplied, education } = onlyResource(combined, 'Immunization');
  assert.deepEqual(protocolApplied, [
    { doseNumberPositiveInt: 3, seriesDosesPositiveInt: 5 },
    { doseNumberString: 'booster', series: 'Hep B series' },
  ]);
  // What the dose is of is no information sheet.
  assert.equal(education, undefined);
  assert.equal(entriesOf(combined, 'Observation').length, 2);
  // Of one vaccine, with OBX-4 that only count; and corrected.
  const counted = of(obx(1, 'NM', dose, '2', '1'), obx(2, 'NM', count, '3', '2'), obx(3, 'ST', series, 'S', '3'));
  assert.deepEqual(onlyResource(counted, 'Immunization').protocolApplied, [
    { doseNumberPositiveInt: 2, seriesDosesPositiveInt: 3, series: 'S' },
  ]);
  const twice = of(obx(1, 'NM', dose, '2'), obx(2, 'ST', dose, 'booster'));
  assert.deepEqual(onlyResource(twice, 'Immunization').protocolApplied, [{ doseNumberString: 'booster' }]);
  const sheet = of(
    obx(1, 'CE', type, '45^Hep B^CVX'),
    obx(2, 'TS', '29769-7^Presented^LN', '20260301'),
    obx(3, 'NM', dose, '2'),
  );
  assert.deepEqual(onlyResource(sheet, 'Immunization').education, [
    { documentType: 'Hep B', presentationDate: '2026-03-01' },
  ]);
});

test('a document is told to have no place', () => {
  const document = obx(1, 'ED', '60572-5^Consent^LN', '^application^pdf^Base64^JVBERg==');
  for (const lines of [
    [orc, rxa(), document],
    [orc, rxa().replace('08^Hep B', '998^None'), document],
    [document, orc, rxa()],
  ]) {
    const { warnings } = mapLines(...head, ...lines);
    assert.ok(warnings.includes('OBX: a document of a vaccination has no place; left out'), lines.join());
  }
});

test('historical, refused, deleted', () => {
  const historical = onlyResource(
    mapLines(...head, orc, rxa().replace('00^New immunization record', '01^Historical')),
    'Immunization',
  );
  assert.equal(historical.primarySource, false);
  assert.equal(((historical.reportOrigin as JsonObject).coding as JsonObject[])[0]!.code, '01');
  const refused = onlyResource(
    mapLines(
      ...head,
      'ORC|RE||9999^CLINIC',
      rxa('|00^Parental decision^NIP002||RE|A').replace('|0.5|mL^mL^UCUM', '|999|'),
    ),
    'Immunization',
  );
  assert.deepEqual([refused.status, refused.doseQuantity], ['not-done', undefined]);
  assert.equal(((refused.statusReason as JsonObject).coding as JsonObject[])[0]!.code, '00');
  assert.equal(onlyResource(mapLines(...head, orc, rxa('|||CP|D')), 'Immunization').status, 'entered-in-error');
});

test('two vaccines of one number are two vaccinations', () => {
  const second = rxa().replace('08^Hep B', '20^DTaP');
  const { resources, warnings } = storedAfter([...head, orc, rxa(), orc, second], [...head, orc, rxa(), orc, second]);
  assert.deepEqual(
    storedOf(resources, 'Immunization').map(
      ({ vaccineCode }) => (vaccineCode as unknown as { coding: JsonObject[] }).coding[0]!.code,
    ),
    ['08', '20'],
  );
  // By the placer's number alone the next message would find both.
  const placed = mapLines(...head, 'ORC|RE|P1^CLINIC', rxa(), 'ORC|RE|P1^CLINIC', second);
  assert.deepEqual(
    entriesOf(placed, 'Immunization').map(({ resource }) => resource.identifier !== undefined),
    [true, false],
  );
  assert.ok(warnings.includes('ORC-3: the number of another vaccination of the message; known by vaccine and time'));
  // Nor have both another number that they share.
  assert.deepEqual(
    entriesOf(mapLines(...head, orc, rxa(), orc, second), 'Immunization').map(
      ({ resource }) => (resource.identifier as JsonObject[] | undefined)?.length,
    ),
    [2, undefined],
  );
  // So are two doses of one vaccine, but not one that is told twice.
  const earlier = rxa().replace('|20260301|', '|202601010930|');
  const doses = entriesOf(mapLines(...head, orc, rxa(), orc, earlier, orc, rxa(), orc, earlier), 'Immunization');
  assert.deepEqual(
    doses.map(({ resource }) => String(resource.occurrenceDateTime).slice(0, 10)),
    ['2026-03-01', '2026-01-01'],
  );
});

test('the number of a vaccination is its own, though what is no vaccine has it as well', () => {
  const none = [orc, 'RXA|0|1|20260301||998^No vaccine^CVX|999||||||||||||||NA|A'];
  const known = onlyEntry(mapLines(...head, orc, rxa()), 'Immunization');
  const contra = obx(1, 'CE', '30945-0^Contraindication^LN', '91930004^Egg^SCT');
  const before = entriesOf(mapLines(...head, ...none, contra), 'Observation').map(({ url }) => url);
  for (const mapped of [
    mapLines(...head, ...none, contra, orc, rxa()),
    mapLines(...head, orc, rxa(), ...none, contra),
  ]) {
    const { url, resource } = onlyEntry(mapped, 'Immunization');
    assert.deepEqual([url, resource.identifier], [known.url, known.resource.identifier]);
    assert.deepEqual(
      entriesOf(mapped, 'Observation').map((entry) => entry.url),
      before,
    );
    assert.deepEqual(mapped.warnings, []);
  }
});

test("the same vaccination is one immunization; CDC's number for none is not its number", () => {
  const { resources } = storedAfter([...head, orc, rxa()], [...head, orc, rxa()]);
  assert.equal(storedOf(resources, 'Immunization').length, 1);
  const numberless = (code: string) => [...head, 'ORC|RE||9999^CLINIC', rxa('|||RE|A').replace('08^Hep B', code)];
  const refusals = storedAfter(numberless('08^Hep B'), numberless('20^DTaP'), numberless('20^DTaP'));
  assert.equal(storedOf(refusals.resources, 'Immunization').length, 2);
});

test('observations of two vaccinations of one message are their own', () => {
  const site = obx(1, 'CE', '99SITE^Reaction at the site^L', 'N^None^L');
  const second = orc.replace('F1^CLINIC', 'F2^CLINIC').replace('P1^CLINIC', 'P2^CLINIC');
  const mapped = mapLines(...head, orc, rxa(), site, second, rxa().replace('08^Hep B', '20^DTaP'), site);
  const [first, other, ...more] = entriesOf(mapped, 'Observation').map(({ resource }) => resource);
  assert.equal(more.length, 0);
  assert.deepEqual(
    [first, other].map((one) => (one!.partOf as JsonObject[])[0]!.reference),
    entriesOf(mapped, 'Immunization').map(({ fullUrl }) => fullUrl),
  );
  const again = entriesOf(mapLines(...head, second, rxa().replace('08^Hep B', '20^DTaP'), site), 'Observation');
  assert.deepEqual(
    again.map(({ url }) => url),
    [`Observation/${other!.id}`],
  );
});

test('no vaccine administered: what the patient has is told by observations alone', () => {
  const mapped = mapLines(
    ...head,
    'ORC|RE||9999^CLINIC',
    'RXA|0|1|20260301||998^No vaccine^CVX|999||||||||||||||NA|A',
    obx(1, 'CE', '59784-9^Disease with presumed immunity^LN', '38907003^Varicella^SCT'),
  );
  assert.deepEqual(entriesOf(mapped, 'Immunization'), []);
  assert.equal(onlyResource(mapped, 'Observation').partOf, undefined);
});

test('a registry changes demographics; a message without PID is refused', () => {
  assert.equal(onlyEntry(mapLines(...head, orc, rxa()), 'Patient').method, 'PUT');
  assert.equal(refusalOf(head[0]!, orc, rxa()), 'AE 100 Required segment PID is missing');
});

test('OBX that tell which vaccines are due are an ImmunizationRecommendation, and a newer forecast takes its place', () => {
  const forecast = (at: string, due: string) => [
    head[0]!.replace('20260301080000', at),
    head[1]!,
    'ORC|RE||9999^CLINIC',
    'RXA|0|1|20260301||998^No vaccine^CVX|999||||||||||||||NA|A',
    obx(1, 'CE', '30979-9^Vaccines due next^LN', '107^DTaP^CVX'),
    obx(2, 'CE', '59779-9^Schedule used^LN', 'VXC16^ACIP^CDCPHINVS'),
    obx(3, 'NM', '30973-2^Dose number^LN', '4'),
    obx(4, 'DT', '30981-5^Earliest^LN', '20260401'),
    obx(5, 'DT', '30980-7^Due^LN', due),
    obx(6, 'CE', '59783-1^Status^LN', 'LA13422-3^On schedule^LN'),
    obx(7, 'CE', '30956-7^Vaccine type^LN', '03^MMR^CVX', '2'),
    obx(8, 'DT', '30980-7^Due^LN', '20260601', '2'),
    obx(9, 'CE', '59784-9^Presumed immunity^LN', '38907003^Varicella^SCT', '3'),
    obx(10, 'CE', '30956-7^Vaccine type^LN', '21^Varicella^CVX', '4'),
  ];
  const mapped = mapLines(...forecast('20260301080000', '20260501'));
  assert.deepEqual(mapped.warnings, []);
  const found = onlyResource(mapped, 'ImmunizationRecommendation');
  const [dtap, mmr, ...more] = found.recommendation as JsonObject[];
  assert.deepEqual([found.date, found.authority, more], ['2026-03-01', { display: 'ACIP' }, []]);
  const criteria = ({ dateCriterion }: JsonObject) =>
    (dateCriterion as JsonObject[]).map(({ code, value }) => [
      ((code as JsonObject).coding as JsonObject[])[0]!.code,
      value,
    ]);
  assert.deepEqual(
    [criteria(dtap!), criteria(mmr!)],
    [
      [
        ['30981-5', '2026-04-01'],
        ['30980-7', '2026-05-01'],
      ],
      [['30980-7', '2026-06-01']],
    ],
  );
  assert.equal(dtap!.doseNumberPositiveInt, 4);
  assert.equal(((dtap!.forecastStatus as JsonObject).coding as JsonObject[])[0]!.code, 'LA13422-3');
  assert.ok((mmr!.forecastStatus as JsonObject).extension, 'nobody says its status');
  assert.equal(entriesOf(mapped, 'Observation').length, 2, 'what is no forecast stays an Observation');
  const { resources } = storedAfter(forecast('20260302080000', '20260701'), forecast('20260301080000', '20260501'));
  const [stored, ...others] = storedOf(resources, 'ImmunizationRecommendation');
  assert.deepEqual(others, []);
  assert.deepEqual(criteria((stored!.recommendation as JsonObject[])[0]!)[1], ['30980-7', '2026-07-01']);
});

test('who is next of kin is a RelatedPerson, and PD1-7 an observation, as in an ADT', () => {
  const mapped = mapLines(
    ...head,
    'PD1|||||||DNR^Do not resuscitate^HL70315',
    'NK1|1|TEST^MOTHER|MTH^Mother^HL70063|1 St^^Town|^PRN^PH^^^555^1234',
    'NK1|2|Acme Inc|EMR^Employer^HL70063',
    orc,
    rxa(),
  );
  const { name, patient } = onlyResource(mapped, 'RelatedPerson');
  assert.deepEqual(name, [{ family: 'TEST', given: ['MOTHER'] }]);
  assert.deepEqual(patient, { reference: onlyEntry(mapped, 'Patient').fullUrl });
  const will = onlyResource(mapped, 'Observation').valueCodeableConcept as { coding: JsonObject[] };
  assert.equal(will.coding[0]!.code, 'DNR');
});
