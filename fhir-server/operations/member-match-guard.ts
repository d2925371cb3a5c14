// "Servers SHALL monitor for and take measures to prevent brute force attacks where the same or similar set of demographics
// are repeatedly searched with differing card information": HRex, $member-match.
import { createHash } from 'node:crypto';
import { CerebraError, type Clock } from '#platform';
import type { Features, NameFeatures } from './match-features.ts';

/** Failures about one birth date and family name in a while; people mistype a card now and then. */
export const FAILURES_MAX = 10;
/** About one birth date, whatever the name: names may be spelt in hundreds of ways that are still close, the date may not. */
export const BIRTH_DATE_FAILURES_MAX = 100;
const WHILE_MS = 60 * 60_000;
/** Birth dates and names that are remembered; the oldest go first. */
const REMEMBERED_MAX = 10_000;
/** Words of family names that are counted, of one request. */
const WORDS_MAX = 10;

export interface Guard {
  /** Throws `too-many-requests` when there were too many failures about this person, with those that there may be soon. */
  assertAllowed(features: Features): void;
  /** A match is looked for, and may fail until what it yields is called: many at once would try as many numbers. */
  begun(features: Features): () => void;
  failed(features: Features): void;
}

interface Key {
  key: string;
  max: number;
}

const hashed = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64');

/** As in comparisons of families, particles of two letters are no names; a name of two letters is. */
function wordsOf({ family }: NameFeatures): string[] {
  const words = family.split(' ').filter(({ length }) => length > 2);
  return words.length > 0 || family === '' ? words : [family];
}

/** What stays the same while card numbers are tried, each for itself, since another name or word beside it changes nothing. */
function keysOf({ names, birthDate }: Features): Key[] {
  const words = new Set(names.flatMap(wordsOf));
  return [
    { key: hashed([birthDate]), max: BIRTH_DATE_FAILURES_MAX },
    ...[...words].slice(0, WORDS_MAX).map((word) => ({ key: hashed([birthDate, word]), max: FAILURES_MAX })),
  ];
}

/** Counts failures in this process; names and dates are not kept as they are. */
export function createGuard(clock: Clock): Guard {
  const failures = new Map<string, number[]>();
  /** How many are under way. */
  const open = new Map<string, number>();
  const recent = (key: string): number[] => (failures.get(key) ?? []).filter((at) => at > clock.now() - WHILE_MS);
  const isBelow = ({ key, max }: Key): boolean => recent(key).length + (open.get(key) ?? 0) < max;
  const count = (features: Features, more: 1 | -1): void => {
    for (const { key } of keysOf(features)) {
      const left = (open.get(key) ?? 0) + more;
      if (left > 0) open.set(key, left);
      else open.delete(key);
    }
  };
  return {
    assertAllowed(features) {
      if (keysOf(features).every(isBelow)) return;
      throw new CerebraError('too-many-requests', 'Too many matches of this member have failed: try again in an hour');
    },
    begun(features) {
      count(features, 1);
      return () => count(features, -1);
    },
    failed(features) {
      for (const { key } of keysOf(features)) {
        const times = [...recent(key), clock.now()];
        failures.delete(key);
        failures.set(key, times);
        const [oldest] = failures.keys();
        if (failures.size > REMEMBERED_MAX) failures.delete(oldest!);
      }
    },
  };
}
