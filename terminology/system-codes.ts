// The codes of a system that is being written, and what is above what: https://hl7.org/fhir/R4/codesystem.html#hierarchy
import { CerebraError } from '#platform';
import { createEdges, type Edges } from './lineage.ts';

/** An entry of a B-tree has 2,704 bytes at most. */
export const CODE_BYTES_MAX = 2_000;

/** Only ASCII, as lower() does it in collation "C". */
export const foldCode = (code: string): string => code.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Two codes of which one is said to be above the other. */
export interface ToldEdge {
  child: string;
  parent: string;
}

/** The codes of the system and what is above what, until all are known. */
export interface Codes {
  caseSensitive: boolean;
  numbers: Map<string, number>;
  /** By folded code, where case makes no difference: of the first `foldedUpTo` concepts. */
  folded: Map<string, number>;
  foldedUpTo: number;
  names: string[];
  edges: Edges;
  /** Parents that are not known yet. */
  waiting: { n: number; parent: string }[];
}

export const createCodes = (caseSensitive: boolean): Codes => ({
  ...{ caseSensitive, numbers: new Map(), folded: new Map(), foldedUpTo: 0 },
  ...{ names: [], edges: createEdges(), waiting: [] },
});

export function numberOf(codes: Codes, code: string): number | undefined {
  const n = codes.numbers.get(code);
  if (n !== undefined || codes.caseSensitive) return n;
  for (; codes.foldedUpTo < codes.names.length; codes.foldedUpTo++) {
    const fold = foldCode(codes.names[codes.foldedUpTo]!);
    if (!codes.folded.has(fold)) codes.folded.set(fold, codes.foldedUpTo);
  }
  return codes.folded.get(foldCode(code));
}

/** A UTF-16 unit has three bytes of UTF-8 at most: short codes need not be counted. */
const isTooLong = (code: string): boolean =>
  code.length * 3 > CODE_BYTES_MAX && Buffer.byteLength(code) > CODE_BYTES_MAX;

/** Its number; undefined when it is there already. Throws `invalid` for one that is empty or too long. */
export function addCode(codes: Codes, code: string): number | undefined {
  if (code === '' || isTooLong(code)) {
    throw new CerebraError('invalid', `A code has between 1 and ${CODE_BYTES_MAX} bytes`);
  }
  if (codes.numbers.has(code)) return undefined;
  codes.numbers.set(code, codes.names.length);
  return codes.names.push(code) - 1;
}

export function addParent(codes: Codes, n: number, parent: string): void {
  const known = codes.numbers.get(parent);
  if (known === undefined) codes.waiting.push({ n, parent });
  else codes.edges.add(n, known);
}

/** Those that nobody knows now that all are there. */
export function settle(codes: Codes): ToldEdge[] {
  const unknown: ToldEdge[] = [];
  for (const { n, parent } of codes.waiting) {
    const known = numberOf(codes, parent);
    if (known === undefined) unknown.push({ child: codes.names[n]!, parent });
    else codes.edges.add(n, known);
  }
  codes.waiting = [];
  return unknown;
}
