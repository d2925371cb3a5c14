// A message with some of its values changed, all else byte for byte as it was
import { CerebraError } from '#platform';
import {
  type ComponentValue,
  componentToken,
  encoded,
  type FieldValue,
  fieldNumberMax,
  fieldToken,
  joined,
  type RepetitionValue,
  repetitionToken,
  type SegmentValue,
  segmentToken,
  type TextValue,
  textToken,
} from './build.ts';
import type { CharsetText } from './charset.ts';
import { isEncodable } from './codec.ts';
import type { Delimiters } from './escape.ts';
import { type Hl7Message, hasDelimiters, parseMessage } from './message.ts';
import { declaredLabel } from './names.ts';
import { fieldPart } from './part.ts';
import { type Hl7Path, pathOf } from './path.ts';

/**
 * `value`: text, or the parts of what the path names; null empties it, the text `""` tells the receiver to delete its value. `copyFrom`: what stands at another
 * path, escapes and all; components become subcomponents and back where the two paths are not of one depth.
 * `add`: one repetition more. `append`: a segment more, at the end or behind the last of the name `after` (`OBX`, `OBX[2]`).
 * `remove`: segments (`NTE[*]`) or a repetition (`PID-3[2]`), those behind it moving up. `[*]` means each.
 * `map`: each text that is at the path (the first leaf of what it names) as the function makes it; null and what stays the
 * same is left as it is, byte for byte.
 * To set a field of a segment that is not there makes the segment.
 */
export type Edit =
  | { path: string; value: FieldValue }
  | { path: string; copyFrom: string }
  | { path: string; add: RepetitionValue }
  | { append: SegmentValue; after?: string | undefined }
  | { remove: string }
  | { path: string; map: (text: string) => string };

interface Line {
  name: string;
  raw: string;
  end: string;
}

interface Draft {
  lines: Line[];
  delimiters: Delimiters;
  coding: CharsetText;
}

/**
 * One edit after the other, each seeing what those before it made; the message itself stays as it is. With another
 * character set in MSH-18 the message is written in that one. Throws RangeError for a path of another form, CerebraError
 * `invalid` for what a message cannot hold.
 */
export function edit(message: Hl7Message, edits: readonly Edit[]): Hl7Message {
  const { coding, delimiters, prefix } = message;
  const lines = message.segments.map(({ name, raw, end }) => ({ name, raw, end }));
  const draft: Draft = { lines, delimiters, coding };
  for (const one of edits) apply(draft, one);
  const text = prefix + lines.map(({ raw, end }) => raw + end).join('');
  const bytes = Buffer.concat([coding.toBytes(text), coding.tail]);
  // Of the lines and not of the new bytes: these may have a delimiter in a character, read in the set that they are not in yet.
  const declared = msh18(lines[0]!, delimiters);
  if (declared === msh18(message.segments[0]!, delimiters) || declaredLabel([declared]) === coding.charset) {
    return parseMessage(bytes);
  }
  return parseMessage(encoded(coding.decode(text), declared));
}

const msh18 = ({ raw }: Pick<Line, 'raw'>, { field, repetition }: Delimiters): string =>
  first(raw.split(field, 18)[17] ?? '', repetition);

function apply(draft: Draft, one: Edit): void {
  if ('append' in one) appendSegment(draft, one.append, one.after);
  else if ('remove' in one) remove(draft, pathOf(one.remove));
  else if ('map' in one) mapLeaves(draft, pathOf(one.path), one.map);
  else if ('add' in one) addRepetition(draft, pathOf(one.path), one.add);
  else if ('copyFrom' in one) set(draft, pathOf(one.path), copied(draft, pathOf(one.copyFrom), pathOf(one.path)));
  else set(draft, pathOf(one.path), token(draft, valueToken(pathOf(one.path), one.value, draft.delimiters)));
}

/** As a token of this message. */
function token({ coding }: Draft, text: string): string {
  if (!isEncodable(text, coding.charset)) {
    throw new CerebraError(
      'invalid',
      `The message is ${coding.charset}, which has not all characters of a new value: set MSH-18 to UNICODE UTF-8 first`,
    );
  }
  return coding.encode(text);
}

/** 1 a field or repetition, 2 a component, 3 a subcomponent. */
function depth({ component, subcomponent }: Hl7Path): 1 | 2 | 3 {
  return component === undefined ? 1 : subcomponent === undefined ? 2 : 3;
}

function valueToken(path: Hl7Path, value: FieldValue, delimiters: Delimiters): string {
  if (depth(path) === 1 && path.repetition === undefined) return fieldToken(value, delimiters);
  if (depth(path) === 1) return repetitionToken(value as RepetitionValue, delimiters);
  if (depth(path) === 2) return componentToken(value as ComponentValue, delimiters);
  return textToken(value as TextValue, delimiters);
}

function appendSegment(draft: Draft, value: SegmentValue, after: string | undefined): void {
  if (hasDelimiters(value.name))
    throw new CerebraError('invalid', `A message has one MSH: ${value.name} is not appended`);
  const { lines } = draft;
  const raw = token(draft, segmentToken(value, draft.delimiters));
  const at = after === undefined ? lastLine(lines) : placeBehind(draft, after);
  insert(lines, at + 1, { name: value.name, raw, end: '' });
}

/** Blank lines at the end stay there. */
function lastLine(lines: readonly Line[]): number {
  return lines.findLastIndex(({ raw }) => raw.trim() !== '');
}

function placeBehind({ lines }: Draft, after: string): number {
  const { segment, sequence } = pathOf(after);
  const places = placesOf(lines, segment);
  const isOne = after.includes('[') && sequence !== '*';
  return (isOne ? places[sequence - 1] : places.at(-1)) ?? lastLine(lines);
}

function placesOf(lines: readonly Line[], name: string): number[] {
  return lines.flatMap((line, at) => (line.name === name ? [at] : []));
}

/** The line takes over the end of the one before it, which may be the last and have none. */
function insert(lines: Line[], at: number, line: Line): void {
  const before = lines[at - 1]!;
  line.end = before.end;
  if (before.end === '') before.end = lines[0] === before ? '\r' : lines[0]!.end;
  lines.splice(at, 0, line);
}

function remove(draft: Draft, path: Hl7Path): void {
  const { lines, delimiters } = draft;
  if (path.field === undefined) {
    if (path.segment === 'MSH') throw new CerebraError('invalid', 'A message needs its MSH: it is not removed');
    const places = placesOf(lines, path.segment);
    const gone = path.sequence === '*' ? places : places.slice(path.sequence - 1, path.sequence);
    for (const at of gone.toReversed()) lines.splice(at, 1);
    return;
  }
  if (path.component !== undefined || path.repetition === undefined) {
    set(draft, path, '');
    return;
  }
  changeField(draft, path, (field) => {
    if (path.repetition === '*' || delimiters.repetition === '') return '';
    return field
      .split(delimiters.repetition)
      .toSpliced(Number(path.repetition) - 1, 1)
      .join(delimiters.repetition);
  });
}

function addRepetition(draft: Draft, path: Hl7Path, value: RepetitionValue): void {
  if (path.field === undefined || path.repetition !== undefined || path.component !== undefined) {
    throw new CerebraError('invalid', 'A repetition is added to a field: PID-3, without [2] or .1');
  }
  const { delimiters } = draft;
  const added = token(draft, repetitionToken(value, delimiters));
  changeField(draft, path, (field) => (field === '' ? added : joined([field, added], delimiters.repetition)));
}

/** The token at `from`, its separators one level up or down so that it fits where it goes. */
function copied({ lines, delimiters }: Draft, from: Hl7Path, to: Hl7Path): string {
  if (from.field === undefined) throw new CerebraError('invalid', 'A field or a part of one is copied, not a segment');
  const line = lines[placesOf(lines, from.segment)[from.sequence === '*' ? 0 : from.sequence - 1] ?? -1];
  if (line === undefined) return '';
  if (hasDelimiters(line.name) && from.field <= 2) {
    throw new CerebraError('invalid', 'MSH-1 and MSH-2 are the delimiters: they are not copied');
  }
  const field = line.raw.split(delimiters.field)[from.field - (hasDelimiters(line.name) ? 1 : 0)] ?? '';
  if (depth(from) === 1 && depth(to) === 1 && from.repetition === undefined)
    return to.repetition === undefined ? field : first(field, delimiters.repetition);
  const repetition = nthOf(
    field,
    delimiters.repetition,
    from.repetition === undefined || from.repetition === '*' ? 1 : from.repetition,
  );
  const component = from.component === undefined ? repetition : nthOf(repetition, delimiters.component, from.component);
  const part =
    from.subcomponent === undefined ? component : nthOf(component, delimiters.subcomponent, from.subcomponent);
  if (depth(from) === depth(to)) return part;
  if (depth(to) === 3) return first(first(part, delimiters.component), delimiters.subcomponent);
  if (depth(from) === 1) return swap(part, delimiters.component, delimiters.subcomponent);
  return depth(from) === 2 ? swap(part, delimiters.subcomponent, delimiters.component) : part;
}

/** What is lower already keeps no place of its own: the first of it is taken. */
function swap(part: string, from: string, to: string): string {
  if (from === '') return part;
  return part
    .split(from)
    .map((piece) => first(piece, to))
    .join(to);
}

function first(text: string, separator: string): string {
  return nthOf(text, separator, 1);
}

function nthOf(text: string, separator: string, number: number): string {
  if (separator === '') return number === 1 ? text : '';
  return text.split(separator, number)[number - 1] ?? '';
}

/** One pass over the lines and their fields, however many leaves there are. */
function mapLeaves(draft: Draft, path: Hl7Path, map: (text: string) => string): void {
  const { delimiters, coding } = draft;
  const leaf = { ...path, component: path.component ?? 1, subcomponent: path.subcomponent ?? 1 };
  set(draft, leaf, (sent) => {
    const { text } = fieldPart(sent, { ...coding, delimiters });
    if (text === undefined) return sent;
    const changed = map(text);
    return changed === text ? sent : token(draft, textToken(changed, delimiters));
  });
}

/** `value`: the token that is put there, or what makes it of the one that is. */
function set(draft: Draft, path: Hl7Path, value: string | ((sent: string) => string)): void {
  if (path.field === undefined)
    throw new CerebraError('invalid', `${path.segment}: name the field to be set, as in PID-3`);
  const { delimiters } = draft;
  const made = typeof value === 'string' ? () => value : value;
  const inRepetition = (repetition: string): string => {
    if (path.component === undefined) return made(repetition);
    return changeNth(repetition, delimiters.component, path.component, (component) =>
      path.subcomponent === undefined
        ? made(component)
        : changeNth(component, delimiters.subcomponent, path.subcomponent, made),
    );
  };
  changeField(draft, path, (field) => {
    if (path.repetition === undefined && path.component === undefined) return made(field);
    if (path.repetition !== '*') return changeNth(field, delimiters.repetition, path.repetition ?? 1, inRepetition);
    if (field === '' || delimiters.repetition === '') return field === '' ? '' : inRepetition(field);
    return field.split(delimiters.repetition).map(inRepetition).join(delimiters.repetition);
  });
}

/** Of each segment that the path names; a segment that would be the next of its name is made. */
function changeField(draft: Draft, path: Hl7Path, change: (field: string) => string): void {
  const { lines, delimiters } = draft;
  const shift = hasDelimiters(path.segment) ? 1 : 0;
  const number = path.field!;
  if (number <= 2 * shift || number > fieldNumberMax) {
    throw new CerebraError('invalid', `${path.segment}-${number} is not changed: it is a delimiter, or no field`);
  }
  for (const at of placesToChange(draft, path, change('') !== '')) {
    const line = lines[at]!;
    line.raw = changeNth(line.raw, delimiters.field, number - shift + 1, change);
  }
}

function placesToChange({ lines }: Draft, { segment, sequence }: Hl7Path, isValued: boolean): number[] {
  const places = placesOf(lines, segment);
  if (sequence === '*') return places;
  const place = places[sequence - 1];
  if (place !== undefined) return [place];
  if (!isValued) return [];
  if (sequence !== places.length + 1) {
    throw new CerebraError(
      'invalid',
      `The message has ${places.length} ${segment}: ${segment}[${sequence}] cannot be made`,
    );
  }
  const at = (places.at(-1) ?? lastLine(lines)) + 1;
  insert(lines, at, { name: segment, raw: segment, end: '' });
  return [at];
}

/** The `number`-th part replaced; missing ones before it are made, unless it stays empty. */
function changeNth(text: string, separator: string, number: number, change: (part: string) => string): string {
  if (separator === '' && number > 1) {
    throw new CerebraError('invalid', 'The message has no delimiter for such a part: MSH-2 does not name it');
  }
  const parts = separator === '' ? [text] : text.split(separator);
  const changed = change(parts[number - 1] ?? '');
  if (changed === '' && number > parts.length) return text;
  while (parts.length < number) parts.push('');
  parts[number - 1] = changed;
  return parts.join(separator);
}
