// OBX and NTE to Observation: https://hl7.org/fhir/uv/v2mappings/ (OBX[Observation], NTE[Observation])
import type { JsonObject, Resource } from '#fhir-model';
import type { Part, Segment } from '../message/message.ts';
import { absent, dateTimeField, type Mapping } from './context.ts';
import { codeableConcept, repeated } from './datatypes.ts';
import { dateTime } from './datetime.ts';
import { derivedId } from './derived-id.ts';
import { eiIdentifier } from './identifiers.ts';
import { organizationReference, practitionerReference } from './practitioner.ts';
import { interpretations, observationStatus, systems } from './tables.ts';
import { unitOf } from './units.ts';
import { observedValue, referenceRange } from './value.ts';

/** What the OBX stands under. */
export interface ObservationPlace {
  /** What makes observations of one code different from those of another order: identifies the order or event. */
  key: string;
  patient: string;
  encounter: string | undefined;
  /** Reference of the specimen. */
  specimen?: string | undefined;
  /** OBR-7 and the like, where OBX-14 is empty. */
  effective?: string | undefined;
  issued?: string | undefined;
  /** Where OBX-11 is empty. */
  status?: string | undefined;
  category?: JsonObject | undefined;
}

export interface ObxGroup {
  obx: Segment;
  notes: Segment[];
}

/** Encapsulated documents and pointers go into the report, not into observations. */
export function isDocument(obx: Segment): boolean {
  return obx.field(2).text === 'ED' || obx.field(2).text === 'RP';
}

/** Adds the observation and yields its reference; undefined for an OBX that says nothing. */
export function addObservation(mapping: Mapping, group: ObxGroup, place: ObservationPlace): string | undefined {
  const { obx } = group;
  if (obx.field(3).isEmpty && obx.field(5).isEmpty) return undefined;
  const resource = observation(mapping, group, place);
  const code = obx.field(3).component(1).text ?? obx.field(3).whole;
  const codeKey = [place.key, code, obx.field(3).component(3).text, obx.field(4).whole];
  // A code that comes twice under one order (a series, lines of a text) is told apart by its place in the series.
  const occurrence = mapping.occurrence(JSON.stringify(codeKey));
  const id = derivedId('Observation', [...codeKey, String(occurrence)]);
  mapping.add({ method: 'PUT', url: `Observation/${id}`, resource: { ...resource, id } });
  return `Observation/${id}`;
}

function observation(mapping: Mapping, { obx, notes }: ObxGroup, place: ObservationPlace): Resource {
  const unit = unitOf(obx.field(6), mapping.facility);
  const code = codeableConcept(mapping, obx.field(3)) ?? absent;
  const { value, components } = observedValue(mapping, obx.field(2).text ?? '', obx.field(5), unit);
  const result = obx.field(11).text?.toUpperCase();
  const status = result === undefined ? (place.status ?? 'unknown') : (observationStatus[result] ?? 'unknown');
  const range = referenceRange(obx.field(7), unit);
  const instance = eiIdentifier(mapping, obx.field(21), 'observation', 'FILL');
  if (result !== undefined && observationStatus[result] === undefined) mapping.warnings.add('OBX-11: unknown status');
  return {
    resourceType: 'Observation',
    identifier: instance === undefined ? undefined : [instance],
    status,
    category: place.category === undefined ? undefined : [place.category],
    code,
    subject: { reference: place.patient },
    encounter: place.encounter === undefined ? undefined : { reference: place.encounter },
    effectiveDateTime: dateTimeField(mapping, obx, 14) ?? place.effective,
    issued: place.issued,
    performer: performers(mapping, obx),
    ...value,
    dataAbsentReason: absentReason(result, status, value, components),
    interpretation: repeated(obx.field(8), (flag) => interpretation(mapping, flag)),
    note: noteTexts(mapping, notes),
    bodySite: codeableConcept(mapping, obx.field(20).repetition(1)),
    method: codeableConcept(mapping, obx.field(17).repetition(1)),
    specimen: place.specimen === undefined ? undefined : { reference: place.specimen },
    device: device(obx.field(18).repetition(1)),
    referenceRange: range === undefined ? undefined : [range],
    component: components.map((element) => ({ code, ...element })),
  };
}

function performers(mapping: Mapping, obx: Segment): JsonObject[] {
  const people = repeated(obx.field(16), (xcn) => practitionerReference(mapping, xcn));
  const organization = organizationReference(mapping, obx.field(23), {
    address: obx.field(24),
  });
  return organization === undefined ? people : [...people, organization];
}

function device(ei: Part): JsonObject | undefined {
  const value = ei.component(1).text;
  return value === undefined ? undefined : { display: [ei.component(2).text, value].filter(Boolean).join(' ') };
}

const reported = new Set(['final', 'amended', 'corrected', 'preliminary']);

/** Why a result that was reported has no value: https://hl7.org/fhir/R4/observation.html#values (constraint obs-6). */
function absentReason(
  result: string | undefined,
  status: string,
  value: JsonObject,
  components: JsonObject[],
): JsonObject | undefined {
  if (Object.keys(value).length > 0 || components.length > 0) return undefined;
  const code =
    result === 'N' ? 'not-asked' : result === 'X' ? 'not-performed' : reported.has(status) ? 'unknown' : undefined;
  return code === undefined ? undefined : { coding: [{ system: systems.dataAbsentReason, code }] };
}

/** OBX-8: a code of table 0078, or the sender's own. */
function interpretation(mapping: Mapping, flag: Part): JsonObject | undefined {
  const code = flag.component(1).text;
  const system = flag.component(3).text;
  if (code !== undefined && interpretations.has(code) && (system === undefined || /^HL7.?0078$/i.test(system))) {
    const coding = { system: systems.interpretation, code, display: flag.component(2).text };
    return { coding: [coding], text: flag.component(9).text };
  }
  return codeableConcept(mapping, flag);
}

/** NTE-3 of one segment are the lines of one note. */
export function noteTexts(mapping: Mapping, notes: Segment[]): JsonObject[] {
  const found: JsonObject[] = [];
  for (const nte of notes) {
    const lines = nte
      .field(3)
      .repetitions()
      .map((line) => line.whole?.trimEnd() ?? '');
    const text = lines.join('\n').trim();
    if (text === '') continue;
    const author = practitionerReference(mapping, nte.field(5));
    found.push({
      authorReference: author?.reference === undefined ? undefined : author,
      authorString: author?.reference === undefined ? author?.display : undefined,
      time: dateTime(nte.field(6).text, mapping.zone),
      text,
    });
  }
  return found;
}
