// What is kept of a message while it is mapped, by those who need it: nobody else sees it, and it goes with the mapping.
import type { Mapping } from './context.ts';

/** Yields what `make` made for this message when it was first asked for. */
export function perMessage<T extends object>(make: (mapping: Mapping) => T): (mapping: Mapping) => T {
  const made = new WeakMap<Mapping, T>();
  return (mapping) => {
    const known = made.get(mapping);
    if (known !== undefined) return known;
    const first = make(mapping);
    made.set(mapping, first);
    return first;
  };
}

/** Collects texts under a key: each call adds one, and yields the set of all, which grows with later calls. */
export function collectedPerMessage(): (mapping: Mapping, key: string, text: string) => ReadonlySet<string> {
  const setsOf = perMessage(() => new Map<string, Set<string>>());
  return (mapping, key, text) => {
    const sets = setsOf(mapping);
    const set = sets.get(key) ?? new Set();
    sets.set(key, set.add(text));
    return set;
  };
}
