import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMessage } from '../message/message.ts';
import { referenceRanges } from './clinical/range.ts';
import { observedValue } from './clinical/value.ts';
import { codingSystem } from './codesystems.ts';
import { compact } from './compact.ts';
import { createMapping, type Mapping } from './context.ts';
import { address, codeableConcept, contactPoint, humanName } from './datatypes.ts';
import { date, dateTime, fixedZone, instant, namedZone, time, type Zone } from './datetime.ts';
import { decimal, decimalText } from './decimal.ts';
import { cxIdentifier, tokenCriterion } from './identifiers.ts';
import { unitOf } from './units.ts';

const utc = namedZone('UTC');

function mappingOf(field: string, config: { identifierSystems?: Record<string, string> } = {}): Mapping {
  const raw = Buffer.from(`MSH|^~\\&|LAB|NORTH WING|||||ORU^R01|1|P|2.5\rZZZ|${field}`);
  const { identifierSystems = {} } = config;
  return createMapping(parseMessage(raw), { messageKey: 'm1' }, { zone: utc, identifierSystems });
}

const fieldOf = (mapping: Mapping) => mapping.message.part('ZZZ-1');

test('DTM keeps precision and offset', () => {
  assert.deepEqual(['20240229', '20230229', '19000229', '20000229', '20260431', '20260430'].map(date), [
    '2024-02-29',
    undefined,
    undefined,
    '2000-02-29',
    undefined,
    '2026-04-30',
  ]);
  assert.equal(dateTime('2026', utc), '2026');
  assert.equal(dateTime('202601', utc), '2026-01');
  assert.equal(dateTime('20260131', utc), '2026-01-31');
  assert.equal(dateTime('2026013112', utc), '2026-01-31T12:00:00Z');
  assert.equal(dateTime('202601311234', utc), '2026-01-31T12:34:00Z');
  assert.equal(dateTime('20260131123456.7890-0500', utc), '2026-01-31T12:34:56.7890-05:00');
  assert.equal(dateTime('20260131123456+0000', utc), '2026-01-31T12:34:56+00:00');
  assert.equal(dateTime('202601311234+1400', utc), '2026-01-31T12:34:00+14:00');
  assert.equal(dateTime('202601311234+1401', utc), undefined);
  assert.equal(dateTime('20260131123456', fixedZone('+02:00')), '2026-01-31T12:34:56+02:00');
  assert.equal(date('19610615000000'), '1961-06-15');
  assert.equal(instant('20260131', utc), undefined);
  assert.equal(instant('2026013112', utc), '2026-01-31T12:00:00Z');
  assert.equal(time('0930'), '09:30:00');
  assert.equal(time('093015.25'), '09:30:15.25');
});

test('a named zone follows its clock changes', () => {
  const berlin = namedZone('Europe/Berlin');
  assert.equal(dateTime('202601010000', berlin), '2026-01-01T00:00:00+01:00');
  assert.equal(dateTime('202607010000', berlin), '2026-07-01T00:00:00+02:00');
  assert.equal(dateTime('202603290159', berlin), '2026-03-29T01:59:00+01:00');
  assert.equal(dateTime('202603290300', berlin), '2026-03-29T03:00:00+02:00');
  assert.equal(dateTime('202607010000', namedZone('America/St_Johns')), '2026-07-01T00:00:00-02:30');
  assert.equal(dateTime('193503040506', namedZone('Africa/Monrovia')), '1935-03-04T05:06:00-00:44');
  assert.throws(() => namedZone('Nowhere/Town'), RangeError);
});

test('where clocks change: the first of what they show twice, the former offset for what they never show', () => {
  const [newYork, berlin] = ['America/New_York', 'Europe/Berlin'].map(namedZone) as [Zone, Zone];
  const times: [Zone, string, string][] = [
    [newYork, '202603080159', '2026-03-08T01:59:00-05:00'],
    [newYork, '202603080230', '2026-03-08T02:30:00-05:00'],
    [newYork, '202603080300', '2026-03-08T03:00:00-04:00'],
    [newYork, '202611010130', '2026-11-01T01:30:00-04:00'],
    [newYork, '202611010200', '2026-11-01T02:00:00-05:00'],
    [berlin, '202603290159', '2026-03-29T01:59:00+01:00'],
    [berlin, '202603290230', '2026-03-29T02:30:00+01:00'],
    [berlin, '202603290300', '2026-03-29T03:00:00+02:00'],
    [berlin, '202610250230', '2026-10-25T02:30:00+02:00'],
    [berlin, '202610250300', '2026-10-25T03:00:00+01:00'],
    [namedZone('Pacific/Auckland'), '202609270230', '2026-09-27T02:30:00+12:00'],
    [namedZone('Pacific/Auckland'), '202604050230', '2026-04-05T02:30:00+13:00'],
  ];
  for (const [zone, sent, read] of times) assert.equal(dateTime(sent, zone), read);
});

test("UTC's mark is an offset", () => {
  assert.equal(dateTime('20260301120000Z', utc), '2026-03-01T12:00:00+00:00');
  assert.equal(dateTime('20260301120000.25Z', fixedZone('+02:00')), '2026-03-01T12:00:00.25+00:00');
  assert.equal(dateTime('20260301Z', utc), undefined);
});

test('what is no time is none', () => {
  for (const text of [
    '',
    '0000',
    '20261301',
    '20260001',
    '20260100',
    '20260230',
    '202601311260',
    '20260131120060',
    '202601311200+0560',
    '20260131250000',
    '2026013112345',
    '31.1.2026',
    '20260131+9900',
    'x',
  ]) {
    assert.equal(dateTime(text, utc), undefined, text);
  }
  for (const text of ['2500', '1260', '120060', '0800 h', 'at 0800']) assert.equal(time(text), undefined, text);
});

test('2400 is midnight at the end of the day: 00:00 of the next', () => {
  const berlin = namedZone('Europe/Berlin');
  assert.equal(dateTime('202601312400', utc), '2026-02-01T00:00:00Z');
  assert.equal(dateTime('2026123124', utc), '2027-01-01T00:00:00Z');
  assert.equal(dateTime('20240228240000.000-0500', utc), '2024-02-29T00:00:00.000-05:00');
  // The day on which clocks go forward begins with the offset of winter, the next one with that of summer.
  assert.equal(dateTime('202603282400', berlin), '2026-03-29T00:00:00+01:00');
  assert.equal(dateTime('202603292400', berlin), '2026-03-30T00:00:00+02:00');
  assert.equal(date('202601312400'), '2026-02-01');
  for (const text of ['202601312401', '20260131240001', '20260131240000.1', '999912312400'])
    assert.equal(dateTime(text, utc), undefined, text);
  assert.equal(time('2400'), '00:00:00');
  assert.equal(time('2401'), undefined);
});

test('NM keeps its digits', () => {
  for (const [sent, kept] of [
    ['5.10', '5.10'],
    ['+05.10', '5.10'],
    ['-0.50', '-0.50'],
    ['.5', '0.5'],
    ['7.', '7'],
    ['007', '7'],
    ['0', '0'],
    ['123456789012345678.123456789', '123456789012345678.123456789'],
  ] as const) {
    assert.equal(decimalText(sent), kept);
    assert.equal(JSON.stringify({ value: decimal(sent) }), `{"value":${kept}}`);
  }
  for (const text of ['', '.', '-', '1e5', '1,5', '5 mg', '--1', `1${'0'.repeat(60)}`])
    assert.equal(decimal(text), undefined, text);
});

test('coding systems: table 0396, object identifiers, local ones', () => {
  assert.equal(codingSystem('LN', undefined, 'F'), 'http://loinc.org');
  assert.equal(codingSystem('SCT', undefined, 'F'), 'http://snomed.info/sct');
  assert.equal(codingSystem('I9C', undefined, 'F'), 'http://hl7.org/fhir/sid/icd-9-cm');
  assert.equal(codingSystem('I10C', undefined, 'F'), 'http://hl7.org/fhir/sid/icd-10-cm');
  assert.equal(codingSystem('CPTM', undefined, 'F'), 'http://www.ama-assn.org/go/cpt');
  assert.equal(codingSystem('CPT4', undefined, 'F'), 'http://www.ama-assn.org/go/cpt');
  assert.equal(codingSystem('ICD-10-CM', undefined, 'F'), 'http://hl7.org/fhir/sid/icd-10-cm');
  assert.equal(codingSystem('X', '2.16.840.1.113883.6.4', 'F'), 'http://www.cms.gov/Medicare/Coding/ICD10');
  assert.equal(codingSystem('HL70136', undefined, 'F'), 'http://terminology.hl7.org/CodeSystem/v2-0136');
  assert.equal(codingSystem('2.16.840.1.113883.6.8', undefined, 'F'), 'http://unitsofmeasure.org');
  assert.equal(codingSystem('X', '2.16.840.1.113883.12.78', 'F'), 'http://terminology.hl7.org/CodeSystem/v2-0078');
  assert.equal(codingSystem('NCIT', undefined, 'F'), 'http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl');
  assert.equal(codingSystem('HL70292', undefined, 'F'), 'http://hl7.org/fhir/sid/cvx');
  assert.equal(codingSystem('HL70227', undefined, 'F'), 'http://terminology.hl7.org/CodeSystem/MVX');
  assert.equal(codingSystem('X', '2.16.840.1.113883.12.227', 'F'), 'http://terminology.hl7.org/CodeSystem/MVX');
  assert.equal(codingSystem('L', undefined, 'NORTH WING'), 'urn:id:NORTH%20WING:L');
  assert.equal(codingSystem('99ABC', undefined, 'F'), 'urn:id:F:99ABC');
  assert.equal(codingSystem(undefined, undefined, 'F'), undefined);
});

test('CWE: three codings, original text, text only', () => {
  const mapping = mappingOf('2951-2^Sodium^LN^NA^Natrium^L^2.7^1^Na^X9^other^99Z');
  assert.deepEqual(compact(codeableConcept(mapping, fieldOf(mapping))!), {
    coding: [
      { system: 'http://loinc.org', version: '2.7', code: '2951-2', display: 'Sodium' },
      { system: 'urn:id:NORTH%20WING:L', version: '1', code: 'NA', display: 'Natrium' },
      { system: 'urn:id:NORTH%20WING:99Z', code: 'X9', display: 'other' },
    ],
    text: 'Na',
  });
  const text = mappingOf('^only words');
  assert.deepEqual(compact(codeableConcept(text, fieldOf(text))!), { text: 'only words' });
  const none = mappingOf('^^LN');
  assert.equal(codeableConcept(none, fieldOf(none)), undefined);
});

test('names, addresses and telephone numbers', () => {
  const map = (field: string, to: (mapping: Mapping) => unknown) => {
    const mapping = mappingOf(field);
    return compact(to(mapping) as never);
  };
  const name = (field: string) => map(field, (m) => humanName(m, fieldOf(m), 'XPN'));
  assert.deepEqual(name('Test&van^Anna^Maria Eva^Jr^Dr^MD^L'), {
    use: 'official',
    family: 'Test',
    _family: {
      extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/humanname-own-prefix', valueString: 'van' }],
    },
    given: ['Anna', 'Maria Eva'],
    prefix: ['Dr'],
    suffix: ['Jr', 'MD'],
  });
  assert.equal(name('^^^^^^S'), undefined);
  assert.deepEqual(name('Yamada^Taro^^^^^L^^^^F'), {
    extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/humanname-assembly-order', valueCode: 'F' }],
    use: 'official',
    family: 'Yamada',
    given: ['Taro'],
  });
  const place = (field: string) => map(field, (m) => address(m, fieldOf(m)));
  assert.deepEqual(place('1 Main St&Main&1^Apt 2^Town^ST^12345^USA^H^^County'), {
    use: 'home',
    line: ['1 Main St', '1 Main', 'Apt 2'],
    city: 'Town',
    state: 'ST',
    postalCode: '12345',
    country: 'USA',
    district: 'County',
  });
  assert.equal(place('^^^^^^H'), undefined);
  const parts = (values: Record<string, string>) =>
    Object.entries(values).map(([part, valueString]) => ({
      url: `http://hl7.org/fhir/StructureDefinition/contactpoint-${part}`,
      valueString,
    }));
  const phone = (field: string) => map(field, (m) => contactPoint(m, fieldOf(m), 'home'));
  assert.deepEqual(phone('(555)555-2004'), { system: 'phone', value: '(555)555-2004', use: 'home' });
  assert.deepEqual(phone('^WPN^PH^^1^555^1234567^12'), {
    extension: parts({ country: '1', area: '555', local: '1234567', extension: '12' }),
    system: 'phone',
    value: '+1 555 1234567 X12',
    use: 'work',
  });
  assert.deepEqual(phone('^NET^Internet^a@example.org'), { system: 'email', value: 'a@example.org' });
  assert.deepEqual(phone('^PRN^CP^^^555^1234567'), {
    extension: parts({ area: '555', local: '1234567' }),
    system: 'phone',
    value: '555 1234567',
    use: 'mobile',
  });
  assert.equal(phone('^PRN^PH'), undefined);
});

test('identifier systems by assigning authority', () => {
  const system = (field: string, kind = '', identifierSystems = {}) => {
    const mapping = mappingOf(field, { identifierSystems });
    return cxIdentifier(mapping, fieldOf(mapping), kind)?.system;
  };
  assert.equal(system('1^^^HOSP&1.2.3&ISO^MR'), 'urn:oid:1.2.3');
  assert.equal(system('1^^^HOSP&1.2.TBD&ISO^MR'), 'urn:id:HOSP');
  assert.equal(
    system('1^^^&6F0C3A52-5A39-4A8E-9D3C-1C7F0C5BE1B4&GUID'),
    'urn:uuid:6f0c3a52-5a39-4a8e-9d3c-1c7f0c5be1b4',
  );
  assert.equal(system('1^^^&https://example.org/mrn&URI'), 'https://example.org/mrn');
  assert.equal(system('1^^^MY HOSP'), 'urn:id:MY%20HOSP');
  assert.equal(system('1'), 'urn:id:NORTH%20WING');
  assert.equal(system('1', 'visit'), 'urn:id:NORTH%20WING:visit');
  assert.equal(system('1^^^HOSP&1.2.3&ISO', '', { HOSP: 'https://hosp.example/mrn' }), 'https://hosp.example/mrn');
  assert.equal(system('1^^^&2.16.840.1.113883.4.6&ISO'), 'http://hl7.org/fhir/sid/us-npi');
});

test('search criteria are escaped', () => {
  assert.equal(
    tokenCriterion('identifier', 'urn:x', 'a|b,c$d\\e&f'),
    `identifier=${encodeURIComponent('urn:x|a\\|b\\,c\\$d\\\\e&f')}`,
  );
});

test('units: UCUM as it is, synonyms, unknown ones', () => {
  const unit = (field: string) => {
    const mapping = mappingOf(field);
    return unitOf(fieldOf(mapping), mapping.facility);
  };
  const ucum = 'http://unitsofmeasure.org';
  assert.deepEqual(unit('mmol/L'), { unit: 'mmol/L', system: ucum, code: 'mmol/L' });
  assert.deepEqual(unit('MMOLL'), { unit: 'MMOLL', system: ucum, code: 'mmol/L' });
  assert.deepEqual(unit('a^year^UCUM'), { unit: 'year', system: ucum, code: 'a' });
  assert.deepEqual(unit('d^day^2.16.840.1.113883.6.8'), { unit: 'day', system: ucum, code: 'd' });
  assert.deepEqual(unit('beats/min^^ISO'), { unit: 'beats/min', system: ucum, code: '/min' });
  assert.deepEqual(unit('x10^3/uL'.replace('^', '\\S\\')), { unit: 'x10^3/uL', system: ucum, code: '10*3/uL' });
  assert.deepEqual(unit('widgets'), { unit: 'widgets' });
  // A ^ that is not escaped.
  assert.deepEqual(unit('10^9/L'), { unit: '10^9/L', system: ucum, code: '10*9/L' });
  assert.deepEqual(unit('x10^3/uL'), { unit: 'x10^3/uL', system: ucum, code: '10*3/uL' });
  assert.deepEqual(unit('mL/min/1.73m^2'), { unit: 'mL/min/1.73m^2', system: ucum, code: 'mL/min/{1.73_m2}' });
  assert.deepEqual(unit('cells/mm^3'), { unit: 'cells/mm^3' });
  assert.deepEqual(unit('C3^3^L'), { unit: '3', system: 'urn:id:NORTH%20WING:L', code: 'C3' });
  // `ML` is megalitres to the letter.
  assert.deepEqual(unit('ML^Mili Litre^UCUM'), { unit: 'Mili Litre', system: ucum, code: 'mL' });
  assert.deepEqual(unit('mmHg^^UCUM'), { unit: 'mmHg', system: ucum, code: 'mm[Hg]' });
  assert.deepEqual(unit('{widgets}^^UCUM'), { unit: '{widgets}', system: ucum, code: '{widgets}' });
  assert.deepEqual(unit('KG'), { unit: 'KG', system: ucum, code: 'kg' });
  assert.deepEqual(unit('g/l'), { unit: 'g/l', system: ucum, code: 'g/L' });
  // Neither millimetres nor milliseconds, of a linear accelerator, and giga or grams.
  for (const other of ['mM', 'mS', 'MV', 'H', 'G/L', 'G/l', 'constructor'])
    assert.deepEqual(unit(other), { unit: other });
  assert.deepEqual(unit('W^widgets^L'), { unit: 'widgets', system: 'urn:id:NORTH%20WING:L', code: 'W' });
  assert.deepEqual(unit(''), {});
});

test('OBX-5 by OBX-2', () => {
  const value = (type: string, field: string) => {
    const mapping = mappingOf(field);
    const { value: found, components } = observedValue(mapping, type, fieldOf(mapping), { unit: 'u' });
    return JSON.parse(JSON.stringify(components.length > 0 ? components : found));
  };
  const text = (type: string, field: string) => {
    const mapping = mappingOf(field);
    return JSON.stringify(observedValue(mapping, type, fieldOf(mapping), { unit: 'u' }).value);
  };
  assert.equal(text('NM', '5.10'), '{"valueQuantity":{"value":5.10,"unit":"u"}}');
  assert.deepEqual(value('NM', '<15'), { valueQuantity: { value: 15, comparator: '<', unit: 'u' } });
  assert.deepEqual(value('NM', 'NEGATIVE'), { valueString: 'NEGATIVE' });
  assert.deepEqual(value('NM', '27~25'), [
    { valueQuantity: { value: 27, unit: 'u' } },
    { valueQuantity: { value: 25, unit: 'u' } },
  ]);
  assert.deepEqual(value('SN', '>=^100'), { valueQuantity: { value: 100, comparator: '>=', unit: 'u' } });
  assert.deepEqual(value('SN', '^21'), { valueQuantity: { value: 21, unit: 'u' } });
  assert.deepEqual(value('SN', '^1^:^64'), {
    valueRatio: { numerator: { value: 1, unit: 'u' }, denominator: { value: 64, unit: 'u' } },
  });
  assert.deepEqual(value('SN', '^10^-^20'), {
    valueRange: { low: { value: 10, unit: 'u' }, high: { value: 20, unit: 'u' } },
  });
  assert.deepEqual(value('SN', '^3^+'), { valueString: '3 + u' });
  assert.deepEqual(value('SN', '<>^5'), { valueString: '<> 5 u' });
  for (const type of ['ST', 'TX', '', 'XX']) {
    assert.equal(text(type, '5.10'), '{"valueQuantity":{"value":5.10,"unit":"u"}}', type);
    assert.deepEqual(value(type, '>= 100'), { valueQuantity: { value: 100, comparator: '>=', unit: 'u' } });
    assert.deepEqual(value(type, '1,5'), { valueString: '1,5 u' });
    assert.equal(value(type, '27~25').length, 2);
    assert.deepEqual(value(type, 'trace 1'), { valueString: 'trace 1' });
  }
  for (const sent of ['1,5', '1.2E3', '10-20', '<=1:128'])
    assert.deepEqual(value('NM', sent), { valueString: `${sent} u` });
  assert.deepEqual(value('SN', '>=^5^-^9'), { valueString: '>=^5^-^9 u' });
  assert.deepEqual(value('ST', 'salt & pepper'), { valueString: 'salt & pepper' });
  assert.deepEqual(value('FT', 'one\\.br\\two'), { valueString: 'one\ntwo' });
  assert.deepEqual(value('TX', 'one~~three'), { valueString: 'one\n\nthree' });
  assert.deepEqual(value('CWE', 'Y^Yes^HL70136'), {
    valueCodeableConcept: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0136', code: 'Y', display: 'Yes' }],
    },
  });
  assert.deepEqual(value('TS', '202601311200'), { valueDateTime: '2026-01-31T12:00:00Z' });
  assert.deepEqual(value('DT', '20260131'), { valueDateTime: '2026-01-31' });
  assert.deepEqual(value('TM', '1215'), { valueTime: '12:15:00' });
  assert.deepEqual(value('DT', 'soon'), { valueString: 'soon' });
  assert.deepEqual(value('DR', '20260101^20260131'), { valuePeriod: { start: '2026-01-01', end: '2026-01-31' } });
  assert.deepEqual(value('NR', '1^2'), { valueRange: { low: { value: 1, unit: 'u' }, high: { value: 2, unit: 'u' } } });
  assert.deepEqual(value('HD', 'A^B^NPI'), { valueString: 'A^B^NPI' });
  assert.deepEqual(value('', 'x'), { valueString: 'x' });
  assert.deepEqual(value('NM', '""'), {});
  assert.deepEqual(value('NM', ''), {});
});

test('OBX-7', () => {
  const range = (field: string) => {
    const mapping = mappingOf(field);
    return referenceRanges(fieldOf(mapping), {})[0];
  };
  const plain = (field: string) => {
    const found = range(field);
    return found && JSON.parse(JSON.stringify(found));
  };
  assert.deepEqual(plain('3.5 - 5.3'), { low: { value: 3.5 }, high: { value: 5.3 }, text: '3.5 - 5.3' });
  assert.deepEqual(plain('-5--2'), { low: { value: -5 }, high: { value: -2 }, text: '-5--2' });
  assert.deepEqual(plain('<5'), { high: { value: 5 }, text: '<5' });
  assert.deepEqual(plain('>=60'), { low: { value: 60 }, text: '>=60' });
  assert.deepEqual(plain('9-3'), { text: '9-3' });
  assert.deepEqual(plain('negative'), { text: 'negative' });
  assert.equal(range('[ ]'), undefined);
  assert.equal(range(''), undefined);
  assert.equal(JSON.stringify(range('3.50-5.0')), '{"low":{"value":3.50},"high":{"value":5.0},"text":"3.50-5.0"}');
});
