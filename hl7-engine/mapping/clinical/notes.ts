// NTE to Annotation: https://hl7.org/fhir/uv/v2mappings/ (NTE[Observation], NTE[ServiceRequest])
import type { JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import type { Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { dateTime } from '../datetime.ts';
import { practitionerReference } from '../practitioner.ts';
import { annotationType } from '../tables/nte.ts';

/** NTE-2, table 0105: who speaks where NTE-5 names nobody. */
const sources: Readonly<Record<string, string>> = {
  L: 'Ancillary (filler) department',
  P: 'Orderer (placer)',
  O: 'Other system',
};

/**
 * Laboratories send a comment as one NTE a line: segments that follow each other and agree on source, type, author and time
 * are the lines of one note, as the repetitions of NTE-3 are.
 */
export function noteTexts(mapping: Mapping, notes: readonly Segment[]): JsonObject[] {
  const found: JsonObject[] = [];
  let last: { key: string; note: JsonObject } | undefined;
  for (const nte of notes) {
    const text = linesOf(nte);
    if (text === '') continue;
    const key = [2, 4, 5, 6].map((field) => nte.field(field).raw).join('\u0000');
    if (last?.key === key) {
      last.note.text = `${last.note.text}\n${text}`;
      continue;
    }
    last = { key, note: annotation(mapping, nte, text) };
    found.push(last.note);
  }
  return found;
}

function linesOf(nte: Segment): string {
  const field = nte.field(3);
  if (field.isEmpty) return nte.field(9).component(9).text ?? nte.field(9).component(2).text ?? '';
  const lines = field.repetitions().map((line) => line.whole?.trimEnd() ?? '');
  return lines.join('\n').trim();
}

function annotation(mapping: Mapping, nte: Segment, text: string): JsonObject {
  const author = practitionerReference(mapping, nte.field(5));
  const kind = annotationType(mapping, nte);
  return {
    extension: kind && [kind],
    authorReference: author?.reference === undefined ? undefined : author,
    authorString:
      author === undefined ? ownValue(sources, nte.field(2).text) : author.reference ? undefined : author.display,
    time: dateTime(nte.field(6).text, mapping.zone),
    text,
  };
}
