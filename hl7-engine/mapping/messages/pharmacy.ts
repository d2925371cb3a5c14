// Pharmacy: OMP^O09, RDE^O11, O25 and of old O01, RDS^O13, RAS^O17: HL7 v2.9 chapter 4A; https://hl7.org/fhir/uv/v2mappings/
import { addAdministrations, addDispense } from '../clinical/administration.ts';
import { joinedTexts, orderGroup } from '../clinical/groups.ts';
import { addMedicationRequest } from '../clinical/medication.ts';
import { addObservation, isDocument } from '../clinical/observation.ts';
import { addTask, describeOrder, type Order } from '../clinical/order.ts';
import { subjectOf } from '../clinical/subject.ts';
import type { Mapping } from '../context.ts';
import { type MessageMap, messageMap, required } from '../message-map.ts';
import type { Group } from '../structure/group.ts';

const reads = 'PID PD1 NK1 PV1 PV2 IN1 IN2 IN3 AL1 ORC TQ1 RXO RXE RXD RXA RXR RXC NTE OBX PRT'.split(' ');

const omp = messageMap({ structures: ['OMP_O09'], events: ['O09'], defaultEvent: 'O09', reads, run: mapPharmacy });
const rde = messageMap({
  structures: ['RDE_O11'],
  events: ['O11', 'O25', 'O01'],
  defaultEvent: 'O11',
  reads,
  run: mapPharmacy,
});
const rds = messageMap({
  structures: ['RDS_O13'],
  events: ['O13', 'O01'],
  defaultEvent: 'O13',
  reads,
  run: mapPharmacy,
});
const ras = messageMap({
  structures: ['RAS_O17'],
  events: ['O17', 'O01'],
  defaultEvent: 'O17',
  reads,
  run: mapPharmacy,
});

export const pharmacyMaps: readonly MessageMap[] = [omp, rde, rds, ras];

/** Throws Refusal AE when the message lacks PID or ORC, or the patient an identifier. */
function mapPharmacy(mapping: Mapping, root: Group): void {
  const subject = subjectOf(mapping, root);
  required(root.groups('ORDER')[0], 'ORC');
  for (const group of root.groups('ORDER')) {
    const order = describeOrder(mapping, orderGroup(group), subject);
    const request = addMedicationRequest(mapping, order);
    if (request !== undefined) addTask(mapping, order, request);
    const done = carriedOut(mapping, order, group, request);
    if (request === undefined && !done) mapping.warnings.add('ORC: an order without medication has no place');
    addAccompanying(mapping, order, request);
  }
}

/** Whether something was dispensed or given. */
function carriedOut(mapping: Mapping, order: Order, group: Group, request: string | undefined): boolean {
  const dispensed = order.group.details.filter(({ name }) => name === 'RXD');
  for (const rxd of dispensed) addDispense(mapping, order, rxd, request);
  const given = group.groups('ADMINISTRATION').flatMap((one) => addAdministrations(mapping, order, one, request));
  return dispensed.length > 0 || given.length > 0;
}

/** OBX of a medication order: what goes along, such as weight, or answers to its questions. */
function addAccompanying(mapping: Mapping, order: Order, request: string | undefined): void {
  const { group, subject, key } = order;
  const also = request === undefined ? {} : { basedOn: [{ reference: request }] };
  for (const one of joinedTexts(group.observations)) {
    if (isDocument(one.obx)) continue;
    addObservation(mapping, one, {
      group: group.group,
      key: JSON.stringify(['medication', key]),
      patient: subject.patient,
      encounter: subject.encounter,
      status: 'final',
      also,
    });
  }
}
