// Pharmacy: OMP^O09, RDE^O11, O25 and of old O01, RDS^O13, RGV^O15, RAS^O17: HL7 v2.9 chapter 4A; https://hl7.org/fhir/uv/v2mappings/
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { type Accompanied, addAccompanying, ofRequest } from '../clinical/accompanying.ts';
import { addAdministrations, addDispense } from '../clinical/administration.ts';
import { addGive } from '../clinical/give.ts';
import { obxGroups, orderGroup } from '../clinical/groups.ts';
import { addMedicationRequest } from '../clinical/medication.ts';
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
    const { done, dispensed } = carriedOut(mapping, order, group, request);
    if (request === undefined && !done) mapping.warnings.add('ORC: an order without medication has no place');
    addOrderCharges(mapping, order, request);
    const ofEvents = new Set(
      eventsOf(group)
        .flatMap((event) => event.groups('OBSERVATION').flatMap(obxGroups))
        .map(({ obx }) => obx),
    );
    const own = order.group.observations.filter(({ obx }) => !ofEvents.has(obx));
    addAccompanying(mapping, order, own, dispensed ?? ofRequest(order, request));
  }
}

const eventsOf = (group: Group): Group[] => [...group.groups('ADMINISTRATION'), ...group.groups('GIVE')];

/** Whether something was dispensed or given, or is to be; what was dispensed. */
function carriedOut(
  mapping: Mapping,
  order: Order,
  group: Group,
  request: string | undefined,
): { done: boolean; dispensed: Accompanied | undefined } {
  const rxds = order.group.details.filter(({ name }) => name === 'RXD');
  const [dispensed] = rxds.flatMap((rxd) => {
    const reference = addDispense(mapping, order, rxd, request);
    return reference === undefined ? [] : [ofEvent(order, rxd, [1, 2], { partOf: [{ reference }] })];
  });
  let done = rxds.length > 0;
  for (const one of group.groups('ADMINISTRATION')) {
    const given = addAdministrations(mapping, order, one, request).map((reference) => ({ reference }));
    done ||= given.length > 0;
    addSeen(mapping, order, one, ofEvent(order, one.get('RXA'), [2, 3, 5], { partOf: given }));
  }
  for (const one of group.groups('GIVE')) {
    const give = addGive(mapping, order, one, request);
    done ||= give !== undefined;
    addSeen(mapping, order, one, ofEvent(order, one.get('RXG'), [1], { basedOn: give && [{ reference: give }] }));
  }
  return { done, dispensed };
}

/** Of one dispense or administration: those of the next leave them alone. */
function ofEvent({ key }: Order, segment: Segment | undefined, fields: number[], also: JsonObject): Accompanied {
  const names = fields.map((field) => segment?.field(field).component(1).text ?? null);
  return { key: JSON.stringify([segment?.name, key, ...names]), also };
}

function addSeen(mapping: Mapping, order: Order, event: Group, place: Accompanied): void {
  addAccompanying(mapping, order, event.groups('OBSERVATION').flatMap(obxGroups), place);
}
