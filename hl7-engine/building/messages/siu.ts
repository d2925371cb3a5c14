// Appointment as SIU^S12 to S15 and S26: HL7 v2.9 chapter 10.3
import { createHash } from 'node:crypto';
import type { JsonObject, Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { FieldValue, SegmentValue } from '../../message/build.ts';
import { type Building, isObject, noPlace, objects, since, text } from '../building.ts';
import { notesOf } from '../notes.ts';
import { patientOf, patientSegments } from '../subject.ts';
import { cwe } from '../types/coded.ts';
import { ei, identifierTypeOf, inUseFirst, ofType, ownIdentifier } from '../types/identifier.ts';
import { pl, xcn } from '../types/reference.ts';
import { dtm } from '../types/time.ts';
import type { MessageBuilder } from './message.ts';

/** Table 0278. */
const statusCodes: Readonly<Record<string, string>> = {
  ...{ proposed: 'Pending', pending: 'Pending', booked: 'Booked', waitlist: 'Waitlist', noshow: 'Noshow' },
  ...{ arrived: 'Started', 'checked-in': 'Started', fulfilled: 'Complete', cancelled: 'Cancelled' },
  'entered-in-error': 'Deleted',
};

/** What the next message is told apart by: whether it is off, when it is, and what and whom it takes. */
const stateOf = (appointment: Resource): string => `${whenOf(appointment)} ${takenOf(appointment).join()}`;

const whenOf = ({ status, start, end }: Resource): string =>
  [status, start, end].map((one) => text(one) ?? '').join(' ');

const takenOf = ({ serviceType, participant }: Resource): string[] => [
  ...objects(serviceType).map(keyOf),
  ...objects(participant).flatMap(({ actor }) => (isObject(actor) ? [keyOf(actor)] : [])),
];

/** Tells a service or who takes part from the others, in a few characters; other words for the same change nothing. */
function keyOf(what: JsonObject): string {
  const [coding] = objects(what.coding);
  const name = text(coding?.code) ?? text(what.reference) ?? text(what.text) ?? text(coding?.display ?? what.display);
  return createHash('sha256')
    .update(JSON.stringify([coding?.system ?? null, name ?? null]))
    .digest('hex')
    .slice(0, 8);
}

const over: ReadonlySet<string> = new Set(['cancelled', 'entered-in-error']);

function eventOf(appointment: Resource, before: string | undefined): string {
  const { status } = appointment;
  if (status === 'cancelled') return 'S15';
  if (status === 'entered-in-error') return 'S17';
  if (status === 'noshow') return 'S26';
  const [state, ...was] = before?.split(' ') ?? [];
  // What was cancelled or deleted is none any more at the receiver's: what is booked after all is new.
  if (state === undefined || over.has(state)) return 'S12';
  const [, ...is] = whenOf(appointment).split(' ');
  return was.slice(0, is.length).join(' ') === is.join(' ') ? 'S14' : 'S13';
}

/** Table 0206: A or U. */
type Action = (what: JsonObject) => string;

/** Whom a receiver has not been told of cannot be changed there. Without a list of those that it was told of it knows all. */
function actionOf(event: string, before: string | undefined): Action {
  if (event === 'S12') return () => 'A';
  const list = before?.split(' ')[3];
  const known = list === undefined ? undefined : new Set(list.split(','));
  return (what) => (known === undefined || known.has(keyOf(what)) ? 'U' : 'A');
}

interface Participant {
  actor: JsonObject;
  resource: Resource | undefined;
  status: string | undefined;
  /** Participant.type. */
  role: JsonObject | undefined;
}

const informants = new Set(['placer contact', 'filler contact', 'enterer']);

/** Those who come, not those who answer for the appointment or typed it in. */
const participants = (appointment: Resource, graph: Building['graph']): Participant[] =>
  objects(appointment.participant).flatMap((one) => {
    if (!isObject(one.actor) || informants.has(roleOf(one) ?? '')) return [];
    const { actor } = one;
    return [{ actor, resource: graph.resolve(actor), status: text(one.status), role: objects(one.type)[0] }];
  });

/** The type by the resource, else by the reference's own words. */
function typeOf(actor: JsonObject, resource: Resource | undefined): string | undefined {
  const named = /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}/.exec(text(actor.reference) ?? '')?.[1];
  return resource?.resourceType ?? text(actor.type) ?? named;
}

function minutes({ minutesDuration, start, end }: Resource): string | undefined {
  if (typeof minutesDuration === 'number') return String(minutesDuration);
  const ms = Date.parse(text(end) ?? '') - Date.parse(text(start) ?? '');
  return Number.isFinite(ms) && ms >= 0 ? String(Math.round(ms / 60_000)) : undefined;
}

function scheduleSegment(building: Building, appointment: Resource, event: string): SegmentValue {
  const numbers = inUseFirst(objects(appointment.identifier));
  const placer = ofType(numbers, 'PLAC');
  const filler = ofType(numbers, 'FILL') ?? numbers.find((one) => identifierTypeOf(one) !== 'PLAC');
  const number = ei(building, filler ?? ownIdentifier(building, appointment.id));
  const { start, end } = appointment;
  const [length, from, to] = [minutes(appointment), dtm(start), dtm(end)];
  const reason = cwe(building, objects(appointment.reasonCode)[0]) ?? [undefined, text(appointment.description)];
  const why = cwe(building, appointment.cancelationReason) ?? [undefined, eventWords[event]];
  return {
    name: 'SCH',
    fields: {
      // Required until 2.3.1: who has no number of the placer's gives the filler's.
      1: since(building, '2.4') ? ei(building, placer) : (ei(building, placer) ?? number),
      2: filler === undefined && placer !== undefined ? undefined : number,
      6: why,
      7: reason,
      8: cwe(building, appointment.appointmentType),
      9: length,
      10: length === undefined ? undefined : ['min', 'minute', 'UCUM'],
      // Withdrawn with 2.7; until then, and still by most, the time is looked for here.
      11: since(building, '2.7') ? undefined : [undefined, undefined, length && `M${length}`, from, to],
      12: informant(building, appointment, 'placer contact'),
      16: informant(building, appointment, 'filler contact') ?? contactOf(building, appointment),
      20: informant(building, appointment, 'enterer') ?? contactOf(building, appointment),
      25: ownValue(statusCodes, text(appointment.status)),
    },
  };
}

/** Who answers for the appointment, or typed it in, and need not come. */
function informant(building: Building, appointment: Resource, role: string): FieldValue {
  const found = objects(appointment.participant).find((one) => roleOf(one) === role);
  return found && isObject(found.actor) ? xcn(building, found.actor) : undefined;
}

function roleOf(participant: JsonObject): string | undefined {
  const [type] = objects(participant.type);
  return text(objects(type?.coding)[0]?.code) ?? text(type?.text);
}

/** SCH-6 is required: what the event is, where nobody said why. */
const eventWords: Readonly<Record<string, string>> = {
  ...{ S12: 'New appointment', S13: 'Rescheduled', S14: 'Changed', S15: 'Cancelled', S17: 'Deleted', S26: 'No show' },
};

/** SCH-16 and SCH-20 are required: where nobody is named, the first practitioner who takes part. */
function contactOf(building: Building, appointment: Resource): FieldValue {
  for (const { actor, resource } of participants(appointment, building.graph)) {
    if (/^Practitioner/.test(typeOf(actor, resource) ?? '')) return xcn(building, actor);
  }
  return undefined;
}

/** Table 0278 for one who takes part. */
const answers: Readonly<Record<string, string>> = {
  accepted: 'Booked',
  tentative: 'Pending',
  'needs-action': 'Pending',
  declined: 'Cancelled',
};

/** AIL-4 and AIP-4 were required until 2.4. */
const roleIn = (building: Building, role: JsonObject | undefined, type = 'Practitioner'): FieldValue =>
  cwe(building, role) ?? (since(building, '2.5') ? undefined : [undefined, type]);

/** AIS, AIG, AIL and AIP: services, then devices and the like, places, people. */
function resourceSegments(building: Building, appointment: Resource, action: Action): SegmentValue[] {
  const at = (from: number) => ({
    [from]: dtm(appointment.start),
    [from + 3]: minutes(appointment),
    [from + 4]: minutes(appointment) && ['min', 'minute', 'UCUM'],
  });
  const services = objects(appointment.serviceType).map((concept, index) => ({
    name: 'AIS',
    fields: {
      1: String(index + 1),
      2: action(concept),
      3: cwe(building, concept),
      ...at(4),
      10: ownValue(statusCodes, text(appointment.status)),
    },
  }));
  const made: Record<'AIG' | 'AIL' | 'AIP', SegmentValue[]> = { AIG: [], AIL: [], AIP: [] };
  for (const { actor, resource, status, role } of participants(appointment, building.graph)) {
    const type = typeOf(actor, resource);
    const answer = ownValue(answers, status);
    const number = (name: 'AIG' | 'AIL' | 'AIP') => String(made[name].length + 1);
    if (type === 'Location') {
      made.AIL.push({
        name: 'AIL',
        fields: {
          1: number('AIL'),
          2: action(actor),
          3: pl(building, actor),
          4: roleIn(building, role, type),
          ...at(6),
          12: answer,
        },
      });
    } else if (
      type === 'Practitioner' ||
      type === 'PractitionerRole' ||
      (type === undefined && resource === undefined)
    ) {
      made.AIP.push({
        name: 'AIP',
        fields: {
          1: number('AIP'),
          2: action(actor),
          3: xcn(building, actor),
          4: roleIn(building, role, type),
          ...at(6),
          12: answer,
        },
      });
    } else if (type === 'Device' || type === 'HealthcareService') {
      const words = text(actor.display) ?? text(resource?.name);
      made.AIG.push({
        name: 'AIG',
        fields: {
          1: number('AIG'),
          2: action(actor),
          3: [resource?.id, words],
          4: cwe(building, role) ?? [type],
          ...at(8),
          14: answer,
        },
      });
    } else if (type !== 'Patient')
      building.warnings.add(`A ${type ?? 'participant'} who takes part has no place in the message`);
  }
  return [...services, ...made.AIG, ...made.AIL, ...made.AIP];
}

/** All who come; of one who is not known here no segment could tell. Throws CerebraError `business-rule` where that is nobody. */
function patientsOf(building: Building, appointment: Resource): Resource[] {
  const actors = participants(appointment, building.graph)
    .filter(({ actor, resource }) => typeOf(actor, resource) === 'Patient')
    .map(({ actor }) => actor);
  const known = actors.filter((actor) => building.graph.resolve(actor)?.resourceType === 'Patient');
  if (known.length < actors.length) building.warnings.add('A Patient who takes part is not known here: left out');
  const whom = known.length === 0 ? [actors[0]] : known;
  return whom.map((actor) => patientOf(building, actor, 'Appointment.participant.actor'));
}

const numbered = (segments: SegmentValue[], number: number): SegmentValue[] =>
  segments.map((segment) =>
    segment.name === 'PID' ? { ...segment, fields: { ...segment.fields, 1: String(number) } } : segment,
  );

const withoutPlace = [
  ...['serviceCategory', 'specialty', 'reasonReference', 'priority', 'supportingInformation', 'requestedPeriod'],
  ...['patientInstruction', 'basedOn'],
];

export const siu: MessageBuilder = {
  code: 'SIU',
  structures: Object.fromEntries(Object.keys(eventWords).map((event) => [event, 'SIU_S12'])),
  from: ['Appointment'],
  reads: ['Patient', 'Practitioner', 'PractitionerRole', 'Organization', 'Location', 'Device', 'HealthcareService'],
  stateOf,
  eventOf: (appointment, told) => eventOf(appointment, told?.state),
  segments(building, focus, event, told) {
    noPlace(building, focus, withoutPlace);
    const timing = since(building, '2.5')
      ? [{ name: 'TQ1', fields: { 1: '1', 7: dtm(focus.start), 8: dtm(focus.end) } }]
      : [];
    const comment = text(focus.comment);
    return [
      scheduleSegment(building, focus, event),
      ...(dtm(focus.start) === undefined ? [] : timing),
      ...notesOf(building, comment === undefined ? undefined : [{ text: comment }]),
      ...patientsOf(building, focus).flatMap((patient, index) =>
        numbered(patientSegments(building, patient), index + 1),
      ),
      { name: 'RGS', fields: { 1: '1', 2: event === 'S12' ? 'A' : 'U' } },
      ...resourceSegments(building, focus, actionOf(event, told?.state)),
    ];
  },
};
