import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { parseMessage } from '../../message/message.ts';
import { buildResponse } from '../../message/response.ts';
import {
  entriesOf,
  mapLines,
  onlyEntry,
  onlyResource,
  refusalOf,
  segment,
  storedAfter,
  storedOf,
} from '../../testing/mapped.ts';
import { namedZone } from '../datetime.ts';
import { mapMessage } from '../map.ts';

const header = (event: string, at = '20260301080000') =>
  `MSH|^~\\&|HR|HOSP|EHR|HOSP|${at}||MFN^${event}^MFN_${event}|N${at}|P|2.5.1`;
const mfi = (level = 'AL', kind = 'UPD') => `MFI|STF^Staff^HL70175||${kind}|||${level}`;
const mfe = (action: string, id = 'R1', key = 'S1') => `MFE|${action}|${id}|20260301|${key}|CWE`;
const stf = (fields: Record<number, string> = {}) =>
  segment('STF', {
    1: 'S1',
    2: '100^^^HOSP^EI~1234567893^^^^NPI',
    3: 'DOC^DORA^MAY',
    4: 'D^Doctor^L',
    5: 'F',
    6: '19700101',
    7: 'A',
    8: 'CARD^Cardiology^L',
    10: '^WPN^PH^^^555^1234',
    12: '20200101^HOSP',
    15: 'dora@hospital.example',
    18: 'Consultant',
    ...fields,
  });
const staff = (action: string, at: string, ...lines: string[]) => [header('M02', at), mfi(), mfe(action), ...lines];

describe('MFN^M02', () => {
  it('is a practitioner with role, languages and qualifications', () => {
    const mapped = mapLines(
      ...staff(
        'MAD',
        '20260301080000',
        stf(),
        segment('PRA', { 1: 'S1', 3: 'PHY^Physician^L', 5: 'Cardiology^Board^C', 6: 'L77^DEA' }),
        'LAN|1|fr^French^ISO639',
        segment('EDU', { 1: '1', 2: 'MD', 3: '19900901^19960630', 6: 'Test University' }),
        segment('CER', {
          1: '1',
          2: 'C77',
          4: 'Board of Tests',
          10: 'CARD^Cardiology^L',
          25: '20000101',
          27: '20300101',
        }),
        'AFF|1|Society of Tests||20010101',
      ),
    );
    const { identifier, ...person } = onlyResource(mapped, 'Practitioner');
    assert.deepEqual(
      (identifier as JsonObject[]).map(({ system, value }) => `${system} ${value}`),
      [
        'urn:id:HOSP 100',
        'http://hl7.org/fhir/sid/us-npi 1234567893',
        'urn:id:HOSP:practitioner S1',
        'urn:id:HOSP:DEA L77',
      ],
    );
    assert.deepEqual(person, {
      resourceType: 'Practitioner',
      active: true,
      name: [{ family: 'DOC', given: ['DORA', 'MAY'] }],
      gender: 'female',
      birthDate: '1970-01-01',
      telecom: [
        {
          extension: [
            { url: 'http://hl7.org/fhir/StructureDefinition/contactpoint-area', valueString: '555' },
            { url: 'http://hl7.org/fhir/StructureDefinition/contactpoint-local', valueString: '1234' },
          ],
          system: 'phone',
          value: '555 1234',
          use: 'work',
        },
        { system: 'email', value: 'dora@hospital.example' },
      ],
      communication: [
        {
          coding: [
            { system: 'urn:ietf:bcp:47', code: 'fr' },
            { system: 'urn:id:HOSP:ISO639', code: 'fr', display: 'French' },
          ],
        },
      ],
      qualification: [
        {
          code: { coding: [{ code: 'MD' }] },
          period: { start: '1990-09-01', end: '1996-06-30' },
          issuer: { display: 'Test University' },
        },
        {
          identifier: [{ system: 'urn:id:HOSP:certificate', value: 'C77' }],
          code: { coding: [{ system: 'urn:id:HOSP:L', code: 'CARD', display: 'Cardiology' }] },
          period: { start: '2000-01-01', end: '2030-01-01' },
          issuer: { display: 'Board of Tests' },
        },
        { code: { text: 'unknown' }, period: { start: '2001-01-01' }, issuer: { display: 'Society of Tests' } },
      ],
    });
    assert.deepEqual(onlyResource(mapped, 'PractitionerRole'), {
      resourceType: 'PractitionerRole',
      active: true,
      practitioner: { reference: onlyEntry(mapped, 'Practitioner').fullUrl },
      organization: {
        type: 'Organization',
        identifier: { system: 'urn:id:HOSP:department', value: 'CARD' },
        display: 'Cardiology',
      },
      code: [
        { coding: [{ system: 'urn:id:HOSP:L', code: 'D', display: 'Doctor' }] },
        { text: 'Consultant' },
        { coding: [{ system: 'urn:id:HOSP:L', code: 'PHY', display: 'Physician' }] },
      ],
      specialty: [{ text: 'Cardiology' }],
      period: { start: '2020-01-01' },
    });
  });

  it('leaves out the end of a period that is before its start, and a language that is none', () => {
    const edu = segment('EDU', { 1: '1', 2: 'MD', 3: '1996^19900901' });
    const mapped = mapLines(...staff('MAD', '20260301080000', stf(), 'LAN|1|?', edu));
    const { qualification, communication } = onlyResource(mapped, 'Practitioner');
    assert.deepEqual((qualification as JsonObject[])[0]!.period, { start: '1996' });
    assert.deepEqual(communication, [{ text: '?' }]);
    assert.deepEqual(mapped.warnings, ['EDU: an end before the start is left out']);
  });

  it('is in each unit of ORG', () => {
    const org = (number: number, unit: string) => `ORG|${number}|${unit}^Unit ${unit}^L`;
    const roles = entriesOf(
      mapLines(...staff('MAD', '20260301080000', stf({ 8: '' }), org(1, 'A'), org(2, 'B'))),
      'PractitionerRole',
    );
    assert.deepEqual(
      roles.map(({ resource }) => (resource.organization as unknown as JsonObject).display),
      ['Unit A', 'Unit B'],
    );
    assert.equal(new Set(roles.map(({ url }) => url)).size, 2);
  });

  it('has one record in a message: of two the second has no effect, and the others have', () => {
    const record = (id: string, own: string, npi: string) => [
      mfe('MAD', id, own),
      stf({ 1: own, 2: `${npi}^^^^NPI`, 3: own }),
    ];
    const [one, same, other] = [record('R1', 'S1', '1'), record('R2', 'S2', '1'), record('R3', 'S3', '3')];
    const mapped = mapLines(header('M02'), mfi(), ...one, ...same, ...other);
    assert.deepEqual(
      entriesOf(mapped, 'Practitioner').map(({ resource }) => (resource.name as unknown as JsonObject[])[0]!.family),
      ['S1', 'S3'],
    );
    assert.deepEqual(mapped.warnings, [
      'MFE: a record has no effect: A number of STF-1, STF-2 or PRA-6 is that of another record',
    ]);
    // What has no effect is no other record to those that follow.
    const right = mapLines(header('M02'), mfi(), ...one, ...same, ...record('R4', 'S2', '4'));
    assert.equal(entriesOf(right, 'Practitioner').length, 2);
  });

  it('is found by MFE-4 where its record is MFE alone', () => {
    const [known] = entriesOf(mapLines(...staff('MAD', '20260301080000', stf())), 'Practitioner');
    const { url, choose, merge, resource } = onlyEntry(mapLines(...staff('MDL', '20260302080000')), 'Practitioner');
    assert.equal(decodeURIComponent(url), 'Practitioner?identifier=urn:id:HOSP:practitioner|S1');
    assert.deepEqual([choose!([known!.resource]), choose!([])], [{ match: known!.resource }, { idle: true }]);
    const gone = merge!(known!.resource, resource);
    assert.deepEqual([gone.active, gone.name], [false, known!.resource.name]);
  });

  it('is inactive where it is deleted or deactivated, and active again', () => {
    const active = (...messages: string[][]): unknown[] => {
      const { resources } = storedAfter(...messages);
      return ['Practitioner', 'PractitionerRole'].map((type) => storedOf(resources, type)[0]!.active);
    };
    const added = staff('MAD', '20260301080000', stf());
    assert.deepEqual(active(added, staff('MDL', '20260302080000', stf())), [false, false]);
    assert.deepEqual(active(added, staff('MDC', '20260302080000', stf())), [false, false]);
    assert.deepEqual(active(added, staff('MDC', '20260302080000', stf()), staff('MAC', '20260303080000', stf())), [
      true,
      true,
    ]);
    assert.deepEqual(active(added, staff('MUP', '20260302080000', stf({ 7: 'I' }))), [false, false]);
    assert.deepEqual(active(staff('MDC', '20260302080000', stf()), added), [false, false]);
    assert.deepEqual(active(staff('MAD', '20260301080000', stf({ 7: 'I' }))), [false, false]);
    assert.deepEqual(active(staff('MAD', '20260301080000', stf({ 7: '' }))), [true, true]);
  });

  it('tells that roles in units that it does not name stay, where it ends the practitioner', () => {
    const told = 'MFE-1, STF-7: roles in units that the record does not name (ORG) stay as they are';
    const warnings = (action: string, ...lines: string[]) =>
      mapLines(...staff(action, '20260302080000', ...lines)).warnings;
    assert.deepEqual(warnings('MDL'), [told]);
    assert.deepEqual(warnings('MDC', stf()), [told]);
    assert.deepEqual(warnings('MUP', stf({ 7: 'I' })), [told]);
    assert.deepEqual(warnings('MDC', stf(), segment('ORG', { 1: '1', 2: 'CARD^Cardiology' })), []);
    assert.deepEqual(warnings('MAC'), []);
  });
});

const place = (action: string, at: string, ...lines: string[]) => [
  header('M05', at),
  'MFI|LOC^Location^HL70175||UPD|||AL',
  mfe(action, 'R1', 'WARD^R1^B1'),
  ...lines,
];

describe('MFN^M05', () => {
  const loc = segment('LOC', {
    1: 'WARD^R1^B1',
    2: 'By the window',
    3: 'B^Bed^HL70260',
    4: 'Test Hospital',
    5: '1 Test St^^Town',
    6: '^WPN^PH^^^555^77',
  });

  it('is the place that PV1-3 means, within those around it', () => {
    const mapped = mapLines(
      ...place(
        'MAD',
        '20260301080000',
        loc,
        'LDP|WARD^R1^B1|CAR|CAR^Cardiology^L|||A||||MON^FRI^0800^1800|^WPN^PH^^^555^78',
      ),
    );
    const [ward, room, bed] = entriesOf(mapped, 'Location');
    assert.deepEqual([ward!.method, room!.method, bed!.method], ['POST', 'POST', 'PUT']);
    const { meta: _meta, identifier, telecom, type, ...rest } = bed!.resource;
    assert.deepEqual(identifier, [{ system: 'urn:id:HOSP:location', value: 'WARD/R1/B1' }]);
    assert.deepEqual(
      (telecom as unknown as JsonObject[]).map(({ value }) => value),
      ['555 77', '555 78'],
    );
    assert.equal((type as unknown as JsonObject[]).length, 3);
    assert.deepEqual(JSON.parse(JSON.stringify(rest)), {
      resourceType: 'Location',
      status: 'active',
      name: 'B1',
      description: 'By the window',
      mode: 'instance',
      address: { line: ['1 Test St'], city: 'Town' },
      physicalType: {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/location-physical-type', code: 'bd', display: 'Bed' },
        ],
      },
      managingOrganization: { display: 'Test Hospital' },
      partOf: { reference: room!.fullUrl },
      hoursOfOperation: [
        { daysOfWeek: ['mon', 'tue', 'wed', 'thu', 'fri'], openingTime: '08:00:00', closingTime: '18:00:00' },
      ],
    });
  });

  it('is what its own record says, though that of a place within it comes first', async () => {
    const ward = (action: string, words: string) => [mfe(action, 'R2', 'WARD'), `LOC|WARD|${words}`];
    const lines = [...place('MAD', '20260301080000', loc), ...ward('MAD', 'Second floor')];
    const found = entriesOf(mapLines(...lines), 'Location').map(({ method, resource }) => [
      method,
      resource.name,
      resource.description,
    ]);
    assert.deepEqual(found, [
      ['PUT', 'WARD', 'Second floor'],
      ['POST', 'R1', undefined],
      ['PUT', 'B1', 'By the window'],
    ]);
    // A second one of the same place has no effect, and is told.
    assert.deepEqual(mapLines(...lines, ...ward('MDC', 'Attic')).warnings, [
      'MFE: a record has no effect: LOC-1 is that of another record',
    ]);
  });

  it('is inactive where it is deleted, and keeps what is not said', () => {
    const { resources } = storedAfter(
      place('MAD', '20260301080000', loc),
      place('MDL', '20260302080000'),
      place('MUP', '20260303080000', 'LOC|WARD^R1^B1|In the corner'),
    );
    const [bed] = storedOf(resources, 'Location').filter(({ name }) => name === 'B1');
    assert.deepEqual(
      [bed!.status, bed!.description, bed!.managingOrganization],
      ['inactive', 'In the corner', { display: 'Test Hospital' }],
    );
  });
});

describe('MFK', () => {
  const answered = async (...lines: string[]): Promise<string[]> => {
    const message = parseMessage(Buffer.from(lines.join('\r')));
    const { respond } = mapMessage(message, '1', { zone: namedZone('UTC'), identifierSystems: {} });
    const answer = buildResponse(message, await respond!(undefined), { controlId: 'A1', nowMs: 0, enhanced: false });
    return answer.toString('utf8').split('\r').slice(0, -1);
  };
  const bad = [mfe('MAD', 'R2', ''), 'STF||'];
  const records = [mfe('MAD'), stf(), ...bad, mfe('ZZZ', 'R3', 'S3'), stf({ 1: 'S3', 2: '' })];

  it('tells of each record what became of it', async () => {
    assert.deepEqual(await answered(header('M02'), mfi(), ...records), [
      'MSH|^~\\&|EHR|HOSP|HR|HOSP|19700101000000+0000||MFK^M02^MFK_M01|A1|P|2.5.1',
      'MSA|AA|N20260301080000',
      'MFI|STF^Staff^HL70175||UPD|||AL',
      'MFA|MAD|R1||S^Successful^HL70181|S1|CWE',
      'MFA|MAD|R2||U^STF-1, STF-2 and PRA-6 have no number^HL70181||CWE',
      'MFA|ZZZ|R3||U^MFE-1 is no code of table 0180^HL70181|S3|CWE',
    ]);
  });

  it('tells of those that MFI-6 asks for', async () => {
    const told = async (level: string) =>
      (await answered(header('M02'), mfi(level), ...records))
        .filter((line) => line.startsWith('MFA'))
        .map((line) => line.split('|')[2]);
    assert.deepEqual(
      [await told('NE'), await told('ER'), await told('SU'), await told('AL')],
      [[], ['R2', 'R3'], ['R1'], ['R1', 'R2', 'R3']],
    );
  });

  it('is a refusal where the only record has a fault, or there is none', () => {
    assert.equal(refusalOf(header('M02'), mfi(), ...bad), 'AE 207 STF-1, STF-2 and PRA-6 have no number');
    assert.equal(refusalOf(header('M02'), mfi()), 'AE 100 Required segment MFE is missing');
    assert.equal(refusalOf(header('M02'), mfe('MAD'), stf()), 'AE 100 Required segment MFI is missing');
  });

  it('says that a file that replaces another only adds', () => {
    assert.deepEqual(mapLines(header('M02'), mfi('AL', 'REP'), mfe('MAD'), stf()).warnings, [
      'MFI-3: records that a replaced file does not have any more stay as they are',
    ]);
  });
});
