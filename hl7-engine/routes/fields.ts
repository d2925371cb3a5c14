// A message's values one by one, with the names that HL7's dictionary of its version has for them: for looking at it.
import type { Hl7Message, Part, Segment } from '../message/message.ts';

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

/** The name of a field: `('PID', 3)`. */
export type NameField = (segment: string, field: number) => string | undefined;

export function fieldsOf(message: Hl7Message, nameOf: NameField): { shown: FieldValue[]; more: number } {
  const counts = new Map<string, number>();
  const shown: FieldValue[] = [];
  let more = 0;
  const add = (field: FieldValue): void => {
    if (shown.length < fieldsMax) shown.push(field);
    else more++;
  };
  for (const segment of message.segments) {
    const count = (counts.get(segment.name) ?? 0) + 1;
    counts.set(segment.name, count);
    if (segment.name !== '') listSegment(message, segment, count, nameOf, add);
  }
  return { shown, more };
}

function listSegment(
  { delimiters }: Hl7Message,
  segment: Segment,
  sequence: number,
  nameOf: NameField,
  add: (field: FieldValue) => void,
): void {
  const { component, subcomponent } = delimiters;
  const start = sequence === 1 ? segment.name : `${segment.name}[${sequence}]`;
  const shift = /^(?:MSH|BHS|FHS)$/.test(segment.name) ? 1 : 0;
  const last = segment.raw.split(delimiters.field).length - 1 + shift;
  for (let number = 1; number <= last; number++) {
    const field = segment.field(number);
    const name = nameOf(segment.name, number) ?? null;
    const literal = shift === 1 && number <= 2;
    const repetitions = literal ? [field] : field.repetitions();
    const list = (part: Part, path: string): void => {
      if (part.isNull || part.text !== undefined) add({ path, name, value: shownText(part) });
    };
    for (const [index, repetition] of repetitions.entries()) {
      const path = `${start}-${number}${repetitions.length > 1 ? `[${index + 1}]` : ''}`;
      const components = literal ? 1 : countOf(repetition.raw, component);
      if (literal || (components === 1 && countOf(repetition.raw, subcomponent) === 1)) list(repetition, path);
      else listComponents(repetition, components, subcomponent, path, list);
    }
  }
}

function listComponents(
  repetition: Part,
  count: number,
  subcomponent: string,
  path: string,
  list: (part: Part, path: string) => void,
): void {
  for (let number = 1; number <= count; number++) {
    const component = repetition.component(number);
    const inner = countOf(component.raw, subcomponent);
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
