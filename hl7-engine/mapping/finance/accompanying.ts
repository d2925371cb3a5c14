// Orders and observations that come along with charges, referrals and problems: HL7 v2.9 chapter 6.4.3 (COMMON_ORDER)
import { obxGroups, orderGroup } from '../clinical/groups.ts';
import { addObservation, isDocument } from '../clinical/observation.ts';
import { addServiceRequest, describeOrder, type Subject } from '../clinical/order.ts';
import type { Mapping } from '../context.ts';
import type { Group } from '../structure/group.ts';

/** Own children of the name, not those deeper within. */
const own = (group: Group, name: string): Group[] => group.children.filter((child) => child.name === name);

/** ORC and OBR: ServiceRequests, found by number or made; their references. */
export function addOrders(mapping: Mapping, group: Group, subject: Subject): string[] {
  return own(group, 'COMMON_ORDER').flatMap((order) => {
    const described = describeOrder(mapping, orderGroup(order), subject);
    addObservations(mapping, order, subject, described.key);
    return addServiceRequest(mapping, described) ?? [];
  });
}

/** OBX of the group and of its own OBSERVATION groups. `key`: what they are of. */
export function addObservations(mapping: Mapping, group: Group, subject: Subject, key: string): string[] {
  return [...own(group, 'OBSERVATION'), group].flatMap(obxGroups).flatMap((one) => {
    if (isDocument(one.obx)) {
      mapping.warnings.add('OBX: a document outside a report has no place; left out');
      return [];
    }
    const when = one.obx.field(14).text ?? mapping.message.get('EVN-2') ?? mapping.messageKey;
    const { patient, patientKey, encounter } = subject;
    const place = JSON.stringify([patientKey, key, when]);
    return addObservation(mapping, one, { group, key: place, patient, encounter }) ?? [];
  });
}
