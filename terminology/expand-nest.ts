// Entries of an expansion below those that subsume them: ValueSet.expansion.contains.contains
import type { JsonObject } from '#fhir-model';

export interface Nestable {
  /** The concept's number in its system. */
  n: number;
  /** Numbers of those directly above; the first that is there too takes the entry in. */
  parents: readonly number[];
  element: JsonObject;
}

/** Of one system; each entry once, however many are above it. What is above must be among the entries itself. */
export function nest(entries: readonly Nestable[]): JsonObject[] {
  const byNumber = new Map(entries.map((entry) => [entry.n, entry]));
  const top: JsonObject[] = [];
  for (const { n, parents, element } of entries) {
    const parent = parents.map((each) => byNumber.get(each)).find((each) => each !== undefined && each.n !== n);
    if (!parent) top.push(element);
    else {
      parent.element.contains ??= [];
      (parent.element.contains as JsonObject[]).push(element);
    }
  }
  return top;
}
