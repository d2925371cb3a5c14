// Problems, goals and pathways to Condition, Goal and CarePlan: HL7 v2.9 chapter 12.3
import type { JsonObject, Resource } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { addCareTeam } from '../administration/roles.ts';
import { conceptKey, firstNumber, putDerived, upsertDerived } from '../administration/upsert.ts';
import { addAccompanying, ofRequest } from '../clinical/accompanying.ts';
import { detail, type ObxGroup, obxGroups, orderGroup } from '../clinical/groups.ts';
import { addMedicationRequest } from '../clinical/medication.ts';
import { noteTexts } from '../clinical/notes.ts';
import { addObservation, isDocument } from '../clinical/observation.ts';
import { addServiceRequest, addTask, describeOrder, type Order, type Subject } from '../clinical/order.ts';
import { conceptMapOf } from '../codes/concept-maps.ts';
import { list } from '../compact.ts';
import { dateTimeField, type Mapping } from '../context.ts';
import { displayName, humanName } from '../datatypes.ts';
import { derivedId } from '../derived-id.ts';
import type { MergeRules } from '../merge.ts';
import type { MappedPatient } from '../patient.ts';
import { perMessage } from '../per-message.ts';
import type { Group } from '../structure/group.ts';
import { runTable, type SegmentTable } from '../table/table.ts';
import { golGoal, prbCondition, pthCarePlan, varAnnotation } from '../tables/problems.ts';
import { mappedConcept } from '../types/coded.ts';

export interface Cared {
  patient: MappedPatient;
  encounter: string | undefined;
}

const terminology = 'http://terminology.hl7.org/CodeSystem';
const coded = (system: string, code: string): JsonObject => ({
  coding: [{ system: `${terminology}/${system}`, code }],
});

/** PC3, PC8 and PCD delete; else table 0287 in the segment's first field. */
const deletes = new Set(['PC3', 'PC8', 'PCD']);

function actionOf(mapping: Mapping, segment: Segment): 'delete' | 'none' | 'write' {
  const action = segment.field(1).text?.toUpperCase() ?? '';
  if (/^D/.test(action) || (action === '' && deletes.has(mapping.event))) return 'delete';
  return action === 'UC' || action === 'UN' ? 'none' : 'write';
}

/** The patient's of its number, else of that name. */
function put(mapping: Mapping, resource: JsonObject, concept: unknown, cared: Cared, rules: MergeRules): string {
  return upsertDerived(mapping, resource, keyOf(mapping, resource, concept, cared), rules);
}

function keyOf(
  mapping: Mapping,
  { identifier }: JsonObject,
  concept: unknown,
  { patient }: Pick<Cared, 'patient'>,
): (string | undefined)[] {
  const number = firstNumber(identifier);
  return number === undefined ? [patient.key, mapping.facility, conceptKey(concept)] : [patient.key, number];
}

/** What the segment of a problem, a goal or a pathway says. */
interface Said {
  segment: Segment;
  found: JsonObject;
  cleared: string[];
  isError: boolean;
}

const nameless = {
  PRB: 'PRB-3: a problem without code or words has no place',
  GOL: 'GOL-3: a goal without code or words has no place',
  PTH: 'PTH-2: a pathway without code or words has no place',
} as const;

/** Undefined where it says nothing, or has nothing for `element`, which tells what it is. */
function saidBy(mapping: Mapping, group: Group, table: SegmentTable, element: string): Said | undefined {
  const segment = group.get(table.segment);
  const action = segment === undefined ? 'none' : actionOf(mapping, segment);
  if (segment === undefined || action === 'none') return undefined;
  const cleared: string[] = [];
  const found = runTable(table, { segment, group, mapping }, cleared);
  if (found?.[element] !== undefined) return { segment, found, cleared, isError: action === 'delete' };
  mapping.warnings.add(nameless[table.segment as keyof typeof nameless]);
  return undefined;
}

const clinicalStatuses = conceptMapOf('ProblemLifeCycle[Condition.clinicalStatus]');

/** A PROBLEM group with its goals, pathways, orders and observations; the Condition's reference. */
export function addProblem(mapping: Mapping, group: Group, cared: Cared): string | undefined {
  const said = saidBy(mapping, group, prbCondition, 'code');
  if (said === undefined) return unchangedProblem(mapping, group, cared);
  const { found, cleared } = said;
  const evidence = observations(mapping, group, 'PROBLEM_OBSERVATION', cared);
  const status = problemStatus(mapping, said);
  const isOver = status.clinicalStatus === undefined || found.abatementDateTime !== undefined;
  const resource: JsonObject = {
    ...found,
    ...status,
    category: [coded('condition-category', 'problem-list-item'), ...list(found.category)],
    subject: { reference: cared.patient.reference },
    encounter: cared.encounter === undefined ? undefined : { reference: cared.encounter },
    evidence: evidence.length > 0 ? [{ detail: evidence }] : undefined,
    note: notes(mapping, group),
  };
  const isSaid = saysStatus(said);
  const emptied = isOver || !isSaid ? [] : ['abatementDateTime'];
  const withoutStatus = status.clinicalStatus === undefined ? ['clinicalStatus'] : [];
  const defaults = new Set(isSaid ? [] : ['clinicalStatus']);
  if (found.category === undefined) defaults.add('category');
  const reference = put(mapping, resource, found.code, cared, {
    cleared: [...cleared, ...emptied, ...withoutStatus],
    defaults,
  });
  team(mapping, group, cared, ['problem', reference]);
  return reference;
}

/** PRB-4, else PRB-3: what the problem is known by. */
const nameOf = (prb: Segment): string => (prb.field(4).isEmpty ? prb.field(3) : prb.field(4)).raw;

/** What the message does to each problem: it may name 5,000 of them. */
const actions = perMessage(({ message }) => {
  const found = new Map<string, Set<string>>();
  for (const prb of message.all('PRB'))
    found.set(nameOf(prb), (found.get(nameOf(prb)) ?? new Set()).add(prb.field(1).raw));
  return found;
});

/**
 * UC and UN change nothing of a problem, but what stands in it is still for it: the reference, where there is such a goal or
 * pathway. One that is not known yet is made of what the segment says.
 */
function unchangedProblem(mapping: Mapping, group: Group, { patient, encounter }: Cared): string | undefined {
  const segment = group.get('PRB');
  const isAsked = group.children.some(({ name }) => name === 'GOAL' || name === 'PATHWAY');
  if (segment === undefined || !isAsked) return undefined;
  const found = runTable(prbCondition, { segment, group, mapping });
  if (found?.code === undefined) return undefined;
  // A message may tell of one problem twice: then the other place says what becomes of it.
  if ((actions(mapping).get(nameOf(segment))?.size ?? 0) > 1) return undefined;
  const key = keyOf(mapping, found, found.code, { patient });
  const url = `Condition/${derivedId('Condition', key)}`;
  return mapping.once(url, () => {
    const resource = {
      ...found,
      ...problemStatus(mapping, { segment, found, cleared: [], isError: false }),
      ...{ resourceType: 'Condition', id: url.slice('Condition/'.length) },
      category: [coded('condition-category', 'problem-list-item'), ...list(found.category)],
      subject: { reference: patient.reference },
      ...(encounter === undefined ? {} : { encounter: { reference: encounter } }),
    } as unknown as Resource;
    mapping.stamp(resource);
    putDerived(mapping, { url, resource, merge: (existing, incoming) => existing ?? incoming }, key);
    return url;
  });
}

const verificationStatuses = conceptMapOf('ProblemConfirmation[Condition.verificationStatus]');

/** The element takes codes of its own only, beside which others may stand. */
function verification(mapping: Mapping, prb: Segment): JsonObject {
  const sent = mappedConcept(mapping, verificationStatuses, prb.field(13));
  if (sent === undefined) return {};
  if (list(sent.coding).some(({ system }) => system === verificationStatuses.system))
    return { verificationStatus: sent };
  mapping.warnings.add('PRB-13: no code of a verification status');
  return {};
}

/** Without PRB-9 and PRB-14 a change of something else does not begin what is over anew. */
const saysStatus = ({ segment, isError }: Said): boolean =>
  isError || segment.field(1).text?.toUpperCase() === 'AD' || [9, 14].some((field) => !segment.field(field).isEmpty);

/** con-3, con-4, con-5: an error has no status, what is over is not active. */
function problemStatus(mapping: Mapping, { segment, found, isError }: Said): JsonObject {
  if (isError) return { verificationStatus: coded('condition-ver-status', 'entered-in-error') };
  const sent = mappedConcept(mapping, clinicalStatuses, segment.field(14));
  const known = list(sent?.coding).find(({ system }) => system === `${terminology}/condition-clinical`);
  const isOver = found.abatementDateTime !== undefined;
  const verified = verification(mapping, segment);
  const over = known !== undefined && ['inactive', 'remission', 'resolved'].includes(String(known.code));
  if (isOver && !over) return { ...verified, clinicalStatus: coded('condition-clinical', 'resolved') };
  return { ...verified, clinicalStatus: known === undefined ? coded('condition-clinical', 'active') : sent };
}

/** A GOAL group. `addresses`: the problems that it is for. */
export function addGoal(
  mapping: Mapping,
  group: Group,
  cared: Cared,
  addresses: readonly string[],
): string | undefined {
  const said = saidBy(mapping, group, golGoal, 'description');
  if (said === undefined) return undefined;
  const { found, cleared, isError } = said;
  const outcome = observations(mapping, group, 'GOAL_OBSERVATION', cared);
  const resource: JsonObject = {
    ...found,
    lifecycleStatus: isError ? 'entered-in-error' : (found.lifecycleStatus ?? 'active'),
    subject: { reference: cared.patient.reference },
    addresses: addresses.map((reference) => ({ reference })),
    outcomeReference: outcome,
    note: [...list(found.note), ...notes(mapping, group)],
  };
  const defaults = new Set(isError || found.lifecycleStatus !== undefined ? [] : ['lifecycleStatus']);
  const reference = put(mapping, resource, found.description, cared, { cleared, defaults });
  team(mapping, group, cared, ['goal', reference]);
  return reference;
}

export interface PlanParts {
  problems: readonly string[];
  goals: readonly string[];
  orders: readonly string[];
}

/** A PATHWAY group; without a pathway the goals and orders stand for themselves. */
export function addPathway(mapping: Mapping, group: Group, cared: Cared, parts: PlanParts): void {
  const said = saidBy(mapping, group, pthCarePlan, 'category');
  if (said === undefined) return;
  const { found, cleared, isError } = said;
  const references = (all: readonly string[]): JsonObject[] => all.map((reference) => ({ reference }));
  const careTeam = team(mapping, group, cared, [
    'pathway',
    JSON.stringify(found.identifier ?? conceptKey(list(found.category)[0])),
  ]);
  const resource: JsonObject = {
    ...found,
    status: isError ? 'entered-in-error' : (found.status ?? 'active'),
    intent: 'plan',
    subject: { reference: cared.patient.reference },
    encounter: cared.encounter === undefined ? undefined : { reference: cared.encounter },
    careTeam: careTeam === undefined ? undefined : references([careTeam]),
    addresses: references(parts.problems),
    goal: references(parts.goals),
    activity: parts.orders.map((reference) => ({ reference: { reference } })),
    note: notes(mapping, group),
  };
  const defaults = new Set(isError || found.status !== undefined ? [] : ['status']);
  put(mapping, resource, list(found.category)[0], cared, { cleared, defaults });
}

/** What has been found for each order: one that is of several problems stands under each of them, with its results. */
const foundFor = perMessage(() => new Map<string, Set<string>>());

function newResults(mapping: Mapping, { key, group }: Order): ObxGroup[] {
  const known = foundFor(mapping).get(key) ?? new Set();
  const results = group.observations.filter(({ obx }) => !known.has(obx.raw));
  for (const { obx } of results) known.add(obx.raw);
  foundFor(mapping).set(key, known);
  return results;
}

/** ORDER: ORC with OBR, RXO or RXE, and its results; references to what was ordered. */
export function addCareOrders(mapping: Mapping, group: Group, cared: Cared): string[] {
  const orders = group.children.filter(({ name }) => name === 'ORDER');
  return orders.flatMap((order) => {
    const described = describeOrder(mapping, orderGroup(order), subjectOf(cared));
    const isDrug = (detail(described.group, 'RXO') ?? detail(described.group, 'RXE')) !== undefined;
    const request = isDrug
      ? addMedicationRequest(mapping, described)
      : addServiceRequest(mapping, described, {}, 'numberless too');
    if (request === undefined) mapping.warnings.add('ORC: an order without service has no place');
    else addTask(mapping, described, request);
    const obr = detail(described.group, 'OBR');
    const place = { ...ofRequest(described, request, 'care order'), effective: obr && dateTimeField(mapping, obr, 7) };
    addAccompanying(mapping, described, newResults(mapping, described), place);
    return request ?? [];
  });
}

export const subjectOf = ({ patient, encounter }: Cared): Subject => ({
  patient: patient.reference,
  patientKey: patient.key,
  encounter,
});

function observations(mapping: Mapping, group: Group, name: string, { patient, encounter }: Cared): JsonObject[] {
  const groups = group.children.filter((child) => child.name === name);
  return groups.flatMap(obxGroups).flatMap((one) => {
    if (isDocument(one.obx)) {
      mapping.warnings.add('OBX: a document outside a report has no place; left out');
      return [];
    }
    const key = JSON.stringify([patient.key, 'care', one.obx.field(14).text ?? mapping.messageKey]);
    const reference = addObservation(mapping, one, { group, key, patient: patient.reference, encounter });
    return reference === undefined ? [] : [{ reference }];
  });
}

/** NTE, and VAR, which says where care has left its path. */
function notes(mapping: Mapping, group: Group): JsonObject[] {
  const groups = [group, ...group.children.filter(({ name }) => name === 'VARIANCE')];
  const told = groups
    .flatMap((one) => one.all('VAR'))
    .flatMap((segment) => {
      const lines = segment.field(6).repetitions();
      const text = lines
        .map((line) => line.whole?.trim() ?? '')
        .join('\n')
        .trim();
      const found = runTable(varAnnotation, { segment, group, mapping });
      const author = displayName(humanName(mapping, segment.field(4).repetition(1), 'XCN'));
      return text === '' ? [] : [{ ...found, ...(author === undefined ? {} : { authorString: author }), text }];
    });
  const own = groups.flatMap((one) => one.all('NTE'));
  return [...noteTexts(mapping, own), ...told];
}

/** ROL and PRT of the group. */
function team(mapping: Mapping, group: Group, { patient }: Cared, of: readonly string[]): string | undefined {
  const groups = [group, ...group.children.filter(({ name }) => name === 'ROLE' || name === 'PATHWAY_ROLE')];
  const segments = groups.flatMap((one) => [...one.all('ROL'), ...one.all('PRT')]);
  return segments.length === 0 ? undefined : addCareTeam(mapping, segments, [], patient, of);
}
