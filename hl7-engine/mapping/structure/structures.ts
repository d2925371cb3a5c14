// The message structures that are read, each family's in a file of its own; compiled once.
import type { Hl7Message } from '../../message/message.ts';
import { admissionStructures } from './admission.ts';
import { type GroupElement, parseStructure } from './grammar.ts';
import { type Grouped, groupSegments } from './grouper.ts';
import { managementStructures } from './management.ts';
import { orderStructures } from './orders.ts';
import { resultStructures } from './results.ts';

const texts = { ...admissionStructures, ...orderStructures, ...resultStructures, ...managementStructures };

/** `ORU_R01` … */
export type StructureName = keyof typeof texts;

/** In the order of their names. */
export const structures: ReadonlyMap<string, GroupElement> = new Map(
  Object.entries(texts)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => [name, parseStructure(name, text)]),
);

/** The message's segments in the groups of a structure. Throws RangeError for a name that no structure has. */
export function grouped(message: Hl7Message, name: string): Grouped {
  const structure = structures.get(name);
  if (structure === undefined) throw new RangeError(`No message structure ${name}`);
  return groupSegments(structure, message.segments);
}
