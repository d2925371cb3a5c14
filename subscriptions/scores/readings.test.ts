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

test('of a period the end counts', () => {
  const { effectiveDateTime: _none, ...rest } = observation({
    effectivePeriod: { start: '2026-01-31T11:00:00Z', end: '2026-01-31T11:05:00Z' },
  });
  assert.equal(read(rest)[0]!.atMs, Date.UTC(2026, 0, 31, 11, 5));
});
