// Conditions of routes: what is asked of a message's fields, compiled once a deployment.
import { compilePattern } from '#platform';
import type { Hl7Message, Part } from '../message/message.ts';
import { compileFieldPath } from './field-path.ts';
import type { Condition } from './schema.ts';

/** What one condition said of one message, for the dry run. */
export interface Explained {
  condition: Condition;
  result: boolean;
  /** What stands at the condition's path, as far as it was looked at. */
  values?: (string | null)[];
  /** Of `all`, `any` and `not`. */
  parts?: Explained[];
}

/** A message with what has been read of it so far: 50 routes that ask for MSH-9.1 read it once. */
export interface Asked {
  readonly message: Hl7Message;
  readonly places: (Place | undefined)[];
}

/** What stands at a path. */
interface Place {
  parts: readonly Part[];
  /** Of each part; un-escaped once, however many conditions ask. */
  texts: readonly (string | undefined)[];
}

export interface Predicate {
  test(asked: Asked): boolean;
  explain(asked: Asked): Explained;
}

export const asking = (message: Hl7Message): Asked => ({ message, places: [] });

type ReadPlace = (asked: Asked) => Place;

/** Shared by all conditions that meet one Asked: path → its place there. */
export interface PathSlots {
  read(path: string): ReadPlace;
}

export function createPathSlots(): PathSlots {
  const readers = new Map<string, ReadPlace>();
  return {
    read(path) {
      const known = readers.get(path);
      if (known !== undefined) return known;
      const readPath = compileFieldPath(path);
      const slot = readers.size;
      const read = (asked: Asked): Place => {
        asked.places[slot] ??= placeOf(readPath(asked.message));
        return asked.places[slot];
      };
      readers.set(path, read);
      return read;
    },
  };
}

const placeOf = (parts: readonly Part[]): Place => ({ parts, texts: parts.map(({ text }) => text) });

/** A condition that has passed the schema. */
export function compileCondition(condition: Condition, slots: PathSlots): Predicate {
  const { all, any, not } = condition;
  if (all !== undefined) return combined(condition, all, slots, (parts, says) => parts.every(says));
  if (any !== undefined) return combined(condition, any, slots, (parts, says) => parts.some(says));
  if (not !== undefined) return combined(condition, [not], slots, (parts, says) => !parts.some(says));
  return fieldCondition(condition, slots.read(condition.path!));
}

function combined(
  condition: Condition,
  conditions: readonly Condition[],
  slots: PathSlots,
  join: <T>(parts: readonly T[], says: (part: T) => boolean) => boolean,
): Predicate {
  const predicates = conditions.map((part) => compileCondition(part, slots));
  return {
    test: (asked) => join(predicates, (predicate) => predicate.test(asked)),
    explain(asked) {
      // All of them, though the outcome may be known before the last: that is what a dry run is for.
      const parts = predicates.map((predicate) => predicate.explain(asked));
      return { condition, result: join(parts, ({ result }) => result), parts };
    },
  };
}

const valuesShownMax = 20;

function fieldCondition(condition: Condition, read: ReadPlace): Predicate {
  const holds = placeTest(condition);
  const test = (asked: Asked): boolean => holds(read(asked));
  return {
    test,
    explain(asked) {
      const { parts, texts } = read(asked);
      const values = texts
        .slice(0, valuesShownMax)
        .map((text, index) => (parts[index]!.isNull ? '""' : (text ?? null)));
      return { condition, result: test(asked), values };
    },
  };
}

/** Of several parts (`[*]`) one is enough; `exists: false` and `isNull: false` mean that none is. */
function placeTest(condition: Condition): (place: Place) => boolean {
  const { equals, matches, exists, isNull } = condition;
  if (equals !== undefined) return ({ texts }) => texts.includes(equals);
  if (condition.in !== undefined) {
    const values = new Set<string | undefined>(condition.in);
    return ({ texts }) => texts.some((text) => values.has(text));
  }
  if (matches !== undefined) {
    const pattern = compilePattern(matches, { ignoreCase: condition.ignoreCase });
    return ({ texts }) => texts.some((text) => text !== undefined && pattern.test(text));
  }
  if (isNull !== undefined) return ({ parts }) => parts.some((part) => part.isNull) === isNull;
  return ({ parts }) => parts.some((part) => !part.isEmpty && !part.isNull) === exists;
}
