// CQ to Quantity: https://hl7.org/fhir/uv/v2mappings/ (CQ[Quantity])
import type { JsonObject } from '#fhir-model';
import { type Part, subcomponentsAsComponents } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { decimal } from '../decimal.ts';
import { unitOf } from '../units.ts';

/** The quantity, its unit as the subcomponents of the second component; undefined without a number. */
export function cqQuantity(mapping: Mapping, cq: Part): JsonObject | undefined {
  const value = decimal(cq.component(1).text ?? '');
  if (value === undefined) return undefined;
  return { value, ...unitOf(subcomponentsAsComponents(cq.component(2)), mapping.facility) };
}
