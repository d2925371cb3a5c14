// Results of one code under one order, told apart by when they were observed (OBX-14), such as the glucose of a tolerance test: a message
// that has only the second of them, corrected or withdrawn, means the second, whose place in the message is the first's.
import type { Alias, Resource } from '#fhir-model';
import type { Mapping } from '../context.ts';
import { derivedId } from '../derived-id.ts';
import { perMessage } from '../per-message.ts';
import type { OrderPart } from './order-numbers.ts';

export interface SeriesKey {
  /** What results of the series have in common. */
  parts: readonly (string | undefined)[];
  /** From 1: the result's place among those of the message. */
  place: number;
}

/** Results of one code that are looked through. */
const PLACES_MAX = 16;

/** How many results a message has of a series. */
const countsOf = perMessage(() => new Map<string, { count: number }>());

export function seriesKey(mapping: Mapping, parts: readonly (string | undefined)[]): SeriesKey {
  return { parts, place: mapping.occurrence(JSON.stringify(parts)) };
}

export const placeKey = ({ parts, place }: SeriesKey): (string | undefined)[] => [...parts, String(place)];

/**
 * Other ids of a result that has a time of its own. They are looked at only where the one under its own id is of another time,
 * and the message has no other of the series: messages that have several are taken for the whole series, by their places. What
 * fits no time is the next of a series, or the one result that there was: laboratories that write the time of the analysis
 * change it from message to message.
 */
export function seriesAlias(mapping: Mapping, key: SeriesKey, effective: string): Alias {
  const idOf = (place: number): string => derivedId('Observation', placeKey({ ...key, place }));
  const inMessage = countOf(mapping, key);
  const own = idOf(1);
  // Made when they are needed, which is rare: each is a hash.
  let others: string[] = [];
  let isOwnAgain = false;
  /** Of the others, the last that there is. */
  let last = -1;
  return {
    isOwnFirst: true,
    ids: () => others,
    fits(stored) {
      if (inMessage.count > 1 || isOfTime(stored, effective) || (stored.id === own && isOwnAgain)) return true;
      if (stored.id === own) others = Array.from({ length: PLACES_MAX - 1 }, (_, index) => idOf(index + 2));
      last = Math.max(last, others.indexOf(String(stored.id)));
      return false;
    },
    instead() {
      isOwnAgain = last === -1;
      return isOwnAgain ? own : (others[last + 1] ?? derivedId('Observation', [...key.parts, effective]));
    },
  };
}

/** The same result under another key of its order: of the same place, or of one time where the message has it alone. */
export function otherwiseKeyed(
  mapping: Mapping,
  { parts, place }: SeriesKey,
  { effectiveDateTime }: Resource,
): Pick<OrderPart, 'under' | 'fits'> {
  const inMessage = countOf(mapping, { parts, place });
  return {
    under(key) {
      const others = [key, ...parts.slice(1)];
      const places = inMessage.count > 1 ? [place] : Array.from({ length: PLACES_MAX }, (_, index) => index + 1);
      return places.map((at) => {
        const id = derivedId('Observation', placeKey({ parts: others, place: at }));
        return { id, shown: id };
      });
    },
    fits: (stored) => effectiveDateTime === undefined || isOfTime(stored, String(effectiveDateTime)),
  };
}

function countOf(mapping: Mapping, { parts, place }: SeriesKey): { count: number } {
  const counts = countsOf(mapping);
  const name = JSON.stringify(parts);
  const found = counts.get(name) ?? { count: 0 };
  counts.set(name, found);
  found.count = Math.max(found.count, place);
  return found;
}

/** One that has no time may be any. */
function isOfTime({ effectiveDateTime }: Resource, effective: string): boolean {
  return effectiveDateTime === undefined || timeOf(String(effectiveDateTime)) === timeOf(effective);
}

/** The instant; of a day, month or year its text. */
const timeOf = (effective: string): number | string => (effective.includes('T') ? Date.parse(effective) : effective);
