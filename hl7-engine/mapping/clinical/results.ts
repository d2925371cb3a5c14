// An order with its results to ServiceRequest, Specimen, Observation and DiagnosticReport, linked to each other:
// https://hl7.org/fhir/uv/v2mappings/ (ORU_R01, ORDER_OBSERVATION)
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { dateTimeField, type Mapping } from '../context.ts';
import { instant } from '../datetime.ts';
import { addOrderCharges } from '../finance/order-charges.ts';
import { detail, joinedTexts, type ObxGroup, type OrderGroup, type SpecimenGroup } from './groups.ts';
import { addObservation, isDocument, type ObservationPlace } from './observation.ts';
import { addServiceRequest, describeOrder, type Order, type Subject } from './order.ts';
import { linkParent, type Parents, rememberResult } from './parent.ts';
import { addDocuments, addReport, conclusionOf, reportStatusOf } from './report.ts';
import { addSpecimen, addSpecimenSource } from './specimen.ts';

/** What the orders of one message share. */
export interface Results {
  subject: Subject;
  /** Specimens by their numbers. */
  specimens: Map<string, string>;
  parents: Parents;
}

/** Adds all that an ORDER_OBSERVATION holds; `outer`: specimens that stand around the order (OUL_R22) instead of in it. */
export function addResults(mapping: Mapping, group: OrderGroup, results: Results, outer: SpecimenGroup[] = []): void {
  const specimensOf = group.specimens.length > 0 ? group.specimens : outer;
  if (specimensOf.length > 0 && specimensOf.every(isControl)) {
    mapping.warnings.add("SPM-11: results of a control or calibrator are no patient's; left out");
    return;
  }
  const order = describeOrder(mapping, group, results.subject);
  const specimens = addSpecimens(mapping, order, results, outer);
  const place = placeOf(mapping, order, results, specimens[0]);
  const { own, underSpecimen } = ownResults(group);
  const found = own.map((one) => addResult(mapping, order, results, one, place));
  const answers = found.filter((_, index) => isAnswer(own[index]!)).filter((reference) => reference !== undefined);
  const placed = group.orc !== undefined || order.placer !== undefined;
  const supportingInfo = answers.map((reference) => ({ reference }));
  const request = placed ? addServiceRequest(mapping, order, { supportingInfo }) : undefined;
  addOrderCharges(mapping, order, request);
  underSpecimen.forEach(({ observations }, index) => {
    const its = { ...place, specimen: specimens[index] ?? place.specimen };
    for (const one of joinedTexts(observations)) if (!isDocument(one.obx)) addObservation(mapping, one, its);
  });
  const all = [...group.observations, ...group.specimens.flatMap(documentsOf)];
  addReport(mapping, order, {
    status: reportStatusOf(detail(group, 'OBR'), group.observations),
    request,
    specimens: specimens.filter((specimen) => specimen !== undefined),
    results: found
      .filter((reference) => reference !== undefined)
      .filter((reference) => request === undefined || !answers.includes(reference)),
    documents: addDocuments(
      mapping,
      order,
      all.filter(({ obx }) => isDocument(obx)),
      request,
    ),
    conclusion: conclusionOf(mapping.entries, own, found),
  });
}

/** Table 0369: control, blind sample, calibrator, electronic control, proficiency of filler and operator, verifying calibrator. */
const isControl = ({ spm }: SpecimenGroup): boolean => /^[QBCEFOV]$/.test(spm.field(11).component(1).text ?? '');

/** OBX-29, table 0936: what the order form asked comes back with the results, as a question or as information of the orderer's. */
const isAnswer = ({ obx }: ObxGroup): boolean => /^(?:QST|SCI)$/.test(obx.field(29).text ?? '');

function addResult(
  mapping: Mapping,
  order: Order,
  { parents }: Results,
  one: ObxGroup,
  place: ObservationPlace,
): string | undefined {
  const reference = addObservation(mapping, one, place);
  if (reference !== undefined) rememberResult(parents, order, one.obx, reference);
  return reference;
}

/**
 * OBX after SPM are about the specimen. Where an order has no others they are its results: many senders put SPM right after
 * OBR.
 */
function ownResults(group: OrderGroup): { own: ObxGroup[]; underSpecimen: SpecimenGroup[] } {
  const before = group.observations.filter(({ obx }) => !isDocument(obx));
  if (group.observations.length > 0) return { own: joinedTexts(before), underSpecimen: group.specimens };
  const after = group.specimens.flatMap(({ observations }) => observations).filter(({ obx }) => !isDocument(obx));
  return { own: joinedTexts(after), underSpecimen: [] };
}

function documentsOf({ observations, containers }: SpecimenGroup): ObxGroup[] {
  return [...observations, ...containers.flatMap((container) => container.observations)];
}

/** The specimens of the order, or of what stands around it; else what OBR says of one. */
export function addSpecimens(
  mapping: Mapping,
  order: Order,
  { specimens: known }: Pick<Results, 'specimens'>,
  outer: SpecimenGroup[],
): (string | undefined)[] {
  const { group, subject, key } = order;
  const obr = detail(group, 'OBR');
  const place = { patient: subject.patient, orderKey: key, obr, participants: group.participants, known };
  const groups = group.specimens.length > 0 ? group.specimens : outer;
  if (groups.length === 0) return [addSpecimenSource(mapping, place, group.group)];
  return groups.map((specimen) => {
    const reference = addSpecimen(mapping, specimen, place);
    if (groups === outer) addSpecimenResults(mapping, order, specimen, reference);
    return reference;
  });
}

/** OBX of a specimen that orders stand within: what is said of it once, whatever their number. */
function addSpecimenResults(
  mapping: Mapping,
  { key, subject }: Order,
  specimen: SpecimenGroup,
  reference: string | undefined,
): void {
  const { spm, group } = specimen;
  const observations = [
    specimen.observations,
    ...specimen.containers.map((container) => container.observations),
  ].flat();
  if (observations.length === 0 || told.has(spm)) return;
  told.add(spm);
  const number = spm.field(2).raw;
  const place: ObservationPlace = {
    group,
    key: JSON.stringify(['specimen', ...(number === '' ? [key] : [subject.patientKey, mapping.facility, number])]),
    patient: subject.patient,
    encounter: subject.encounter,
    specimen: reference,
    status: 'final',
  };
  for (const one of joinedTexts(observations)) {
    if (!isDocument(one.obx)) addObservation(mapping, one, place);
  }
}

/** Specimens whose observations are there. */
const told = new WeakSet<Segment>();

export function placeOf(
  mapping: Mapping,
  order: Order,
  results: Results,
  specimen: string | undefined,
): ObservationPlace {
  const obr = detail(order.group, 'OBR')!;
  const { subject } = order;
  const status = reportStatusOf(obr, order.group.observations);
  return {
    group: order.group.group,
    key: order.key,
    patient: subject.patient,
    encounter: subject.encounter,
    specimen,
    specimens: results.specimens,
    effective: dateTimeField(mapping, obr, 7),
    issued: instant(obr.field(22).text, mapping.zone),
    // Observation.status knows no "partial".
    status: obr.field(25).text === undefined ? 'unknown' : status === 'partial' ? 'preliminary' : status,
    category: sectionCategory(obr),
    channel: order.group.observations.find(({ obx }) => obx.field(2).raw === 'CD')?.obx,
    also: linkParent(mapping, results.parents, obr),
  };
}

const laboratory = category('laboratory', 'Laboratory');
const imaging = category('imaging', 'Imaging');
const procedure = category('procedure', 'Procedure');
const therapy = category('therapy', 'Therapy');

/** Table 0074 to the category that searches for results go by; the guide leaves it to the implementer. */
const sections: ReadonlyMap<string, JsonObject> = new Map([
  ...'BG BLB CG CH CP GE HM IMM LAB MB MCB MYC PAT SP SR TX URN VR'
    .split(' ')
    .map((code) => [code, laboratory] as const),
  ...'CT CTH CUS IMG NMR NMS NRS OUS RAD RUS RX VUS XRC'.split(' ').map((code) => [code, imaging] as const),
  ...'EC EN CUS'.split(' ').map((code) => [code, procedure] as const),
  ...'OT PT RT'.split(' ').map((code) => [code, therapy] as const),
]);

function category(code: string, display: string): JsonObject {
  return { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code, display }] };
}

function sectionCategory(obr: Segment): JsonObject | undefined {
  const code = obr.field(24).text;
  return code === undefined ? undefined : sections.get(code.toUpperCase());
}
