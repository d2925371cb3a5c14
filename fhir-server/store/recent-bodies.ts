// The bodies that this process has just committed: its own dispatcher takes them from here and not from PostgreSQL,
// which saves a look-up per change (a third of PostgreSQL's work under a load of creates). What is missing here, since
// another server wrote it or it was pushed out, is read from the tables.
import type { EntryResult } from '#fhir-model';

const CHARACTERS_MAX = 16 * 1024 * 1024;

export interface RecentBodies {
  keep(result: EntryResult): void;
  /** The body of `Type/id/version`, once. */
  take(key: string): string | undefined;
}

export function createRecentBodies(): RecentBodies {
  const bodies = new Map<string, string>();
  let characters = 0;
  const take = (key: string) => {
    const body = bodies.get(key);
    if (body === undefined) return undefined;
    bodies.delete(key);
    characters -= body.length;
    return body;
  };
  return {
    take,
    keep({ type, id, version, op, body }) {
      if (body === '' || (op !== 'create' && op !== 'update')) return;
      const key = `${type}/${id}/${version}`;
      take(key);
      bodies.set(key, body);
      characters += body.length;
      // The oldest go first: a Map keeps the order of insertion.
      for (const oldest of bodies.keys()) {
        if (characters <= CHARACTERS_MAX) break;
        take(oldest);
      }
    },
  };
}
