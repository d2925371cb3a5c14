// ORC, OBR and what stands under them to ServiceRequest and DiagnosticReport: https://hl7.org/fhir/uv/v2mappings/
// (ORC[ServiceRequest], OBR[ServiceRequest], OBR[DiagnosticReport])
import type { JsonObject, Resource } from '#fhir-model';
import { emptyPart, type Part, type Segment } from '../message/message.ts';
import { compact } from './compact.ts';
import { absent, dateTimeField, type Mapping } from './context.ts';
import { codeableConcept, repeated } from './datatypes.ts';
import { instant } from './datetime.ts';
import { derivedId } from './derived-id.ts';
import { documentOf } from './document.ts';
import { eiIdentifier, type Identifier, identifierCriterion, tokenCriterion } from './identifiers.ts';
import { merging } from './merge.ts';
import { addObservation, isDocument, noteTexts, type ObservationPlace, type ObxGroup } from './observation.ts';
import type { MappedPatient } from './patient.ts';
import { interpreterReference, organizationReference, practitionerReference } from './practitioner.ts';
import { addSpecimen, addSpecimenSource } from './specimen.ts';
import {
  diagnosticSections,
  observationStatus,
  orderControlStatus,
  orderStatus,
  reportStatus,
  requestPriority,
} from './tables.ts';

export interface OrderGroup {
  orc: Segment | undefined;
  obr: Segment;
  /** NTE between OBR and the first OBX. */
  notes: Segment[];
  observations: ObxGroup[];
  /** Each SPM with the OBX that follow it. */
  specimens: { spm: Segment; observations: ObxGroup[] }[];
}

interface Order {
  group: OrderGroup;
  patient: MappedPatient;
  encounter: string | undefined;
  placer: Identifier | undefined;
  filler: Identifier | undefined;
  code: JsonObject | undefined;
  /** Identifies the order among all, also one without numbers. */
  key: string;
}

/** The elements that keep every item: a later message of the same order may carry only what changed. */
const reportRules = merging({
  united: {
    result: (item) => String(item.reference),
    specimen: (item) => String(item.reference),
    basedOn: (item) => String(item.reference),
  },
});

export function addOrder(
  mapping: Mapping,
  group: OrderGroup,
  patient: MappedPatient,
  encounter: string | undefined,
): void {
  const order = describe(mapping, group, patient, encounter);
  const request = serviceRequest(mapping, order);
  const specimens = addSpecimens(mapping, order);
  const place = observationPlace(mapping, order, specimens[0]);
  const results = group.observations
    .filter(({ obx }) => !isDocument(obx))
    .map((observation) => addObservation(mapping, observation, place))
    .filter((reference) => reference !== undefined);
  group.specimens.forEach(({ observations }, index) => {
    const underSpecimen = { ...place, specimen: specimens[index] ?? place.specimen };
    for (const observation of observations) {
      if (!isDocument(observation.obx)) addObservation(mapping, observation, underSpecimen);
    }
  });
  report(mapping, order, { request, specimens: specimens.filter((one) => one !== undefined), results, place });
}

function describe(mapping: Mapping, group: OrderGroup, patient: MappedPatient, encounter: string | undefined): Order {
  const { obr, orc } = group;
  const number = (field: number, kind: string, type: string): Identifier | undefined =>
    eiIdentifier(mapping, obr.field(field), kind, type) ?? (orc && eiIdentifier(mapping, orc.field(field), kind, type));
  const placer = number(2, 'order-placer', 'PLAC');
  const filler = number(3, 'order-filler', 'FILL');
  const code = codeableConcept(mapping, obr.field(4));
  return { group, patient, encounter, placer, filler, code, key: orderKey(mapping, obr, patient, filler ?? placer) };
}

/** Laboratories give one number to all panels of a sample: the panel's code belongs to the key. */
function orderKey(mapping: Mapping, obr: Segment, patient: MappedPatient, identifier: Identifier | undefined): string {
  const code = obr.field(4).component(1).text ?? obr.field(4).whole;
  if (identifier !== undefined) return JSON.stringify([identifier.system, identifier.value, code ?? null]);
  const when = obr.field(7).text;
  // A monitor's observations carry no order number: patient, panel and time are theirs; else the message itself is.
  if (when !== undefined) return JSON.stringify([patient.key, mapping.facility, code ?? null, when]);
  return JSON.stringify([mapping.messageKey, code ?? null, mapping.occurrence('order without number and time')]);
}

/** `identifier=…&code=…`, by the first coding of OBR-4. */
function orderCriteria(identifier: Identifier, code: JsonObject | undefined): string {
  const [coding] = (code?.coding as JsonObject[] | undefined) ?? [];
  if (coding === undefined) return identifierCriterion(identifier);
  const { system, code: value } = coding as { system?: string; code: string };
  return `${identifierCriterion(identifier)}&${tokenCriterion('code', system, value)}`;
}

function addSpecimens(mapping: Mapping, { group, patient, key }: Order): (string | undefined)[] {
  const place = { patient: patient.reference, orderKey: key, obr: group.obr };
  if (group.specimens.length === 0) return [addSpecimenSource(mapping, place)];
  return group.specimens.map(({ spm }) => addSpecimen(mapping, spm, place));
}

function observationPlace(mapping: Mapping, order: Order, specimen: string | undefined): ObservationPlace {
  const { obr, observations } = order.group;
  const status = reportStatusOf(obr, observations);
  return {
    key: order.key,
    patient: order.patient.reference,
    encounter: order.encounter,
    specimen,
    effective: dateTimeField(mapping, obr, 7),
    issued: instant(obr.field(22).text, mapping.zone),
    // Observation.status knows no "partial".
    status: obr.field(25).text === undefined ? 'unknown' : status === 'partial' ? 'preliminary' : status,
  };
}

function reportStatusOf(obr: Segment, observations: ObxGroup[]): string {
  const sent = obr.field(25).text?.toUpperCase();
  if (sent !== undefined) return reportStatus[sent] ?? 'unknown';
  // OBR-25 is required, but monitors leave it out: a report of final results only is final.
  const statuses = observations.map(({ obx }) => observationStatus[obx.field(11).text?.toUpperCase() ?? '']);
  return statuses.length > 0 && statuses.every((status) => status === 'final') ? 'final' : 'unknown';
}

/** Only for an order that somebody placed: there is an ORC or a placer's number. */
function serviceRequest(mapping: Mapping, order: Order): string | undefined {
  const { orc } = order.group;
  const identifier = order.placer ?? order.filler;
  if (identifier === undefined || (orc === undefined && order.placer === undefined)) return undefined;
  const criteria = orderCriteria(identifier, order.code);
  return mapping.once(`ServiceRequest?${criteria}`, () =>
    mapping.add({
      method: 'PUT',
      url: `ServiceRequest?${criteria}`,
      resource: requestResource(mapping, order),
      merge: merging({}),
    }),
  );
}

function requestResource(mapping: Mapping, { group, patient, encounter, placer, filler, code }: Order): Resource {
  const { obr } = group;
  const orc = (field: number): Part => group.orc?.field(field) ?? emptyPart;
  const requester = [orc(12), obr.field(16)].find((field) => !field.isEmpty) ?? emptyPart;
  return {
    resourceType: 'ServiceRequest',
    identifier: [placer, filler].filter((identifier) => identifier !== undefined),
    status: requestStatus(orc(5).text, orc(1).text, obr.field(25).text),
    intent: 'order',
    priority: requestPriority[(obr.field(5).text ?? orc(7).component(6).text ?? '').toUpperCase()],
    code: code ?? absent,
    subject: { reference: patient.reference },
    encounter: encounter === undefined ? undefined : { reference: encounter },
    authoredOn:
      orc(1).text === 'NW' && group.orc ? dateTimeField(mapping, group.orc, 9) : dateTimeField(mapping, obr, 6),
    requester:
      practitionerReference(mapping, requester.repetition(1)) ?? organizationReference(mapping, orc(21).repetition(1)),
    reasonCode: repeated(obr.field(31), (cwe) => codeableConcept(mapping, cwe)),
  };
}

function requestStatus(sent: string | undefined, control: string | undefined, result: string | undefined): string {
  const known = orderStatus[sent ?? ''] ?? orderControlStatus[control ?? ''];
  if (known !== undefined) return known;
  if (result === 'X') return 'revoked';
  return result === 'F' || result === 'C' ? 'completed' : 'active';
}

interface ReportParts {
  request: string | undefined;
  specimens: string[];
  results: string[];
  place: ObservationPlace;
}

function report(mapping: Mapping, order: Order, parts: ReportParts): void {
  const resource = reportResource(mapping, order, parts);
  const identifier = order.filler ?? order.placer;
  if (identifier === undefined) {
    const id = derivedId('DiagnosticReport', [order.key]);
    if (mergeIntoEarlier(mapping, `DiagnosticReport/${id}`, resource)) return;
    mapping.add({ method: 'PUT', url: `DiagnosticReport/${id}`, resource: { ...resource, id } });
    return;
  }
  const url = `DiagnosticReport?${orderCriteria(identifier, order.code)}`;
  if (!mergeIntoEarlier(mapping, url, resource)) mapping.add({ method: 'PUT', url, resource, merge: reportRules });
}

/** A message may name one order twice; a transaction must not (https://hl7.org/fhir/R4/http.html#trules). */
function mergeIntoEarlier(mapping: Mapping, url: string, resource: Resource): boolean {
  const earlier = mapping.entries.find((entry) => entry.url === url);
  if (earlier === undefined) return false;
  earlier.resource = reportRules(earlier.resource, compact(resource)!);
  return true;
}

function reportResource(mapping: Mapping, order: Order, { request, specimens, results, place }: ReportParts): Resource {
  const { obr, observations, notes } = order.group;
  const end = dateTimeField(mapping, obr, 8);
  const start = place.effective;
  const documents = observations.filter(({ obx }) => isDocument(obx)).map(({ obx }) => documentOf(mapping, obx));
  const interpreter = interpreterReference(mapping, obr.field(32).repetition(1));
  const section = obr.field(24);
  return {
    resourceType: 'DiagnosticReport',
    extension: noteTexts(mapping, notes).map((valueAnnotation) => ({ url: noteExtension, valueAnnotation })),
    identifier: [order.placer, order.filler].filter((identifier) => identifier !== undefined),
    basedOn: request === undefined ? undefined : [{ reference: request }],
    status: reportStatusOf(obr, observations),
    category: repeated(section, (cwe) => codeableConcept(mapping, cwe, { table: '0074', known: diagnosticSections })),
    code: order.code ?? absent,
    subject: { reference: order.patient.reference },
    encounter: order.encounter === undefined ? undefined : { reference: order.encounter },
    effectiveDateTime: end === undefined ? start : undefined,
    effectivePeriod: end === undefined ? undefined : { start, end },
    issued: place.issued,
    resultsInterpreter: interpreter === undefined ? undefined : [interpreter],
    specimen: specimens.map((reference) => ({ reference })),
    result: [...new Set(results)].map((reference) => ({ reference })),
    presentedForm: documents.filter((document) => document !== undefined),
  };
}

/** DiagnosticReport.note of R5: OBR's notes have no place of their own in R4. */
const noteExtension = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note';
