// Observation reporting: ORU^R01, R30, R31, R32, R40 and OUL^R22, R23, R24: HL7 v2.9 chapter 7.3;
// https://hl7.org/fhir/uv/v2mappings/ (ORU_R01)
import { Refusal } from '../../message/refusal.ts';
import { find, obxGroups, orderGroup, specimensAround } from '../clinical/groups.ts';
import { addObservation, isDocument } from '../clinical/observation.ts';
import { linkMembers, parentsOf } from '../clinical/parent.ts';
import { addResults, type Results } from '../clinical/results.ts';
import { subjectOf } from '../clinical/subject.ts';
import type { Mapping } from '../context.ts';
import { messageMap } from '../message-map.ts';
import type { Group } from '../structure/group.ts';

const reads = 'PID PD1 NK1 PV1 PV2 ORC OBR OBX NTE SPM SAC TQ1 FT1 PRT'.split(' ');

export const oru = messageMap({
  structures: ['ORU_R01'],
  events: ['R01', 'R30', 'R31', 'R32', 'R40'],
  defaultEvent: 'R01',
  reads,
  run: mapResults,
});

export const oul = messageMap({
  structures: ['OUL_R22', 'OUL_R23', 'OUL_R24'],
  events: ['R22', 'R23', 'R24'],
  defaultEvent: 'R22',
  reads,
  run: mapResults,
});

function missing(segment: string): Refusal {
  return new Refusal('AE', '100', `Required segment ${segment} is missing`, { location: { segment } });
}

/** Throws Refusal AE when the message lacks PID or OBR, or the patient an identifier. */
function mapResults(mapping: Mapping, root: Group): void {
  const repeated = root.groups('PATIENT_RESULT');
  const patients = repeated.length > 0 ? repeated : [root];
  if (mapping.message.segment('PID') === undefined) throw missing('PID');
  for (const patient of patients) mapPatient(mapping, patient);
  if (mapping.message.segments.some(({ name }) => name === 'OBR')) linkMembers(mapping);
}

function mapPatient(mapping: Mapping, group: Group): void {
  const subject = subjectOf(mapping, group);
  const orders = group.groups('ORDER_OBSERVATION').concat(group.groups('ORDER'));
  const withRequest = orders.filter((order) => find(order, 'OBR'));
  if (withRequest.length === 0) throw missing('OBR');
  const results: Results = { subject, specimens: new Map(), parents: parentsOf(mapping) };
  for (const about of group.groups('PATIENT_OBSERVATION').flatMap(obxGroups)) {
    if (isDocument(about.obx)) continue;
    const key = JSON.stringify([subject.patientKey, about.obx.field(14).text ?? mapping.messageKey]);
    addObservation(mapping, about, { group, key, patient: subject.patient, encounter: subject.encounter });
  }
  for (const order of withRequest) addResults(mapping, orderGroup(order), results, specimensAround(order));
}
