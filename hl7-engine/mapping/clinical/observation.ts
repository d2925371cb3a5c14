// OBX and its NTE and PRT to Observation: https://hl7.org/fhir/uv/v2mappings/ (OBX[Observation], OBX[Observation-Component],
// NTE[Observation], PRT[Device], PRT[Observation-Location])
import type { Alias, JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { emptyPart, type Part, type Segment } from '../../message/message.ts';
import { locationReference } from '../administration/location.ts';
import { isEnded } from '../administration/roles.ts';
import { putDerived } from '../administration/upsert.ts';
import { conceptMapOf } from '../codes/concept-maps.ts';
import { systems } from '../codes/systems.ts';
import { list } from '../compact.ts';
import { absent, type Mapping } from '../context.ts';
import { codeableConcept, repeated } from '../datatypes.ts';
import { derivedId } from '../derived-id.ts';
import { organizationReference, practitionerReference } from '../practitioner.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { obxObservation } from '../tables/obx.ts';
import type { Unit } from '../units.ts';
import { deviceReference } from './device.ts';
import type { ObxGroup } from './groups.ts';
import { resultMerge } from './merging.ts';
import { noteTexts } from './notes.ts';
import { rememberPart } from './order-numbers.ts';
import { referenceRanges } from './range.ts';
import { sampledData } from './sampled.ts';
import { otherwiseKeyed, placeKey, type SeriesKey, seriesAlias, seriesKey } from './series.ts';
import { type ObservedValue, observedUnit, observedValue } from './value.ts';

const observationStatus = conceptMapOf('ObservationResultStatusCodesInterpretation').codes;

/** What the OBX stands under. */
export interface ObservationPlace {
  group: Group;
  /** What makes observations of one code different from those of another order: identifies the order or event. */
  key: string;
  patient: string;
  encounter?: string | undefined;
  /** Reference of the specimen. */
  specimen?: string | undefined;
  /** The specimens of the message by their numbers: OBX-33. */
  specimens?: ReadonlyMap<string, string>;
  /** OBR-7 and the like, where OBX-14 is empty. */
  effective?: string | undefined;
  issued?: string | undefined;
  /** Where OBX-11 is empty. */
  status?: string | undefined;
  category?: JsonObject | undefined;
  /** Elements that the family adds: `partOf`, `derivedFrom`, `basedOn`. */
  also?: JsonObject | undefined;
  /** OBX of type CD, the definition of the channel that a waveform comes from. */
  channel?: Segment | undefined;
}

/** Encapsulated documents and pointers are DocumentReferences: clinical/document.ts. */
export function isDocument(obx: Segment): boolean {
  const type = obx.field(2).raw;
  return type === 'ED' || type === 'RP';
}

/** Adds the observation and yields its reference; undefined for an OBX that says nothing. */
export function addObservation(mapping: Mapping, group: ObxGroup, place: ObservationPlace): string | undefined {
  const { obx } = group;
  if (obx.field(3).isEmpty && obx.field(5).isEmpty) return undefined;
  const letter = obx.field(11).text?.toUpperCase();
  if (letter !== undefined && !observationStatus.has(letter)) mapping.warnings.add('OBX-11: unknown status');
  const resource = observation(mapping, group, place, letter);
  const series = observationKey(mapping, obx, place.key);
  const key = placeKey(series);
  const id = derivedId('Observation', key);
  const url = `Observation/${id}`;
  resource.id = id;
  mapping.stamp(resource);
  const alias = aliasOfTime(mapping, series, resource, place);
  putDerived(mapping, { url, resource, merge: mergeOf(mapping, letter), from: obx, ...(alias && { alias }) }, key);
  rememberPart(mapping, place.key, { url, shown: id, ...otherwiseKeyed(mapping, series, resource) });
  return url;
}

/** Most results have no time of their own: OBX-14 is empty, or says what OBR-7 does. */
function aliasOfTime(
  mapping: Mapping,
  series: SeriesKey,
  { effectiveDateTime }: Resource,
  place: ObservationPlace,
): Alias | undefined {
  if (typeof effectiveDateTime !== 'string' || effectiveDateTime === place.effective) return undefined;
  return seriesAlias(mapping, series, effectiveDateTime);
}

/** A code that comes twice under one order (a series) is told apart by its place in the series. */
function observationKey(mapping: Mapping, obx: Segment, key: string): SeriesKey {
  const identifier = obx.field(3);
  const first = identifier.component(1);
  const suffix = first.subcomponent(2).text;
  const code = first.text ?? identifier.whole;
  return seriesKey(mapping, [
    key,
    suffix === undefined ? code : `${code}&${suffix}`,
    identifier.component(3).text,
    obx.field(4).whole,
  ]);
}

/** U: final without what was sent before; D, W: wrong, what it was stays to be seen. */
function mergeOf(mapping: Mapping, letter: string | undefined): NonNullable<TransactionEntry['merge']> {
  return resultMerge(mapping, letter === 'U' || letter === 'D' || letter === 'W' ? 'status' : 'replace');
}

function observation(
  mapping: Mapping,
  { obx, more, notes, participants }: ObxGroup,
  place: ObservationPlace,
  letter: string | undefined,
): Resource {
  const mapped = runTable(obxObservation, { mapping, segment: obx, group: place.group }) ?? {};
  const code = observationCode(mapping, obx.field(3));
  const unit = observedUnit(mapping, obx.field(6));
  const { value, components } = observedOf(mapping, { obx, more, unit, channel: place.channel });
  const sentReason = reasonSent(value);
  const range = obx.field(7);
  const status = statusOf(letter, place, value);
  const category = categories(mapped.category as JsonObject[] | undefined, place.category);
  const performer = performers(mapping, obx, participants);
  const note = notes.length === 0 ? undefined : noteTexts(mapping, notes);
  const places = placesOf(mapping, participants);
  return {
    ...mapped,
    ...(places === undefined ? {} : { extension: [...list(mapped.extension), ...places] }),
    resourceType: 'Observation',
    status,
    category,
    code,
    subject: { reference: place.patient },
    encounter: place.encounter === undefined ? undefined : { reference: place.encounter },
    effectiveDateTime: mapped.effectiveDateTime ?? place.effective,
    issued: place.issued,
    performer,
    ...(sentReason === undefined ? value : {}),
    dataAbsentReason: sentReason ?? absentReason(letter, status, value, components),
    note,
    specimen: specimenOf(obx, place),
    device: deviceReference(mapping, obx, participants),
    referenceRange: range.raw === '' ? undefined : referenceRanges(range, unit),
    component: components.length === 0 ? undefined : components.map((element) => ({ code, ...element })),
    ...place.also,
  };
}

/** Table 0085; O is an order's detail: an answer to what the order form asks, if it has a value. */
function statusOf(letter: string | undefined, place: ObservationPlace, value: JsonObject): string {
  if (letter === undefined) return place.status ?? 'unknown';
  if (letter === 'O') for (const _name in value) return 'final';
  return observationStatus.get(letter)?.code ?? 'unknown';
}

/** OBX-3; with the suffix of a report's part (`&IMP`) in its words, since the coding alone does not have it. */
function observationCode(mapping: Mapping, field: Part): JsonObject {
  const code = codeableConcept(mapping, field);
  if (code === undefined) return absent;
  const suffix = field.raw.includes(mapping.message.delimiters.subcomponent || '\r')
    ? field.component(1).subcomponent(2).text
    : undefined;
  if (suffix === undefined) return code;
  const [coding] = (code.coding as JsonObject[] | undefined) ?? [];
  return { ...code, text: code.text ?? `${String(coding?.display ?? coding?.code)} (${suffix})` };
}

interface Observed {
  obx: Segment;
  more: Segment[] | undefined;
  unit: Unit;
  channel: Segment | undefined;
}

function observedOf(mapping: Mapping, { obx, more, unit, channel }: Observed): ObservedValue {
  const type = obx.field(2).text ?? '';
  if (type === 'NA' || type === 'MA') {
    const data = sampledData(mapping, obx, unit, channel);
    if (data !== undefined) return { value: { valueSampledData: data }, components: [] };
  }
  const observed = observedValue(mapping, type, obx.field(5), unit);
  if (more === undefined) return observed;
  const lines = [obx, ...more].map((line) => observedValue(mapping, type, line.field(5), unit).value.valueString ?? '');
  const text = lines.join('\n').trimEnd();
  return { value: text === '' ? {} : { valueString: text }, components: [] };
}

function categories(own: JsonObject[] | undefined, section: JsonObject | undefined): JsonObject[] | undefined {
  if (section === undefined) return own;
  return own === undefined ? [section] : [section, ...own];
}

const functionExtension = 'http://hl7.org/fhir/StructureDefinition/event-performerFunction';

/** A reference with what its person did; the extension's codes are of table 0912 or v3 ParticipationType. */
export function withFunction(reference: JsonObject | undefined, system: string, code: string): JsonObject | undefined {
  if (reference === undefined) return undefined;
  const valueCodeableConcept = { coding: [{ system, code }] };
  return { extension: [{ url: functionExtension, valueCodeableConcept }], ...reference };
}

const participationTable = 'http://terminology.hl7.org/CodeSystem/v2-0912';

/** OBX-16, PRT-5 and 8, OBX-25, then OBX-23, or OBX-15 where that is empty. */
function performers(mapping: Mapping, obx: Segment, participants: Segment[] | undefined): JsonObject[] | undefined {
  const [observer, organization, director, producer] = [16, 23, 25, 15].map((field) => obx.field(field));
  if (participants === undefined && [observer, organization, director, producer].every((part) => part!.raw === '')) {
    return undefined;
  }
  const found = repeated(observer!, (xcn) => practitionerReference(mapping, xcn));
  for (const prt of participants ?? []) {
    if (isEnded(prt)) continue;
    const person = practitionerReference(mapping, prt.field(5).repetition(1));
    const place = organizationReference(mapping, prt.field(8).repetition(1));
    found.push(...[person, place].filter((reference) => reference !== undefined));
  }
  const medical = withFunction(practitionerReference(mapping, director!.repetition(1)), participationTable, 'MDIR');
  if (medical !== undefined) found.push(medical);
  const laboratory =
    organizationReference(mapping, organization!.repetition(1), { address: obx.field(24) }) ?? producerOf(producer!);
  if (laboratory !== undefined) found.push(laboratory);
  return unique(found);
}

/** PRT-9: where it was observed. https://hl7.org/fhir/uv/v2mappings/ (PRT[Observation-Location]) */
function placesOf(mapping: Mapping, participants: Segment[] | undefined): JsonObject[] | undefined {
  const found = participants
    ?.filter((prt) => !isEnded(prt))
    .flatMap((prt) => repeated(prt.field(9), (pl) => locationReference(mapping, pl)))
    .map((valueReference) => ({ url: placeExtension, valueReference }));
  return found === undefined || found.length === 0 ? undefined : found;
}

const placeExtension = 'http://hl7.org/fhir/StructureDefinition/event-location';

/** OBX-15 is a CWE: a name to show, for no number of it could be found again. */
function producerOf(cwe: Part): JsonObject | undefined {
  const display = cwe.component(2).text ?? cwe.component(1).text;
  return display === undefined ? undefined : { display };
}

function unique(references: JsonObject[]): JsonObject[] {
  const seen = new Set<string>();
  return references.filter((reference) => {
    const key = JSON.stringify(reference);
    return seen.has(key) ? false : seen.add(key);
  });
}

/** OBX-33, else the order's specimen. */
function specimenOf(obx: Segment, place: ObservationPlace): JsonObject | undefined {
  const related = place.specimens === undefined ? emptyPart : obx.field(33).repetition(1);
  const number = related.component(2).text ?? related.component(1).text;
  const reference = (number === undefined ? undefined : place.specimens?.get(number)) ?? place.specimen;
  return reference === undefined ? undefined : { reference };
}

const reported = new Set(['final', 'amended', 'corrected', 'preliminary']);
const reasons = {
  'not-asked': reason('not-asked'),
  'not-performed': reason('not-performed'),
  unknown: reason('unknown'),
};

function reason(code: string): JsonObject {
  return { coding: [{ system: systems.dataAbsentReason, code }] };
}

/** A code of why there is no value stands where the value would be. */
function reasonSent({ valueCodeableConcept: concept }: JsonObject): JsonObject | undefined {
  const [coding] = list((concept as JsonObject | undefined)?.coding);
  return coding?.system === systems.dataAbsentReason ? (concept as JsonObject) : undefined;
}

/** Why a result that was reported has no value: https://hl7.org/fhir/R4/observation.html#values (constraint obs-6). */
function absentReason(
  letter: string | undefined,
  status: string,
  value: JsonObject,
  components: JsonObject[],
): JsonObject | undefined {
  if (components.length > 0) return undefined;
  for (const _name in value) return undefined;
  if (letter === 'N') return reasons['not-asked'];
  if (letter === 'X') return reasons['not-performed'];
  return reported.has(status) ? reasons.unknown : undefined;
}
