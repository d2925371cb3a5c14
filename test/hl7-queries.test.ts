// Queries over MLLP, answered from the real store: immunization history, patient look-up, corresponding numbers.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { type JsonObject, type Resource, rawJson } from '#fhir-model';
import type { FhirServer } from '#fhir-server';
import { createMllpClient, type Hl7Engine, type MllpClient, parseMessage } from '#hl7-engine';
import type { Db } from '#platform';
import { hl7Rig, scope } from './hl7-rig.ts';

let db: Db;
let fhir: FhirServer;
let engine: Hl7Engine;
let client: MllpClient;

before(async () => {
  ({ db, fhir, engine } = await hl7Rig());
  const { port } = await engine.start();
  client = createMllpClient({ host: '127.0.0.1', port, timeoutMs: 120_000 });
  await vaccinate('Q1', 'VACCINE^ADA^MAY', '20200102', [
    ['V1', '20250301', '08^Hep B^CVX'],
    ['V2', '20260101', '48^Hib^CVX'],
  ]);
  await vaccinate('Q2', 'TWIN^ANNE', '20200505', []);
  await vaccinate('Q3', 'TWIN^ANNE', '20200505', []);
  await vaccinate('Q4', 'MÜLLER^ÖRS', '19800101', []);
  for (let number = 10; number < 15; number++) await vaccinate(`P${number}`, `PAGE^NO${number}`, '19700101', []);
});

after(async () => {
  await client.close();
  await engine.stop();
});

let controlNumber = 0;

function message(type: string, lines: readonly string[], version = '2.5.1'): string {
  const header = `MSH|^~\\&|ASKER|CLINIC|IIS|REGISTRY|20260301120000||${type}|Q${++controlNumber}|P|${version}||||||UNICODE UTF-8`;
  return [header, ...lines].join('\r');
}

/** The lines of the answer. */
async function send(type: string, ...lines: string[]): Promise<string[]> {
  const ack = await client.send(Buffer.from(message(type, lines)));
  return ack
    .toString('utf8')
    .split('\r')
    .filter((line) => line !== '');
}

async function vaccinate(number: string, name: string, born: string, doses: [string, string, string][]): Promise<void> {
  const lines = doses.flatMap(([id, day, vaccine]) => [
    `ORC|RE||${id}^REG`,
    `RXA|0|1|${day}||${vaccine}|0.5|mL^^UCUM||00^New immunization record^NIP001||||||LOT${id}||MSD^Merck^MVX|||CP|A`,
    'RXR|C28161^Intramuscular^NCIT|LD^Left Deltoid^HL70163',
    'OBX|1|NM|30973-2^Dose number in series^LN|1|2||||||F',
  ]);
  const pid = `PID|1||${number}^^^REGISTRY^MR~S${number}^^^2NDREG&1.2.3.4&ISO^PI||${name}|MAIDEN^MO|${born}|F|||1 Test St^^Town^TS^12345^US||^PRN^PH^^^555^1234`;
  const nk1 = 'NK1|1|VACCINE^MOTHER|MTH^Mother^HL70063';
  const [, msa] = await send('VXU^V04^VXU_V04', pid, nk1, ...lines);
  assert.match(msa!, /^MSA\|AA\|/);
}

const named = (lines: readonly string[], name: string): string[] => lines.filter((line) => line.startsWith(name));
const history = (qpd: string, rcp = 'RCP|I|5^RD'): Promise<string[]> =>
  send('QBP^Q11^QBP_Q11', `QPD|Z34^Request Immunization History^CDCPHINVS|tag1|${qpd}`, rcp);

test('the immunization history of one patient, as profile Z32', async () => {
  const answer = await history('Q1^^^REGISTRY^MR|VACCINE^ADA|MAIDEN^MO|20200102|F');
  const msh = parseMessage(Buffer.from(answer.join('\r')));
  assert.deepEqual(
    [3, 4, 5, 6, 9, 21].map((field) => msh.segments[0]!.field(field).raw),
    ['IIS', 'REGISTRY', 'ASKER', 'CLINIC', 'RSP^K11^RSP_K11', 'Z32^CDCPHINVS'],
  );
  assert.deepEqual(answer.slice(1), [
    `MSA|AA|Q${controlNumber}`,
    'QAK|tag1|OK|Z34^Request Immunization History^CDCPHINVS',
    'QPD|Z34^Request Immunization History^CDCPHINVS|tag1|Q1^^^REGISTRY^MR|VACCINE^ADA|MAIDEN^MO|20200102|F',
    'PID|1||Q1^^^REGISTRY^MR~SQ1^^^2NDREG&1.2.3.4&ISO^PI||VACCINE^ADA^MAY^^^^L|MAIDEN^^^^^^M|20200102|F|||1 Test St^^Town^TS^12345^US||555 1234^PRN^PH^^^555^1234',
    'NK1|1|VACCINE^MOTHER^^^^^L|MTH^Mother^HL70063',
    'ORC|RE||V1^REG',
    'RXA|0|1|20250301|20250301|08^Hep B^CVX|0.5|mL^mL^UCUM||00^New immunization record^NIP001||||||LOTV1||MSD^Merck^MVX|||CP|A',
    'RXR|C28161^Intramuscular^NCIT|LD^Left Deltoid^HL70163',
    'OBX|1|NM|30973-2^Dose number in series^LN|1|2||||||F|||20250301',
    'ORC|RE||V2^REG',
    'RXA|0|1|20260101|20260101|48^Hib^CVX|0.5|mL^mL^UCUM||00^New immunization record^NIP001||||||LOTV2||MSD^Merck^MVX|||CP|A',
    'RXR|C28161^Intramuscular^NCIT|LD^Left Deltoid^HL70163',
    'OBX|1|NM|30973-2^Dose number in series^LN|1|2||||||F|||20260101',
  ]);
});

test('by name and birth alone; and what is nobody’s or several’s', async () => {
  const found = await history('|VACCINE^ADA||20200102|F');
  assert.equal(named(found, 'RXA').length, 2);
  const kinds: string[] = [];
  for (const [qpd, rcp] of [
    // Another's name or birth under the number.
    ['Q1^^^REGISTRY^MR|OTHER^ADA||20200102|F'],
    ['Q1^^^REGISTRY^MR|VACCINE^ADA||20200103|F'],
    ['Q1^^^REGISTRY^MR|VACCINE^ADA||20200102|M'],
    ['NONE^^^REGISTRY^MR|NOBODY^AT ALL||20200102|F'],
    ['|TWIN^ANNE||20200505|F'],
    ['|TWIN^ANNE||20200505|F', 'RCP|I|1^RD'],
  ] as const) {
    const answer = await history(qpd, rcp);
    const [msh, msa, qak] = answer;
    kinds.push(
      `${msh!.split('|')[20]} ${msa!.split('|')[1]} ${qak!.split('|')[2]} ${named(answer, 'PID').length} ${named(answer, 'RXA').length}`,
    );
  }
  assert.deepEqual(kinds, [
    'Z33^CDCPHINVS AA NF 0 0',
    'Z33^CDCPHINVS AA NF 0 0',
    'Z33^CDCPHINVS AA NF 0 0',
    'Z33^CDCPHINVS AA NF 0 0',
    'Z31^CDCPHINVS AA OK 2 0',
    'Z33^CDCPHINVS AA TM 0 0',
  ]);
});

test('who is found by a name as searches fold it gets the history under that name', async () => {
  await vaccinate('Q5', 'GROßE ŁØSS^SØREN', '19900101', [['V5', '20250301', '08^Hep B^CVX']]);
  for (const name of ['GROSSE LOSS^SOREN', 'Große Łøss^Søren']) {
    for (const number of ['', 'Q5^^^REGISTRY^MR']) {
      const answer = await history(`${number}|${name}||19900101`);
      assert.equal(answer[0]!.split('|')[20], 'Z32^CDCPHINVS', `${number} ${name}`);
      assert.equal(named(answer, 'RXA').length, 1);
    }
  }
});

test('a query that cannot be answered says what to do', async () => {
  const [, msa, err] = await history('');
  assert.match(msa!, /^MSA\|AE\|/);
  assert.equal(
    err,
    'ERR||QPD^1^3|101^Required field missing^HL70357|E|||QPD names nobody: send QPD-3, or QPD-4 and QPD-6',
  );
  const other = await send('QBP^Q11^QBP_Q11', 'QPD|Z99^Other^X|t', 'RCP|I');
  assert.deepEqual(
    [other[0]!.split('|')[8], other[2]!.split('|').slice(2, 4), other[3]],
    ['RSP^K11^RSP_K11', ['QPD^1^1', '103^Table value not found^HL70357'], 'QAK|t|AE|Z99^Other^X'],
  );
  const lines = await history('Q1^^^REGISTRY^MR', 'RCP|I|5^LI');
  assert.match(lines[2]!, /^ERR\|\|RCP\^1\^2\|102/);
});

const candidates = (qpd: string, ...more: string[]): Promise<string[]> =>
  send('QBP^Q22^QBP_Q21', `QPD|IHE PDQ Query|t2|${qpd}`, ...more);

test('patients by what is known of them', async () => {
  const answer = await candidates('@PID.5.1^VACC*~@PID.7^20200102', 'RCP|I|10^RD');
  assert.equal(answer[0]!.split('|')[8], 'RSP^K22^RSP_K21');
  assert.equal(answer[2], 'QAK|t2|OK|IHE PDQ Query|1|1|0');
  assert.deepEqual(
    named(answer, 'PID').map((line) => line.split('|')[5]),
    ['VACCINE^ADA^MAY^^^^L'],
  );
  const byNumber = await candidates('@PID.3.1^Q2~@PID.3.4.1^REGISTRY', 'RCP|I|10^RD');
  assert.deepEqual(named(byNumber, 'PID').length, 1);
  const umlaut = await candidates('@PID.5.1^muller', 'RCP|I');
  assert.match(named(umlaut, 'PID')[0]!, /MÜLLER\^ÖRS/);
  const none = await candidates('@PID.5.1^ZZZ', 'RCP|I|10^RD');
  assert.equal(none[2], 'QAK|t2|NF|IHE PDQ Query|0|0|0');
  assert.deepEqual(named(none, 'PID'), []);
  const [, msa, err] = await candidates('@PID.6.1^X', 'RCP|I');
  assert.match(`${msa} ${err}`, /^MSA\|AE\|Q\d+.* ERR\|\|QPD\^1\^3\|103/);
});

test('page by page, with the pointer of the page before', async () => {
  const seen: string[] = [];
  const left: string[] = [];
  for (let dsc: string[] = [], pages = 0; pages < 5; pages++) {
    const answer = await candidates('@PID.5.1^PAGE', 'RCP|I|2^RD', ...dsc);
    seen.push(...named(answer, 'PID').map((line) => line.split('|')[3]!.split('^')[0]!));
    left.push(answer[2]!.split('|').slice(4).join());
    dsc = named(answer, 'DSC');
    if (dsc.length === 0) break;
    assert.match(dsc[0]!, /^DSC\|[^|]+\|I$/);
  }
  assert.deepEqual(seen.toSorted(), ['P10', 'P11', 'P12', 'P13', 'P14']);
  assert.deepEqual(left, ['5,2,3', '5,2,1', '5,1,0']);
});

test('pages of those who have a number in the domains of QPD-8', async () => {
  for (const number of ['D1^^^WARDS', 'D2^^^CLINICS', 'D3^^^CLINICS']) {
    const [, msa] = await send('ADT^A28^ADT_A05', 'EVN|A28|20260301', `PID|1||${number}||DOMAIN`, 'PV1|1|N');
    assert.match(msa!, /^MSA\|AA\|/);
  }
  const found: [qak: string | undefined, numbers: string[], isLast: boolean][] = [];
  for (const name of ['WARDS', 'CLINICS', 'NOBODY']) {
    const answer = await candidates(`@PID.5.1^DOMAIN|||||^^^${name}`, 'RCP|I|1^RD');
    const numbers = named(answer, 'PID').map((line) => line.split('|')[3]!);
    found.push([answer[2], numbers, named(answer, 'DSC').length === 0]);
  }
  assert.deepEqual(found, [
    ['QAK|t2|OK|IHE PDQ Query|1|1|0', ['D1^^^WARDS'], true],
    ['QAK|t2|OK|IHE PDQ Query|2|1|1', ['D3^^^CLINICS'], false],
    ['QAK|t2|NF|IHE PDQ Query|0|0|0', [], true],
  ]);
});

test('a pointer that is none is told in the answer', async () => {
  const answer = await candidates('@PID.5.1^VACC', 'RCP|I|1^RD', 'DSC|1.zzzz');
  assert.equal(answer[0]!.split('|')[8], 'RSP^K22^RSP_K21');
  assert.match(`${answer[1]} ${answer[2]}`, /^MSA\|AE\|Q\d+.* ERR\|\|DSC\^1\^1\|103/);
  assert.equal(answer[3], 'QAK|t2|AE|IHE PDQ Query');
});

test('a date of birth that cannot be read is told: nobody gets a history for which it was not compared', async () => {
  const qpd = 'QPD|Z34^Request Immunization History^CDCPHINVS|t1|Q1^^^REGISTRY^MR|VACCINE^ADA||2020-01-02|F';
  const answer = await send('QBP^Q11^QBP_Q11', qpd, 'RCP|I|5^RD');
  assert.match(`${answer[1]} ${answer[2]}`, /^MSA\|AE\|Q\d+.* ERR\|\|QPD\^1\^6\|102/);
  assert.deepEqual(named(answer, 'RXA'), []);
});

test('one patient’s demographics, and other numbers of the same patient', async () => {
  const person = await send('QBP^Q21^QBP_Q21', 'QPD|Q21^Get Person Demographics^HL7|t3|Q1^^^REGISTRY^MR', 'RCP|I');
  assert.equal(person[0]!.split('|')[8], 'RSP^K21^RSP_K21');
  assert.equal(named(person, 'PID').length, 1);
  const unknown = await send('QBP^Q21^QBP_Q21', 'QPD|Q21^Get Person Demographics^HL7|t3|X^^^REGISTRY^MR', 'RCP|I');
  assert.equal(unknown[2], 'QAK|t3|NF|Q21^Get Person Demographics^HL7');
  const numbers = await send('QBP^Q23^QBP_Q21', 'QPD|IHE PIX Query|t4|Q1^^^REGISTRY^MR', 'RCP|I');
  assert.deepEqual(numbers.slice(2), [
    'QAK|t4|OK|IHE PIX Query',
    'QPD|IHE PIX Query|t4|Q1^^^REGISTRY^MR',
    'PID|||SQ1^^^2NDREG&1.2.3.4&ISO^PI||^^^^^^S',
  ]);
  const inDomain = await send('QBP^Q23^QBP_Q21', 'QPD|IHE PIX Query|t5|Q1^^^REGISTRY^MR|^^^NOWHERE', 'RCP|I');
  assert.deepEqual([inDomain[2], named(inDomain, 'PID')], ['QAK|t5|NF|IHE PIX Query', []]);
  const nobody = await send('QBP^Q23^QBP_Q21', 'QPD|IHE PIX Query|t6|X^^^REGISTRY^MR', 'RCP|I');
  assert.deepEqual(nobody.slice(1, 4), [
    `MSA|AE|Q${controlNumber}`,
    'ERR||QPD^1^3^1^1|204^Unknown key identifier^HL70357|E|||QPD-3 is the number of no patient here',
    'QAK|t6|AE|IHE PIX Query',
  ]);
});

test('two quotation marks that are stored as text ask nobody to delete anything', async () => {
  const quotes = '""';
  const person = {
    ...{ resourceType: 'Patient', id: 'quotes', name: [{ use: 'official', family: quotes, given: ['ANN'] }] },
    identifier: [{ system: 'urn:id:REGISTRY', value: 'QUO' }],
  };
  await fhir.writer.createIfAbsent([person as Resource & { id: string }], { scope });
  const answer = await send('QBP^Q21^QBP_Q21', `QPD|Q21^Get^HL7|t7|QUO^^^REGISTRY|${quotes}`, 'RCP|I');
  assert.equal(named(answer, 'PID')[0]!.split('|')[5], '\\X22\\"^ANN^^^^^L');
  assert.equal(named(answer, 'QPD')[0]!.split('|')[4], quotes);
});

test('who was merged is found as who it is now', async () => {
  await vaccinate('M1', 'MERGED^OLD', '19900101', [['VM1', '20240101', '08^Hep B^CVX']]);
  await vaccinate('M2', 'MERGED^NEW', '19900101', []);
  const merge = await send(
    'ADT^A40^ADT_A39',
    'EVN|A40|20260301',
    'PID|1||M2^^^REGISTRY^MR||MERGED^NEW',
    'MRG|M1^^^REGISTRY^MR',
  );
  assert.match(merge[1]!, /^MSA\|AA/);
  const answer = await history('M1^^^REGISTRY^MR|MERGED^NEW||19900101|F');
  assert.deepEqual([named(answer, 'PID').length, named(answer, 'RXA').length], [1, 1]);
  assert.match(named(answer, 'PID')[0]!, /\|M2\^\^\^REGISTRY\^MR/);
  const pages = await candidates('@PID.5.1^MERGED', 'RCP|I');
  assert.deepEqual(named(pages, 'PID').length, 1);
});

test('the answer has the letters of the names, whatever the query’s character set', async () => {
  const lines = message('QBP^Q21^QBP_Q21', ['QPD|Q21^Get^HL7|t7|Q4^^^REGISTRY^MR', 'RCP|I']).replace(
    'UNICODE UTF-8',
    '',
  );
  const ascii = await client.send(Buffer.from(lines));
  const answer = parseMessage(ascii);
  assert.deepEqual([answer.get('MSH-18'), answer.get('PID-5.1')], ['UNICODE UTF-8', 'MÜLLER']);
  const latin = await client.send(
    Buffer.from(lines.replace(/\|Q\d+\|P/, '|L1|P').replace('2.5.1||||||', '2.5.1||||||8859/1')),
  );
  assert.deepEqual([parseMessage(latin).get('MSH-18'), parseMessage(latin).get('PID-5.1')], ['8859/1', 'MÜLLER']);
});

test('an acknowledgment that comes in is journalled, changes nothing and is not answered', async () => {
  const ack = message('ACK^A08^ACK', ['MSA|AA|4711']);
  assert.equal((await engine.process(Buffer.from(ack))).length, 0);
  const rows = await db.query<{ state: string; wrote: string[] }>(
    { text: 'select state, wrote from hl7_message where control_id = $1' },
    [`Q${controlNumber}`],
  );
  assert.deepEqual(rows, [{ state: 'filtered', wrote: [] }]);
});

test('in enhanced mode the answer follows the commit acknowledgment, if it is not refused', async () => {
  const asked = (accept: string, application: string): Buffer => {
    const text = message('QBP^Q21^QBP_Q21', ['QPD|Q21^Get^HL7|t8|Q1^^^REGISTRY^MR', 'RCP|I']);
    return Buffer.from(text.replace('|2.5.1||||||', `|2.5.1|||${accept}|${application}||`));
  };
  const answers = async (accept: string, application: string): Promise<string[]> => {
    const all = (await engine.process(asked(accept, application))).toString('utf8');
    return all
      .split('\r')
      .flatMap((line) => (line.startsWith('MSA') ? [line.split('|')[1]!] : line.startsWith('QAK') ? ['QAK'] : []));
  };
  assert.deepEqual(await answers('AL', 'AL'), ['CA', 'AA', 'QAK']);
  assert.deepEqual(await answers('ER', ''), ['AA', 'QAK']);
  assert.deepEqual(await answers('AL', 'NE'), ['CA']);
});

test('a query without a number, or with too many conditions, is told in an answer', async () => {
  const [msh, msa, , qak] = await send('QBP^Q21^QBP_Q21', 'QPD|Q21^Get^HL7|t9', 'RCP|I');
  assert.deepEqual([msh!.split('|')[8], msa!.split('|')[1], qak], ['RSP^K21^RSP_K21', 'AE', 'QAK|t9|AE|Q21^Get^HL7']);
  const many = Array.from({ length: 21 }, () => '@PID.5.1^X').join('~');
  assert.match((await candidates(many, 'RCP|I'))[2]!, /QPD-3 names more than 20 fields/);
});

test('vaccinations that came as resources: who gave them, exact doses, refusals, and none that were entered in error', async () => {
  const person = {
    ...{ resourceType: 'Patient', id: 'native', birthDate: '2021-01-01', name: [{ family: 'NATIVE' }] },
    identifier: [{ system: 'urn:id:REGISTRY', value: 'N1' }],
    generalPractitioner: [{ reference: 'Practitioner/giver' }],
  };
  const giver = {
    ...{ resourceType: 'Practitioner', id: 'giver', name: [{ family: 'TEST', given: ['GIVER'] }] },
    identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '1000000004' }],
  };
  const dose = (id: string, day: string, more: JsonObject): Resource => ({
    ...{ resourceType: 'Immunization', id, status: 'completed', occurrenceDateTime: day },
    patient: { reference: 'Patient/native' },
    vaccineCode: { coding: [{ system: 'http://hl7.org/fhir/sid/cvx', code: '08' }] },
    ...more,
  });
  const refusal = { statusReason: { coding: [{ system: 'urn:id:REGISTRY:WHY', code: 'X' }] } };
  const resources = [
    ...[person as Resource, giver as Resource],
    dose('given', '2026-01-01', {
      doseQuantity: { value: rawJson('0.50') as never, unit: 'mL', system: 'http://unitsofmeasure.org', code: 'mL' },
      performer: [{ actor: { reference: 'Practitioner/giver' } }],
    }),
    dose('refused', '2026-01-02', { status: 'not-done', ...refusal }),
    dose('not-given', '2026-01-03', { status: 'not-done' }),
    dose('wrong', '2026-01-04', { status: 'entered-in-error' }),
  ];
  await fhir.writer.createIfAbsent(resources as (Resource & { id: string })[], { scope });
  const answer = await history('N1^^^REGISTRY|NATIVE||20210101');
  assert.deepEqual(answer.slice(4), [
    'PID|1||N1^^^REGISTRY||NATIVE^^^^^^L||20210101',
    'PD1||||1000000004^TEST^GIVER^^^^^^NPI&2.16.840.1.113883.4.6&ISO',
    'ORC|RE||given^IIS',
    'RXA|0|1|20260101|20260101|08^^CVX|0.50|mL^mL^UCUM||01^Historical information - source unspecified^NIP001|1000000004^TEST^GIVER^^^^^^NPI&2.16.840.1.113883.4.6&ISO||||||||||CP|A',
    'ORC|RE||refused^IIS',
    'RXA|0|1|20260102|20260102|08^^CVX|999||||||||||||X^^WHY||RE|A',
    'ORC|RE||not-given^IIS',
    'RXA|0|1|20260103|20260103|08^^CVX|999||||||||||||||NA|A',
  ]);
});
