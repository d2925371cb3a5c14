// What Observations are read as, in the ways that they are sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { createReadVitals } from './readings.ts';
import { readScores } from './scores.ts';

const read = createReadVitals(readScores({ names: ['news2', 'mews', 'qsofa', 'pews'] }).vitals);

const loinc = (code: string) => ({ coding: [{ system: 'http://loinc.org', code }] });
const snomed = (code: string) => ({ coding: [{ system: 'http://snomed.info/sct', code }] });
const ucum = (value: number, code: string) => ({ value, system: 'http://unitsofmeasure.org', code });

const observation = (rest: JsonObject): JsonObject => ({
  ...{ resourceType: 'Observation', id: 'o', status: 'final', subject: { reference: 'Patient/p' } },
  ...{ effectiveDateTime: '2026-01-31T12:00:00+01:00', code: loinc('8867-4'), valueQuantity: ucum(72, '/min') },
  ...rest,
});

const values = (rest: JsonObject) => read(observation(rest)).map(({ vital, value }) => [vital, value]);

test('patient, time, encounter and whether it is confirmed', () => {
  const rest = { encounter: { reference: 'Encounter/e' }, status: 'preliminary' };
  assert.deepEqual(read(observation(rest)), [
    {
      ...{ patient: 'p', vital: 'heart-rate', atMs: Date.UTC(2026, 0, 31, 11), observation: 'o', value: '72' },
      ...{ preliminary: true, encounter: 'Encounter/e' },
    },
  ]);
});

test('an absolute reference below our own base is to a patient of this server, another one is not', () => {
  const own = createReadVitals(readScores({ names: ['news2'] }).vitals, 'https://fhir.example.org/R4');
  const patients = (reference: string) => own(observation({ subject: { reference } })).map(({ patient }) => patient);
  assert.deepEqual(patients('https://fhir.example.org/R4/Patient/p'), ['p']);
  assert.deepEqual(patients('Patient/p/_history/2'), ['p']);
  for (const other of ['https://other.example.org/R4/Patient/p', 'Group/p', '#p', 'urn:uuid:p']) {
    assert.deepEqual(patients(other), [], other);
  }
});

test('units are converted; without a unit, with another dimension, a comparator or no plausible value it is none', () => {
  const temperature = (valueQuantity: JsonObject) => values({ code: loinc('8310-5'), valueQuantity });
  assert.deepEqual(temperature(ucum(98.6, '[degF]')), [['temperature', '37']]);
  assert.deepEqual(temperature({ value: 37.5, unit: '°C' }), [['temperature', '37.5']]);
  assert.deepEqual(temperature(ucum(310.15, 'K')), [['temperature', '37']]);
  const refused = [
    { value: 37 },
    ucum(37, '%'),
    { ...ucum(37, 'Cel'), comparator: '<' },
    ucum(98.6, 'Cel'),
    { unit: 'Cel' },
  ];
  for (const one of refused) assert.deepEqual(temperature(one as JsonObject), [], JSON.stringify(one));
  assert.deepEqual(values({ valueQuantity: { value: 80, unit: 'bpm' } }), [['heart-rate', '80']]);
  assert.deepEqual(values({ valueQuantity: ucum(80, '{beats}/min') }), [['heart-rate', '80']]);
  assert.deepEqual(values({ code: loinc('3150-6'), valueQuantity: ucum(0.4, '1') }), [['oxygen-concentration', '40']]);
  const { valueQuantity: _none, ...scale } = observation({ code: loinc('9269-2'), valueInteger: 14 });
  assert.deepEqual(
    read(scale).map(({ value }) => value),
    ['14'],
  );
});

test('degrees as monitors write them', () => {
  const read = (value: number, unit: string) => values({ code: loinc('8310-5'), valueQuantity: { value, unit } });
  for (const unit of ['C', '°C', 'ºC', '℃', 'degrees C', 'cel', 'CEL'])
    assert.deepEqual(read(37, unit), [['temperature', '37']], unit);
  for (const unit of ['F', '°F', 'ºF', '℉', 'degrees F'])
    assert.deepEqual(read(98.6, unit), [['temperature', '37']], unit);
});

test('a saturation as a part of one is a saturation; labelled as percent it is none, as is a probe that is off', () => {
  const saturation = (value: number, code: string) =>
    values({ code: loinc('59408-5'), valueQuantity: ucum(value, code) });
  assert.deepEqual(saturation(0.97, '1'), [['oxygen-saturation', '97']]);
  for (const value of [0, 0.97, 1, 101]) assert.deepEqual(saturation(value, '%'), [], String(value));
  assert.deepEqual(saturation(40, '%'), [['oxygen-saturation', '40']]);
});

test('a blood pressure panel gives its systolic component, the rest of it nothing', () => {
  const component = [
    { code: loinc('8480-6'), valueQuantity: ucum(16, 'kPa') },
    { code: loinc('8462-4'), valueQuantity: ucum(80, 'mm[Hg]') },
  ];
  const { valueQuantity: _none, ...panel } = observation({ code: loinc('85354-9'), component });
  assert.deepEqual(
    read(panel).map(({ vital, value }) => [vital, Math.round(Number(value))]),
    [['systolic-pressure', 120]],
  );
});

test('coded values: LOINC answers, SNOMED CT findings, a code that says it all, our own', () => {
  const coded = (code: JsonObject, valueCodeableConcept?: JsonObject) => {
    const { valueQuantity: _none, ...rest } = observation({ code });
    return read(valueCodeableConcept ? { ...rest, valueCodeableConcept } : rest).map(({ vital, value }) => [
      vital,
      value,
    ]);
  };
  const own = (code: string) => ({ coding: [{ system: 'urn:cerebra:vital', code }] });
  assert.deepEqual(coded(loinc('67775-7'), loinc('LA9341-4')), [['consciousness', 'voice']]);
  assert.deepEqual(coded(snomed('1104441000000107'), snomed('130987000')), [['consciousness', 'confusion']]);
  assert.deepEqual(coded(snomed('722742002')), [['oxygen', 'air']]);
  assert.deepEqual(coded(snomed('371825009')), [['oxygen', 'oxygen']]);
  assert.deepEqual(coded(snomed('371825009'), snomed('373067005')), [['oxygen', 'air']]);
  assert.deepEqual(coded(own('spo2-scale'), own('2')), [['spo2-scale', '2']]);
  assert.deepEqual(coded(loinc('67775-7'), loinc('LA1-1')), []);
  const both = { coding: [...loinc('LA9341-4').coding, ...loinc('LA9340-6').coding] };
  assert.deepEqual(coded(loinc('67775-7'), both), []);
});

test('a yes says what the code says, a no the other one; that nothing is said of what is asked says nothing', () => {
  const { valueQuantity: _none, ...bare } = observation({});
  const oxygen = (code: JsonObject, rest: JsonObject) => read({ ...bare, code, ...rest }).map(({ value }) => value);
  const hl7 = (code: string) => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0136', code }] });
  const [air, onOxygen] = [snomed('722742002'), snomed('371825009')];
  for (const rest of [
    { valueCodeableConcept: snomed('373066001') },
    { valueCodeableConcept: loinc('LA33-6') },
    { valueCodeableConcept: hl7('Y') },
    { valueBoolean: true },
  ]) {
    assert.deepEqual([oxygen(air, rest), oxygen(onOxygen, rest)], [['air'], ['oxygen']], JSON.stringify(rest));
  }
  for (const rest of [
    { valueCodeableConcept: snomed('373067005') },
    { valueCodeableConcept: loinc('LA32-8') },
    { valueCodeableConcept: hl7('N') },
    { valueBoolean: false },
  ]) {
    assert.deepEqual([oxygen(air, rest), oxygen(onOxygen, rest)], [['oxygen'], ['air']], JSON.stringify(rest));
  }
  const asked = { coding: [{ system: 'urn:cerebra:vital', code: 'oxygen' }] };
  assert.deepEqual(oxygen(asked, {}), []);
  assert.deepEqual(oxygen(asked, { valueCodeableConcept: asked }), ['oxygen']);
  assert.deepEqual(oxygen(air, { valueString: 'yes' }), []);
  assert.deepEqual(oxygen(air, { dataAbsentReason: { text: 'not asked' } }), []);
  assert.deepEqual(oxygen(loinc('67775-7'), { valueBoolean: true }), []);
});

test('units as wards write them', () => {
  const one = (code: string, unit: string, value: number) =>
    values({ code: loinc(code), valueQuantity: { value, unit } }).map(([, found]) => found);
  for (const unit of ['BPM', 'Beats/Min', 'beats per minute', ' bpm '])
    assert.deepEqual(one('8867-4', unit, 80), ['80']);
  for (const unit of ['breaths per minute', 'Breaths/min']) assert.deepEqual(one('9279-1', unit, 20), ['20']);
  for (const unit of ['degC', 'Deg C', 'CELSIUS']) assert.deepEqual(one('8310-5', unit, 38), ['38']);
  for (const unit of ['degF', 'Fahrenheit']) assert.deepEqual(one('8310-5', unit, 98.6), ['37']);
  assert.deepEqual(one('8480-6', 'MMHG', 120), ['120']);
  assert.deepEqual(one('59408-5', 'Percent', 97), ['97']);
  assert.deepEqual(one('8867-4', 'mg', 80), []);
});

test('what is nobody of here, has no time of day or no result is no reading', () => {
  const none: JsonObject[] = [
    { subject: { reference: 'Group/g' } },
    { subject: { reference: 'https://example.org/fhir/Patient/p' } },
    { subject: { reference: '#p' } },
    { effectiveDateTime: '2026-01-31' },
    { effectiveDateTime: 'noon' },
    { status: 'entered-in-error' },
    { status: 'cancelled' },
    { status: 'registered' },
    { code: { text: 'pulse' } },
    { code: null },
    { component: [null, 1, { code: [] }], code: loinc('1-1') },
  ];
  for (const rest of none) assert.deepEqual(values(rest), [], JSON.stringify(rest));
  assert.deepEqual(values({ status: 'corrected', subject: { reference: 'Patient/p/_history/2' } }), [
    ['heart-rate', '72'],
  ]);
});

test('a time over an hour ahead of when it was stored is no time', () => {
  const at = (lastUpdated: string) => values({ meta: { lastUpdated } });
  assert.deepEqual(at('2026-01-31T10:00:00.000Z'), [['heart-rate', '72']]);
  assert.deepEqual(at('2026-01-31T09:59:59.999Z'), []);
});

test('of a period the end counts', () => {
  const { effectiveDateTime: _none, ...rest } = observation({
    effectivePeriod: { start: '2026-01-31T11:00:00Z', end: '2026-01-31T11:05:00Z' },
  });
  assert.equal(read(rest)[0]!.atMs, Date.UTC(2026, 0, 31, 11, 5));
});

test('temperatures by the place where they were taken, and the capillary refill, by their LOINC codes', () => {
  for (const code of ['8310-5', '8331-1', '8332-9', '8333-7', '8328-7', '8329-5']) {
    assert.deepEqual(values({ code: loinc(code), valueQuantity: ucum(38.4, 'Cel') }), [['temperature', '38.4']], code);
  }
  for (const code of ['44971-0', '44963-7']) {
    assert.deepEqual(values({ code: loinc(code), valueQuantity: ucum(3, 's') }), [['capillary-refill', '3']], code);
  }
});
