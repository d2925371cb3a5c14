// A message may tell of one thing twice, but a transaction must not: https://hl7.org/fhir/R4/http.html#trules
import type { JsonObject } from '#fhir-model';
import { compact, list } from './compact.ts';
import type { Mapping } from './context.ts';
import { perMessage } from './per-message.ts';

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

interface Noted {
  resource: JsonObject;
  notes: JsonObject[];
  known: Set<string>;
}

/** By the URLs of what was told more than once: a message may do so 5,000 times, each with another note of several kB. */
const notedOf = perMessage(() => new Map<string, Noted>());

function addNotes(mapping: Mapping, url: string, notes: readonly JsonObject[]): void {
  const noted = notedOf(mapping).get(url) ?? firstNoted(mapping, url);
  if (noted === undefined) return;
  for (const note of notes) {
    const key = JSON.stringify(note);
    if (noted.known.has(key)) continue;
    noted.known.add(key);
    noted.notes.push(note);
  }
  if (noted.notes.length > 0) noted.resource.note = noted.notes;
}

function firstNoted(mapping: Mapping, url: string): Noted | undefined {
  const resource = mapping.entries.find((entry) => entry.url === url)?.resource;
  if (resource === undefined) return undefined;
  const notes = [...list(resource.note)];
  const noted = { resource, notes, known: new Set(notes.map((note) => JSON.stringify(note))) };
  notedOf(mapping).set(url, noted);
  return noted;
}
