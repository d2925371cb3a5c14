// ADT messages about two patients, accounts or visits that are one, and about numbers that change: HL7 v2.9 chapter 3.3.18
// to 3.3.51 and 3.6.2. https://hl7.org/fhir/R4/patient.html#merge
import { emptyPart, type Segment } from '../../message/message.ts';
import { Refusal } from '../../message/refusal.ts';
import { linkPatients, unlinkPatients } from '../administration/link.ts';
import { mergePatients } from '../administration/merge.ts';
import {
  formerPatient,
  mergeNumbered,
  moveIdentifiers,
  moveNumbered,
  renumberPatient,
  visitsOfAccount,
} from '../administration/renumber.ts';
import type { Mapping } from '../context.ts';
import { messageMap, required } from '../message-map.ts';
import type { MappedPatient, PatientSegments } from '../patient.ts';
import { upsertPatient } from '../patient.ts';
import type { Group } from '../structure/group.ts';
import { mapVisit } from './adt.ts';

const reads = 'EVN PID PD1 MRG PV1 ARV'.split(' ');

const segmentsOf = (group: Group, pid: Segment): PatientSegments => ({
  ...{ pid, pd1: group.get('PD1'), nk1: [] },
  others: group.all('ARV'),
});

/** The groups that have a MRG, each with the PID that it stands with; before groups were, the message itself. */
function mergesOf(root: Group, inner = 'PATIENT'): { group: Group; pid: Segment; mrg: Segment }[] {
  const groups = [...root.groups(inner), root].filter((group) => group.get('MRG') !== undefined);
  required(groups[0], 'MRG');
  return groups.map((group) => ({
    ...{ group, pid: required(group.nearest('PID'), 'PID') },
    mrg: group.get('MRG')!,
  }));
}

/** What the visit is called in the message's PV1, if it has one that tells. */
function visitToo(mapping: Mapping, group: Group, pid: Segment, patient: MappedPatient): void {
  if (group.get('PV1')?.field(19).text !== undefined) mapVisit(mapping, group, pid, patient);
}

/** A18, A30, A34, A36, A39, A40: two patients are one; A18 and A36 also merge their accounts. */
const patientMerges = messageMap({
  structures: ['ADT_A39', 'ADT_A18', 'ADT_A30'],
  events: ['A18', 'A30', 'A34', 'A36', 'A39', 'A40'],
  reads,
  run(mapping, root) {
    for (const { group, pid, mrg } of mergesOf(root)) {
      const patient = mergePatients(mapping, segmentsOf(group, pid), mrg);
      if (mapping.event === 'A36' || mapping.event === 'A18') {
        mergeNumbered(mapping, { type: 'Account', former: mrg.field(3), now: pid.field(18), patient });
      }
      visitToo(mapping, group, pid, patient);
    }
  },
});

/** A35, A41: two accounts of one patient; A42: two visits. */
const numberMerges = messageMap({
  structures: ['ADT_A39', 'ADT_A30'],
  events: ['A35', 'A41', 'A42'],
  reads,
  run(mapping, root) {
    for (const { group, pid, mrg } of mergesOf(root)) {
      const patient = upsertPatient(mapping, segmentsOf(group, pid));
      if (mapping.event === 'A42') {
        const now = group.get('PV1')?.field(19) ?? emptyPart;
        mergeNumbered(mapping, { type: 'Encounter', former: mrg.field(5), now, patient });
      } else mergeNumbered(mapping, { type: 'Account', former: mrg.field(3), now: pid.field(18), patient });
    }
  },
});

/** A43: a number is another patient's; A44: an account is; A45: a visit is. */
const moves = messageMap({
  structures: ['ADT_A43', 'ADT_A44', 'ADT_A45'],
  events: ['A43', 'A44', 'A45'],
  reads,
  run(mapping, root) {
    let patient: MappedPatient | undefined;
    for (const { group, pid, mrg } of mergesOf(root, mapping.event === 'A45' ? 'MERGE_INFO' : 'PATIENT')) {
      if (patient === undefined || group.get('PID') !== undefined) {
        patient = upsertPatient(mapping, segmentsOf(group, pid));
      }
      if (mapping.event === 'A43') moveIdentifiers(mapping, patient, mrg);
      else if (mapping.event === 'A44') moveAccount(mapping, pid, mrg, patient);
      else moveVisit(mapping, group, mrg, patient);
    }
  },
});

/** The account with its visits, and what was recorded of them. */
function moveAccount(mapping: Mapping, pid: Segment, mrg: Segment, patient: MappedPatient): void {
  const [former, now] = [mrg.field(3), pid.field(18)];
  const from = formerPatient(mapping, mrg, patient);
  const account = moveNumbered(mapping, { type: 'Account', former, now, patient, from });
  if (account === undefined || from === undefined) return;
  for (const about of [account, ...visitsOfAccount(mapping, former, now)]) {
    mapping.move({ from: from.reference, to: patient.reference, about });
  }
}

function moveVisit(mapping: Mapping, group: Group, mrg: Segment, patient: MappedPatient): void {
  const now = group.get('PV1')?.field(19) ?? emptyPart;
  const from = formerPatient(mapping, mrg, patient);
  const visit = moveNumbered(mapping, { type: 'Encounter', former: mrg.field(5), now, patient, from });
  if (visit === undefined) {
    throw new Refusal('AE', '101', 'MRG-5, the number of the visit that moves, is missing', {
      location: { segment: 'MRG', field: 5 },
    });
  }
  // What was recorded of the visit goes with it.
  if (from !== undefined) mapping.move({ from: from.reference, to: patient.reference, about: visit });
}

/** A46, A47, A48, A51: the patient's number changes; A49: the account's; A50: the visit's. */
const changes = messageMap({
  structures: ['ADT_A30', 'ADT_A50'],
  events: ['A46', 'A47', 'A48', 'A49', 'A50', 'A51'],
  reads,
  run(mapping, root) {
    for (const { group, pid, mrg } of mergesOf(root)) {
      if (mapping.event === 'A49' || mapping.event === 'A50') {
        const patient = upsertPatient(mapping, segmentsOf(group, pid));
        const visit = mapping.event === 'A50';
        const now = visit ? (group.get('PV1')?.field(19) ?? emptyPart) : pid.field(18);
        moveNumbered(mapping, {
          type: visit ? 'Encounter' : 'Account',
          former: mrg.field(visit ? 5 : 3),
          now,
          patient,
          stays: true,
        });
      } else renumberPatient(mapping, segmentsOf(group, pid), mrg);
    }
  },
});

const links = messageMap({
  structures: ['ADT_A24', 'ADT_A37'],
  events: ['A24', 'A37'],
  reads: 'EVN PID PD1 PV1 DB1 ARV'.split(' '),
  run(mapping, root) {
    const groups = root.groups('PATIENT');
    if (mapping.event === 'A24') linkPatients(mapping, groups);
    else unlinkPatients(mapping, groups);
  },
});

export const mergeMaps = [patientMerges, numberMerges, moves, changes, links];
