// A reading as an Observation: https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/R4/vitalsigns.html
import { decimalText, type JsonObject, type Resource } from '#fhir-model';
import { uuidv5 } from '#platform';
import type { Quantity, Reading } from './reading.ts';

export type Observation = Resource & { id: string };

/** Namespace of the ids below; a random UUID, fixed for ever. */
const readingNamespace = '0d4c1f2e-6b7a-4a52-9c39-51f1f0c8a6d7';

/**
 * The Observation of a reading. Its id follows from device, metric, instant and sequence, so that a reading delivered
 * twice is stored once.
 */
export function observationOf(
  reading: Reading,
  device: { id: string; patient: JsonObject },
  nowMs: number,
): Observation {
  const identity = [device.id, reading.metricKey, reading.timeKey, reading.sequence ?? null];
  return {
    resourceType: 'Observation',
    id: uuidv5(readingNamespace, JSON.stringify(identity)),
    status: 'final',
    ...(reading.category === undefined ? {} : { category: [categoryOf(reading.category)] }),
    code: { coding: reading.codings.map((coding) => ({ ...coding })) },
    subject: device.patient,
    effectiveDateTime: reading.time,
    issued: new Date(nowMs).toISOString(),
    ...(reading.quantity === undefined ? {} : { valueQuantity: json(reading.quantity) }),
    ...(reading.note === undefined ? {} : { note: [{ text: reading.note }] }),
    device: { reference: `Device/${device.id}` },
    ...(reading.components === undefined ? {} : { component: reading.components.map(componentOf) }),
  };
}

function categoryOf(code: 'vital-signs' | 'laboratory'): JsonObject {
  const system = 'http://terminology.hl7.org/CodeSystem/observation-category';
  return { coding: [{ system, code, display: code === 'laboratory' ? 'Laboratory' : 'Vital Signs' }] };
}

function componentOf({ coding, quantity }: NonNullable<Reading['components']>[number]): JsonObject {
  return { code: { coding: [{ ...coding }] }, valueQuantity: json(quantity) };
}

function json(quantity: Quantity): JsonObject {
  return quantity as unknown as JsonObject;
}

/** Whether two Observations of one id say the same: the same numbers in the same units. */
export function sameMeasurement(a: Resource, b: Resource): boolean {
  return measurementOf(a) === measurementOf(b);
}

function measurementOf(observation: Resource): string {
  const components = (observation.component ?? []) as { valueQuantity?: Quantity }[];
  const quantities = [
    observation.valueQuantity as unknown as Quantity | undefined,
    ...components.map((c) => c.valueQuantity),
  ];
  return JSON.stringify(quantities.map((q) => (q === undefined ? null : [Number(decimalText(q.value)), q.code])));
}
