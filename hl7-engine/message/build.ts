// Messages made from values: HL7 v2.9 chapter 2.6
import { CerebraError } from '#platform';
import { encodeText, isEncodable } from './codec.ts';
import { type Delimiters, escapeText, standardDelimiters } from './escape.ts';
import { type Hl7Message, hasDelimiters, parseMessage } from './message.ts';

/** Text; null, undefined and '' are nothing. The text `""` is HL7's own: the receiver is to delete its value. */
export type TextValue = string | null | undefined;

/** A component: text, or its subcomponents in order. */
export type ComponentValue = TextValue | readonly TextValue[];

/** One repetition: text, or its components in order. */
export type RepetitionValue = TextValue | readonly ComponentValue[];

export type FieldValue = RepetitionValue | { readonly repetitions: readonly RepetitionValue[] };

export interface SegmentValue {
  /** `PID`, `ZX1`. */
  name: string;
  /** By number, from 1; those that are missing are empty. MSH-1 and MSH-2 are not looked at. */
  fields?: Readonly<Record<number, FieldValue>> | undefined;
  /** As of BuildOptions, of this segment. */
  quotes?: Quotes | undefined;
}

/** Whether the text `""` asks for a value to be deleted, or is two quotation marks. */
export type Quotes = 'delete' | 'text';

export interface BuildOptions {
  /** Default `|^~\&`. */
  delimiters?: Delimiters | undefined;
  /**
   * As it stands in MSH-18 (`8859/1`, `UNICODE UTF-8`). Default: what MSH-18 among the fields says, else UTF-8, which is
   * declared where the text is more than ASCII.
   */
  charset?: string | undefined;
  /** MSH first. */
  segments: readonly SegmentValue[];
  /** Default: `delete`. */
  quotes?: Quotes | undefined;
}

type WriteText = (value: TextValue, delimiters: Delimiters) => string;

export const utf8Name = 'UNICODE UTF-8';

/**
 * Text is escaped, trailing separators are left out, segments end with CR. Throws CerebraError `invalid` for a name that
 * is none, for parts that the delimiters cannot part, and for text that the character set has not.
 */
export function buildMessage({
  delimiters = standardDelimiters,
  charset,
  segments,
  quotes = 'delete',
}: BuildOptions): Hl7Message {
  const writing = (own: Quotes): WriteText => (own === 'text' ? literalToken : textToken);
  const [msh, ...others] = segments;
  if (msh?.name !== 'MSH') throw new CerebraError('invalid', 'An HL7 message begins with MSH: name it first');
  const declared = charset ?? firstText(msh.fields?.[18]);
  const rest = others.map((one) => `${segmentToken(one, delimiters, writing(one.quotes ?? quotes))}\r`).join('');
  const header = (name: string | undefined): string => {
    const fields = name === undefined ? msh.fields : { ...msh.fields, 18: name };
    return `${segmentToken({ name: 'MSH', fields }, delimiters)}\r`;
  };
  const plain = header(charset) + rest;
  const isSilent = declared === undefined && !/^[\x00-\x7f]*$/.test(plain);
  const text = isSilent ? header(utf8Name) + rest : plain;
  return parseMessage(encoded(text, declared ?? utf8Name));
}

/** Throws CerebraError `invalid` rather than write `?` for a letter of a name. */
export function encoded(text: string, charset: string): Buffer {
  if (!isEncodable(text, charset)) {
    throw new CerebraError(
      'invalid',
      `The message has characters that ${charset} has not: declare ${utf8Name} in MSH-18, or another set that has them`,
    );
  }
  return encodeText(text, charset);
}

function firstText(value: FieldValue): string | undefined {
  if (typeof value === 'string') return value || undefined;
  if (value === null || value === undefined) return undefined;
  const [first] = 'repetitions' in value ? value.repetitions : value;
  return firstText(first);
}

/** A segment's line, escaped, as text. Throws CerebraError `invalid` as `buildMessage` does. */
export function segmentToken(
  { name, fields = {} }: SegmentValue,
  delimiters: Delimiters,
  write: WriteText = textToken,
): string {
  if (!/^[A-Z][A-Z0-9]{2}$/.test(name)) {
    throw new CerebraError('invalid', `${name} is not a segment's name: three capital letters or digits`);
  }
  const tokens = [name];
  const shift = hasDelimiters(name) ? 1 : 0;
  if (shift === 1) tokens.push(encodingCharacters(delimiters));
  for (const [key, value] of Object.entries(fields)) {
    const number = Number(key);
    if (!Number.isSafeInteger(number) || number < 1 || number > fieldNumberMax) {
      throw new CerebraError('invalid', `${name}-${key} is not a field: they count from 1 to ${fieldNumberMax}`);
    }
    if (number > 2 * shift) tokens[number - shift] = fieldToken(value, delimiters, write);
  }
  return joined(
    Array.from(tokens, (token) => token ?? ''),
    delimiters.field,
  );
}

export const fieldNumberMax = 999;

function encodingCharacters({ component, repetition, escape: mark, subcomponent, truncation }: Delimiters): string {
  return component + repetition + mark + subcomponent + truncation;
}

/** A field's token, escaped, as text. */
export function fieldToken(value: FieldValue, delimiters: Delimiters, write: WriteText = textToken): string {
  if (value !== null && typeof value === 'object' && 'repetitions' in value) {
    return joined(
      value.repetitions.map((repetition) => repetitionToken(repetition, delimiters, write)),
      delimiters.repetition,
    );
  }
  return repetitionToken(value, delimiters, write);
}

export function repetitionToken(value: RepetitionValue, delimiters: Delimiters, write: WriteText = textToken): string {
  if (typeof value === 'string' || value === null || value === undefined) return write(value, delimiters);
  return joined(
    value.map((component) => componentToken(component, delimiters, write)),
    delimiters.component,
  );
}

export function componentToken(value: ComponentValue, delimiters: Delimiters, write: WriteText = textToken): string {
  if (typeof value === 'string' || value === null || value === undefined) return write(value, delimiters);
  return joined(
    value.map((text) => write(text, delimiters)),
    delimiters.subcomponent,
  );
}

export function textToken(value: TextValue, delimiters: Delimiters): string {
  return escapeText(value ?? '', delimiters);
}

/** `""` with the first mark escaped: as text, which no receiver takes for its own value to be deleted. */
function literalToken(value: TextValue, delimiters: Delimiters): string {
  const { escape: mark } = delimiters;
  return value === '""' && mark !== '' ? `${mark}X22${mark}"` : textToken(value, delimiters);
}

/** Without the empty ones at the end. */
export function joined(tokens: readonly string[], separator: string): string {
  const count = tokens.findLastIndex((token) => token !== '') + 1;
  if (count > 1 && separator === '') {
    throw new CerebraError('invalid', 'The message has no delimiter for these parts: name one in MSH-2');
  }
  return tokens.slice(0, count).join(separator);
}
