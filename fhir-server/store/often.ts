// A prepared statement stays on each connection that has run it, with 100 kB and more. Where statements differ by what they
// are put together from, only the combinations that come often get one.

/** What is counted at a time; beyond it counting begins anew. */
const COUNTED_MAX = 5000;

export interface OftenOptions {
  /** So many names at most come often; the first that do. */
  namesMax: number;
  /** Uses until a name counts as one that comes often. */
  usesMin: number;
}

/** Yields a function that notes a use of a name, and tells whether the name comes often. */
export function createOften({ namesMax, usesMin }: OftenOptions): (name: string) => boolean {
  const uses = new Map<string, number>();
  const often = new Set<string>();
  return (name) => {
    if (often.has(name)) return true;
    if (often.size >= namesMax) return false;
    const count = (uses.get(name) ?? 0) + 1;
    if (uses.size >= COUNTED_MAX) uses.clear();
    uses.set(name, count);
    if (count >= usesMin) often.add(name);
    return count >= usesMin;
  };
}
