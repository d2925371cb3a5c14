// RQD of an order to SupplyRequest: HL7 v2.9 chapter 4.11; https://hl7.org/fhir/R4/supplyrequest.html
import type { JsonObject, Resource } from '#fhir-model';
import type { Mapping } from '../context.ts';
import { dateTimeField } from '../context.ts';
import { decimal } from '../decimal.ts';
import { runTable } from '../table/table.ts';
import { rqdSupply } from '../tables/rqd.ts';
import { medicationStatus } from './control.ts';
import { detail } from './groups.ts';
import { identifiersOf, type Order, priorityOf, putRequest, requester, schedulesOf } from './order.ts';
import { observedUnit } from './value.ts';

const statuses: Readonly<Record<string, string>> = { 'on-hold': 'suspended', stopped: 'cancelled' };

/** Yields the reference of the SupplyRequest; undefined where nothing says what is asked for. */
export function addSupplyRequest(mapping: Mapping, order: Order): string | undefined {
  const { group, subject, state } = order;
  const rqd = detail(group, 'RQD');
  if (rqd === undefined) return undefined;
  const mapped = runTable(rqdSupply, { mapping, segment: rqd, group: group.group });
  if (mapped?.itemCodeableConcept === undefined) return undefined;
  const status = medicationStatus(state);
  const value = decimal(rqd.field(5).text ?? '') ?? 1;
  const quantity: JsonObject = { value, ...observedUnit(mapping, rqd.field(6)) };
  const resource: Resource = {
    ...mapped,
    resourceType: 'SupplyRequest',
    identifier: identifiersOf(order, undefined),
    status: statuses[status ?? ''] ?? status ?? 'active',
    priority: priorityOf(schedulesOf(mapping, group)[0]),
    quantity,
    authoredOn: group.orc && dateTimeField(mapping, group.orc, 9),
    requester: requester(mapping, order),
    deliverTo: { reference: subject.patient },
  };
  return putRequest(mapping, order, resource, new Set(status === undefined ? ['status'] : []));
}
