// ADT messages about one patient and a visit: HL7 v2.9 chapter 3.3; https://hl7.org/fhir/uv/v2mappings/
// (ADT_A01, ADT_A02, ADT_A05, ADT_A06, ADT_A09, ADT_A11)
import type { JsonObject, TransactionEntry } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import {
  addAllergies,
  addDeath,
  addDiagnoses,
  addDisability,
  addLivingWill,
  addProcedures,
} from '../administration/clinical.ts';
import { addAccount, addCoverages } from '../administration/insurance.ts';
import { hasOnlyAsOld, numbersOf } from '../administration/merge.ts';
import { addMother, addRelatedPersons, guarantors, nextOfKin } from '../administration/related.ts';
import { addCareTeam, afterPatient, afterVisit } from '../administration/roles.ts';
import { setDiagnoses } from '../administration/visit-diagnoses.ts';
import { ownOf } from '../alias.ts';
import { obxGroups } from '../clinical/groups.ts';
import { addObservation, isDocument } from '../clinical/observation.ts';
import { compact } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { upsertEncounter } from '../encounter.ts';
import { addAuthorizations } from '../finance/authorization.ts';
import { cxIdentifier, type Identifier, identifierCriterion } from '../identifiers.ts';
import { anyOf, numberKey, successorOf, visitIdentifiers } from '../identity.ts';
import { lookUp } from '../look-up.ts';
import { type MessageMap, messageMap, required } from '../message-map.ts';
import { msOf, ownTime, stampMs, stampOwn, stampText } from '../ordering.ts';
import { type MappedPatient, upsertPatient } from '../patient.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { accReason } from '../tables/admission-others.ts';

/** Segments that these messages read or pass over knowingly: for the latter see tables/admission-others.ts. */
const admissionSegments = `EVN PID PD1 NK1 PV1 PV2 ROL PRT ARV DB1 OBX NTE AL1 IAM IAR DG1 DRG PR1 GT1 IN1 IN2 IN3 AUT
  ACC PDA`.split(/\s+/);

const visitStructures: MessageMap['structures'] = [
  'ADT_A01',
  ...(['ADT_A02', 'ADT_A03', 'ADT_A05', 'ADT_A06', 'ADT_A09', 'ADT_A11', 'ADT_A12', 'ADT_A15', 'ADT_A16'] as const),
  ...(['ADT_A21', 'ADT_A38', 'ADT_A52', 'ADT_A54', 'ADT_A61'] as const),
];

/** Events about a visit, one map whatever the structure: the segments that a structure lacks are not there. */
export const adtVisit = messageMap({
  structures: visitStructures,
  events: `A01 A02 A03 A04 A05 A08 A09 A10 A11 A12 A13 A14 A15 A16 A21 A22 A23 A25 A26 A27 A32 A33 A38 A52 A53 A54 A55
    A61 A62`.split(/\s+/),
  reads: admissionSegments,
  run: mapAdmission,
});

/** A visit that becomes another kind: MRG-3 is the account that it had before (account-visit.ts). */
export const adtClassChange = messageMap({
  structures: visitStructures,
  events: ['A06', 'A07'],
  reads: [...admissionSegments, 'MRG'],
  run: mapAdmission,
});

/** Events about the person alone; a PV1 is there because the structure asks for it. */
export const adtPerson = messageMap({
  structures: ['ADT_A05', 'ADT_A21'],
  events: ['A28', 'A29', 'A31'],
  reads: admissionSegments,
  run(mapping, root) {
    const patient = mapAdmission(mapping, root);
    // A person who is deleted is no longer in use: what refers to it stays readable.
    if (mapping.event === 'A29') deactivate(mapping, patient);
    if (mapping.event === 'A28') activate(mapping, patient);
  },
});

/** Adverse reactions, with or without a visit. */
export const adtReactions = messageMap({
  structures: ['ADT_A60'],
  events: ['A60'],
  reads: admissionSegments,
  run(mapping, root) {
    const patient = mapPatient(mapping, root);
    const visit = root.groups('VISIT_GROUP')[0];
    if (visit !== undefined) mapVisit(mapping, visit, required(root.get('PID'), 'PID'), patient);
    addAllergies(mapping, root, patient, root.all('IAM'));
    for (const group of root.groups('ADVERSE_REACTION_GROUP')) {
      addAllergies(mapping, group, patient, group.all('IAM'));
    }
  },
});

/** Who has the number only since a merge is somebody else, and stays. */
function deactivate(mapping: Mapping, patient: MappedPatient): void {
  const entry = mapping.entries.find(({ fullUrl }) => fullUrl === patient.reference);
  if (entry?.resource === undefined) return;
  entry.resource.active = false;
  stampOwn(entry.resource, 'active', mapping.time);
  const { merge } = entry;
  entry.merge = (existing, incoming) => {
    if (existing === undefined || !hasOnlyAsOld(existing, numbersOf(patient.identity))) {
      return merge?.(existing, incoming) ?? incoming;
    }
    mapping.warnings.add('PID-3: a former number of a patient who is known by another; nobody is deleted');
    return existing;
  };
}

/** Who was deleted and is added again is in use again; who was merged into another is not, and nobody by an older message. */
function activate(mapping: Mapping, patient: MappedPatient): void {
  const entry = mapping.entries.find(({ fullUrl }) => fullUrl === patient.reference);
  const merge = entry?.merge;
  if (entry === undefined || merge === undefined) return;
  entry.merge = (existing, incoming) => {
    const merged = merge(existing, incoming);
    if (existing?.active !== false || successorOf(existing) !== undefined) return merged;
    // What else was told since the deletion says nothing of whether the record is in use.
    const [before, now] = [msOf(ownTime(existing, 'active')) ?? stampMs(existing), stampMs(incoming)];
    if (before !== undefined && now !== undefined && now < before) return merged;
    const activated = { ...merged, active: true };
    stampOwn(activated, 'active', stampText(incoming));
    return activated;
  };
}

/** Throws Refusal AE when the message lacks PID, or the patient an identifier. */
function mapAdmission(mapping: Mapping, root: Group): MappedPatient {
  const patient = mapPatient(mapping, root);
  const pid = required(root.get('PID'), 'PID');
  addMother(mapping, pid, patient);
  addRelatedPersons(mapping, root, patient);
  const caseManagers = root.groups('INSURANCE').flatMap((insurance) => insurance.all('IN3'));
  addCareTeam(mapping, afterPatient(root), caseManagers, patient);
  addLivingWill(mapping, root, patient);
  addDeath(mapping, root, patient);
  addDisability(mapping, root, patient);
  addAllergies(mapping, root, patient, [...root.all('AL1'), ...root.all('IAM')]);
  const coverage = addCoverages(mapping, root, patient);
  addAuthorizations(mapping, root, { patient: patient.reference, patientKey: patient.key });
  const account = addAccount(mapping, pid, patient, { guarantor: guarantors(mapping, root, patient), coverage });
  mapVisit(mapping, root, pid, patient, account);
  return patient;
}

export function mapPatient(mapping: Mapping, group: Group): MappedPatient {
  const pid = required(group.get('PID'), 'PID');
  return upsertPatient(mapping, { pid, pd1: group.get('PD1'), nk1: nextOfKin(group), others: afterPatient(group) });
}

/** PV1 with all that is the visit's: diagnoses, procedures, observations. Yields the encounter's reference. */
export function mapVisit(
  mapping: Mapping,
  group: Group,
  pid: Segment,
  patient: MappedPatient,
  account?: string,
): string | undefined {
  const pv1 = group.get('PV1');
  const visit = pv1 && visitIdentifiers(mapping, pid, pv1)[0];
  const visitKey = visit && numberKey(visit);
  const encounter = pv1 && encounterOf(mapping, group, { pid, pv1 }, patient, account);
  const diagnoses = addDiagnoses(mapping, group, patient, visitKey, encounter);
  const entry = entryOf(mapping, encounter);
  const resource = entry?.resource;
  if (entry !== undefined) setDiagnoses(entry, diagnoses);
  addAccident(mapping, group, resource);
  if (group.get('DRG')?.field(1).isEmpty === false) mapping.warnings.add('DRG-1: a group has no place but in a claim');
  addProcedures(mapping, group, patient, visitKey, encounter);
  addObservations(mapping, group, patient, visitKey, encounter);
  return encounter;
}

function encounterOf(
  mapping: Mapping,
  group: Group,
  { pid, pv1 }: { pid: Segment; pv1: Segment },
  patient: MappedPatient,
  account: string | undefined,
): string | undefined {
  const episode = episodeOfCare(mapping, pv1, patient);
  const segments = { pid, pv1, pv2: group.get('PV2'), others: afterVisit(group) };
  return upsertEncounter(mapping, segments, patient, {
    ...(account === undefined ? {} : { account: [{ reference: account }] }),
    ...(episode === undefined ? {} : { episodeOfCare: [{ reference: episode }] }),
  });
}

function entryOf(mapping: Mapping, reference: string | undefined): TransactionEntry | undefined {
  return mapping.entries.find(
    ({ fullUrl, url }) => reference !== undefined && (fullUrl === reference || url === reference),
  );
}

/** ACC-2 among the reasons of the visit: of when and where it happened only a claim can tell. */
function addAccident(mapping: Mapping, group: Group, resource: JsonObject | undefined): void {
  const segment = group.get('ACC');
  if (segment === undefined) return;
  for (const field of [1, 3, 4, 11]) {
    const { isEmpty, isNull } = segment.field(field);
    if (isEmpty || isNull) continue;
    mapping.warnings.add(`ACC-${field}: when and where an accident happened has no place but in a claim`);
  }
  const found = runTable(accReason, { segment, group, mapping });
  if (found === undefined) return;
  if (resource === undefined) {
    mapping.warnings.add('ACC-2: an accident has no place without a visit that it is a reason of');
    return;
  }
  const reasons = Array.isArray(resource.reasonCode) ? resource.reasonCode : [];
  resource.reasonCode = compact([...reasons, ...(found.reasonCode as JsonObject[])]);
}

/**
 * PV1-54: the patient's own. Some senders count episodes anew with each patient: those of all others with the same number would be
 * more than can be chosen from.
 */
function episodeOfCare(mapping: Mapping, pv1: Segment, patient: MappedPatient): string | undefined {
  const identifier = cxIdentifier(mapping, pv1.field(54).repetition(1), 'episode');
  if (identifier === undefined) return undefined;
  const resource = {
    resourceType: 'EpisodeOfCare',
    identifier: [identifier],
    status: 'active',
    patient: { reference: patient.reference },
  };
  const whose = `patient:Patient.${anyOf(patient.identity.matching)}`;
  const ifNoneExist = `${identifierCriterion(identifier)}&${whose}`;
  return mapping.once(`EpisodeOfCare?${ifNoneExist}`, () => {
    const choose = episodeChoice(mapping, identifier, patient);
    return mapping.add({ method: 'POST', url: 'EpisodeOfCare', ifNoneExist, resource, choose });
  });
}

/** Who was merged has no number left, and by the policy `keep` its episodes all the same: they are the survivor's. */
function episodeChoice(
  mapping: Mapping,
  identifier: Identifier,
  patient: MappedPatient,
): NonNullable<TransactionEntry['choose']> {
  const own = ownOf(mapping.patients, patient.reference);
  if (mapping.merges.references !== 'keep') return own;
  const whose = `patient:Patient.link:Patient.${anyOf(patient.identity.matching)}`;
  const url = `EpisodeOfCare?${identifierCriterion(identifier)}&${whose}`;
  const ofMerged = lookUp(mapping.lookUps, url, identifier);
  return (matches) => {
    const choice = own(matches);
    const former = choice.match === undefined ? own(ofMerged()).match : undefined;
    return former === undefined ? choice : { follow: `EpisodeOfCare/${former.id}` };
  };
}

/** Observations of the visit; a document outside a report or document message has no place. */
function addObservations(
  mapping: Mapping,
  group: Group,
  patient: MappedPatient,
  visit: string | undefined,
  encounter: string | undefined,
): void {
  const recorded = mapping.message.get('EVN-2') ?? mapping.messageKey;
  for (const inner of [...group.groups('OBSERVATION'), group]) {
    for (const observation of obxGroups(inner)) {
      if (isDocument(observation.obx)) {
        mapping.warnings.add('OBX: a document outside a report has no place; left out');
        continue;
      }
      const key = JSON.stringify([patient.key, visit ?? null, observation.obx.field(14).text ?? recorded]);
      addObservation(mapping, observation, { group: inner, key, patient: patient.reference, encounter });
    }
  }
}
