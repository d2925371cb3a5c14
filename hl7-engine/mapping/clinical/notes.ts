// NTE to Annotation: https://hl7.org/fhir/uv/v2mappings/ (NTE[Observation], NTE[ServiceRequest])
import type { JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import type { Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { dateTime } from '../datetime.ts';
import { perMessage } from '../per-message.ts';
import { practitionerReference } from '../practitioner.ts';
import { annotationType } from '../tables/nte.ts';

/** NTE-2, table 0105: who speaks where NTE-5 names nobody. */
const sources: Readonly<Record<string, string>> = {
  L: 'Ancillary (filler) department',
  P: 'Orderer (placer)',
  O: 'Other system',
};

/** Notes that became part of a resource. */
const toldOf = perMessage(() => new Set<Segment>());

const segmentName = /^[A-Y][A-Z0-9]{2}$/;

/**
 * PRT belongs to what stands before it, and of a Z segment nothing is known. A line that is no segment is the rest of the one before
 * it, whose text was broken: its words are no name to tell either.
 */
export const isPassedOver = ({ name }: Segment): boolean => name === 'PRT' || !segmentName.test(name);

/** What each note is about: the segment before it. */
const subjectsOf = perMessage(({ message }) => {
  const found = new Map<Segment, Segment>();
  if (message.all('NTE').length === 0) return found;
  let last: Segment | undefined;
  for (const segment of message.segments) {
    if (segment.name === 'NTE' && last !== undefined) found.set(segment, last);
    else if (!isPassedOver(segment)) last = segment;
  }
  return found;
});

/** Messages whose structure ends with notes of the whole. */
const withClosing = new Set(['REF', 'RRI']);
// A result has notes of its own there, which are taken first.
const ownNoted = new Set(['OBR', 'OBX']);

/** Those that end a referral: the structure has none behind its diagnoses, allergies and procedures (HL7 v2.9 chapter 11.3). */
export const closingNotes = perMessage(({ message }): Segment[] => {
  if (!withClosing.has(message.get('MSH-9.1') ?? '')) return [];
  const { segments } = message;
  const end = segments.findLastIndex((segment) => segment.name !== 'NTE' && !isPassedOver(segment));
  if (ownNoted.has(segments[end]?.name ?? '')) return [];
  return segments.slice(end + 1).filter(({ name }) => name === 'NTE');
});

const notesBySubject = perMessage((mapping) => {
  const closing = new Set(closingNotes(mapping));
  const others = [...subjectsOf(mapping).keys()].filter((nte) => !closing.has(nte));
  return Map.groupBy(others, (nte) => subjectsOf(mapping).get(nte)!);
});

/** The notes that follow the segment. */
export function notesAfter(mapping: Mapping, segment: Segment): readonly Segment[] {
  return notesBySubject(mapping).get(segment) ?? [];
}

/** As `notesAfter`, as Annotations; undefined where there are none. */
export function noteAfter(mapping: Mapping, segment: Segment): JsonObject[] | undefined {
  const found = noteTexts(mapping, notesAfter(mapping, segment));
  return found.length === 0 ? undefined : found;
}

/** Those of the notes that became part of nothing so far. */
export function untold(mapping: Mapping, notes: readonly Segment[]): Segment[] {
  return notes.filter((nte) => !toldOf(mapping).has(nte));
}

const placelessMax = 50;

/** Tells of the notes that became part of nothing, those that follow each other together. */
export function warnOfPlaceless(mapping: Mapping): void {
  const told = toldOf(mapping);
  const runs: { subject: string; first: number; last: number }[] = [];
  mapping.message.all('NTE').forEach((nte, index) => {
    if (told.has(nte) || linesOf(nte) === '') return;
    const subject = subjectsOf(mapping).get(nte)?.name ?? 'MSH';
    const before = runs.at(-1);
    if (before?.subject === subject && before.last === index) before.last = index + 1;
    else runs.push({ subject, first: index + 1, last: index + 1 });
  });
  for (const { subject, first, last } of runs.slice(0, placelessMax)) {
    const which = first === last ? `NTE[${first}]: a note` : `NTE[${first}] to NTE[${last}]: notes`;
    mapping.warnings.add(`${which} after ${subject} ${first === last ? 'has' : 'have'} no place; left out`);
  }
  if (runs.length > placelessMax)
    mapping.warnings.add(`NTE: ${runs.length - placelessMax} more have no place; left out`);
}

/**
 * Laboratories send a comment as one NTE a line: segments that follow each other and agree on source, type, author and time
 * are the lines of one note, as the repetitions of NTE-3 are.
 */
export function noteTexts(mapping: Mapping, notes: readonly Segment[]): JsonObject[] {
  const found: JsonObject[] = [];
  let last: { key: string; note: JsonObject } | undefined;
  const told = toldOf(mapping);
  for (const nte of notes) {
    told.add(nte);
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
