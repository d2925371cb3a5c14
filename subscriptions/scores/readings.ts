// What an Observation says of a patient's vital signs: https://hl7.org/fhir/R4/observation.html
import { convertDecimal, type Json, type JsonObject, objectsOf, parseReference, UCUM } from '#fhir-model';
import type { Vital } from './schema.ts';

/** One vital sign of a patient at an instant. */
export interface Reading {
  /** Patient.id */
  patient: string;
  /** Vital.name */
  vital: string;
  /** When it was taken, milliseconds since 1970 UTC. */
  atMs: number;
  /** Observation.id */
  observation: string;
  /** A number in the vital's unit, or the name of a coded value. */
  value: string;
  /** It is not yet confirmed: Observation.status is preliminary. */
  preliminary: boolean;
  /** `Encounter/1`, or ''. */
  encounter: string;
}

export type ReadVitals = (observation: JsonObject) => Reading[];

/** https://hl7.org/fhir/R4/valueset-observation-status.html: the others say that there is no result, or that it was a mistake. */
const counted = new Set(['final', 'amended', 'corrected', 'preliminary']);

/**
 * A function that reads these vitals. `baseUrl`: our own FHIR base; references below it are local. An Observation of no patient of this server, without a time of day, or whose value has no
 * unit, a comparator (`<`) or is not plausible, yields nothing: what is not known counts as missing, never as normal.
 */
export function createReadVitals(vitals: readonly Vital[], baseUrl?: string): ReadVitals {
  const byCode = new Map(vitals.flatMap((vital) => vital.codings.map((one) => [keyOf(one.system, one.code), vital])));
  return (observation) => {
    const patient = localIdOf(observation.subject, 'Patient', baseUrl);
    const atMs = timeOf(observation);
    const id = observation.id;
    if (patient === '' || atMs === undefined || typeof id !== 'string') return [];
    if (!counted.has(String(observation.status))) return [];
    const encounter = localIdOf(observation.encounter, 'Encounter', baseUrl);
    const found = new Map<string, string>();
    for (const element of [observation, ...objectsOf(observation.component)]) {
      for (const coding of codingsOf(element.code)) {
        const vital = byCode.get(coding);
        const value = vital && readValue(vital, element);
        if (vital && value !== undefined && !found.has(vital.name)) found.set(vital.name, value);
      }
    }
    const preliminary = observation.status === 'preliminary';
    const shared = { patient, atMs, observation: id, preliminary, encounter: encounter && `Encounter/${encounter}` };
    return [...found].map(([vital, value]) => ({ ...shared, vital, value }));
  };
}

const keyOf = (system: unknown, code: unknown): string => `${String(system)}|${String(code)}`;

function codingsOf(concept: Json | undefined): string[] {
  if (typeof concept !== 'object' || concept === null || Array.isArray(concept)) return [];
  return objectsOf(concept.coding).map(({ system, code }) => keyOf(system, code));
}

/** Of a reference to this server: `1` of `Patient/1`, or of the same below `baseUrl`; '' for any other. */
export function localIdOf(reference: Json | undefined, type: string, baseUrl: string | undefined): string {
  const text = (reference as JsonObject | undefined)?.reference;
  const found = typeof text === 'string' ? parseReference(text, baseUrl) : undefined;
  return found?.kind === 'local' && found.type === type ? found.id : '';
}

/**
 * By a clock that is further ahead of the store's its score would be the patient's latest one until then, perhaps for years. HL7v2
 * believes senders' clocks as far (docs/hl7.md), MQTT five minutes.
 */
const aheadMsMax = 3_600_000;

const withTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

/** Of a period its end: that is when its result was there. A day without a time can't be put in order. */
function timeOf(observation: JsonObject): number | undefined {
  const period = observation.effectivePeriod as JsonObject | undefined;
  const text = observation.effectiveDateTime ?? observation.effectiveInstant ?? period?.end ?? period?.start;
  if (typeof text !== 'string' || !withTime.test(text)) return undefined;
  const ms = Date.parse(text);
  const storedMs = Date.parse(String((observation.meta as JsonObject | undefined)?.lastUpdated));
  return Number.isNaN(ms) || ms > storedMs + aheadMsMax ? undefined : ms;
}

function readValue(vital: Vital, element: JsonObject): string | undefined {
  return vital.unit === undefined ? codedValue(vital, element) : measuredValue(vital, vital.unit, element);
}

/**
 * Of the value, or, where there is none or it is a yes, of what the code itself says (`Breathing room air`). Of two values a no says
 * the other one: who does not breathe room air is on oxygen.
 */
function codedValue({ values = {} }: Vital, element: JsonObject): string | undefined {
  const names = namesOf(values, codingsOf(element.valueCodeableConcept));
  // Two meanings at once are none.
  if (names.length > 0) return names.length === 1 ? names[0] : undefined;
  const isSo = answerOf(element);
  const said = isSo === undefined ? [] : namesOf(values, codingsOf(element.code).filter(isStatement));
  if (said.length !== 1) return undefined;
  const others = Object.keys(values).filter((name) => name !== said[0]);
  if (isSo) return said[0];
  return others.length === 1 ? others[0] : undefined;
}

const namesOf = (values: NonNullable<Vital['values']>, codes: readonly string[]): string[] =>
  Object.entries(values)
    .filter(([, codings]) => codings.some(({ system, code }) => codes.includes(keyOf(system, code))))
    .map(([name]) => name);

/** Our own codes name what is asked (`Air or oxygen`), also where a value has the same code. */
const isStatement = (coding: string): boolean => !coding.startsWith('urn:cerebra:vital|');

const yes = [
  'http://snomed.info/sct|373066001',
  'http://loinc.org|LA33-6',
  'http://terminology.hl7.org/CodeSystem/v2-0136|Y',
];
const no = [
  'http://snomed.info/sct|373067005',
  'http://loinc.org|LA32-8',
  'http://terminology.hl7.org/CodeSystem/v2-0136|N',
];

/** Whether what the code says is so; undefined where that is not told. */
function answerOf(element: JsonObject): boolean | undefined {
  if (typeof element.valueBoolean === 'boolean') return element.valueBoolean;
  const codes = codingsOf(element.valueCodeableConcept);
  const [isYes, isNo] = [yes, no].map((some) => some.some((one) => codes.includes(one)));
  if (isYes !== isNo) return isYes;
  return Object.keys(element).some((name) => name.startsWith('value') || name === 'dataAbsentReason')
    ? undefined
    : true;
}

function measuredValue(vital: Vital, unit: string, element: JsonObject): string | undefined {
  const quantity = quantityOf(element);
  if (!quantity || quantity.comparator !== undefined || typeof quantity.value !== 'number') return undefined;
  const from = unitOf(vital, quantity);
  const text = from === undefined ? undefined : convertDecimal(String(quantity.value), from, unit);
  const value = Number(text);
  const [min, max] = vital.plausible ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (text === undefined || Number.isNaN(value) || value < min || value > max) return undefined;
  return String(value);
}

function quantityOf(element: JsonObject): JsonObject | undefined {
  if (typeof element.valueInteger === 'number') return { value: element.valueInteger };
  const quantity = element.valueQuantity;
  return typeof quantity === 'object' && quantity !== null && !Array.isArray(quantity) ? quantity : undefined;
}

/** What is given as code is UCUM, or a text that the vital knows. */
function unitOf({ unitTexts }: Vital, { system, code, unit }: JsonObject): string | undefined {
  if (system === UCUM && typeof code === 'string') return Object.hasOwn(unitTexts, code) ? unitTexts[code] : code;
  const text = (typeof unit === 'string' ? unit : typeof code === 'string' ? code : '').trim();
  if (Object.hasOwn(unitTexts, text)) return unitTexts[text];
  // Ward systems write BPM and Bpm, DegC and degC.
  const written = Object.keys(unitTexts).find((one) => one.toLowerCase() === text.toLowerCase());
  if (written !== undefined) return unitTexts[written];
  return text === '' ? undefined : text;
}
