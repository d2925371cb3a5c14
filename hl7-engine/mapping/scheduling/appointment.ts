// SCH with its resources to Appointment: https://hl7.org/fhir/uv/v2mappings/ (SIU_S12); HL7 v2.9 chapter 10.4
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { conceptKey } from '../administration/upsert.ts';
import { notesAfter, noteTexts } from '../clinical/notes.ts';
import { list } from '../compact.ts';
import { absent, type Mapping } from '../context.ts';
import { codeableConcept } from '../datatypes.ts';
import { eiIdentifier, type Identifier, identifierCriterion } from '../identifiers.ts';
import { lookUp } from '../look-up.ts';
import { merging } from '../merge.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { aisAppointment, schAppointment } from '../tables/sch.ts';
import { isDeleted, participants, type ResourceSegment, resourcesOf, servicesOf } from './participants.ts';
import {
  type AppointmentEvent,
  appointmentEvent,
  appointmentRanks,
  fillerStatus,
  isOver,
  participation,
} from './status.ts';
import { type AppointmentTimes, appointmentTimes } from './times.ts';

/** SCH-1 and SCH-2 under systems of their own, so that the numbers of appointments and orders are not taken for each other. */
export function appointmentNumbers(mapping: Mapping, sch: Segment): Identifier[] {
  const placer = eiIdentifier(mapping, sch.field(1), 'appointment-placer', 'PLAC');
  const filler = eiIdentifier(mapping, sch.field(2), 'appointment-filler', 'FILL');
  return [filler, placer].filter((one) => one !== undefined);
}

const anyOf = (numbers: readonly Identifier[]): string =>
  `identifier=${numbers.map((one) => identifierCriterion(one).slice('identifier='.length)).join('%2C')}`;

export interface AppointmentParts {
  patients: { reference: string }[];
  basedOn: JsonObject[];
  reasons: JsonObject[];
  key: string;
}

/** What the message says the appointment is now, in all but its identity. */
interface Draft {
  resource: Resource;
  /** As the message has it; undefined where it says nothing. */
  status: string | undefined;
  partial: boolean;
  /** It has AIP, AIL or AIG of what takes part. */
  namesResources: boolean;
  /** Services that it takes away, as conceptKey has them. */
  goneServices: readonly (string | undefined)[];
  /** Its times are those of what comes or goes: of an appointment that has times they say nothing. */
  hasResourceTimes: boolean;
  /** Elements that it has no longer (`""`). */
  cleared: readonly string[];
}

/** The appointment is created, or becomes what the message says; one of a former time changes nothing. */
export function upsertAppointment(mapping: Mapping, root: Group, sch: Segment, parts: AppointmentParts): string {
  const numbers = appointmentNumbers(mapping, sch);
  const draft = appointment(mapping, root, sch, parts);
  mapping.stamp(draft.resource);
  const url = `Appointment?${anyOf(numbers)}`;
  const own = numbers[0]!;
  // Of a placer's number that a whole series has, not all come as matches.
  const known = numbers.length > 1 ? lookUp(mapping.lookUps, `Appointment?${anyOf([own])}`, own) : () => [];
  // Placer and filler may number under one authority: the placer's number here is none of the filler's.
  const isAnothers = (one: JsonObject): boolean =>
    one.system === own.system && !numbers.some((number) => isSame(one, number));
  // A placer's number may have been used before: the filler's decides. What has another one of the same filler is another.
  const choose: TransactionEntry['choose'] = (matches) => {
    const match = matches.find(({ identifier }) => list(identifier).some((one) => isSame(one, own)));
    const [elsewhere] = match === undefined ? known() : [];
    if (elsewhere !== undefined) return { follow: `Appointment/${elsewhere.id}` };
    return { match: match ?? matches.find(({ identifier }) => !list(identifier).some(isAnothers)) };
  };
  const resource = valid(draft.resource);
  const merge = appointmentMerge(mapping, draft);
  return mapping.add({ method: 'PUT', url, resource, merge, choose, from: sch });
}

const isSame = (one: JsonObject, { system, value }: Identifier): boolean =>
  one.system === system && one.value === value;

function appointment(mapping: Mapping, root: Group, sch: Segment, parts: AppointmentParts): Draft {
  const event = appointmentEvent(mapping.event);
  const services = servicesOf(root);
  const resources = resourcesOf(root);
  // One service that is cancelled is not the whole appointment.
  const telling = event.partial === true ? undefined : services.find((one) => !isDeleted(one));
  const status = event.status ?? statusOf(mapping, sch, telling?.segment);
  // With an appointment that ends all of it goes, and is told once more: when it was to be, and what.
  const staying = services.filter((one) => !isGone(mapping, one, event));
  const open = isOver(status) ? services : staying;
  const taking = isOver(status) ? resources : resources.filter((one) => !isDeleted(one));
  const lasting = timesOf(mapping, root, sch, event, [...staying, ...resources.filter((one) => !isDeleted(one))]);
  const times = lasting.start === undefined ? timesOf(mapping, root, sch, event, [...open, ...taking]) : lasting;
  const cleared: string[] = [];
  const found = runTable(schAppointment, { segment: sch, group: root, mapping }, cleared) ?? {};
  const patients = parts.patients.map((actor) => ({ actor, required: 'required', status: participation(status) }));
  const start = times.hasResourceTimes ? undefined : times.start;
  const taken = resources.flatMap((one) => participants(mapping, one, { start, status }));
  const notes = [appointmentNotes(mapping, root), ...[...services, ...resources].map(({ group }) => group.all('NTE'))];
  const texts = notes.flatMap((own) => noteTexts(mapping, own)).map(({ text }) => text);
  const minutes = Math.round(times.minutes ?? 0);
  const resource: Resource = {
    ...found,
    resourceType: 'Appointment',
    status: status ?? 'booked',
    cancelationReason: status === 'cancelled' ? codeableConcept(mapping, sch.field(6)) : undefined,
    serviceType: open.flatMap((one) => typesOf(mapping, one)),
    reasonReference: parts.reasons,
    start: times.start,
    end: times.end,
    minutesDuration: minutes > 0 ? minutes : undefined,
    comment: texts.length > 0 ? texts.join('\n') : undefined,
    basedOn: parts.basedOn,
    participant: [...patients, ...taken, ...list(found.participant)],
  } as unknown as Resource;
  const gone = services.filter((one) => !open.includes(one));
  return {
    resource: withoutEmpty(resource),
    status,
    partial: event.partial === true,
    namesResources: taking.length > 0,
    goneServices: gone.flatMap((one) => typesOf(mapping, one)).map(conceptKey),
    hasResourceTimes: times.hasResourceTimes || times.start !== lasting.start,
    cleared,
  };
}

const typesOf = (mapping: Mapping, { segment, group }: ResourceSegment): JsonObject[] =>
  list(runTable(aisAppointment, { segment, group, mapping })?.serviceType);

/** A service that is deleted, or that is what an event about single services cancels. */
function isGone(mapping: Mapping, service: ResourceSegment, { partial }: AppointmentEvent): boolean {
  return isDeleted(service) || (partial === true && isOver(fillerStatus(mapping, service.segment.field(10), 'AIS-10')));
}

/** `hasResourceTimes`: what the event adds or takes away alone tells them. */
function timesOf(
  mapping: Mapping,
  root: Group,
  sch: Segment,
  { keepsTimes }: AppointmentEvent,
  named: readonly ResourceSegment[],
): AppointmentTimes & { hasResourceTimes: boolean } {
  const segments = named.map(({ segment }) => segment);
  const times = appointmentTimes(mapping, sch, root.get('TQ1'), keepsTimes === true ? [] : segments);
  if (keepsTimes !== true || times.start !== undefined) return { ...times, hasResourceTimes: false };
  return { ...appointmentTimes(mapping, sch, undefined, segments), hasResourceTimes: true };
}

/** Those of SCH and TQ1; one after MSH is about the message. */
export function appointmentNotes(mapping: Mapping, root: Group): Segment[] {
  return [...root.all('SCH'), ...root.all('TQ1')].flatMap((segment) => notesAfter(mapping, segment));
}

function withoutEmpty(resource: Resource): Resource {
  for (const name in resource) {
    const value = resource[name];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) delete resource[name];
  }
  return resource;
}

function statusOf(mapping: Mapping, sch: Segment, ais: Segment | undefined): string | undefined {
  const own = fillerStatus(mapping, sch.field(25), 'SCH-25');
  return own ?? (ais === undefined ? undefined : fillerStatus(mapping, ais.field(10), 'AIS-10'));
}

const withoutTimes = new Set(['proposed', 'cancelled', 'waitlist']);

/**
 * What R4 asks of an Appointment: only one that is proposed, cancelled or waiting may be without a time (app-3), both ends are
 * known or none (app-2), a reason is one of cancelling (app-4), and somebody takes part.
 */
function valid(resource: Resource): Resource {
  const result: Resource = { ...resource };
  if (result.start === undefined) {
    delete result.end;
    delete result._end;
    if (result.status === 'entered-in-error' || result.status === 'noshow') result.status = 'cancelled';
    else if (!withoutTimes.has(String(result.status))) result.status = 'proposed';
  } else if (result.end === undefined) result._end = { ...absent };
  else delete result._end;
  if (result.status !== 'cancelled') delete result.cancelationReason;
  if (list(result.participant).length === 0) {
    result.participant = [{ type: [{ text: 'unknown' }], status: 'needs-action' }];
  }
  return result;
}

/** Whom a participant is: the actor, else what kind of resource. */
function participantKey({ actor, type }: JsonObject): string {
  const { reference, display } = (actor ?? {}) as JsonObject;
  return String(reference ?? (actor === undefined ? JSON.stringify(type) : display));
}

function appointmentMerge(mapping: Mapping, draft: Draft): NonNullable<TransactionEntry['merge']> {
  const rank = (resource: JsonObject): number => appointmentRanks.indexOf(String(resource.status));
  const defaults = new Set(draft.status === undefined ? ['status'] : []);
  const { cleared } = draft;
  const change = merging({ defaults, cleared, ordered: { warnings: mapping.warnings, rank } });
  return (existing, incoming) => {
    // What was sent, not what stands for it in a new resource (see valid).
    const said: Resource = { ...incoming, status: draft.resource.status as string };
    if (draft.resource.end === undefined) delete said._end;
    if (draft.resource.participant === undefined) delete said.participant;
    if (existing === undefined) return valid(said);
    if (draft.hasResourceTimes && existing.start !== undefined) {
      for (const name of ['start', 'end', 'minutesDuration']) delete said[name];
    }
    said.serviceType = servicesAfter(existing, said, draft);
    if (draft.partial) said.participant = changedParticipants(existing, said);
    else said.participant = withUnnamed(existing, said, draft);
    const merged = change(existing, said);
    if (merged === existing) return existing;
    if (said.start !== undefined && said.end === undefined) delete merged.end;
    return valid(withoutEmpty(merged));
  };
}

/** Those that the message names are all, but where it is about single ones (S18 to S22), only takes some away, or ends all. */
function servicesAfter(existing: Resource, incoming: Resource, draft: Draft): JsonObject[] {
  const { partial, goneServices, status } = draft;
  const named = list(incoming.serviceType);
  if (named.length > 0 && !partial && !isOver(status)) return named;
  const others = new Set([...named.map(conceptKey), ...goneServices]);
  return [...list(existing.serviceType).filter((one) => !others.has(conceptKey(one))), ...named];
}

/**
 * A message without resources (AIP, AIL, AIG) says nothing of those that there are, and one that ends the appointment need not
 * name all: they were to take part, and are to hear of it.
 */
function withUnnamed(existing: Resource, incoming: Resource, { status, namesResources }: Draft): JsonObject[] {
  const named = list(incoming.participant);
  if (namesResources && !isOver(status)) return named;
  const keys = new Set(named.map(participantKey));
  const stays = (one: JsonObject): boolean => isOver(status) || !named.some(isPatient) || !isPatient(one);
  const others = list(existing.participant).filter((one) => !keys.has(participantKey(one)) && stays(one));
  const now = status === undefined ? {} : { status: participation(status) };
  return [...named, ...others.map((one) => (one.required === 'information-only' ? one : { ...one, ...now }))];
}

const isPatient = ({ actor }: JsonObject): boolean =>
  String((actor as JsonObject | undefined)?.reference).startsWith('Patient/');

/** S18 to S22: those that the message names are as it says, the others stay; those it takes away go. */
function changedParticipants(existing: Resource, incoming: Resource): JsonObject[] {
  const named = new Map(list(incoming.participant).map((one) => [participantKey(one), one]));
  const kept = list(existing.participant).filter((one) => !named.has(participantKey(one)));
  return [...kept, ...[...named.values()].filter(({ status }) => status !== 'declined')];
}
