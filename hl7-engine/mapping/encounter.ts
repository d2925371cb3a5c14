// PV1, PV2 and what follows them to Encounter: https://hl7.org/fhir/uv/v2mappings/ (PV1[Encounter], PV2[Encounter])
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Part, Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { isAccount, visitOfAccount } from './account-visit.ts';
import { ended, lateElements, lateVisit, reopenedPaths, saysPlace } from './administration/late-visit.ts';
import { destination, locationReference, placeName } from './administration/location.ts';
import { encounterParticipants } from './administration/roles.ts';
import { putDerived } from './administration/upsert.ts';
import { type VisitEvent, visitEvent } from './administration/visit-events.ts';
import {
  addHistory,
  locationsAfter,
  type NoPlace,
  participantsAfter,
  people,
  withoutKinds,
  withoutPlaces,
} from './administration/visit-history.ts';
import { ownOf } from './alias.ts';
import { conceptMapOf } from './codes/concept-maps.ts';
import { systems } from './codes/systems.ts';
import { list } from './compact.ts';
import type { Mapping } from './context.ts';
import { derivedId } from './derived-id.ts';
import { type Identifier, identifierCriterion } from './identifiers.ts';
import { visitIdentifiers } from './identity.ts';
import { withOlder } from './late.ts';
import { clear, merging } from './merge.ts';
import { instantOf, stampOwn } from './ordering.ts';
import { type MappedPatient, restrict } from './patient.ts';
import { soundPeriod } from './period.ts';
import { OpenGroup } from './structure/group.ts';
import { runTable } from './table/table.ts';
import { pv1Encounter } from './tables/pv1.ts';
import { pv2Encounter } from './tables/pv2.ts';
import { rememberingTaken, takingAway, withoutItems, withoutTaken, withoutTakenSince } from './taken-away.ts';
import { knownBy, withoutNumber } from './visit-number.ts';

type Merge = NonNullable<TransactionEntry['merge']>;

export interface EncounterSegments {
  pid: Segment;
  pv1: Segment;
  pv2: Segment | undefined;
  /** ROL and PRT that follow PV1, ARV as well. */
  others?: Segment[];
}

/** What an encounter is written with beside its segments. */
export interface EncounterParts {
  /** Encounter.account. */
  account?: JsonObject[];
  /** Encounter.episodeOfCare. */
  episodeOfCare?: JsonObject[];
}

/** Creates the encounter or changes what the message carries. Undefined if nothing tells which encounter it is. */
export function upsertEncounter(
  mapping: Mapping,
  segments: EncounterSegments,
  patient: MappedPatient,
  parts: EncounterParts = {},
): string | undefined {
  const event = visitEvent(mapping.event);
  const identifiers = visitIdentifiers(mapping, segments.pid, segments.pv1);
  const [key] = identifiers;
  const admitted = segments.pv1.field(44).text;
  if (key === undefined && admitted === undefined) {
    if (!isNoVisit(segments.pv1))
      mapping.warnings.add('PV1: no visit number (PV1-19), account number or admit time to know the encounter by');
    return undefined;
  }
  const draft = encounter(mapping, segments, patient, identifiers, event);
  Object.assign(draft.resource, parts);
  mapping.stamp(draft.resource);
  const merge = encounterMerge(mapping, draft, event, patient);
  const former = encounterParticipants(mapping, segments.others ?? [], 'ended');
  const taking = takingAway('participant', former);
  if (key !== undefined) {
    const url = `Encounter?${identifierCriterion(key)}`;
    const constants = former.length > 0 ? [] : constantsOf(mapping, segments.pid, key, draft, event);
    const known = knownBy(mapping, segments, patient, key, merge);
    const reference = mapping.add({ method: 'PUT', url, resource: draft.resource, constants, ...known, ...taking });
    if (!draft.defaults.has('class') && mapping.entries.at(-1)?.fullUrl !== reference)
      mapping.warnings.add('PV1-2: no visit number (PV1-19) to know the visit by that the class is of; left out');
    return reference;
  }
  const own = [patient.key, admitted];
  const id = derivedId('Encounter', own);
  putDerived(mapping, { url: `Encounter/${id}`, resource: { ...draft.resource, id }, merge, ...taking }, own);
  return `Encounter/${id}`;
}

const personEvents: ReadonlySet<string> = new Set(['A28', 'A29', 'A31']);

/**
 * What is not worth an encounter by itself. All is worth one where the event says what becomes of the visit or a value is
 * deleted, and its class too, but for an event about the person alone that names an account (PID-18) instead of a visit.
 */
function constantsOf(
  mapping: Mapping,
  pid: Segment,
  key: Identifier,
  { defaults, cleared }: Draft,
  event: VisitEvent,
): string[] {
  if (event.status !== undefined || cleared.length > 0) return [];
  const byAccount = isAccount(mapping, pid, key);
  const names = byAccount ? ['identifier', 'account'] : ['identifier'];
  const isOfVisit = !defaults.has('class') && !(byAccount && personEvents.has(mapping.event));
  return isOfVisit ? names : [...names, 'class'];
}

/** PV1-2 N, "not applicable": events about persons have a PV1 because the structure asks for one. */
const isNoVisit = (pv1: Segment): boolean => pv1.field(2).text === 'N';

/** ORU: creates the encounter if unknown; the laboratory's view of it changes nothing, and makes no places. */
export function findOrCreateEncounter(
  mapping: Mapping,
  segments: EncounterSegments,
  patient: MappedPatient,
): string | undefined {
  const identifiers = visitIdentifiers(mapping, segments.pid, segments.pv1);
  const [key] = identifiers;
  if (key === undefined) return undefined;
  const ifNoneExist = identifierCriterion(key);
  return mapping.once(`Encounter?${ifNoneExist}`, () => {
    const { resource } = encounter(mapping, segments, patient, identifiers, undefined);
    const own = visitOf(mapping, patient);
    const choose = isAccount(mapping, segments.pid, key)
      ? visitOfAccount(mapping, key, 'any', own)
      : withoutNumber(mapping, segments, patient, own);
    return mapping.add({ method: 'POST', url: 'Encounter', ifNoneExist, resource, choose });
  });
}

/** The visit that is there, which has to be the patient's. */
function visitOf(mapping: Mapping, patient: MappedPatient): NonNullable<TransactionEntry['choose']> {
  const own = ownOf(mapping.patients, patient.reference);
  return (matches) => {
    const choice = own(matches);
    const [other] = matches;
    if (choice.match === undefined && other !== undefined) throw anotherPatients(other, []);
    return choice;
  };
}

interface Draft {
  resource: Resource;
  /** Elements that only stand in for what the message does not say. */
  defaults: Set<string>;
  cleared: string[];
  /** Whose fields are deleted: ATND and the like. */
  nobody: ReadonlySet<string>;
  noPlace: NoPlace;
  /** When the event took place, as an instant. */
  at: string | undefined;
}

/** Not applicable, unknown: true of a new encounter only. */
const saysNoClass: ReadonlySet<string> = new Set(['N', 'U']);

/** `event` undefined: another system's view of the visit. */
function encounter(
  mapping: Mapping,
  { pv1, pv2, others = [] }: EncounterSegments,
  patient: MappedPatient,
  identifiers: Identifier[],
  event: VisitEvent | undefined,
): Draft {
  const group = new OpenGroup('VISIT', undefined);
  const cleared: string[] = [];
  const first = runTable(pv1Encounter, { segment: pv1, group, mapping }, cleared) ?? {};
  const second = (pv2 && runTable(pv2Encounter, { segment: pv2, group, mapping }, cleared)) ?? {};
  const defaults = new Set<string>();
  if (first.class === undefined || saysNoClass.has(pv1.field(2).text?.toUpperCase() ?? '')) defaults.add('class');
  const at = occurred(mapping);
  const participant = [...list(first.participant), ...list(second.participant)];
  const period = first.period as JsonObject | undefined;
  const resource: Resource = {
    ...second,
    ...first,
    resourceType: 'Encounter',
    identifier: identifiers,
    status: statusOf(pv1, event, period, defaults),
    class: first.class ?? { system: systems.v3NullFlavor, code: 'UNK', display: 'unknown' },
    subject: { reference: patient.reference },
    participant: [...participant, ...encounterParticipants(mapping, others)],
  };
  if (event?.status === 'finished' && at !== undefined) resource.period = { ...period, end: period?.end ?? at };
  if (!defaults.has('status')) stampOwn(resource, 'status', mapping.time);
  const places = locations(mapping, pv1, event);
  if (event !== undefined && saysPlace(event, places)) stampOwn(resource, 'place', mapping.time);
  if (places.length > 0) resource.location = places;
  addDestination(mapping, pv1, resource, event);
  if (isNoEnd(event)) for (const path of reopenedPaths) clear(resource, path);
  if (others.some(({ name }) => name === 'ARV')) restrict(resource);
  const [now, atTheTime, pending] = [3, 11, 42].map((field) => isDeleted(pv1.field(field)));
  const noPlace = { now: now!, temporary: atTheTime!, pending: pending! };
  if (isDeleted(pv1.field(37))) cleared.push('hospitalization.destination');
  // R4 asks for a class: without one now, the former stays.
  const gone = cleared.filter((path) => path !== 'class');
  return { resource, defaults, cleared: gone, nobody: kindsDeleted(pv1, pv2), noPlace, at };
}

/** Fields of people -> what they are to the visit, v3 ParticipationType. */
const kinds: readonly [segment: 'PV1' | 'PV2', field: number, kind: string][] = [
  ['PV1', 7, 'ATND'],
  ['PV1', 8, 'REF'],
  ['PV2', 13, 'REF'],
  ['PV1', 9, 'CON'],
  ['PV1', 17, 'ADM'],
  ['PV1', 52, 'PART'],
];

const isDeleted = (field: Part): boolean => !field.isEmpty && field.repetitions().every(({ isNull }) => isNull);

function kindsDeleted(pv1: Segment, pv2: Segment | undefined): ReadonlySet<string> {
  const gone = kinds.filter(([name, field]) => {
    const segment = name === 'PV1' ? pv1 : pv2;
    return segment !== undefined && isDeleted(segment.field(field));
  });
  return new Set(gone.map(([, , kind]) => kind));
}

/** EVN-6, when the event occurred, else when it was recorded. */
function occurred(mapping: Mapping): string | undefined {
  return instantOf(mapping.message.get('EVN-6'), mapping.zone) ?? mapping.time;
}

/** The event's, else by PV1-45, else the class's: that one is true of a new encounter only. */
function statusOf(
  pv1: Segment,
  event: VisitEvent | undefined,
  period: JsonObject | undefined,
  defaults: Set<string>,
): string {
  const patientClass = (pv1.field(2).text ?? '').toUpperCase();
  // A pre-admitted patient that A04 registers or A01 reports ahead is still to come.
  const planned = event?.status === 'in-progress' && patientClass === 'P';
  if (event?.status !== undefined && event.status !== 'in-progress') return event.status;
  if (period?.end !== undefined && !isNoEnd(event)) return 'finished';
  // An admission without a class may be one that says nothing new; a return or a discharge that was none is about a visit that is there.
  const isAdmission = event?.movement === 'arrive' && event.reopens === true;
  const saysStatus = event?.status !== undefined && (patientClass !== '' || !isAdmission);
  if (saysStatus) return planned ? 'planned' : classStatus(patientClass);
  defaults.add('status');
  return classStatus(patientClass);
}

/** A13: what PV1-36, PV1-37 and PV1-45 still say is of the discharge that was none. */
const isNoEnd = (event: VisitEvent | undefined): boolean => event?.reopens === true && event.movement === 'undo';

const classStatus = (patientClass: string): string =>
  conceptMapOf('PatientClass[EncounterStatus]').codes.get(patientClass)?.code ?? 'in-progress';

/** PV1-3, PV1-6, PV1-11, PV1-42 and PV1-43; the pending place is not where the patient is. */
function locations(mapping: Mapping, pv1: Segment, event: VisitEvent | undefined): JsonObject[] {
  const planned = event?.movement === 'plan' || pv1.field(2).text?.toUpperCase() === 'P';
  const found: JsonObject[] = [];
  const add = (pl: Part | undefined, status: string, more: JsonObject = {}, bedStatus?: Part): void => {
    const display = pl && placeName(pl);
    if (pl === undefined || display === undefined) return;
    const location = event === undefined ? { display } : locationReference(mapping, pl, bedStatus);
    if (location !== undefined) found.push({ ...more, location, status });
  };
  add(pv1.field(6), 'completed');
  add(pv1.field(43), 'completed', temporary);
  add(pv1.field(3), planned ? 'planned' : 'active', {}, pv1.field(40));
  add(pv1.field(11), 'active', temporary);
  add(pv1.field(42), 'reserved');
  return found;
}

const temporary: JsonObject = {
  extension: [
    {
      url: 'http://hl7.org/fhir/StructureDefinition/subject-locationClassification',
      valueCodeableConcept: { coding: [{ system: 'http://hl7.org/fhir/subject-location', code: 'temporary' }] },
    },
  ],
};

function addDestination(mapping: Mapping, pv1: Segment, resource: Resource, event: VisitEvent | undefined): void {
  const dld = pv1.field(37);
  const name = dld.component(1).text;
  if (name === undefined) return;
  const place = event === undefined ? { display: name } : destination(mapping, dld);
  if (place !== undefined)
    resource.hospitalization = { ...(resource.hospitalization as JsonObject), destination: place };
}

/** Ended visits are ended until an event says otherwise: a late update does not begin them anew. */
function encounterMerge(
  mapping: Mapping,
  { defaults, cleared, nobody, noPlace, at }: Draft,
  event: VisitEvent,
  patient: MappedPatient,
): Merge {
  const united = merging({
    defaults,
    cleared: event.reopens ? [...cleared, ...reopenedPaths] : cleared,
    parts: new Set(['period', 'hospitalization']),
    replacedByKey: { extension: (extension) => String(extension.url) },
    ordered: { warnings: mapping.warnings, fills: true },
  });
  // The beginning and the end may come in two messages.
  const change: Merge = (existing, incoming) => {
    const changed = united(existing, incoming);
    const period = soundPeriod(mapping, changed.period, 'PV1-45');
    return changed === existing || period === changed.period ? changed : { ...changed, period: period! };
  };
  const kinds = [...nobody].map((kind) => `participant[kind=${kind}]`);
  // A field of people that is deleted says nothing of those of the other fields.
  const late = { cleared: [...cleared.filter((path) => path !== 'participant'), ...kinds], rules: lateElements };
  return (existing, sent) => {
    const { told, taken } = withoutTaken(sent, 'participant');
    const incoming = withoutTakenSince(existing, told, people);
    const former = { taken, incoming, existing };
    if (existing === undefined) {
      const first = withOlder(existing, firstOf(change(existing, incoming), event, at), incoming, late);
      return rememberingTaken(first, former, people);
    }
    assertSamePatient(existing, incoming, patient);
    const merged = change(existing, incoming);
    if (merged === existing) {
      const known = withoutItems(existing, { ...former, isLate: true }, people);
      return rememberingTaken(lateVisit(known, incoming, { event, at, cleared: late.cleared }), former, people);
    }
    const places = locationsAfter(existing.location, incoming.location, movementOf(merged, event), leftAt(merged, at));
    set(merged, 'location', event.movement === 'keep' ? places : withoutPlaces(places, noPlace, at));
    const left = withoutKinds(withoutItems(existing, former, people).participant, nobody);
    set(merged, 'participant', participantsAfter(left, incoming.participant, event, at));
    addHistory(existing, merged, at);
    return rememberingTaken(withOlder(existing, merged, incoming, late), former, people);
  };
}

function set(resource: Resource, name: string, items: JsonObject[]): void {
  if (items.length > 0) resource[name] = items;
  else delete resource[name];
}

function firstOf(incoming: Resource, event: VisitEvent, at: string | undefined): Resource {
  const first = { ...incoming };
  set(first, 'location', locationsAfter([], incoming.location, movementOf(first, event), leftAt(first, at)));
  return first;
}

/** A discharge is often told some time after it: the patient was at no place of a visit that had ended already (PV1-45). */
function leftAt({ status, period }: Resource, at: string | undefined): string | undefined {
  const end = (period as JsonObject | undefined)?.end;
  const isEarlier = Date.parse(String(end)) < Date.parse(String(at));
  return ended.has(String(status)) && String(end).includes('T') && isEarlier ? String(end) : at;
}

/** Where a visit that is over says the patient was is where the patient has been. */
function movementOf({ status }: Resource, event: VisitEvent): VisitEvent {
  return ended.has(String(status)) && event.movement === 'arrive' ? { movement: 'leave' } : event;
}

/** A visit number that has been given twice, or a wrong patient: a person has to look at it. */
function assertSamePatient(existing: Resource, incoming: Resource, { replaced }: MappedPatient): void {
  const before = (existing.subject as JsonObject | undefined)?.reference;
  const now = (incoming.subject as JsonObject | undefined)?.reference;
  if (before === undefined || before === now || replaced.has(String(before))) return;
  throw anotherPatients(existing, [String(now)]);
}

function anotherPatients(visit: Resource, others: string[]): Refusal {
  const text = "The visit (PV1-19) is another patient's: correct the visit number, or move the visit (A45)";
  const { reference } = (visit.subject ?? {}) as JsonObject;
  return new Refusal('AE', '205', text, {
    location: { segment: 'PV1', field: 19 },
    review: { kind: 'identity', text, references: [`Encounter/${visit.id}`, String(reference), ...others] },
  });
}
