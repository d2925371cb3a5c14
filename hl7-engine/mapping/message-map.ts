// What a family of messages says of itself: which structures and events it takes and what it makes of them.
import { Refusal } from '../message/refusal.ts';
import type { Mapping } from './context.ts';
import type { Group } from './structure/group.ts';
import type { StructureName } from './structure/structures.ts';

export interface MessageMap {
  /** Structures that its messages may have; of several MSH-9.3 decides, else the first holds. */
  readonly structures: readonly [StructureName, ...StructureName[]];
  /** MSH-9.1; the structure's name says it where it is left out. */
  readonly code?: string;
  /** MSH-9.2. */
  readonly events: readonly string[];
  /** The event that is meant where a message of this code names none. */
  readonly defaultEvent?: string;
  /** It takes any event, such as that of the message which an ACK answers. */
  readonly anyEvent?: boolean;
  /** Segments that it makes something of, or passes over knowingly; others that come get a warning. */
  readonly reads: readonly string[];
  /** Adds the message's entries to the mapping. Throws Refusal for what cannot be mapped. */
  run(mapping: Mapping, root: Group): void;
}

/** Type-checks a map where it stands. */
export function messageMap(map: MessageMap): MessageMap {
  return map;
}

/**
 * Maps that do the same with messages of several codes, each with one structure and its events; the first event is meant where a
 * message names none.
 */
export const familyOf = (
  family: Pick<MessageMap, 'reads' | 'run'>,
  events: Readonly<Partial<Record<StructureName, readonly [string, ...string[]]>>>,
): MessageMap[] =>
  Object.entries(events).map(([structure, all]) => ({
    ...family,
    structures: [structure as StructureName],
    events: all,
    defaultEvent: all[0],
  }));

export const codeOf = (map: MessageMap): string => map.code ?? map.structures[0].slice(0, 3);

/** The segment, or a Refusal AE that tells which one is missing. */
export function required<T>(value: T | undefined, segment: string): T {
  if (value !== undefined) return value;
  throw new Refusal('AE', '100', `Required segment ${segment} is missing`, { location: { segment } });
}
