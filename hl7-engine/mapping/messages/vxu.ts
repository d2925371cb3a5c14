// Vaccinations: VXU^V04: HL7 v2.9 chapter 4A.8; https://hl7.org/fhir/uv/v2mappings/ (VXU_V04)
import { addForecast } from '../clinical/forecast.ts';
import { obxGroups } from '../clinical/groups.ts';
import { addImmunization, withoutDocuments } from '../clinical/immunization.ts';
import { addObservation } from '../clinical/observation.ts';
import { subjectOf } from '../clinical/subject.ts';
import type { Mapping } from '../context.ts';
import { messageMap } from '../message-map.ts';
import type { Group } from '../structure/group.ts';

export const vxu = messageMap({
  structures: ['VXU_V04'],
  events: ['V04'],
  defaultEvent: 'V04',
  reads: 'PID PD1 NK1 PV1 PV2 GT1 IN1 IN2 IN3 ORC RXA RXR OBX NTE PRT'.split(' '),
  run: mapVaccinations,
});

/** Throws Refusal AE without PID or a patient's identifier. */
function mapVaccinations(mapping: Mapping, root: Group): void {
  const subject = subjectOf(mapping, root, 'changed');
  for (const about of withoutDocuments(mapping, root.groups('PERSON_OBSERVATION').flatMap(obxGroups))) {
    const key = JSON.stringify([subject.patientKey, about.obx.field(14).text ?? mapping.messageKey]);
    addObservation(mapping, about, { group: root, key, patient: subject.patient, encounter: subject.encounter });
  }
  const forecasts = root.groups('ORDER').flatMap((order) => addImmunization(mapping, order, subject));
  addForecast(mapping, subject, forecasts);
}
