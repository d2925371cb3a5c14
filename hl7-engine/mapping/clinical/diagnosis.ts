// DG1 of an order to Condition: https://hl7.org/fhir/uv/v2mappings/ (OML_O21: DG1[Condition])
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { conceptKey, upsertDerived } from '../administration/upsert.ts';
import type { Mapping } from '../context.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { dg1Condition } from '../tables/dg1.ts';
import { noteAfter } from './notes.ts';
import type { Order } from './order.ts';

/** The reason why something was ordered; undefined where DG1 names no diagnosis. */
export function conditionOf(mapping: Mapping, dg1: Segment, group: Group, order: Order): JsonObject | undefined {
  const mapped = runTable(dg1Condition, { mapping, segment: dg1, group });
  if (mapped?.code === undefined) return undefined;
  const { patient, patientKey, encounter } = order.subject;
  const resource = {
    ...mapped,
    subject: { reference: patient },
    encounter: encounter === undefined ? undefined : { reference: encounter },
    note: noteAfter(mapping, dg1),
  };
  return { reference: upsertDerived(mapping, resource, [patientKey, order.key, conceptKey(mapped.code)]) };
}
