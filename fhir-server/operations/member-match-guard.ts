// "Servers SHALL monitor for and take measures to prevent brute force attacks where the same or similar set of demographics
// are repeatedly searched with differing card information": HRex, $member-match.
import { createHash } from 'node:crypto';
import { CerebraError, type Clock } from '#platform';
import type { Features } from './match-features.ts';

/** Failures about one person in a while; people mistype a card now and then. */
export const FAILURES_MAX = 10;
const WHILE_MS = 60 * 60_000;
/** People that are remembered; the oldest go first. */
const REMEMBERED_MAX = 10_000;

export interface Guard {
  /** Throws `too-many-requests` when there were too many failures about this person. */
  assertAllowed(features: Features): void;
  failed(features: Features): void;
}

/** Birth date and family name, which stay the same while card numbers are tried; not kept as they are. */
function personOf({ names, birthDate }: Features): string {
  const families = names.map(({ family }) => family).sort();
  return createHash('sha256')
    .update(JSON.stringify([birthDate, families]))
    .digest('base64');
}

/** Counts failures in this process. */
export function createGuard(clock: Clock): Guard {
  const failures = new Map<string, number[]>();
  const recent = (person: string): number[] => (failures.get(person) ?? []).filter((at) => at > clock.now() - WHILE_MS);
  return {
    assertAllowed(features) {
      if (recent(personOf(features)).length < FAILURES_MAX) return;
      throw new CerebraError('too-many-requests', 'Too many matches of this member have failed: try again in an hour');
    },
    failed(features) {
      const person = personOf(features);
      const times = [...recent(person), clock.now()];
      failures.delete(person);
      failures.set(person, times);
      const [oldest] = failures.keys();
      if (failures.size > REMEMBERED_MAX) failures.delete(oldest!);
    },
  };
}
