// Annotation as NTE: https://hl7.org/fhir/uv/v2mappings/ (NTE[Observation], NTE[ServiceRequest])
import type { Json, JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import type { SegmentValue } from '../message/build.ts';
import { type Building, isObject, objects, text } from './building.ts';
import { cwe } from './types/coded.ts';
import { xcn } from './types/reference.ts';
import { dtm } from './types/time.ts';
import { lines } from './value.ts';

const kind = 'http://hl7.org/fhir/StructureDefinition/annotationType';

/** HL7 table 0105: what mapping/clinical/notes.ts makes of it. */
const speakers: Readonly<Record<string, string>> = {
  'Ancillary (filler) department': 'L',
  'Orderer (placer)': 'P',
  'Other system': 'O',
};

/** One segment a note; its lines are repetitions of NTE-3. NTE-5 and NTE-6 came with 2.6. */
export function notesOf(building: Building, notes: Json | undefined): SegmentValue[] {
  return objects(notes)
    .filter((note) => text(note.text) !== undefined)
    .map((note, index) => nte(building, note, index + 1));
}

function nte(building: Building, note: JsonObject, number: number): SegmentValue {
  const speaker = ownValue(speakers, text(note.authorString));
  const type = objects(note.extension).find(({ url }) => url === kind)?.valueCodeableConcept;
  const named =
    speaker === undefined && text(note.authorString) !== undefined ? { display: note.authorString! } : undefined;
  const author = isObject(note.authorReference) ? note.authorReference : named;
  const own = { 1: String(number), 2: speaker, 3: lines(text(note.text)!), 4: cwe(building, type) };
  // What is empty goes without a word, what an older version has not is told (fit.ts).
  const late = Object.entries({ 5: author && xcn(building, author), 6: dtm(note.time) });
  return { name: 'NTE', fields: { ...own, ...Object.fromEntries(late.filter(([, value]) => value !== undefined)) } };
}
