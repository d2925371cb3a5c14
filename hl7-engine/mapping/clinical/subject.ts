// Whom a message of orders, results, documents or medication is about: its Patient and Encounter
import { Refusal } from '../../message/refusal.ts';
import { addAllergies } from '../administration/clinical.ts';
import { addCoverages } from '../administration/insurance.ts';
import type { Mapping } from '../context.ts';
import { findOrCreateEncounter } from '../encounter.ts';
import { findOrCreatePatient, upsertPatient } from '../patient.ts';
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
  };
  const patient = demographics === 'left' ? findOrCreatePatient(mapping, segments) : upsertPatient(mapping, segments);
  const visit = within(group, 'PV1');
  const encounter =
    visit &&
    findOrCreateEncounter(mapping, { pid: pid.segment, pv1: visit.segment, pv2: visit.holder.get('PV2') }, patient);
  if (visit !== undefined && encounter === undefined) {
    mapping.warnings.add('PV1: no visit number (PV1-19) or account number to know the encounter by');
  }
  const allergies = holder.all('AL1');
  if (allergies.length > 0) addAllergies(mapping, holder, patient, allergies);
  if (holder.children.some(({ name }) => name === 'INSURANCE')) addCoverages(mapping, holder, patient);
  return { patient: patient.reference, patientKey: patient.key, encounter };
}

/** The first of that name in the group, its first level of groups, or those around it; not that of an earlier result. */
function within(
  group: Group,
  name: string,
): { segment: NonNullable<ReturnType<Group['get']>>; holder: Group } | undefined {
  const own = group.get(name);
  if (own !== undefined) return { segment: own, holder: group };
  for (const child of group.children) {
    if (child.name.includes('PRIOR')) continue;
    const found = within(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}
