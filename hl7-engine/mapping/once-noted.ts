// A message may tell of one thing twice, but a transaction must not: https://hl7.org/fhir/R4/http.html#trules
import type { JsonObject } from '#fhir-model';
import { compact, list } from './compact.ts';
import type { Mapping } from './context.ts';

/** As `mapping.once`, of a resource: what is told the second time is left, but for its notes, which the first gets as well. */
export function onceNoted(mapping: Mapping, url: string, resource: JsonObject, make: () => string): string {
  let isNew = false;
  const reference = mapping.once(url, () => {
    isNew = true;
    return make();
  });
  if (!isNew && list(resource.note).length > 0) addNotes(mapping, url, list(compact(resource)?.note));
  return reference;
}

function addNotes({ entries }: Mapping, url: string, notes: readonly JsonObject[]): void {
  const earlier = entries.find((entry) => entry.url === url)?.resource;
  if (earlier === undefined) return;
  const before = list(earlier.note);
  const known = new Set(before.map((note) => JSON.stringify(note)));
  const added = notes.filter((note) => !known.has(JSON.stringify(note)));
  if (added.length > 0) earlier.note = [...before, ...added];
}
