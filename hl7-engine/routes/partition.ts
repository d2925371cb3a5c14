// Messages of one patient reach a destination in their order: what names the patient.
import type { Hl7Message } from '../message/message.ts';

/** Characters; a destination's queue has it in an index. */
const partitionLengthMax = 200;

/** The first identifier of PID-3 with its assigning authority; '' where there is none. */
export function partitionOf(message: Hl7Message): string {
  const identifier = message.part('PID-3').repetition(1);
  const value = identifier.component(1).text;
  if (value === undefined) return '';
  const authority = identifier.component(4);
  const name = authority.subcomponent(2).text ?? authority.text ?? '';
  return `${value}^${name}`.replaceAll('\u0000', '').slice(0, partitionLengthMax);
}
