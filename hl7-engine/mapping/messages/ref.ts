// Referrals: REF^I12 (new), I13 (changed), I14 (cancelled), I15 (asks for its status), and RRI, in which whom a referral was sent to
// tells what becomes of it: HL7 v2.9 chapter 11.6. A REF that comes in is answered by the acknowledgment.
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { addAllergies, addDiagnoses, addProcedures } from '../administration/clinical.ts';
import { addAccount, addCoverages } from '../administration/insurance.ts';
import { addRelatedPersons, guarantors } from '../administration/related.ts';
import { orderGroup } from '../clinical/groups.ts';
import { parentsOf } from '../clinical/parent.ts';
import { addResults, type Results } from '../clinical/results.ts';
import type { Mapping } from '../context.ts';
import { findOrCreateEncounter } from '../encounter.ts';
import { addObservations } from '../finance/accompanying.ts';
import { numberKey, visitIdentifiers } from '../identity.ts';
import { messageMap, required } from '../message-map.ts';
import { findOrCreatePatient, type MappedPatient } from '../patient.ts';
import { providersOf } from '../referral/providers.ts';
import { upsertReferral } from '../referral/referral.ts';
import type { Group } from '../structure/group.ts';

export const ref = messageMap({
  structures: ['REF_I12'],
  events: ['I12', 'I13', 'I14', 'I15'],
  defaultEvent: 'I12',
  reads: 'RF1 AUT PRD CTD PID PD1 NK1 GT1 IN1 IN2 IN3 DG1 AL1 PR1 OBR OBX NTE PV1 PV2 PRT'.split(' '),
  run: mapReferral,
});

export const rri = messageMap({
  structures: ['RRI_I12'],
  events: ['I12', 'I13', 'I14', 'I15'],
  defaultEvent: 'I12',
  reads: 'MSA ERR RF1 AUT PRD CTD PID PD1 DG1 AL1 PR1 OBR OBX NTE PV1 PV2 PRT'.split(' '),
  run: mapAnswer,
});

/** What the other side has decided: its RF1-1. Without RF1 the answer tells of nothing but of the message. */
function mapAnswer(mapping: Mapping, root: Group): void {
  if (root.get('RF1') === undefined) {
    mapping.warnings.add('RF1: an answer without a referral changes nothing');
    return;
  }
  upsert(mapping, root, required(root.get('PID'), 'PID'));
}

/** Throws Refusal AE without RF1, PID or a patient's identifier. */
function mapReferral(mapping: Mapping, root: Group): void {
  const pid = required(root.get('PID'), 'PID');
  if (mapping.event === 'I15') {
    mapping.warnings.add('RF1: a question for the status of a referral changes nothing');
    return;
  }
  upsert(mapping, root, pid);
}

function upsert(mapping: Mapping, root: Group, pid: Segment): void {
  const rf1 = required(root.get('RF1'), 'RF1');
  const patient = findOrCreatePatient(mapping, { pid, pd1: root.get('PD1'), nk1: root.all('NK1') });
  const { encounter, visit } = visitOf(mapping, root, patient);
  addRelatedPersons(mapping, root, patient);
  const coverage = addCoverages(mapping, root, patient);
  addAccount(mapping, pid, patient, { guarantor: guarantors(mapping, root, patient), coverage });
  addAllergies(mapping, root, patient, root.all('AL1'));
  const reasons = addDiagnoses(mapping, root, patient, visit, encounter).diagnosis.map(
    ({ condition }) => condition as JsonObject,
  );
  addProcedures(mapping, root, patient, visit, encounter);
  upsertReferral(mapping, root, rf1, {
    patient: patient.reference,
    patientKey: patient.key,
    encounter,
    providers: providersOf(mapping, root),
    coverage: coverage.map((one) => one.coverage as JsonObject),
    reasons,
    supporting: resultsOf(mapping, root, patient, encounter),
  });
}

function visitOf(
  mapping: Mapping,
  root: Group,
  patient: MappedPatient,
): { encounter: string | undefined; visit: string | undefined } {
  const group = root.groups('PATIENT_VISIT')[0];
  const pid = root.get('PID')!;
  const pv1 = group?.get('PV1');
  if (pv1 === undefined) return { encounter: undefined, visit: undefined };
  const number = visitIdentifiers(mapping, pid, pv1)[0];
  const encounter = findOrCreateEncounter(mapping, { pid, pv1, pv2: group!.get('PV2') }, patient);
  return { encounter, visit: number && numberKey(number) };
}

/** OBR with OBX: results that go along, as reports. */
function resultsOf(mapping: Mapping, root: Group, patient: MappedPatient, encounter: string | undefined): JsonObject[] {
  const subject = { patient: patient.reference, patientKey: patient.key, encounter };
  const results: Results = { subject, specimens: new Map(), parents: parentsOf(mapping) };
  const before = mapping.entries.length;
  for (const group of root.groups('OBSERVATION')) {
    if (group.get('OBR') !== undefined) addResults(mapping, orderGroup(group), results);
    else for (const inner of group.groups('RESULTS')) addObservations(mapping, inner, subject, 'referral');
  }
  const added = mapping.entries.slice(before).filter(({ resource }) => resource?.resourceType === 'DiagnosticReport');
  return added.map(({ url, fullUrl }) => ({ reference: url.includes('/') ? url : fullUrl! }));
}
