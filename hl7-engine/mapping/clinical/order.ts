// What an order is known by, and its ServiceRequest: https://hl7.org/fhir/uv/v2mappings/ (ORC[ServiceRequest], OBR[ServiceRequest])
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { ownValue } from '#platform';
import { emptyPart, type Part, type Segment } from '../../message/message.ts';
import { putDerived } from '../administration/upsert.ts';
import { compact, list } from '../compact.ts';
import { absent, type Mapping } from '../context.ts';
import { codeableConcept } from '../datatypes.ts';
import { derivedId } from '../derived-id.ts';
import {
  eiIdentifier,
  eipIdentifier,
  type Identifier,
  identifierCriterion,
  tokenCriterion,
  uniteIdentifiers,
} from '../identifiers.ts';
import { onceNoted } from '../once-noted.ts';
import { organizationReference, practitionerReference } from '../practitioner.ts';
import { runTable } from '../table/table.ts';
import { obrServiceRequest } from '../tables/obr.ts';
import { orcServiceRequest } from '../tables/orc.ts';
import '../tables/tq1.ts';
import { changesService, chooseChanged, markingChange } from './changed-service.ts';
import { type OrderState, orderState, taskElements } from './control.ts';
import { detail, type OrderGroup } from './groups.ts';
import { requestMerge, taskMerge } from './merging.ts';
import { noteTexts } from './notes.ts';
import { chooseNumbered, type OrderNumbers } from './order-numbers.ts';
import { participants } from './participants.ts';
import { furtherInWords } from './schedule-words.ts';
import { type Schedule, tq1Schedule, tqSchedule } from './timing.ts';

/** Whom the message is about. */
export interface Subject {
  patient: string;
  /** Tells this patient from others in keys of ours. */
  patientKey: string;
  encounter: string | undefined;
}

export interface Order {
  group: OrderGroup;
  subject: Subject;
  placer: Identifier | undefined;
  filler: Identifier | undefined;
  code: JsonObject | undefined;
  state: OrderState;
  /** Identifies the order's results among all, also without numbers. */
  key: string;
}

export function describeOrder(mapping: Mapping, group: OrderGroup, subject: Subject): Order {
  const obr = detail(group, 'OBR');
  const numbered = group.shared?.itsNumbers === false ? undefined : group.orc;
  const number = (field: number, kind: string, type: string): Identifier | undefined =>
    (obr && eiIdentifier(mapping, obr.field(field), kind, type)) ??
    (numbered && eiIdentifier(mapping, numbered.field(field), kind, type));
  const placer = number(2, 'order-placer', 'PLAC');
  const filler = number(3, 'order-filler', 'FILL');
  const code = obr && (codeableConcept(mapping, obr.field(4)) ?? codeableConcept(mapping, obr.field(44)));
  const key = orderKey(mapping, { obr, subject, identifier: filler ?? placer });
  return { group, subject, placer, filler, code, state: stateOf(mapping, group, obr), key };
}

const resultMessages = new Set(['ORU', 'OUL']);

/**
 * An ORC that OBR share tells the state of the first; the others have their own where OBR-25 says it. Of an order that comes into being
 * with its result (ORU^R30: NW) that one tells how far it is, unless ORC-5 does. A new order's own OBR-25 is one of a former result.
 */
function stateOf(mapping: Mapping, { orc, shared }: OrderGroup, obr: Segment | undefined): OrderState {
  const state = orderState(orc);
  const result = resultStatus(obr);
  if (shared !== undefined && obr?.field(25).text !== undefined) return { ...state, status: result };
  const brings = resultMessages.has(mapping.message.get('MSH-9.1') ?? '');
  const isBegun = brings && state.status === 'active' && orc?.field(5).isEmpty === true;
  return isBegun && result !== undefined ? { ...state, status: result } : state;
}

interface Keyed {
  obr: Segment | undefined;
  subject: Subject;
  identifier: Identifier | undefined;
}

/** Laboratories give one number to all panels of a sample: the panel's code belongs to the key. */
function orderKey(mapping: Mapping, { obr, subject, identifier }: Keyed): string {
  const code = obr?.field(4).component(1).text ?? obr?.field(4).whole;
  if (identifier !== undefined) return JSON.stringify([identifier.system, identifier.value, code ?? null]);
  const when = obr?.field(7).text;
  // A monitor's observations carry no order number: patient, panel and time are theirs; else the message itself is.
  if (when !== undefined) return JSON.stringify([subject.patientKey, mapping.facility, code ?? null, when]);
  return JSON.stringify([mapping.messageKey, code ?? null, mapping.occurrence('order without number and time')]);
}

/** `identifier=…&code=…`, by the first coding of the service. */
export function orderCriteria(identifier: Identifier, code: JsonObject | undefined): string {
  const [coding] = (code?.coding as JsonObject[] | undefined) ?? [];
  if (coding === undefined) return identifierCriterion(identifier);
  const { system, code: value } = coding as { system?: string; code: string };
  return `${identifierCriterion(identifier)}&${tokenCriterion('code', system, value)}`;
}

export function identifiersOf({ placer, filler }: Order, others: unknown): JsonObject[] {
  const own = [placer, filler].filter((identifier) => identifier !== undefined);
  return Array.isArray(others) ? [...own, ...(others as JsonObject[])] : own;
}

/**
 * The order's ServiceRequest. One without a number is known by its content if it is an order, and not there at all if only
 * its results came: undefined.
 */
export function addServiceRequest(
  mapping: Mapping,
  order: Order,
  also: JsonObject = {},
  which: 'numbered' | 'numberless too' = 'numbered',
): string | undefined {
  if (which === 'numbered' && (order.placer ?? order.filler) === undefined) return undefined;
  if (order.placer === undefined && order.filler === undefined && order.code === undefined) return undefined;
  const { resource, defaults, cleared } = requestResource(mapping, order, also);
  return putRequest(mapping, order, resource, defaults, cleared);
}

/** The request under the order's number, else under an id of its content. A message may name one order twice. */
export function putRequest(
  mapping: Mapping,
  order: Order,
  resource: Resource,
  defaults: Set<string>,
  cleared: readonly string[] = [],
): string {
  const identifier = order.placer ?? order.filler;
  const { resourceType: type } = resource;
  const id = identifier === undefined ? derivedId(type, [order.key]) : undefined;
  const url = identifier === undefined ? `${type}/${id}` : `${type}?${searchedBy(type, identifier, order)}`;
  let isNew = false;
  const reference = onceNoted(mapping, url, resource, () => {
    isNew = true;
    mapping.stamp(resource);
    const control = order.group.orc?.field(1).text?.toUpperCase() ?? '';
    const isChange = type === 'ServiceRequest' && changesService(mapping, control);
    const plain = requestMerge(mapping, defaults, cleared);
    const merge = isChange ? markingChange(plain) : plain;
    const from = detail(order.group, 'OBR') ?? order.group.orc;
    if (identifier !== undefined) {
      const choose = chooseRequest(mapping, type, identifier, order);
      return mapping.add({ method: 'PUT', url, resource, merge, choose, from });
    }
    putDerived(mapping, { url, resource: { ...resource, id: id! }, merge, from }, [order.key]);
    return url;
  });
  // One number of the placer may come with several of the filler.
  const earlier =
    isNew || identifier === undefined ? undefined : mapping.entries.find((entry) => entry.url === url)?.resource;
  if (earlier !== undefined)
    earlier.identifier = uniteIdentifiers(list(earlier.identifier), list(compact(resource)?.identifier));
  return reference;
}

function chooseRequest(
  mapping: Mapping,
  type: string,
  number: Identifier,
  order: Order,
): NonNullable<TransactionEntry['choose']> {
  const choose = chooseNumbered(mapping, requestNumbers(type, number, order));
  if (type !== 'ServiceRequest') return choose;
  const control = order.group.orc?.field(1).text?.toUpperCase() ?? '';
  return chooseChanged(mapping, { number, code: order.code, control }, choose);
}

function requestNumbers(type: string, own: Identifier, order: Order): OrderNumbers {
  const { placer, filler } = order;
  const criteria = (identifier: Identifier): string => searchedBy(type, identifier, order);
  if (placer === undefined) return { type, own, other: undefined, otherKind: 'PLAC', criteria };
  return { type, own, other: filler, otherKind: 'FILL', criteria };
}

/** SupplyRequest and NutritionOrder have no search parameter for a code; a pharmacy changes the code of what was asked for. */
function searchedBy(type: string, identifier: Identifier, { code }: Order): string {
  return type === 'ServiceRequest' ? orderCriteria(identifier, code) : identifierCriterion(identifier);
}

function requestResource(
  mapping: Mapping,
  order: Order,
  also: JsonObject,
): { resource: Resource; defaults: Set<string>; cleared: string[] } {
  const { group, subject, code } = order;
  const cleared: string[] = [];
  const obr = detail(group, 'OBR');
  const of = (segment: Segment | undefined): JsonObject | undefined =>
    segment &&
    runTable(
      segment.name === 'OBR' ? obrServiceRequest : orcServiceRequest,
      { mapping, segment, group: group.group },
      cleared,
    );
  const mapped = united(of(obr), of(group.orc));
  const status = order.state.status ?? resultStatus(obr);
  const defaults = new Set<string>();
  if (status === undefined) defaults.add('status');
  if (code === undefined) defaults.add('code');
  if (mapped.intent === undefined) defaults.add('intent');
  const schedules = schedulesOf(mapping, group);
  const [schedule] = schedules;
  const resource: Resource = {
    ...mapped,
    resourceType: 'ServiceRequest',
    identifier: identifiersOf(order, mapped.identifier),
    status: status ?? 'active',
    intent: mapped.intent ?? 'order',
    priority: mapped.priority ?? schedules.map(priorityOf).find((priority) => priority !== undefined),
    code: code ?? absent,
    subject: { reference: subject.patient },
    encounter: subject.encounter === undefined ? undefined : { reference: subject.encounter },
    ...occurrence(mapped, schedules),
    requester: requester(mapping, order),
    basedOn: parents(mapping, order),
    note: [...((mapped.note as JsonObject[] | undefined) ?? []), ...requestNotes(mapping, group, schedules)],
    ...also,
  };
  if (schedule?.asNeeded) resource.asNeededBoolean = true;
  return { resource, defaults, cleared };
}

/** Elements of the second where the first has none; lists of both. */
export function united(first: JsonObject | undefined, second: JsonObject | undefined): JsonObject {
  if (first === undefined || second === undefined) return first ?? second ?? {};
  const result: JsonObject = { ...second, ...first };
  for (const [name, value] of Object.entries(first)) {
    const other = second[name];
    if (Array.isArray(value) && Array.isArray(other)) result[name] = [...value, ...other];
  }
  return result;
}

/** Of an order that comes with its result; undefined where it says nothing. */
function resultStatus(obr: Segment | undefined): OrderState['status'] {
  const result = obr?.field(25).text?.toUpperCase();
  if (result === 'X') return 'revoked';
  return result === 'F' || result === 'C' ? 'completed' : undefined;
}

/** TQ1, else ORC-7, else OBR-27. */
export function schedulesOf(mapping: Mapping, { timing, orc, details }: OrderGroup): Schedule[] {
  if (timing.length > 0) return timing.map((tq1) => tq1Schedule(mapping, tq1));
  const fields = [orc?.field(7), details.find(({ name }) => name === 'OBR')?.field(27)];
  const field = fields.find((part) => part !== undefined && !part.isEmpty);
  return (field?.repetitions() ?? []).flatMap((tq) => tqSchedule(mapping, tq) ?? []);
}

const priorities: Readonly<Record<string, string>> = {
  S: 'stat',
  STAT: 'stat',
  A: 'asap',
  ASAP: 'asap',
  R: 'routine',
  ROUTINE: 'routine',
};

/** Table 0485; its other codes (preop, callback, times) are no request-priority. */
export function priorityOf(schedule: Schedule | undefined): string | undefined {
  return ownValue(priorities, schedule?.priority);
}

/** occurrence[x] is one: OBR-6, else the schedule's pattern, else its start. */
function occurrence(mapped: JsonObject, schedules: readonly Schedule[]): JsonObject {
  const [schedule] = schedules;
  const event = startsOf(schedules);
  if (event !== undefined) {
    return { occurrenceDateTime: undefined, occurrenceTiming: { event }, quantityQuantity: schedule?.quantity };
  }
  if (schedule?.timing !== undefined && onlyStart(schedule.timing) === undefined) {
    return { occurrenceDateTime: undefined, occurrenceTiming: schedule.timing, quantityQuantity: schedule.quantity };
  }
  return { occurrenceDateTime: mapped.occurrenceDateTime ?? schedule?.start, quantityQuantity: schedule?.quantity };
}

/** Several times that follow no pattern, each of a TQ1 of its own; undefined where one of them says more than a time. */
function startsOf(schedules: readonly Schedule[]): string[] | undefined {
  if (schedules.length < 2) return undefined;
  const starts = schedules.map(({ timing }) => timing && onlyStart(timing));
  return starts.every((start) => start !== undefined) ? starts : undefined;
}

/** The start of a timing that says nothing else: then a dateTime is all there is. */
function onlyStart(timing: JsonObject): string | undefined {
  const repeat = timing.repeat as JsonObject | undefined;
  const bounds = repeat?.boundsPeriod as { start?: string; end?: string } | undefined;
  const others = Object.keys(repeat ?? {}).length > 1 || timing.code !== undefined || bounds?.end !== undefined;
  return others ? undefined : bounds?.start;
}

function requestNotes(mapping: Mapping, group: OrderGroup, schedules: readonly Schedule[]): JsonObject[] {
  const [schedule] = schedules;
  const own = [schedule?.condition, schedule?.text].filter((text) => text !== undefined);
  const texts = [...own, ...(startsOf(schedules) === undefined ? furtherInWords(mapping, schedules) : [])];
  return [...noteTexts(mapping, group.notes), ...texts.map((text) => ({ text }))];
}

/** ORC-12 or OBR-16; with the facility of ORC-21 in a role of both, since an order has one requester. */
export function requester(mapping: Mapping, { group }: Order): JsonObject | undefined {
  const orc = (field: number): Part => group.orc?.field(field) ?? emptyPart;
  const provider = [orc(12), detail(group, 'OBR')?.field(16) ?? emptyPart].find((field) => !field.isEmpty) ?? emptyPart;
  const practitioner =
    practitionerReference(mapping, provider.repetition(1)) ?? participants(mapping, group.participants, 'OP')[0];
  const organization = organizationReference(mapping, orc(21).repetition(1), { address: orc(22), telecom: orc(23) });
  if (practitioner?.reference === undefined || organization === undefined) return practitioner ?? organization;
  const reference = mapping.once(`PractitionerRole ${practitioner.reference} ${JSON.stringify(organization)}`, () => {
    const id = derivedId('PractitionerRole', [mapping.facility, provider.repetition(1).raw, orc(21).repetition(1).raw]);
    const resource = { resourceType: 'PractitionerRole', id, practitioner, organization };
    mapping.add({ method: 'PUT', url: `PractitionerRole/${id}`, resource });
    return `PractitionerRole/${id}`;
  });
  return { reference, display: practitioner.display ?? organization.display };
}

/** ORC-8, OBR-29, OBR-50: the parent's numbers, since the parent itself may be unknown here. */
function parents(mapping: Mapping, { group }: Order): JsonObject[] {
  const obr = detail(group, 'OBR');
  const field = [obr?.field(50), obr?.field(29), group.orc?.field(8)].find(
    (part) => part !== undefined && !part.isEmpty,
  );
  const pair = field?.repetition(1) ?? emptyPart;
  const identifier =
    eipIdentifier(mapping, pair.component(1), 'order-placer', 'PLAC') ??
    eipIdentifier(mapping, pair.component(2), 'order-filler', 'FILL');
  return identifier === undefined ? [] : [{ type: 'ServiceRequest', identifier }];
}

/** What ORC-1 asks of an order, or answers: one Task an order and kind of question, which the answer changes. */
export function addTask(mapping: Mapping, order: Order, focus: string): void {
  const identifier = order.placer ?? order.filler;
  const { task } = order.state;
  if (task === undefined || identifier === undefined) return;
  const orc = order.group.orc!;
  const [code, status] = task;
  const id = derivedId('Task', [identifier.system, identifier.value, code]);
  if (mapping.occurrence(`Task/${id}`) > 1) return;
  const reason = codeableConcept(mapping, orc.field(16));
  const resource: Resource = {
    resourceType: 'Task',
    id,
    ...taskElements(task),
    intent: 'order',
    focus: { reference: focus },
    for: { reference: order.subject.patient },
    encounter: order.subject.encounter === undefined ? undefined : { reference: order.subject.encounter },
    statusReason: status === 'requested' ? undefined : reason,
    reasonCode: status === 'requested' ? reason : undefined,
    requester: status === 'requested' ? practitionerReference(mapping, orc.field(19).repetition(1)) : undefined,
  };
  mapping.stamp(resource);
  mapping.add({ method: 'PUT', url: `Task/${id}`, resource, merge: taskMerge(mapping) });
}
