// The parts of a message as rules see them: groups, segments, repetitions, components, each with its place.
import { type Reading, unescapeToken } from '../message/escape.ts';
import { hasDelimiters, type Segment } from '../message/message.ts';
import { type ErrorLocation, Refusal } from '../message/refusal.ts';
import type { GroupPlace, SegmentPlace } from './model.ts';

export type Node = GroupNode | SegmentNode | DataNode;

/** One occurrence of a group, or the message. */
export interface GroupNode {
  kind: 'group';
  place: GroupPlace;
  /** By position within the group, from 0. */
  children: (GroupNode | SegmentNode)[][];
  /** Of its first segment; of the group's name while it has none. */
  location: ErrorLocation;
  /** Which of its place in the group around it, from 1. */
  instance: number;
}

export interface SegmentNode {
  kind: 'segment';
  segment: Segment;
  /** Undefined where the structure does not have it. */
  place: SegmentPlace | undefined;
  location: ErrorLocation;
  /** Which of its place in its group, from 1. */
  instance: number;
  reading: Reading;
}

/** Level 1: a repetition of a field, 2: a component, 3: a subcomponent. */
export interface DataNode {
  kind: 'data';
  /** As it stands in the message. */
  raw: string;
  level: 1 | 2 | 3;
  location: ErrorLocation;
  reading: Reading;
}

/** Un-escaped, untrimmed. */
export function textOf({ raw, reading }: DataNode): string {
  return unescapeToken(raw, reading);
}

export const isNull = ({ raw }: DataNode): boolean => raw === '""';

/** Which it is among those beside it, from 1. */
export const instanceOf = (node: Node): number =>
  node.kind !== 'data' ? node.instance : node.level === 1 ? (node.location.repetition ?? 1) : 1;

/** Whether nothing but delimiters and white space stands there, which no part of a message is read as a value from. */
export function isBlank(raw: string, { delimiters }: Reading): boolean {
  if (raw === '') return true;
  const { component, repetition, subcomponent } = delimiters;
  for (const character of raw) {
    if (character === component || character === repetition || character === subcomponent) continue;
    if (character.trim() !== '') return false;
  }
  return true;
}

/** As Part.repetitions has it. */
const repetitionsMax = 10_000;
/** No data type has 50; a component of megabytes could be as many. */
const partsMax = 1_000;

const none: DataNode[] = [];

/** All repetitions of a field, empty ones too; none where it is empty. Throws Refusal AE for more than 10,000. */
export function repetitionsOf({ segment, location, reading }: SegmentNode, field: number): DataNode[] {
  const { raw } = segment.field(field);
  if (raw === '') return none;
  const isLiteral = hasDelimiters(segment.name) && field <= 2;
  if (!isLiteral && isBlank(raw, reading)) return [];
  const { repetition } = reading.delimiters;
  const tokens =
    isLiteral || repetition === '' || !raw.includes(repetition) ? [raw] : raw.split(repetition, repetitionsMax + 1);
  if (tokens.length > repetitionsMax) {
    throw new Refusal('AE', '207', `A field repeats more than ${repetitionsMax} times`, {
      location: { ...location, field },
    });
  }
  const { segment: name, sequence = 1 } = location;
  return tokens.map((raw, index) => ({
    kind: 'data',
    raw,
    level: isLiteral ? 3 : 1,
    location: { segment: name, sequence, field, repetition: index + 1 },
    reading,
  }));
}

/** The separator of its parts; '' where it has none. */
export function separatorOf({ level, reading }: DataNode): string {
  if (level === 1) return reading.delimiters.component;
  return level === 2 ? reading.delimiters.subcomponent : '';
}

/** Its components or subcomponents as they stand; itself where it has no parts. */
export function tokensOf(node: DataNode): string[] {
  const separator = separatorOf(node);
  return separator === '' || !node.raw.includes(separator) ? [node.raw] : node.raw.split(separator, partsMax);
}

/** The `number`-th part, `raw` being its token. */
export function partOf(node: DataNode, number: number, raw: string): DataNode {
  const level = node.level === 1 ? 2 : 3;
  return { kind: 'data', raw, level, location: partLocation(node, number), reading: node.reading };
}

export function partLocation({ location, level }: DataNode, number: number): ErrorLocation {
  return level === 1 ? { ...location, component: number } : { ...location, subcomponent: number };
}
