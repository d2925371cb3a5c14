// A message's values one by one, with the names that HL7's dictionary of its version has for them: for looking at it.
import type { Hl7Message, Part, Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';

export interface FieldValue {
  /** `PID-3[2].4.1` */
  path: string;
  /** `Patient Identifier List`; null for what the version's dictionary does not have. */
  name: string | null;
  value: string;
}

/** What is shown of a message; the rest is counted only. */
const fieldsMax = 2_000;
const valueLengthMax = 500;
/** Of a field, and of a repetition: each is looked for from the beginning, so a megabyte of delimiters would take minutes. */
const partsMax = 1_000;

/** The name of a field: `('PID', 3)`. */
export type NameField = (segment: string, field: number) => string | undefined;

/** Where values go. */
interface Listing {
  nameOf: NameField;
  add(field: FieldValue): void;
  /** So many are not looked at. */
  leaveOut(count: number): void;
}

export function fieldsOf(message: Hl7Message, nameOf: NameField): { shown: FieldValue[]; more: number } {
  const counts = new Map<string, number>();
  const shown: FieldValue[] = [];
  let more = 0;
  const listing: Listing = {
    nameOf,
    add(field) {
      if (shown.length < fieldsMax) shown.push(field);
      else more++;
    },
    leaveOut(count) {
      more += count;
    },
  };
  for (const segment of message.segments) {
    const count = (counts.get(segment.name) ?? 0) + 1;
    counts.set(segment.name, count);
    if (segment.name !== '') listSegment(message, segment, count, listing);
  }
  return { shown, more };
}

function listSegment({ delimiters }: Hl7Message, segment: Segment, sequence: number, listing: Listing): void {
  const { component, repetition: between, subcomponent } = delimiters;
  const start = sequence === 1 ? segment.name : `${segment.name}[${sequence}]`;
  const shift = /^(?:MSH|BHS|FHS)$/.test(segment.name) ? 1 : 0;
  const last = segment.raw.split(delimiters.field).length - 1 + shift;
  for (let number = 1; number <= last; number++) {
    const field = segment.field(number);
    const name = listing.nameOf(segment.name, number) ?? null;
    const literal = shift === 1 && number <= 2;
    const repetitions = literal ? [field] : repetitionsOf(field, between, listing);
    const list = (part: Part, path: string): void => {
      if (part.isNull || part.text !== undefined) listing.add({ path, name, value: shownText(part) });
    };
    for (const [index, repetition] of repetitions.entries()) {
      const path = `${start}-${number}${repetitions.length > 1 ? `[${index + 1}]` : ''}`;
      const components = literal ? 1 : partCount(repetition.raw, component, listing);
      if (literal || (components === 1 && countOf(repetition.raw, subcomponent) === 1)) list(repetition, path);
      else listComponents(repetition, components, subcomponent, { path, list, listing });
    }
  }
}

/** Of a field that has more than any message may have the first. */
function repetitionsOf(field: Part, delimiter: string, listing: Listing): Part[] {
  try {
    return field.repetitions();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const count = partCount(field.raw, delimiter, listing);
    return Array.from({ length: count }, (_, index) => field.repetition(index + 1));
  }
}

function partCount(raw: string, delimiter: string, listing: Listing): number {
  const count = countOf(raw, delimiter);
  if (count > partsMax) listing.leaveOut(count - partsMax);
  return Math.min(count, partsMax);
}

interface Within {
  path: string;
  list(part: Part, path: string): void;
  listing: Listing;
}

function listComponents(repetition: Part, count: number, subcomponent: string, { path, list, listing }: Within): void {
  for (let number = 1; number <= count; number++) {
    const component = repetition.component(number);
    const inner = partCount(component.raw, subcomponent, listing);
    if (inner === 1) list(component, `${path}.${number}`);
    else for (let sub = 1; sub <= inner; sub++) list(component.subcomponent(sub), `${path}.${number}.${sub}`);
  }
}

const countOf = (raw: string, delimiter: string): number => (delimiter === '' ? 1 : raw.split(delimiter).length);

function shownText(part: Part): string {
  if (part.isNull) return '""';
  const text = part.text ?? '';
  return text.length > valueLengthMax ? `${text.slice(0, valueLengthMax)}…` : text;
}
