// A score as Observation (https://hl7.org/fhir/R4/observation.html) and RiskAssessment
// (https://hl7.org/fhir/R4/riskassessment.html). Ids follow from patient, score and time: however often and in whatever order
// it is computed, it is the same resource.
import { type Json, type JsonObject, type Resource, UCUM } from '#fhir-model';
import { uuidv5 } from '#platform';
import type { Part, Score } from './compute.ts';
import type { Reading } from './readings.ts';
import type { Vital } from './schema.ts';
import type { Entry } from './timeline.ts';

export type Owned = Resource & { id: string };

const namespace = '2f4f9d5e-3f0c-5d0a-8a55-7e1f0b0f9a31';

const identity = ({ table, patient, atMs }: Entry): string => `${table.name}|${patient}|${atMs}`;
export const observationId = (entry: Entry): string => uuidv5(namespace, `Observation|${identity(entry)}`);
export const riskId = (entry: Entry): string => uuidv5(namespace, `RiskAssessment|${identity(entry)}`);

/** Of what it gave points to. */
const readingUrl = 'urn:cerebra:score-reading';
/** Of an incomplete score: what it is at the least. */
const atLeastUrl = 'urn:cerebra:score-at-least';
/** All that scores write carries it in meta.tag, with the score's name. */
export const scoreTagSystem = 'urn:cerebra:score';

const tagOf = ({ table }: Entry): JsonObject => ({ tag: [{ system: scoreTagSystem, code: table.name }] });
const timeOf = ({ atMs }: Entry): string => new Date(atMs).toISOString();
const unknown = (text: string): JsonObject => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'unknown', display: 'Unknown' }],
  text,
});
const pointsQuantity = (value: number): JsonObject => ({ value, unit: 'points', system: UCUM, code: '{score}' });

function subjectOf({ patient, trigger }: Entry): JsonObject {
  const encounter = trigger?.encounter;
  return {
    subject: { reference: `Patient/${patient}` },
    ...(encounter ? { encounter: { reference: encounter } } : {}),
  };
}

const readingsOf = ({ parts }: Score): Reading[] =>
  parts.flatMap(({ reading, given = [] }) => (reading ? [reading, ...given] : []));

const isPreliminary = (score: Score): boolean => readingsOf(score).some(({ preliminary }) => preliminary);

/** `vitals`: by name. */
export function observationOf(entry: Entry & { score: Score }, vitals: ReadonlyMap<string, Vital>): Owned {
  const { table, score } = entry;
  const readings = readingsOf(score).map(({ observation }) => observation);
  return {
    resourceType: 'Observation',
    id: observationId(entry),
    meta: tagOf(entry),
    ...(score.complete || score.total === 0 ? {} : { extension: [{ url: atLeastUrl, valueInteger: score.total }] }),
    status: isPreliminary(score) ? 'preliminary' : 'final',
    category: [surveyCategory],
    code: { coding: table.codings as Json[], text: table.title },
    ...subjectOf(entry),
    effectiveDateTime: timeOf(entry),
    ...resultOf(entry),
    ...(readings.length === 0
      ? {}
      : { derivedFrom: [...new Set(readings)].map((id) => ({ reference: `Observation/${id}` })) }),
    component: score.parts.map((part) => componentOf(part, vitals)),
  };
}

const surveyCategory: JsonObject = {
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'survey', display: 'Survey' }],
};

function resultOf({ table, score }: Entry & { score: Score }): JsonObject {
  const red = score.red.map((name) => redConcept(score.parts.find((part) => part.name === name)!));
  if (!score.level) {
    const missing = score.parts.filter(({ points }) => points === undefined).map(({ title }) => title.toLowerCase());
    return {
      dataAbsentReason: unknown(`Incomplete: no reading within its time of ${missing.join(', ')}`),
      ...(red.length > 0 ? { interpretation: red } : {}),
    };
  }
  const { code, title } = score.level;
  const level = { coding: [{ system: `urn:cerebra:score-level:${table.name}`, code, display: title }], text: title };
  return { valueQuantity: pointsQuantity(score.total), interpretation: [level, ...red] };
}

const redConcept = ({ name, title, points }: Part): JsonObject => ({
  coding: [{ system: 'urn:cerebra:score-red', code: name, display: title }],
  text: `${title} alone scores ${points}`,
});

function componentOf({ coding, title, points, reading }: Part, vitals: ReadonlyMap<string, Vital>): JsonObject {
  const code = { coding: [coding as JsonObject], text: title };
  if (points === undefined || !reading) return { code, dataAbsentReason: unknown('No reading within its time') };
  return {
    extension: [{ url: readingUrl, ...valueElement(reading.value, vitals.get(reading.vital)!) }],
    code,
    // As a quantity each of seven would be four more rows in the search index.
    valueInteger: points,
  };
}

function valueElement(value: string, { unit, values, title }: Vital): JsonObject {
  if (unit !== undefined) return { valueQuantity: { value: Number(value), unit, system: UCUM, code: unit } };
  const coding = values?.[value]?.[0] as JsonObject | undefined;
  return { valueCodeableConcept: { ...(coding ? { coding: [coding] } : {}), text: `${title}: ${value}` } };
}

/** Of a complete score. */
export function riskOf(entry: Entry & { score: Score }): Owned {
  const { table, score } = entry;
  const { title, risk } = score.level!;
  return {
    resourceType: 'RiskAssessment',
    id: riskId(entry),
    meta: tagOf(entry),
    status: isPreliminary(score) ? 'preliminary' : 'final',
    method: { coding: table.codings as Json[], text: table.title },
    ...subjectOf(entry),
    occurrenceDateTime: timeOf(entry),
    basis: [{ reference: `Observation/${observationId(entry)}` }],
    prediction: [
      {
        outcome: { text: table.outcome },
        qualitativeRisk: {
          coding: [{ system: 'http://terminology.hl7.org/CodeSystem/risk-probability', code: risk }],
          text: title,
        },
        rationale: `${table.name.toUpperCase()} ${score.total}${score.red.length > 0 ? `; alone ask for a response: ${score.red.join(', ')}` : ''}`,
      },
    ],
  };
}

/** The same resource, told to be a mistake: what it rested on is no more. */
export const withdrawn = (resource: Resource): Resource => ({ ...resource, status: 'entered-in-error' });

/** What is there stays where it says the same; else the new one, said to be amended where a final one was there. */
export function amend(existing: Resource | undefined, next: Resource): Resource {
  if (!existing) return next;
  if (existing.status !== 'entered-in-error' && sayingOf(existing) === sayingOf(next)) {
    return existing.status === next.status || existing.status === 'amended' ? existing : next;
  }
  return existing.status === 'preliminary' || next.status === 'preliminary' ? next : { ...next, status: 'amended' };
}

/** What it says, whatever the order of members: the store keeps that, but others may have written it. */
function sayingOf({ meta: _meta, status: _status, text: _text, ...rest }: Resource): string {
  return JSON.stringify(rest, (_name, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
