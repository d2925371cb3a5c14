// The names of choices in JSON: https://hl7.org/fhir/R4/formats.html#choice
import type { ElementDefinition } from './definitions.ts';

/** `value` and `Quantity`: `valueQuantity`. */
export const choiceName = (stem: string, type: string): string =>
  `${stem}${type.charAt(0).toUpperCase()}${type.slice(1)}`;

/** The names of an element, each with its type: `value[x]` has one a type. */
export function jsonNames({ name, choice, types }: ElementDefinition): [name: string, type: string][] {
  return choice ? types.map((type) => [choiceName(name, type), type]) : [[name, types[0] ?? '']];
}
