// Whom a message of orders, results, documents or medication is about: its Patient and Encounter
import type { Segment } from '../../message/message.ts';
import { Refusal } from '../../message/refusal.ts';
import { addAllergies, addLivingWill } from '../administration/clinical.ts';
import { addAccount, addCoverages } from '../administration/insurance.ts';
import { addRelatedPersons, guarantors } from '../administration/related.ts';
import { afterPatient, afterVisit, isPrimaryCare } from '../administration/roles.ts';
import type { Mapping } from '../context.ts';
import { type EncounterSegments, findOrCreateEncounter } from '../encounter.ts';
import { patientIdentity } from '../identity.ts';
import { findOrCreatePatient, type MappedPatient, upsertPatient } from '../patient.ts';
import type { Group } from '../structure/group.ts';
import type { Subject } from './order.ts';

/**
 * Found, or created if unknown: such a message changes no demographics, unless the family says so. Throws Refusal AE without
 * PID or identifier. Allergies and insurances that stand with the patient are taken along.
 */
export function subjectOf(mapping: Mapping, group: Group, demographics: 'left' | 'changed' = 'left'): Subject {
  const pid = within(group, 'PID');
  if (pid === undefined) {
    throw new Refusal('AE', '100', 'Required segment PID is missing', { location: { segment: 'PID' } });
  }
  const holder = pid.holder;
  const segments = {
    pid: pid.segment,
    pd1: holder.get('PD1'),
    nk1: holder.all('NK1').concat(holder.children.flatMap((child) => child.all('NK1'))),
    others: afterPatient(holder),
  };
  warnOfNoPlace(mapping, holder);
  const patient = demographics === 'left' ? findOrCreatePatient(mapping, segments) : upsertPatient(mapping, segments);
  if (demographics === 'changed') {
    addLivingWill(mapping, holder, patient);
    addRelatedPersons(mapping, holder, patient);
  }
  const visit = within(group, 'PV1');
  const encounter = visit && findOrCreateEncounter(mapping, visitSegments(pid.segment, visit), patient);
  if (visit !== undefined && encounter === undefined) {
    mapping.warnings.add('PV1: no visit number (PV1-19) or account number to know the encounter by');
  }
  const allergies = holder.all('AL1');
  if (allergies.length > 0) addAllergies(mapping, holder, patient, allergies);
  addPayers(mapping, holder, patient);
  return { patient: patient.reference, patientKey: patient.key, encounter };
}

const visitSegments = (pid: Segment, { segment: pv1, holder }: Found): EncounterSegments => ({
  pid,
  pv1,
  pv2: holder.get('PV2'),
  others: afterVisit(holder),
});

/** Orders and results change no CareTeam. */
function warnOfNoPlace(mapping: Mapping, holder: Group): void {
  if (afterPatient(holder).some((segment) => segment.name === 'PRT' && !isPrimaryCare(segment))) {
    mapping.warnings.add('PRT: of those around the patient only who gives primary care (PRT-4 PP) has a place');
  }
}

/** IN1 and GT1: Coverages, and who answers for the account. */
function addPayers(mapping: Mapping, holder: Group, patient: MappedPatient): void {
  const insured = holder.children.some(({ name }) => name === 'INSURANCE');
  const coverage = insured ? addCoverages(mapping, holder, patient) : [];
  if (holder.get('GT1') === undefined) return;
  addAccount(mapping, holder.get('PID')!, patient, { guarantor: guarantors(mapping, holder, patient), coverage });
}

/** Of a PRIOR_RESULT: its PID may have other numbers of the patient, or be another's; its PV1 is another visit's. */
export function priorSubject(mapping: Mapping, group: Group, current: Subject): Subject {
  const pid = group.groups('PATIENT_PRIOR')[0]?.get('PID');
  if (pid === undefined || !hasNumber(pid)) return { ...current, encounter: undefined };
  const own = numbersOf(mapping, mapping.message.segment('PID')!);
  const same = numbersOf(mapping, pid).some((number) => own.includes(number));
  const visit = group.groups('PATIENT_VISIT_PRIOR')[0];
  const pv1 = visit?.get('PV1');
  if (same && pv1 === undefined) return { ...current, encounter: undefined };
  const patient = findOrCreatePatient(mapping, {
    pid: same ? mapping.message.segment('PID')! : pid,
    pd1: undefined,
    nk1: [],
  });
  const encounter = pv1 && findOrCreateEncounter(mapping, { pid, pv1, pv2: visit?.get('PV2') }, patient);
  return { patient: patient.reference, patientKey: patient.key, encounter };
}

const hasNumber = (pid: Segment): boolean => [3, 2, 4].some((field) => !pid.field(field).isEmpty);

const numbersOf = (mapping: Mapping, pid: Segment): string[] =>
  patientIdentity(mapping, pid).matching.map(({ system, value }) => `${system}|${value}`);

interface Found {
  segment: Segment;
  holder: Group;
}

/** The first of that name in the group, its first level of groups, or those around it; not that of an earlier result. */
function within(group: Group, name: string): Found | undefined {
  const own = group.get(name);
  if (own !== undefined) return { segment: own, holder: group };
  for (const child of group.children) {
    if (child.name.includes('PRIOR')) continue;
    const found = within(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}
