import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '#fhir-model';
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

const msh = (type: string, at = '20260301080000') => `MSH|^~\\&|EHR|SOUTH|PHARM|NORTH|${at}||${type}|M1|P|2.5.1`;
const pid = 'PID|1||777^^^HOSP^MR||TEST^PATIENT';
const orc = 'ORC|NW|RX1^EHR|F1^PHARM||||||20260301|||100^Doc^Dora^^^^^^HOSP';
const rxe = 'RXE||1234^Amoxicillin^L|250|500|mg^mg^UCUM|CAP^Capsule^L|^take with water||G|21|EA|2|||N77||||1^g&g&UCUM';

test('RDE^O11: what the pharmacy made of the order', () => {
  const mapped = mapLines(
    msh('RDE^O11^RDE_O11'),
    pid,
    'ORC|NW|RX1^EHR|F1^PHARM||||||20260301075500|||100^Doc^Dora^^^^^^HOSP',
    rxe,
    'TQ1|1||TID|||7^d',
    'RXR|PO^Oral^HL70162',
  );
  assert.deepEqual(mapped.warnings, []);
  const request = onlyResource(mapped, 'MedicationRequest');
  const { status, intent, authoredOn, medicationReference, contained } = request;
  assert.deepEqual([status, intent, authoredOn], ['active', 'order', '2026-03-01T07:55:00Z']);
  assert.deepEqual(medicationReference, { reference: '#medication', display: 'Amoxicillin' });
  const code = { coding: [{ system: 'urn:id:SOUTH:L', code: '1234', display: 'Amoxicillin' }] };
  const form = { coding: [{ system: 'urn:id:SOUTH:L', code: 'CAP', display: 'Capsule' }] };
  assert.deepEqual(contained, [{ resourceType: 'Medication', id: 'medication', code, form }]);
  const mg = { unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' };
  const [dosage, ...others] = request.dosageInstruction as JsonObject[];
  assert.deepEqual(others, []);
  assert.equal(dosage!.text, 'take with water');
  assert.deepEqual((dosage!.doseAndRate as JsonObject[])[0]!.doseRange, {
    low: { value: 250, ...mg },
    high: { value: 500, ...mg },
  });
  const repeat = (dosage!.timing as JsonObject).repeat as JsonObject;
  assert.deepEqual([repeat.frequency, repeat.period, repeat.periodUnit], [3, 1, 'd']);
  assert.equal(
    ((dosage!.route as JsonObject).coding as JsonObject[]).some(({ code: route }) => route === 'PO'),
    true,
  );
  const dispense = request.dispenseRequest as JsonObject;
  assert.deepEqual([(dispense.quantity as JsonObject).value, dispense.numberOfRepeatsAllowed], [21, 2]);
  assert.deepEqual(
    (request.identifier as JsonObject[]).map(({ value }) => value),
    ['RX1', 'F1', 'N77'],
  );
});

test('OMP, then RDE, then a discontinuation: one MedicationRequest, and the request to stop it', () => {
  const ordered = [msh('OMP^O09^OMP_O09', '20260301080000'), pid, 'ORC|NW|RX1^EHR', 'RXO|1234^Amoxicillin^L|250||mg'];
  const encoded = [msh('RDE^O11^RDE_O11', '20260301081000'), pid, 'ORC|RE|RX1^EHR|F1^PHARM', rxe];
  const stopped = [msh('RDE^O11^RDE_O11', '20260301082000'), pid, 'ORC|DC|RX1^EHR|F1^PHARM', rxe];
  const { resources } = storedAfter(ordered, encoded, stopped);
  const [request, ...others] = storedOf(resources, 'MedicationRequest');
  assert.deepEqual(others, []);
  assert.deepEqual([request!.status, request!.intent], ['stopped', 'original-order']);
  const [task] = storedOf(resources, 'Task');
  assert.deepEqual(
    [task!.status, (task!.code as JsonObject).coding],
    ['requested', [{ system: 'http://hl7.org/fhir/CodeSystem/task-code', code: 'abort' }]],
  );
});

test('a compound, a rate and as needed', () => {
  const mapped = mapLines(
    msh('RDE^O11^RDE_O11'),
    pid,
    'ORC|NW|RX2^EHR|||||1^Q6H^D5^^^S~1^PRN',
    'RXE||MIX^Infusion^L|1000||mL^^UCUM|||||||||||||||||H8|125|mL/h^^UCUM',
    'RXC|B|BASE^Glucose^L|1000|mL',
    'RXC|A|ADD^Potassium chloride^L|20|mmol',
  );
  const request = onlyResource(mapped, 'MedicationRequest');
  assert.equal(request.priority, 'stat');
  const [medication] = request.contained as JsonObject[];
  assert.deepEqual(
    (medication!.ingredient as JsonObject[]).map(
      ({ strength }) => ((strength as JsonObject).numerator as JsonObject).value,
    ),
    [1000, 20],
  );
  const [regular, needed] = request.dosageInstruction as JsonObject[];
  assert.deepEqual([regular!.sequence, needed!.sequence, needed!.asNeededBoolean], [1, 2, true]);
  assert.deepEqual((regular!.timing as JsonObject).repeat, {
    frequency: 1,
    period: 6,
    periodUnit: 'h',
    boundsDuration: { value: 5, unit: 'd', system: 'http://unitsofmeasure.org', code: 'd' },
  });
  // The time is that of the 1000 mL; of a rate in mL/h it would make another one.
  const [dose] = regular!.doseAndRate as JsonObject[];
  const ucum = (code: string) => ({ unit: code, system: 'http://unitsofmeasure.org', code });
  assert.deepEqual(dose!.rateQuantity, { value: 125, ...ucum('mL/h') });
  assert.equal(dose!.rateRatio, undefined);
});

test('how fast: an amount in a time, a dose in a time, and what was given as a rate', () => {
  const ucum = (code: string) => ({ unit: code, system: 'http://unitsofmeasure.org', code });
  const eight = { value: 8, ...ucum('h') };
  const ordered = (fields: Record<number, string>) => {
    const rxe = segment('RXE', { 2: 'NS^Saline^L', 3: '1000', 5: 'mL^^UCUM', ...fields });
    const mapped = mapLines(msh('RDE^O11^RDE_O11'), pid, 'ORC|NW|RX2^EHR', rxe);
    const [dosage] = onlyResource(mapped, 'MedicationRequest').dosageInstruction as JsonObject[];
    const [{ type: _type, doseQuantity: _dose, ...rate }] = dosage!.doseAndRate as [JsonObject];
    return rate;
  };
  const ratio = (value: number) => ({ rateRatio: { numerator: { value, ...ucum('mL') }, denominator: eight } });
  assert.deepEqual(ordered({ 22: 'H8', 23: '900', 24: 'mL^^UCUM' }), ratio(900));
  assert.deepEqual(ordered({ 22: 'H8' }), ratio(1000));
  assert.deepEqual(ordered({}), {});
  // A rate that is no number is none; the dose may be one already.
  assert.deepEqual(ordered({ 22: 'H1', 23: '75-100', 24: 'mL^^UCUM' }), {});
  assert.deepEqual(ordered({ 3: '125', 5: 'mL/h^^UCUM', 22: 'H8' }), {
    rateQuantity: { value: 125, ...ucum('mL/h') },
  });
  assert.deepEqual(ordered({ 22: 'H0', 23: '20', 24: 'mL/min' }), { rateQuantity: { value: 20, ...ucum('mL/min') } });
  const given = (fields: Record<number, string>) => {
    const rxa = segment('RXA', { 1: '0', 2: '1', 3: '20260301', 5: 'NS^Saline^L', 6: '125', 7: 'mL^^UCUM', ...fields });
    return onlyResource(mapLines(msh('RAS^O17^RAS_O17'), pid, orc, rxa), 'MedicationAdministration').dosage;
  };
  assert.deepEqual(given({}), { dose: { value: 125, ...ucum('mL') } });
  assert.deepEqual(given({ 12: 'H8' }), ratio(125));
  assert.deepEqual(given({ 7: 'mL/h^^UCUM' }), { rateQuantity: { value: 125, ...ucum('mL/h') } });
});

test('as needed, before the pattern and behind it', () => {
  const timing = (pattern: string) => {
    const mapped = mapLines(msh('OMP^O09^OMP_O09'), pid, orc, 'RXO|1234^Amoxicillin^L|250||mg', `TQ1|1||${pattern}`);
    const [dosage] = onlyResource(mapped, 'MedicationRequest').dosageInstruction as JsonObject[];
    return [dosage!.asNeededBoolean, (dosage!.timing as JsonObject).repeat];
  };
  const sixHourly = { frequency: 1, period: 6, periodUnit: 'h' };
  for (const pattern of ['PRNQ6H', 'PRN Q6H', 'Q6H PRN', 'Q6HPRN', 'q6h prn']) {
    assert.deepEqual(timing(pattern), [true, sixHourly], pattern);
  }
  assert.deepEqual(timing('Q6H'), [undefined, sixHourly]);
});

test('RDS^O13: the dispense of an order, known again when it is sent again', () => {
  const lines = [
    msh('RDS^O13^RDS_O13'),
    pid,
    orc,
    'RXD|1|1234^Amoxicillin^L|20260301090000|21|EA|||N77|||0||||||||LOT9',
  ];
  const mapped = mapLines(...lines);
  const dispense = onlyResource(mapped, 'MedicationDispense');
  assert.deepEqual([dispense.status, dispense.whenHandedOver], ['completed', '2026-03-01T09:00:00Z']);
  assert.equal(((dispense.authorizingPrescription as JsonObject[])[0]!.identifier as JsonObject).value, 'RX1');
  assert.deepEqual(entriesOf(mapped, 'MedicationRequest'), []);
  const { resources } = storedAfter(lines, lines, [lines[0]!, pid, orc, lines[3]!.replace('RXD|1', 'RXD|2')]);
  assert.equal(storedOf(resources, 'MedicationDispense').length, 2);
});

test('RDS^O13: a dispense says how it is to be taken, where TQ1 or ORC-7 tells', () => {
  const rxd = 'RXD|1|1234^Amoxicillin^L|20260301090000|21|EA';
  const instructions = (...lines: string[]) =>
    onlyResource(mapLines(msh('RDS^O13^RDS_O13'), pid, ...lines, 'RXR|PO^Oral^HL70162'), 'MedicationDispense')
      .dosageInstruction as JsonObject[];
  const [twice, ...others] = instructions(orc, 'TQ1|1|1^TAB|BID||||20260301|20260308||with food|Take one', rxd);
  assert.deepEqual(others, []);
  const { frequency, boundsPeriod } = (twice!.timing as JsonObject).repeat as JsonObject;
  assert.deepEqual([frequency, boundsPeriod], [2, { start: '2026-03-01', end: '2026-03-08' }]);
  assert.deepEqual([twice!.text, twice!.additionalInstruction], ['Take one', [{ text: 'with food' }]]);
  assert.ok(twice!.route !== undefined);
  const [old] = instructions('ORC|RE|RX1^EHR|F1^PHARM||||1^Q6H PRN', rxd);
  assert.deepEqual([((old!.timing as JsonObject).repeat as JsonObject).period, old!.asNeededBoolean], [6, true]);
  assert.deepEqual(Object.keys(instructions(orc, rxd)[0]!), ['route']);
});

test('RAS^O17: what was given, refused, and recorded in error', () => {
  const rxa = (completion: string, action = 'A') =>
    `RXA|0|1|20260301090000||1234^Amoxicillin^L|500|mg^mg^UCUM||||||||LOT9|||${completion === 'RE' ? 'NO^Declined^L' : ''}||${completion}|${action}`;
  const given = mapLines(msh('RAS^O17^RAS_O17'), pid, orc, rxa('CP'), 'RXR|PO');
  const administration = onlyResource(given, 'MedicationAdministration');
  assert.deepEqual([administration.status, administration.effectiveDateTime], ['completed', '2026-03-01T09:00:00Z']);
  assert.equal(((administration.dosage as JsonObject).dose as JsonObject).value, 500);
  assert.equal(((administration.request as JsonObject).identifier as JsonObject).value, 'RX1');
  const refused = onlyResource(mapLines(msh('RAS^O17^RAS_O17'), pid, orc, rxa('RE')), 'MedicationAdministration');
  assert.deepEqual([refused.status, (refused.statusReason as unknown[]).length], ['not-done', 1]);
  const wrong = onlyResource(mapLines(msh('RAS^O17^RAS_O17'), pid, orc, rxa('CP', 'D')), 'MedicationAdministration');
  assert.equal(wrong.status, 'entered-in-error');
});

test('pharmacy messages that lack what they are about', () => {
  assert.equal(refusalOf(msh('RDE^O11^RDE_O11'), pid), 'AE 100 Required segment ORC is missing');
  assert.equal(refusalOf(msh('RDE^O11^RDE_O11'), orc, rxe), 'AE 100 Required segment PID is missing');
  const nothing = mapLines(msh('RDE^O11^RDE_O11'), pid, orc);
  assert.deepEqual(nothing.warnings, ['ORC: an order without medication has no place']);
  assert.equal(onlyEntry(mapLines(msh('RDE^O01'), pid, orc, rxe), 'MedicationRequest').method, 'PUT');
});

test('RGV^O15: each give is an instance of the order', () => {
  const give = 'RXG|7|1||1234^Amoxicillin^L|250||mg^mg^UCUM|CAP^Capsule^L|||||take with water|H1|100|mL&mL&UCUM';
  const lines = (at: string, control = 'RE') => [
    msh('RGV^O15^RGV_O15', at),
    pid,
    `ORC|${control}|RX1^EHR|F1^PHARM`,
    'RXO|1234^Amoxicillin^L|250||mg',
    give,
    'TQ1|1||||||20260301120000',
    'RXR|PO^Oral^HL70162',
    give.replace('RXG|7', 'RXG|8'),
    'TQ1|1||||||20260301200000',
  ];
  const mapped = mapLines(...lines('20260301080000'));
  assert.deepEqual(mapped.warnings, []);
  const [order, first, second, ...others] = entriesOf(mapped, 'MedicationRequest');
  assert.deepEqual(others, []);
  assert.equal(order!.resource.intent, 'original-order');
  assert.deepEqual(
    [first, second].map((one) => [one!.resource.intent, one!.resource.basedOn]),
    Array(2).fill(['instance-order', [{ reference: order!.fullUrl }]]),
  );
  const [dosage] = first!.resource.dosageInstruction as JsonObject[];
  const [rate] = dosage!.doseAndRate as JsonObject[];
  assert.deepEqual([(rate!.doseQuantity as JsonObject).value, dosage!.text], [250, 'take with water']);
  assert.equal(((rate!.rateRatio as JsonObject).denominator as JsonObject).code, 'h');
  assert.deepEqual(dosage!.timing, { repeat: { boundsPeriod: { start: '2026-03-01T12:00:00Z' } } });
  assert.ok(dosage!.route, 'the route of the give');
  assert.equal((first!.resource.medicationReference as JsonObject).display, 'Amoxicillin');
  const { resources } = storedAfter(lines('20260301080000'), lines('20260301090000', 'DC'));
  assert.deepEqual(
    storedOf(resources, 'MedicationRequest').map(({ status }) => status),
    ['stopped', 'stopped', 'stopped'],
  );
});

test('RXV: the bolus and what the patient may ask for are dosages beside the order’s', () => {
  const rxv = 'RXV|1|L|5|mg^mg^UCUM|||P|1|mg^mg^UCUM|||10|mg^mg^UCUM|||4^h&hour&UCUM|10^min&minute&UCUM';
  for (const type of ['RDE^O11^RDE_O11', 'OMP^O09^OMP_O09']) {
    const detail = type.startsWith('OMP') ? 'RXO|777^Morphine^L|2||mg^mg^UCUM' : 'RXE||777^Morphine^L|2||mg^mg^UCUM';
    const mapped = mapLines(msh(type), pid, orc, detail, 'RXR|IV^Intravenous^HL70162', rxv, 'TQ1|1||QID');
    assert.deepEqual(mapped.warnings, [], type);
    const [main, bolus, asked, ...others] = onlyResource(mapped, 'MedicationRequest').dosageInstruction as JsonObject[];
    assert.deepEqual(others, []);
    const mg = (value: number) => ({ value, unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' });
    const doses = [main, bolus, asked].map((one) => (one!.doseAndRate as JsonObject[])[0]!.doseQuantity);
    assert.deepEqual(doses, [mg(2), mg(5), mg(1)], type);
    assert.deepEqual([main!.timing, bolus!.asNeededBoolean, asked!.asNeededBoolean], [undefined, undefined, true]);
    assert.equal(((asked!.timing as JsonObject).repeat as JsonObject).frequency, 4);
    assert.deepEqual(asked!.maxDosePerPeriod, {
      numerator: mg(10),
      denominator: { value: 4, unit: 'hour', system: 'http://unitsofmeasure.org', code: 'h' },
    });
    const words = (one: JsonObject) => (one.additionalInstruction as JsonObject[]).map(({ text }) => text);
    assert.deepEqual(
      [words(bolus!), words(asked!)],
      [['Loading bolus'], ['Patient-controlled infusion', 'Lockout interval: 10 min']],
    );
    assert.deepEqual(bolus!.route, main!.route);
  }
});

test('a dose that is no number is kept as text and not taken for another number; a largest dose alone is a range', () => {
  const dosageOf = (rxe: string) => {
    const mapped = mapLines(msh('RDE^O11^RDE_O11'), pid, 'ORC|NW|RX1^EHR', rxe);
    const [{ text, doseAndRate }] = onlyResource(mapped, 'MedicationRequest').dosageInstruction as [JsonObject];
    const { doseQuantity, doseRange } = (doseAndRate as JsonObject[] | undefined)?.[0] ?? {};
    return [text, doseQuantity ?? doseRange, mapped.warnings.length];
  };
  const drug = '1191^Aspirin^RXNORM';
  const mg = { unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' };
  // RXE-1 has the quantity 1: one tablet, say, and no dose of 1 g.
  assert.deepEqual(dosageOf(`RXE|1^BID|${drug}|1,5||g||^with food`), ['1,5 g; with food', undefined, 1]);
  assert.deepEqual(dosageOf(`RXE|1^BID|${drug}|1|2,5|TAB^Tablet`), ['1 - 2,5 Tablet', undefined, 1]);
  assert.deepEqual(dosageOf(`RXE|1^BID|${drug}||200|mg`), [undefined, { high: { value: 200, ...mg } }, 0]);
  assert.deepEqual(dosageOf(`RXE|1^BID|${drug}|200||mg`), [undefined, { value: 200, ...mg }, 0]);
  const given = mapLines(
    msh('RAS^O17^RAS_O17'),
    pid,
    'ORC|RE|RX1^EHR',
    `RXA|0|1|202603010800||${drug}|0,5|mg|||||||||||||CP`,
  );
  const { text, dose } = onlyResource(given, 'MedicationAdministration').dosage as JsonObject;
  assert.deepEqual([text, (dose as JsonObject).value, given.warnings.length], ['0,5 mg', undefined, 1]);
});

test('a duration beside a start says when the medication ends', () => {
  const bounds = (start: string, duration: string, end = '') => {
    const mapped = mapLines(
      msh('OMP^O09^OMP_O09'),
      pid,
      'ORC|NW|RX1^EHR',
      'RXO|1234^Amoxicillin^L|250||mg',
      `TQ1|1||BID|||${duration}|${start}|${end}`,
    );
    const [dosage] = onlyResource(mapped, 'MedicationRequest').dosageInstruction as JsonObject[];
    return ((dosage!.timing as JsonObject).repeat as JsonObject).boundsPeriod;
  };
  assert.deepEqual(bounds('20260301080000+0100', '10^d'), {
    start: '2026-03-01T08:00:00+01:00',
    end: '2026-03-11T08:00:00+01:00',
  });
  assert.deepEqual(bounds('20260301', '5^d'), { start: '2026-03-01', end: '2026-03-05' });
  assert.deepEqual(bounds('20260131', '1^mo'), { start: '2026-01-31', end: '2026-02-27' });
  assert.deepEqual(bounds('20260301', '36^h'), { start: '2026-03-01' });
  assert.deepEqual(bounds('20260301', '5^d', '20260303'), { start: '2026-03-01', end: '2026-03-03' });
  for (const endless of ['99999999999^d', '9000^a'])
    assert.deepEqual(bounds('20260301080000+0000', endless), { start: '2026-03-01T08:00:00+00:00' });
});

test('the event, its offset and the days of the week that a repeat pattern names (RPT-2 to 10); all instructions', () => {
  const mapped = mapLines(
    msh('OMP^O09^OMP_O09'),
    pid,
    'ORC|NW|RX1^EHR',
    'RXO|1234^Amoxicillin^L|250||mg|||^Take with water~^Finish all',
    'TQ1|1||Q8H^^^^^^^AC^30^min',
    'TQ1|2||Q1D^DW^6^7',
  );
  const instructions = onlyResource(mapped, 'MedicationRequest').dosageInstruction as JsonObject[];
  assert.deepEqual(
    instructions.map(({ timing }) => timing),
    [
      {
        repeat: { frequency: 1, period: 8, periodUnit: 'h', when: ['AC'], offset: 30 },
        code: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0335', code: 'Q8H' }] },
      },
      {
        repeat: { frequency: 1, period: 1, periodUnit: 'd', dayOfWeek: ['sat', 'sun'] },
        code: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0335', code: 'Q1D' }] },
      },
    ],
  );
  assert.equal(instructions[0]!.text, 'Take with water; Finish all');
});

test('doses that differ from schedule to schedule (TQ1-2) are each their own', () => {
  const doses = (rxe: string, ...quantities: string[]) => {
    const mapped = mapLines(
      msh('RDE^O11^RDE_O11'),
      pid,
      'ORC|NW|RX1^EHR',
      ...quantities.map((quantity, index) => `TQ1|${index + 1}|${quantity}|QD||||2026030${index + 2}`),
      `RXE||8640^Prednisone^RXNORM|${rxe}|TAB`,
    );
    const dosages = onlyResource(mapped, 'MedicationRequest').dosageInstruction as JsonObject[];
    const values = dosages.map(({ doseAndRate }) => {
      const { value, unit } = ((doseAndRate as JsonObject[])[0]!.doseQuantity ?? {}) as JsonObject;
      return `${value} ${unit}`;
    });
    return [values, mapped.warnings];
  };
  assert.deepEqual(doses('40||mg', '40^mg', '20^mg'), [['40 mg', '20 mg'], []]);
  assert.deepEqual(doses('20|40|mg', '40^mg', '20^mg'), [['40 mg', '20 mg'], []]);
  assert.deepEqual(doses('40||mg', '1', '1'), [['40 mg', '40 mg'], []]);
  assert.deepEqual(doses('40||mg', '40.0^mg', '40^mg'), [['40 mg', '40 mg'], []]);
  assert.deepEqual(doses('||mg', '2^mg', '1^mg'), [['2 mg', '1 mg'], []]);
  assert.deepEqual(doses('20||mg', '2^TAB', '1^TAB'), [
    ['20 mg', '20 mg'],
    ['TQ1-2: each schedule has another quantity; the dose is that of RXE-3'],
  ]);
});

test('a dose in words is the only one, whatever quantities the schedules have', () => {
  const schedules = ['TQ1|1|1.0^mg|QD', 'TQ1|2|0.50^mg|QD'];
  const mapped = mapLines(msh('RDE^O11^RDE_O11'), pid, 'ORC|NW|RX1^EHR', ...schedules, 'RXE||1^Drug^L|1,5||mg');
  const dosages = onlyResource(mapped, 'MedicationRequest').dosageInstruction as JsonObject[];
  assert.deepEqual(
    dosages.map(({ text, doseAndRate }) => [text, doseAndRate]),
    [
      ['1,5 mg', undefined],
      ['1,5 mg', undefined],
    ],
  );
  assert.ok(mapped.warnings.includes('TQ1-2: each schedule has another quantity; the dose is that of RXE-3'));
});

test('a quantity with trailing zeros (TQ1-2) is one', () => {
  const rxd = 'RXD|1|1^Drug^L|20260301|20|TAB';
  const sent = mapLines(msh('RDS^O13^RDS_O13'), pid, 'ORC|NW|RX1^EHR', 'TQ1|1|1.0^TAB|BID', rxd);
  const [dosage] = onlyResource(sent, 'MedicationDispense').dosageInstruction as JsonObject[];
  assert.deepEqual((dosage!.doseAndRate as JsonObject[])[0]!.doseQuantity, { value: 1, unit: 'TAB' });
});

test('a relative time with trailing zeros (TQ1-5) is one', () => {
  const sent = mapLines(msh('OMP^O09^OMP_O09'), pid, 'ORC|NW|RX1^EHR', 'TQ1|1||AC||1.50^hr', 'RXO|1^Drug^L|1||mg');
  const [dosage] = onlyResource(sent, 'MedicationRequest').dosageInstruction as JsonObject[];
  assert.deepEqual(((dosage!.timing as JsonObject).repeat as JsonObject).offset, 90);
});
