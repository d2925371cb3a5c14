// Who and what an appointment takes: PID, AIP, AIL and AIG. https://hl7.org/fhir/uv/v2mappings/ (AIP[Appointment], AIL[Appointment],
// AIG[Appointment], PID[Appointment])
import type { JsonObject } from '#fhir-model';
import type { Part, Segment } from '../../message/message.ts';
import { locationReference } from '../administration/location.ts';
import { codingSystem, localUri } from '../codesystems.ts';
import type { Mapping } from '../context.ts';
import { repeated } from '../datatypes.ts';
import { type Identifier, identifierCriterion } from '../identifiers.ts';
import { practitionerReference } from '../practitioner.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { aigParticipant, ailParticipant, aipParticipant } from '../tables/sch.ts';
import { fillerStatus, isOver, participation } from './status.ts';
import { resourceTimes } from './times.ts';

const tables = { AIG: aigParticipant, AIL: ailParticipant, AIP: aipParticipant };
const statusFields = { AIG: 14, AIL: 12, AIP: 12 } as const;

type ResourceName = keyof typeof tables;

export interface ResourceSegment {
  segment: Segment;
  group: Group;
}

/** AIP, AIL and AIG of all groups, in this order. */
export function resourcesOf(root: Group): ResourceSegment[] {
  const groups = { AIP: 'PERSONNEL_RESOURCE', AIL: 'LOCATION_RESOURCE', AIG: 'GENERAL_RESOURCE' };
  return Object.entries(groups).flatMap(([name, group]) =>
    root.groups(group).flatMap((one) => one.all(name).map((segment) => ({ segment, group: one }))),
  );
}

/** AIS of all groups. */
export const servicesOf = (root: Group): ResourceSegment[] =>
  root.groups('SERVICE').flatMap((group) => group.all('AIS').map((segment) => ({ segment, group })));

/** Action D of table 0206: not any more. A resource that has no action of its own has that of its group, RGS-2. */
export function isDeleted({ segment, group }: ResourceSegment): boolean {
  const action = segment.field(2).text ?? group.nearest('RGS')?.field(2).text;
  return action?.toUpperCase() === 'D';
}

/** One participant for each actor of the segment; none where nothing tells who it is. */
export function participants(
  mapping: Mapping,
  resource: ResourceSegment,
  appointment: { start: string | undefined; status: string | undefined },
): JsonObject[] {
  const { segment, group } = resource;
  const name = segment.name as ResourceName;
  const found = runTable(tables[name], { segment, group, mapping }) ?? {};
  const own = fillerStatus(mapping, segment.field(statusFields[name]), `${name}-${statusFields[name]}`);
  const status =
    isDeleted(resource) || isOver(appointment.status) ? 'declined' : participation(own ?? appointment.status);
  const { start, end } = resourceTimes(mapping, segment, appointment.start);
  const period = start === undefined || (start === appointment.start && end === undefined) ? undefined : { start, end };
  const actors = repeated(segment.field(3), (part) => actorOf(mapping, segment, part));
  if (actors.length === 0) {
    if (found.type === undefined) return [];
    return [{ ...found, period, status }];
  }
  return actors.map((actor) => ({ ...found, actor, period, status }));
}

function actorOf(mapping: Mapping, segment: Segment, part: Part): JsonObject | undefined {
  if (segment.name === 'AIP') return practitionerReference(mapping, part);
  if (segment.name === 'AIL') return locationReference(mapping, part);
  return generalResource(mapping, part, segment.field(4));
}

/** AIG-4 is the sender's own table: what its words call the resource decides; equipment is what AIG is for. */
const kinds: readonly [words: RegExp, type: string][] = [
  [/\b(?:locations?|rooms?|places?|beds?|theatres?)\b/i, 'Location'],
  [
    /\b(?:providers?|physicians?|doctors?|practitioners?|surgeons?|nurses?|staff|personnel|persons?)\b/i,
    'Practitioner',
  ],
  [/\b(?:services?|clinics?|departments?)\b/i, 'HealthcareService'],
];

function generalResource(mapping: Mapping, cwe: Part, kind: Part): JsonObject | undefined {
  const code = cwe.component(1).text;
  const display = cwe.component(2).text ?? cwe.component(9).text;
  if (code === undefined) return display === undefined ? undefined : { display };
  const words = [kind.component(1).text, kind.component(2).text].join(' ');
  const type = kinds.find(([form]) => form.test(words))?.[1] ?? 'Device';
  const system = codingSystem(cwe.component(3).text, cwe.component(14).text, mapping.facility);
  const identifier: Identifier = { system: system ?? localUri(mapping.facility, type.toLowerCase()), value: code };
  const ifNoneExist = identifierCriterion(identifier);
  const reference = mapping.once(`${type}?${ifNoneExist}`, () =>
    mapping.add({
      method: 'POST',
      url: type,
      ifNoneExist,
      resource: { resourceType: type, identifier: [identifier], ...named(type, display) },
    }),
  );
  return { reference, display: display ?? code };
}

function named(type: string, name: string | undefined): JsonObject {
  if (name === undefined) return {};
  if (type === 'Device') return { deviceName: [{ name, type: 'other' }] };
  return type === 'Practitioner' ? { name: [{ text: name }] } : { name };
}
