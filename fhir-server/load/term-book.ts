// Which terms (store/index-rows.ts) a thread need not write again: those that are committed, and within a part those that
// it has already.

import type { KnownTerms } from '../store/tokens.ts';

export interface TermBook {
  /** For the resources of one part, which are committed together. */
  part(): KnownTerms;
  /** What the parts since the last call brought. */
  take(): string[];
  /** They are stored. */
  committed(names: string[]): void;
}

/** 200 bytes each. */
const KNOWN_MAX = 200_000;

export function createTermBook(stored: readonly string[]): TermBook {
  const known = new Set(stored);
  let brought: string[] = [];
  return {
    part() {
      const own = new Set<string>();
      return {
        has(term) {
          const { name } = term;
          if (known.has(name) || own.has(name)) return true;
          own.add(name);
          brought.push(name);
          return false;
        },
      };
    },
    take() {
      const names = brought;
      brought = [];
      return names;
    },
    committed(names) {
      if (known.size + names.length > KNOWN_MAX) known.clear();
      for (const name of names) known.add(name);
    },
  };
}
