// The parts of family names, which a search looks at independently: https://hl7.org/fhir/R4/search.html#string
import type { SearchParam } from './types.ts';

/** Later words that a name is also found by: each is one more index row. */
const PARTS_MAX = 15;
/** UTF-16 units. No name is longer; a text of megabytes is not kept 15 times more. */
const CHARACTERS_MAX = 256;

const NONE: readonly string[] = [];

/**
 * What begins at the second word of a folded family name, the third …: `van der berg` has `der berg` and `berg`. Folding has
 * made spaces of hyphens.
 */
export function familyParts(folded: string): readonly string[] {
  let at = folded.indexOf(' ');
  if (at < 0 || folded.length > CHARACTERS_MAX) return NONE;
  const parts: string[] = [];
  for (; at >= 0 && parts.length < PARTS_MAX; at = folded.indexOf(' ', at + 1)) parts.push(folded.slice(at + 1));
  return parts;
}

/** Any fixed number will do; contained.test.ts shows that no two keys of R4 meet. */
const SHIFT = 0x1b873593;

/** The number of the index rows that have the parts of the family names of a parameter: only its own have whole names. */
export const familyPartsKey = ({ key }: Pick<SearchParam, 'key'>): number => key ^ SHIFT;
