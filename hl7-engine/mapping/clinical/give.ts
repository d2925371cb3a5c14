// RXG to MedicationRequest: each give that a pharmacy schedules is an instance of the order (intent instance-order); what was given
// is told by RAS. HL7 v2.9 chapter 4A.4.6; https://hl7.org/fhir/R4/valueset-medicationrequest-intent.html
import type { JsonObject, Resource } from '#fhir-model';
import type { Mapping } from '../context.ts';
import { derivedId } from '../derived-id.ts';
import { onceNoted } from '../once-noted.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { rxgMedicationRequest } from '../tables/rx.ts';
import { requestReference } from './administration.ts';
import { medicationStatus } from './control.ts';
import { eventNotes } from './drug-notes.ts';
import { detail, orderGroup } from './groups.ts';
import { dosages, medicationOf, medicationSchedules } from './medication.ts';
import { requestMerge } from './merging.ts';
import { noteTexts } from './notes.ts';
import { type Order, requester } from './order.ts';

/** GIVE, known by the order's number and RXG-1. `request`: the order's MedicationRequest, if the message has one. */
export function addGive(mapping: Mapping, order: Order, give: Group, request: string | undefined): string | undefined {
  const group = orderGroup(give);
  const rxg = detail(group, 'RXG');
  if (rxg === undefined) return undefined;
  const components = group.details.filter(({ name }) => name === 'RXC');
  const medication = medicationOf(mapping, rxg, components, give);
  if (medication === undefined) return undefined;
  const mapped = runTable(rxgMedicationRequest, { mapping, segment: rxg, group: give });
  const { subject } = order;
  const notes = noteTexts(mapping, eventNotes(mapping, rxg, group.notes, order.group, request));
  const of = requestReference(order, request);
  const number = rxg.field(1).text;
  const key = [order.key, 'give', number, number === undefined ? String(mapping.occurrence('give')) : undefined];
  const id = derivedId('MedicationRequest', key);
  const resource: Resource = {
    ...mapped,
    resourceType: 'MedicationRequest',
    id,
    status: medicationStatus(order.state) ?? 'active',
    intent: 'instance-order',
    ...medication,
    subject: { reference: subject.patient },
    encounter: subject.encounter === undefined ? undefined : { reference: subject.encounter },
    basedOn: of === undefined ? undefined : [of],
    requester: requester(mapping, order),
    note: [...((mapped?.note as JsonObject[] | undefined) ?? []), ...notes],
    dosageInstruction: dosages(mapping, group, rxg, medicationSchedules(mapping, group, rxg.field(3))),
  };
  mapping.stamp(resource);
  const url = `MedicationRequest/${id}`;
  const merge = requestMerge(mapping, new Set(order.state.status === undefined ? ['status'] : []));
  return onceNoted(mapping, url, resource, () => {
    mapping.add({ method: 'PUT', url, resource, merge, from: rxg });
    return url;
  });
}
