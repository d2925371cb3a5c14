// PV1 and PV2 to Encounter: https://hl7.org/fhir/uv/v2mappings/ (PV1[Encounter], PV2[Encounter])
import type { JsonObject, Resource } from '#fhir-model';
import type { Part, Segment } from '../message/message.ts';
import { dateTimeField, type Mapping } from './context.ts';
import { codeableConcept, repeated } from './datatypes.ts';
import { derivedId } from './derived-id.ts';
import { cxIdentifier, type Identifier, identifierCriterion } from './identifiers.ts';
import { merging } from './merge.ts';
import type { MappedPatient } from './patient.ts';
import { practitionerReference } from './practitioner.ts';
import { admissionTypes, encounterClass, systems } from './tables.ts';

export interface EncounterSegments {
  pid: Segment;
  pv1: Segment;
  pv2: Segment | undefined;
}

/** ADT: creates the encounter or changes what the message carries. Undefined if nothing tells which encounter it is. */
export function upsertEncounter(
  mapping: Mapping,
  segments: EncounterSegments,
  patient: MappedPatient,
): string | undefined {
  const identifiers = visitIdentifiers(mapping, segments);
  const { resource, defaults } = encounter(mapping, segments, patient, identifiers);
  const [key] = identifiers;
  const merge = merging({ defaults });
  if (key !== undefined) {
    return mapping.add({ method: 'PUT', url: `Encounter?${identifierCriterion(key)}`, resource, merge });
  }
  const admitted = segments.pv1.field(44).text;
  if (admitted === undefined) {
    mapping.warnings.add('PV1: no visit number (PV1-19), account number or admit time to know the encounter by');
    return undefined;
  }
  const id = derivedId('Encounter', [patient.key, admitted]);
  mapping.add({ method: 'PUT', url: `Encounter/${id}`, resource: { ...resource, id } });
  return `Encounter/${id}`;
}

/** ORU: creates the encounter if unknown; the laboratory's view of it changes nothing. */
export function findOrCreateEncounter(
  mapping: Mapping,
  segments: EncounterSegments,
  patient: MappedPatient,
): string | undefined {
  const identifiers = visitIdentifiers(mapping, segments);
  const [key] = identifiers;
  if (key === undefined) return undefined;
  const ifNoneExist = identifierCriterion(key);
  return mapping.once(`Encounter?${ifNoneExist}`, () => {
    const { resource } = encounter(mapping, segments, patient, identifiers);
    return mapping.add({ method: 'POST', url: 'Encounter', ifNoneExist, resource });
  });
}

/** PV1-19, else PV1-50, else PID-18: the first is what the encounter is matched by. */
function visitIdentifiers(mapping: Mapping, { pid, pv1 }: EncounterSegments): Identifier[] {
  const visit = cxIdentifier(mapping, pv1.field(19).repetition(1), 'visit', 'VN');
  const alternate = repeated(pv1.field(50), (cx) => cxIdentifier(mapping, cx, 'visit'));
  const identifiers = visit === undefined ? alternate : [visit, ...alternate];
  if (identifiers.length > 0) return identifiers;
  const account = cxIdentifier(mapping, pid.field(18), 'account', 'AN');
  return account === undefined ? [] : [account];
}

function encounter(
  mapping: Mapping,
  { pv1, pv2 }: EncounterSegments,
  patient: MappedPatient,
  identifiers: Identifier[],
): { resource: Resource; defaults: Set<string> } {
  const start = dateTimeField(mapping, pv1, 44);
  const end = dateTimeField(mapping, pv1, 45);
  const patientClass = (pv1.field(2).text ?? '').toUpperCase();
  const knownClass = classOf(mapping, pv1.field(2), patientClass);
  const defaults = new Set<string>();
  if (knownClass === undefined) defaults.add('class');
  if (end === undefined && patientClass === '') defaults.add('status');
  const resource: Resource = {
    resourceType: 'Encounter',
    identifier: identifiers,
    status: statusOf(patientClass, end),
    class: knownClass ?? { system: systems.v3NullFlavor, code: 'UNK', display: 'unknown' },
    type: repeated(pv1.field(4), (cwe) => codeableConcept(mapping, cwe, { table: '0007', known: admissionTypes })),
    serviceType: codeableConcept(mapping, pv1.field(10)),
    subject: { reference: patient.reference },
    participant: participants(mapping, pv1),
    period: start === undefined && end === undefined ? undefined : { start, end },
    reasonCode: pv2 === undefined ? undefined : repeated(pv2.field(3), (cwe) => codeableConcept(mapping, cwe)),
    hospitalization: hospitalization(mapping, pv1),
    location: locations(pv1, patientClass),
  };
  return { resource, defaults };
}

function statusOf(patientClass: string, end: string | undefined): string {
  if (end !== undefined) return 'finished';
  if (patientClass === 'P') return 'planned';
  return patientClass === 'U' ? 'unknown' : 'in-progress';
}

/** Encounter.class is one Coding: the mapped one, or the sender's own. */
function classOf(mapping: Mapping, cwe: Part, patientClass: string): JsonObject | undefined {
  const mapped = encounterClass[patientClass];
  if (mapped !== undefined) return { ...mapped };
  const sent = codeableConcept(mapping, cwe)?.coding;
  return Array.isArray(sent) ? (sent[0] as JsonObject) : undefined;
}

const roles = [
  [7, 'ATND', 'attender'],
  [8, 'REF', 'referrer'],
  [9, 'CON', 'consultant'],
  [17, 'ADM', 'admitter'],
  [52, 'PART', 'Participation'],
] as const;

function participants(mapping: Mapping, pv1: Segment): JsonObject[] {
  return roles.flatMap(([field, code, display]) =>
    repeated(pv1.field(field), (xcn) => {
      const individual = practitionerReference(mapping, xcn);
      return individual && { type: [{ coding: [{ system: systems.participation, code, display }] }], individual };
    }),
  );
}

function hospitalization(mapping: Mapping, pv1: Segment): JsonObject {
  const concept = (field: number): JsonObject | undefined => codeableConcept(mapping, pv1.field(field));
  const concepts = (field: number): JsonObject[] => repeated(pv1.field(field), (cwe) => codeableConcept(mapping, cwe));
  const destination = pv1.field(37).component(1).text;
  return {
    preAdmissionIdentifier: cxIdentifier(mapping, pv1.field(5), 'preadmit'),
    admitSource: concept(14),
    reAdmission: concept(13),
    dietPreference: concepts(38),
    specialCourtesy: concepts(16),
    specialArrangement: concepts(15),
    destination: destination === undefined ? undefined : { display: destination },
    dischargeDisposition: concept(36),
  };
}

/** Location.display only: this engine keeps no Location resources. */
function locations(pv1: Segment, patientClass: string): JsonObject[] {
  const places = [
    [3, patientClass === 'P' ? 'planned' : 'active'],
    [6, 'completed'],
    [11, 'active'],
    [42, 'reserved'],
  ] as const;
  return places.flatMap(([field, status]) => {
    const display = placeName(pv1.field(field));
    return display === undefined ? [] : [{ location: { display }, status }];
  });
}

// PL: bed, room, floor, point of care, building, facility — from the smallest to the largest.
function placeName(pl: Part): string | undefined {
  const names = [3, 2, 8, 1, 7, 4].map((number) => pl.component(number).text).filter((name) => name !== undefined);
  return names.length === 0 ? pl.component(9).text : names.join(', ');
}
