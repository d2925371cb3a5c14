// Pharmacy: OMP^O09, RDE^O11, O25 and of old O01, RDS^O13, RGV^O15, RAS^O17: HL7 v2.9 chapter 4A; https://hl7.org/fhir/uv/v2mappings/
import { addAdministrations, addDispense } from '../clinical/administration.ts';
import { addGive } from '../clinical/give.ts';
import { joinedTexts, orderGroup } from '../clinical/groups.ts';
import { addMedicationRequest } from '../clinical/medication.ts';
import { addObservation, isDocument } from '../clinical/observation.ts';
import { addTask, describeOrder, type Order } from '../clinical/order.ts';
import { subjectOf } from '../clinical/subject.ts';
import type { Mapping } from '../context.ts';
import { addOrderCharges } from '../finance/order-charges.ts';
import { familyOf, type MessageMap, required } from '../message-map.ts';
import type { Group } from '../structure/group.ts';

const reads =
  'PID PD1 NK1 PV1 PV2 GT1 IN1 IN2 IN3 AL1 FT1 BLG ORC TQ1 RXO RXE RXD RXG RXA RXR RXC RXV NTE OBX PRT'.split(' ');

export const pharmacyMaps: readonly MessageMap[] = familyOf(
  { reads, run: mapPharmacy },
  {
    OMP_O09: ['O09'],
    RDE_O11: ['O11', 'O25', 'O01'],
    RDS_O13: ['O13', 'O01'],
    RGV_O15: ['O15', 'O01'],
    RAS_O17: ['O17', 'O01'],
  },
);

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
    addOrderCharges(mapping, order, request);
    addAccompanying(mapping, order, request);
  }
}

/** Whether something was dispensed or given, or is to be. */
function carriedOut(mapping: Mapping, order: Order, group: Group, request: string | undefined): boolean {
  const dispensed = order.group.details.filter(({ name }) => name === 'RXD');
  for (const rxd of dispensed) addDispense(mapping, order, rxd, request);
  const given = group.groups('ADMINISTRATION').flatMap((one) => addAdministrations(mapping, order, one, request));
  const toGive = group.groups('GIVE').flatMap((one) => addGive(mapping, order, one, request) ?? []);
  return dispensed.length + given.length + toGive.length > 0;
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
