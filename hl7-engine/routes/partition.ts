// Messages of one patient reach a destination in their order: what names the patient.
import type { Hl7Message, Part } from '../message/message.ts';

/** Characters; a destination's queue has it in an index. */
const partitionLengthMax = 200;
/** Of one message, beside its first; of one MRG-1. A list of results of more patients is in order with that of the first ones. */
const othersMax = 100;
const repetitionsMax = 20;

/** The first identifier of PID-3 with its assigning authority; '' where there is none. */
export const partitionOf = (message: Hl7Message): string => partitionBy(message.part('PID-3').repetition(1));

export interface Partitions {
  partition: string;
  /** Of the patients that it names beside: those of further PIDs, and who is merged away (MRG-1) by each number. Left out: none. */
  otherPartitions?: readonly string[];
}

export function partitionsOf(message: Hl7Message): Partitions {
  const partition = partitionOf(message);
  const others = new Set<string>();
  for (const segment of message.segments) {
    if (segment.name === 'PID') others.add(partitionBy(segment.field(3).repetition(1)));
    if (segment.name === 'MRG') for (const number of numbersOf(segment.field(1))) others.add(partitionBy(number));
    if (others.size > othersMax) break;
  }
  others.delete(partition);
  others.delete('');
  return others.size === 0 ? { partition } : { partition, otherPartitions: [...others] };
}

const numbersOf = (field: Part): Part[] =>
  Array.from({ length: repetitionsMax }, (_, index) => field.repetition(index + 1)).filter(({ isEmpty }) => !isEmpty);

function partitionBy(identifier: Part): string {
  const value = identifier.component(1).text;
  if (value === undefined) return '';
  const authority = identifier.component(4);
  const name = authority.subcomponent(2).text ?? authority.text ?? '';
  return `${value}^${name}`.replaceAll('\u0000', '').slice(0, partitionLengthMax);
}
