// RQD of an order to SupplyRequest: HL7 v2.9 chapter 4.11; https://hl7.org/fhir/R4/supplyrequest.html
import type { JsonObject, Resource } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { absent, dateTimeField } from '../context.ts';
import { decimal } from '../decimal.ts';
import { runTable } from '../table/table.ts';
import { rqdSupply } from '../tables/rqd.ts';
import { medicationStatus } from './control.ts';
import { detail } from './groups.ts';
import { identifiersOf, type Order, priorityOf, putRequest, requester, schedulesOf } from './order.ts';
import { observedUnit } from './value.ts';

const statuses: Readonly<Record<string, string>> = { 'on-hold': 'suspended', stopped: 'cancelled' };

/** R4 asks for a quantity: one where RQD-5 is empty, unknown where it is no number. */
function quantityOf(mapping: Mapping, rqd: Segment): JsonObject {
  const sent = rqd.field(5).text;
  const value = sent === undefined ? 1 : decimal(sent);
  const unit = observedUnit(mapping, rqd.field(6));
  if (value !== undefined) return { value, ...unit };
  mapping.warnings.add('RQD-5: not a number; left out');
  return { ...absent, ...unit };
}

/** Yields the reference of the SupplyRequest; undefined where nothing says what is asked for. `reasonReference`: why. */
export function addSupplyRequest(mapping: Mapping, order: Order, reasonReference: JsonObject[]): string | undefined {
  const { group, subject, state } = order;
  const rqd = detail(group, 'RQD');
  if (rqd === undefined) return undefined;
  const mapped = runTable(rqdSupply, { mapping, segment: rqd, group: group.group });
  if (mapped?.itemCodeableConcept === undefined) return undefined;
  const status = medicationStatus(state);
  const resource: Resource = {
    ...mapped,
    resourceType: 'SupplyRequest',
    identifier: identifiersOf(order, undefined),
    status: statuses[status ?? ''] ?? status ?? 'active',
    priority: priorityOf(schedulesOf(mapping, group)[0]),
    quantity: quantityOf(mapping, rqd),
    authoredOn: group.orc && dateTimeField(mapping, group.orc, 9),
    requester: requester(mapping, order),
    deliverTo: { reference: subject.patient },
    reasonReference,
  };
  return putRequest(mapping, order, resource, new Set(status === undefined ? ['status'] : []));
}
