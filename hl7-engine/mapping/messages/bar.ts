// Billing accounts: BAR^P01, P02, P05, P06 and P12: HL7 v2.9 chapter 6.4.1 to 6.4.7
import type { JsonObject } from '#fhir-model';
import { Refusal } from '../../message/refusal.ts';
import { addAllergies, addDisability } from '../administration/clinical.ts';
import { addAccount, addCoverages } from '../administration/insurance.ts';
import { addMother, addRelatedPersons, guarantors } from '../administration/related.ts';
import type { Mapping } from '../context.ts';
import { dateTime } from '../datetime.ts';
import { addAuthorizations } from '../finance/authorization.ts';
import { accountIdentifier, visitIdentifiers } from '../identity.ts';
import { type MessageMap, messageMap, required } from '../message-map.ts';
import { findOrCreatePatient } from '../patient.ts';
import type { Group } from '../structure/group.ts';
import { mapPatient, mapVisit } from './adt.ts';

const reads = 'EVN PID PD1 NK1 PV1 PV2 OBX NTE AL1 DG1 DRG PR1 GT1 IN1 IN2 IN3 AUT ACC DB1 PRT ROL'.split(' ');

const accounts = messageMap({
  structures: ['BAR_P01'],
  events: ['P01', 'P05'],
  defaultEvent: 'P01',
  reads,
  run: mapAccounts,
});
const purge = messageMap({ structures: ['BAR_P02'], events: ['P02'], reads, run: endAccounts });
const end = messageMap({ structures: ['BAR_P06'], events: ['P06'], reads, run: endAccounts });
const content = messageMap({ structures: ['BAR_P12'], events: ['P12'], reads, run: mapContent });

export const accountMaps: readonly MessageMap[] = [accounts, purge, end, content];

/**
 * The account, its payers, and the visits that it is of. Throws Refusal AE without PID or a patient's identifier, and for visits that
 * cannot be told apart.
 */
function mapAccounts(mapping: Mapping, root: Group): void {
  const pid = required(root.get('PID'), 'PID');
  const patient = mapPatient(mapping, root);
  addMother(mapping, pid, patient);
  const visits = root.groups('VISIT');
  for (const visit of visits) {
    addRelatedPersons(mapping, visit, patient);
    addDisability(mapping, visit, patient);
    addAuthorizations(mapping, visit, { patient: patient.reference, patientKey: patient.key });
  }
  const account = addAccount(mapping, pid, patient, {
    guarantor: visits.flatMap((visit) => guarantors(mapping, visit, patient)),
    coverage: visits.flatMap((visit) => addCoverages(mapping, visit, patient)),
    // P05 updates an account, which may have ended.
    also: { ...servicePeriod(mapping, visits), ...(mapping.event === 'P01' && { status: 'active' }) },
  });
  if (account === undefined)
    mapping.warnings.add('PID-18: no account number; only patient, visit and payers are known');
  for (const visit of visits) {
    addAllergies(mapping, visit, patient, visit.all('AL1'));
    mapVisit(mapping, visit, pid, patient, account);
  }
  assertDistinct(mapping);
}

/** Visits without numbers of their own are known by the account's: two of them would be two changes of one visit. */
function assertDistinct({ entries }: Mapping): void {
  const visits = entries.flatMap(({ url }) => (url.startsWith('Encounter?') ? [url] : []));
  if (new Set(visits).size === visits.length) return;
  const text = 'Visits of the message have the same number: send the visit number (PV1-19) of each';
  throw new Refusal('AE', '205', text, { location: { segment: 'PV1', field: 19 } });
}

/** From the first admission (PV1-44) to the last discharge (PV1-45). */
function servicePeriod(mapping: Mapping, visits: readonly Group[]): JsonObject {
  const times = (field: number): string[] =>
    visits.flatMap((visit) => dateTime(visit.get('PV1')?.field(field).text, mapping.zone) ?? []).toSorted();
  const [start] = times(44);
  const last = times(45).at(-1);
  const isOrdered = start === undefined || last === undefined || Date.parse(start) <= Date.parse(last);
  if (start === undefined && last === undefined) return {};
  return { servicePeriod: { ...(start && { start }), ...(last && isOrdered && { end: last }) } };
}

/** P02 (purged) and P06 (ended): no charge is taken any more; what refers to the account stays readable. */
function endAccounts(mapping: Mapping, root: Group): void {
  const groups = root.groups('PATIENT').filter((group) => group.get('PID') !== undefined);
  required(groups[0], 'PID');
  for (const group of groups) {
    const pid = group.get('PID')!;
    const patient = findOrCreatePatient(mapping, { pid, pd1: group.get('PD1'), nk1: [] });
    if (accountIdentifier(mapping, pid) === undefined) {
      mapping.warnings.add('PID-18: no account number: no account can be ended');
      continue;
    }
    const ended = mapping.event === 'P06' ? mapping.time : undefined;
    const also = { status: 'inactive', ...(ended === undefined ? {} : { servicePeriod: { end: ended } }) };
    addAccount(mapping, pid, patient, { guarantor: [], coverage: [], also });
  }
}

/** P12: diagnoses and procedures of a visit. */
function mapContent(mapping: Mapping, root: Group): void {
  const pid = required(root.get('PID'), 'PID');
  const patient = findOrCreatePatient(mapping, { pid, pd1: undefined, nk1: [] });
  const pv1 = root.get('PV1');
  if (pv1 === undefined || visitIdentifiers(mapping, pid, pv1).length === 0) {
    mapping.warnings.add('PV1: diagnoses and procedures without a visit are the patient’s alone');
  }
  mapVisit(mapping, root, pid, patient);
}
