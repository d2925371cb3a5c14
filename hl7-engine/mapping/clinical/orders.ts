// An order as its placer or filler sends it, without results: https://hl7.org/fhir/uv/v2mappings/ (OML_O21, ORM_O01)
import type { JsonObject } from '#fhir-model';
import type { Mapping } from '../context.ts';
import { instant } from '../datetime.ts';
import { addOrderCharges, billedAccount } from '../finance/order-charges.ts';
import type { Group } from '../structure/group.ts';
import { addAccompanying, ofRequest } from './accompanying.ts';
import { findAnswers } from './answers.ts';
import { conditionOf } from './diagnosis.ts';
import { addDiet } from './diet.ts';
import { detail, joinedTexts, type ObxGroup, type OrderGroup, orderGroup, type SpecimenGroup } from './groups.ts';
import { addMedicationRequest } from './medication.ts';
import { addObservation, isDocument } from './observation.ts';
import { addServiceRequest, addTask, describeOrder, type Order } from './order.ts';
import { addDocuments } from './report.ts';
import { addResults, addSpecimens, type Results } from './results.ts';
import { priorSubject } from './subject.ts';
import { addSupplyRequest } from './supply.ts';

/** What the order before it in the message was: a replacement replaces it, a child is based on it. */
export interface Sequence {
  replaced: string[];
  parent: string | undefined;
}

/** Adds the request, its specimens, and the answers and diagnoses that go along with it. */
export function addOrder(
  mapping: Mapping,
  group: OrderGroup,
  results: Results,
  sequence: Sequence,
  outer: SpecimenGroup[] = [],
): void {
  const order = describeOrder(mapping, group, results.subject);
  const control = group.orc?.field(1).text?.toUpperCase() ?? '';
  const also = linksOf(control, sequence);
  const reference = requestOf(mapping, order, results, outer, also);
  if (reference === undefined) {
    mapping.warnings.add('ORC: an order without number and detail has no place');
    return;
  }
  findAnswers(mapping, order, reference);
  addTask(mapping, order, reference);
  addOrderCharges(mapping, order, reference);
  follow(sequence, control, reference);
  for (const prior of group.prior) addPrior(mapping, prior, results);
}

/** Earlier results: of the patient that their own PID names, if they have one, and of no visit but their own. */
function addPrior(mapping: Mapping, prior: Group, results: Results): void {
  const subject = priorSubject(mapping, prior, results.subject);
  for (const order of prior.groups('ORDER_PRIOR')) {
    const earlier = orderGroup(order);
    if (detail(earlier, 'OBR') !== undefined) addResults(mapping, earlier, { ...results, subject });
  }
}

function linksOf(control: string, { replaced, parent }: Sequence): JsonObject {
  if (control === 'RO' && replaced.length > 0) return { replaces: replaced.map((reference) => ({ reference })) };
  if (control === 'CH' && parent !== undefined) return { basedOn: [{ reference: parent }] };
  return {};
}

/** RP, RQ and RU come before the RO that stands in their place, PA before its CH. */
function follow(sequence: Sequence, control: string, reference: string): void {
  if (control === 'RP' || control === 'RQ' || control === 'RU') sequence.replaced.push(reference);
  else if (control === 'PA') sequence.parent = reference;
  else if (control !== 'RO' && control !== 'CH') sequence.replaced.length = 0;
}

/** By what the order is for. */
function requestOf(
  mapping: Mapping,
  order: Order,
  results: Results,
  outer: SpecimenGroup[],
  also: JsonObject,
): string | undefined {
  const { group } = order;
  const reasonReference = group.diagnoses
    .map((dg1) => conditionOf(mapping, dg1, group.group, order))
    .filter((diagnosis) => diagnosis !== undefined);
  if (detail(group, 'RXO') ?? detail(group, 'RXE')) {
    const request = addMedicationRequest(mapping, order, { ...also, reasonReference });
    addAccompanying(mapping, order, group.observations, ofRequest(order, request));
    return request;
  }
  if (detail(group, 'ODS') ?? detail(group, 'ODT')) {
    // R4 has no reason in a NutritionOrder.
    const request = addDiet(mapping, order);
    addAccompanying(mapping, order, group.observations, ofRequest(order, request, 'diet'));
    return request;
  }
  if (detail(group, 'RQD') ?? detail(group, 'RQ1')) {
    // R4 bases no observation on a SupplyRequest.
    addAccompanying(mapping, order, group.observations, ofRequest(order, undefined, 'supply'));
    return addSupplyRequest(mapping, order, reasonReference);
  }
  const specimens = addSpecimens(mapping, order, results, outer).filter((specimen) => specimen !== undefined);
  const account = billedAccount(mapping, order);
  const supporting = addAnswers(mapping, order, specimens[0]);
  if (account !== undefined) supporting.push({ reference: account });
  return addServiceRequest(
    mapping,
    order,
    {
      ...also,
      specimen: specimens.map((reference) => ({ reference })),
      supportingInfo: supporting,
      reasonReference,
    },
    'numberless too',
  );
}

/** OBX of an order: answers to its questions, and documents that go along. */
function addAnswers(mapping: Mapping, order: Order, specimen: string | undefined): JsonObject[] {
  const { group, subject } = order;
  const obr = detail(group, 'OBR');
  const inSpecimens = group.specimens.flatMap(({ observations, containers }) => [
    ...observations,
    ...containers.flatMap((container) => container.observations),
  ]);
  const place = {
    group: group.group,
    key: JSON.stringify(['order', order.key]),
    patient: subject.patient,
    encounter: subject.encounter,
    issued: instant(obr?.field(22).text, mapping.zone),
    status: 'final',
  };
  const add = (observations: ObxGroup[], on: string | undefined): string[] =>
    joinedTexts(observations.filter(({ obx }) => !isDocument(obx))).flatMap(
      (one) => addObservation(mapping, one, { ...place, specimen: on }) ?? [],
    );
  const found = [...add(group.observations, undefined), ...add(inSpecimens, specimen)];
  const documents = [...group.observations, ...inSpecimens].filter(({ obx }) => isDocument(obx));
  const references = addDocuments(mapping, order, documents).references;
  return [...found, ...references].map((reference) => ({ reference }));
}
