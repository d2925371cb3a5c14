// How much two texts are alike: for names and identifiers that were typed twice.

/** Longer texts are compared by their beginnings. */
const COMPARED_MAX = 64;

/**
 * Edits that make `a` of `b`: one character more, less or other, or two neighbours swapped (optimal string alignment).
 * `limit + 1` stands for more than `limit`.
 */
export function editDistance(a: string, b: string, limit: number): number {
  const [x, y] = [a.slice(0, COMPARED_MAX), b.slice(0, COMPARED_MAX)];
  if (Math.abs(x.length - y.length) > limit) return limit + 1;
  let before: number[] = [];
  let last = Array.from({ length: y.length + 1 }, (_, j) => j);
  for (let i = 1; i <= x.length; i++) {
    const row = [i];
    for (let j = 1; j <= y.length; j++) {
      const same = x[i - 1] === y[j - 1];
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && x[i - 1] === y[j - 2] && x[i - 2] === y[j - 1];
      if (swapped) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    before = last;
    last = row;
  }
  return Math.min(last[y.length]!, limit + 1);
}

/** Whether two words are likely one that was misspelt: one edit in words of four letters, two in those of eight. */
export function isClose(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length);
  const limit = shorter >= 8 ? 2 : shorter >= 4 ? 1 : 0;
  return limit > 0 && editDistance(a, b, limit) <= limit;
}
