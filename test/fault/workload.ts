// What the load sends: five kinds, numbered, so that each thing can be asked for afterwards. All data is made up.
import type { JsonObject } from '#fhir-model';

export const createSystem = 'urn:example:fault:create';
export const bundleSystem = 'urn:example:fault:bundle';
export const codeSystem = 'urn:example:fault:code';
export const patientId = 'fault-patient';
export const deviceIds = ['fault-device-0', 'fault-device-1', 'fault-device-2'];
export const bundleEntries = 8;
export const resultsPerMessage = 2;

const startMs = Date.UTC(2026, 0, 5, 8);

function observation(code: string, identifiers: JsonObject[]): JsonObject {
  return {
    resourceType: 'Observation',
    status: 'final',
    identifier: identifiers,
    code: { coding: [{ system: codeSystem, code }] },
    subject: { reference: `Patient/${patientId}` },
    effectiveDateTime: '2026-01-05T08:00:00Z',
    valueQuantity: { value: 4.2, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
  };
}

export const createBody = (number: number): JsonObject =>
  observation('create', [{ system: createSystem, value: String(number) }]);

const changedIds = 12;
const changeSystem = 'urn:example:fault:change';

/** An update or, now and then, a deletion, of one of a few resources: several change the same one at once. */
export function change(number: number): { id: string; body?: JsonObject } {
  const id = `fault-location-${number % changedIds}`;
  if (Math.floor(number / changedIds) % 5 === 4) return { id };
  return { id, body: { resourceType: 'Location', id, identifier: [{ system: changeSystem, value: String(number) }] } };
}

/** A transaction whose entries all carry the bundle's number. */
export function bundleBody(number: number): JsonObject {
  const resource = observation('bundle', [{ system: bundleSystem, value: String(number) }]);
  const entry = { resource, request: { method: 'POST', url: 'Observation' } };
  return { resourceType: 'Bundle', type: 'transaction', entry: Array.from({ length: bundleEntries }, () => entry) };
}

export const controlId = (number: number): string => `FAULT-${number}`;

/** ORU^R01 of four patients in turn, so that messages under way at once meet in a Patient. */
export function oruMessage(number: number): string {
  const person = number % 4;
  return [
    `MSH|^~\\&|FAULTLAB|FAULTHOSP|CEREBRA|FAULTHOSP|20260105080000+0000||ORU^R01^ORU_R01|${controlId(number)}|P|2.5.1`,
    `PID|1||FAULT-PERSON-${person}^^^FAULTHOSP&2.999.7&ISO^MR||Testperson^Number${person}||19700101|F`,
    `OBR|1|FAULT-ORDER-${number}^FAULTHIS|FAULT-FILLER-${number}^FAULTLAB|24323-8^Panel^LN|||20260105080000+0000|||||||||||||||20260105083000+0000||LAB|F`,
    'OBX|1|NM|2951-2^Sodium^LN||140|mmol/L|136-145|N|||F',
    'OBX|2|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.1|N|||F',
    '',
  ].join('\r');
}

export const readingTopic = (number: number): string => `devices/${deviceIds[number % deviceIds.length]}/readings`;

export const readingTime = (number: number): string => new Date(startMs + number * 1_000).toISOString();

export const readingPayload = (number: number): string =>
  JSON.stringify({ time: readingTime(number), metric: 'heart-rate', value: 60 + (number % 40), unit: 'bpm' });
