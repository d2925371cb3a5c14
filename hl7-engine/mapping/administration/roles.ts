// ROL and PRT: who has to do with the patient or the visit. https://hl7.org/fhir/uv/v2mappings/
// (ROL[CareTeam], ROL[Encounter-PractitionerRole], ROL[Patient-GeneralPractitioner], PRT[CareTeam], PRT[Patient-GeneralPractitioner-Practitioner])
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { derivedId } from '../derived-id.ts';
import { deletedMs, keyed } from '../late.ts';
import { merging } from '../merge.ts';
import { isOutdated, type Order, stampMs } from '../ordering.ts';
import { organizationReference } from '../practitioner.ts';
import { type Group, OpenGroup } from '../structure/group.ts';
import { runTable, type SegmentTable } from '../table/table.ts';
import { in3CareTeam } from '../tables/in1.ts';
import { prtCareTeam, prtEncounter } from '../tables/prt.ts';
import { rolCareTeam, rolEncounter } from '../tables/rol.ts';
import {
  type Removable,
  rememberingTaken,
  takingAway,
  withoutItems,
  withoutTaken,
  withoutTakenSince,
} from '../taken-away.ts';
import { putDerived } from './upsert.ts';

const roles = new Set(['ROL', 'PRT']);

/** ROL, PRT and ARV that stand before PV1 are the patient's, those after it the visit's. */
export function afterPatient(group: Group): Segment[] {
  return around(group, (visitAt, at) => visitAt < 0 || at < visitAt);
}

export function afterVisit(group: Group): Segment[] {
  return around(group, (visitAt, at) => visitAt >= 0 && at > visitAt);
}

function around({ segments }: Group, wanted: (visitAt: number, at: number) => boolean): Segment[] {
  const patientAt = segments.findIndex(({ name }) => name === 'PID');
  const visitAt = segments.findIndex(({ name }) => name === 'PV1');
  return segments.filter(
    ({ name }, at) => (roles.has(name) || name === 'ARV') && at > patientAt && wanted(visitAt, at),
  );
}

/** ROL-2, PRT-2 (table 0287): DE, DELETE and D take the role away, UN and CO mean that nothing changes. */
export const isEnded = (segment: Segment): boolean => /^(?:DE|D|DELETE)$/i.test(segment.field(2).text ?? '');

const roleOf = (segment: Segment): string | undefined =>
  segment.name === 'ROL' ? segment.field(3).text : segment.field(4).text;

export const isPrimaryCare = (segment: Segment): boolean => roleOf(segment) === 'PP';

function rowOf(mapping: Mapping, segment: Segment, [rol, prt]: [SegmentTable, SegmentTable]): JsonObject | undefined {
  const group = new OpenGroup('', undefined);
  return runTable(segment.name === 'ROL' ? rol : prt, { segment, group, mapping });
}

/** Whether people are asked for who have a role, or those whom the message takes it away from. */
export type Which = 'present' | 'ended';

/** Primary care providers, for Patient.generalPractitioner. */
export function primaryCare(mapping: Mapping, segments: readonly Segment[], which: Which = 'present'): JsonObject[] {
  const carers = segments.filter((segment) => roles.has(segment.name) && isPrimaryCare(segment));
  return encounterParticipants(mapping, carers, which).map(({ individual }) => individual as JsonObject);
}

/** Of ROL and PRT that follow PV1: items of Encounter.participant. */
export function encounterParticipants(
  mapping: Mapping,
  segments: readonly Segment[],
  which: Which = 'present',
): JsonObject[] {
  const found: JsonObject[] = [];
  for (const segment of segments) {
    if (!roles.has(segment.name) || isEnded(segment) !== (which === 'ended')) continue;
    const participant = rowOf(mapping, segment, [rolEncounter, prtEncounter]);
    if (participant?.individual !== undefined) found.push(participant);
  }
  return found;
}

/** The others that follow PID, one CareTeam of the patient's for each facility, or for what `of` names; its reference. */
export function addCareTeam(
  mapping: Mapping,
  segments: readonly Segment[],
  caseManagers: readonly Segment[],
  patient: { reference: string; key: string },
  of: readonly string[] = [],
): string | undefined {
  const all = segments.filter((segment) => roles.has(segment.name) && !isPrimaryCare(segment));
  const open = all.filter((segment) => !isEnded(segment));
  const members = open.map((segment) => careTeamMember(mapping, segment));
  const managers = caseManagers.map((segment) => caseManager(mapping, segment));
  const participant = [...members, ...managers].filter((one) => one !== undefined);
  const former = all
    .filter(isEnded)
    .map((segment) => careTeamMember(mapping, segment))
    .filter((one) => one !== undefined);
  const isLeft = participant.length === 0;
  if (isLeft && former.length === 0) return undefined;
  const key = [patient.key, mapping.facility, ...of];
  const id = derivedId('CareTeam', key);
  const resource = {
    resourceType: 'CareTeam',
    id,
    status: 'active',
    subject: { reference: patient.reference },
    participant: isLeft ? former.map((one) => endedAt(one, mapping.time)) : participant,
  };
  mapping.stamp(resource);
  const merge = teamMerge({ warnings: mapping.warnings }, isLeft);
  const taking = isLeft ? {} : takingAway('participant', former);
  putDerived(mapping, { url: `CareTeam/${id}`, resource, merge, ...taking }, key);
  return isLeft ? undefined : `CareTeam/${id}`;
}

/** Of a team that is not known yet all that can be told is that they are in it no longer. */
function endedAt(member: JsonObject, time: string | undefined): JsonObject {
  const { start, end = time } = (member.period ?? {}) as JsonObject;
  const isSound = start === undefined || end === undefined || Date.parse(String(start)) <= Date.parse(String(end));
  return { ...member, period: { ...(isSound && { start }), end } as JsonObject };
}

/**
 * ROL and PRT name all members but the case managers, whom IN3 names: a message that has none of the one or the other says nothing of
 * them, nor does one that only takes members away (`isLeft`: the resource has these alone) of those who stay. Where only such have
 * told of the team, an older one tells of the others.
 */
function teamMerge(ordered: Order, isLeft: boolean): NonNullable<TransactionEntry['merge']> {
  const change = merging({ replacedByKey: { participant: originOf } });
  return (existing, sent) => {
    const { told, taken: also } = withoutTaken(sent, 'participant');
    const { participant: named, ...rest } = told;
    const former = { taken: isLeft ? list(named) : also, incoming: told, existing };
    if (existing === undefined) return rememberingTaken(told, former, members);
    const before = list(existing.participant);
    if (!isLeft && isOlder(existing, told) && before.every((one) => isFormer(existing, one))) {
      const others = list(withoutTakenSince(existing, told, members).participant);
      return others.length === 0 ? existing : { ...existing, participant: [...before, ...others] };
    }
    if (isOutdated(existing, sent, ordered)) return existing;
    const left = withoutItems(existing, former, members);
    return rememberingTaken(change(left, isLeft ? (rest as Resource) : told), former, members);
  };
}

const managerRole = 'case manager';

const originOf = ({ role }: JsonObject): string => (list(role)[0]?.text === managerRole ? managerRole : '');

/** Who it is, in which role: the first, as of a visit's participants. */
function memberOf({ role, member }: JsonObject): string {
  const [concept] = list(role);
  const { reference, display } = (member ?? {}) as JsonObject;
  return JSON.stringify([list(concept?.coding)[0]?.code ?? concept?.text ?? null, reference ?? display ?? null]);
}

const members: Removable = {
  element: 'participant',
  keyOf: memberOf,
  partOf: () => 'participant',
};

const isOlder = (existing: Resource, incoming: Resource): boolean =>
  (stampMs(incoming) ?? Number.POSITIVE_INFINITY) < (stampMs(existing) ?? Number.NEGATIVE_INFINITY);

/** Of whom nothing is known but that they are in the team no longer. */
const isFormer = (team: Resource, one: JsonObject): boolean =>
  deletedMs(team, keyed('participant', memberOf(one))) !== undefined &&
  (one.period as JsonObject | undefined)?.end !== undefined;

/** IN3-21. */
function caseManager(mapping: Mapping, segment: Segment): JsonObject | undefined {
  const found = runTable(in3CareTeam, { segment, group: new OpenGroup('INSURANCE', undefined), mapping });
  return found && { ...found, role: [{ text: managerRole }] };
}

function careTeamMember(mapping: Mapping, segment: Segment): JsonObject | undefined {
  const found = rowOf(mapping, segment, [rolCareTeam, prtCareTeam]);
  const organization = organizationReference(mapping, segment.field(segment.name === 'ROL' ? 14 : 8).repetition(1));
  if (found === undefined) return undefined;
  if (found.member === undefined) return organization === undefined ? undefined : { ...found, member: organization };
  // https://hl7.org/fhir/R4/careteam.html, ctm-1: onBehalfOf only where the member is a practitioner.
  const isPerson = (found.member as JsonObject).reference !== undefined;
  return organization !== undefined && isPerson ? { ...found, onBehalfOf: organization } : found;
}
