// ODS and ODT of an order to NutritionOrder: HL7 v2.9 chapter 4.8; https://hl7.org/fhir/R4/nutritionorder.html
import type { JsonObject, Resource } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { dateTimeField } from '../context.ts';
import { runTable } from '../table/table.ts';
import { odsDiet, odtTray } from '../tables/ods.ts';
import { medicationStatus } from './control.ts';
import { noteTexts } from './notes.ts';
import { identifiersOf, type Order, putRequest, requester, schedulesOf, united } from './order.ts';

/** Yields the reference of the NutritionOrder. */
export function addDiet(mapping: Mapping, order: Order): string {
  const { group, subject, state } = order;
  const context = { mapping, group: group.group };
  let mapped: JsonObject = {};
  for (const segment of group.details) {
    if (segment.name !== 'ODS' && segment.name !== 'ODT') continue;
    const table = segment.name === 'ODS' ? odsDiet : odtTray;
    mapped = united(mapped, runTable(table, { ...context, segment }));
  }
  const status = medicationStatus(state);
  const schedule = schedulesOf(mapping, group).flatMap(({ timing }): JsonObject[] =>
    timing === undefined ? [] : [timing],
  );
  const diet = mapped.oralDiet as JsonObject | undefined;
  const resource: Resource = {
    ...mapped,
    resourceType: 'NutritionOrder',
    identifier: identifiersOf(order, undefined),
    status: status === 'stopped' || status === 'cancelled' ? 'revoked' : (status ?? 'active'),
    intent: 'order',
    patient: { reference: subject.patient },
    encounter: subject.encounter === undefined ? undefined : { reference: subject.encounter },
    dateTime: ordered(mapping, group.orc),
    orderer: requester(mapping, order),
    oralDiet: diet === undefined ? undefined : { ...diet, schedule },
    note: noteTexts(mapping, group.notes),
  };
  return putRequest(mapping, order, resource, new Set(status === undefined ? ['status'] : []));
}

/** R4 asks for the time of the request: ORC-9, else the message's own. */
function ordered(mapping: Mapping, orc: Segment | undefined): string | undefined {
  return (orc && dateTimeField(mapping, orc, 9)) ?? mapping.time;
}
