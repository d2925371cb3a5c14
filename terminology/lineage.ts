// What lies above and below each concept of a polyhierarchy: https://hl7.org/fhir/R4/codesystem.html#hierarchy

import { CerebraError } from '#platform';

/** Edges from child to parent, by number; kept in typed arrays: a million of them are 8 MB. */
export interface Edges {
  add(child: number, parent: number): void;
  readonly size: number;
  child(i: number): number;
  parent(i: number): number;
}

export function createEdges(): Edges {
  let pairs = new Int32Array(2048);
  let size = 0;
  return {
    add(child, parent) {
      if (2 * size === pairs.length) {
        const larger = new Int32Array(pairs.length * 2);
        larger.set(pairs);
        pairs = larger;
      }
      pairs[2 * size] = child;
      pairs[2 * size + 1] = parent;
      size++;
    },
    get size() {
      return size;
    },
    child: (i) => pairs[2 * i]!,
    parent: (i) => pairs[2 * i + 1]!,
  };
}

export interface Lineage {
  /** Ascending, each once. */
  parents: readonly (readonly number[])[];
  /** All above, ascending, itself not among them. */
  ancestors: readonly (readonly number[])[];
  /** How many lie below. */
  descendants: Int32Array;
  /** Edges that would have closed a cycle and were left out. */
  cyclic: { child: number; parent: number }[];
}

/** Shared by all that have none. */
const NONE: readonly number[] = [];

const ascending = (a: number, b: number): number => a - b;

function parentsOf(count: number, edges: Edges): number[][] {
  const parents: number[][] = new Array(count).fill(NONE);
  for (let i = 0; i < edges.size; i++) {
    const child = edges.child(i);
    const known = parents[child]!;
    if (known === NONE) parents[child] = [edges.parent(i)];
    else if (!known.includes(edges.parent(i))) known.push(edges.parent(i));
  }
  for (const some of parents) if (some.length > 1) some.sort(ascending);
  return parents;
}

/** All above, given that those of the parents are known. */
function above(parents: readonly number[], ancestors: (readonly number[])[]): readonly number[] {
  if (parents.length === 0) return NONE;
  if (parents.length === 1) {
    const [parent] = parents as [number];
    const theirs = ancestors[parent]!;
    // Most systems tell the parent first: its number is the highest then.
    return (theirs.at(-1) ?? -1) < parent ? [...theirs, parent] : [...theirs, parent].sort(ascending);
  }
  const all = new Set(parents);
  for (const parent of parents) for (const each of ancestors[parent]!) all.add(each);
  return [...all].sort(ascending);
}

const NEW = 0;
const OPEN = 1;
const DONE = 2;

const tooDeep = (pairsMax: number): CerebraError =>
  new CerebraError(
    'too-costly',
    `The hierarchy is too deep: it has more than ${pairsMax} pairs of a concept and one above it`,
  );

/**
 * Of `count` concepts, numbered from 0; throws `too-costly` where there are more than `pairsMax` pairs of a concept and one
 * above it, which a chain of n concepts has n²/2 of. Depth first without recursion, since systems may be as deep as they like; an edge to
 * a concept that is still open closes a cycle and is left out.
 */
export function lineageOf(count: number, edges: Edges, pairsMax: number): Lineage {
  const parents = parentsOf(count, edges);
  const ancestors: (readonly number[])[] = new Array(count).fill(NONE);
  const state = new Uint8Array(count);
  const cyclic: Lineage['cyclic'] = [];
  const stack: number[] = [];
  let pairs = 0;
  const next = new Int32Array(count);
  for (let start = 0; start < count; start++) {
    if (state[start] !== NEW) continue;
    stack.push(start);
    state[start] = OPEN;
    for (let n = stack.at(-1); n !== undefined; n = stack.at(-1)) {
      const mine = parents[n]!;
      const at = next[n]!;
      if (at === mine.length) {
        const mineAbove = above(mine, ancestors);
        ancestors[n] = mineAbove;
        pairs += mineAbove.length;
        if (pairs > pairsMax) throw tooDeep(pairsMax);
        state[n] = DONE;
        stack.pop();
        continue;
      }
      const parent = mine[at]!;
      if (state[parent] === OPEN) {
        cyclic.push({ child: n, parent });
        mine.splice(at, 1);
        continue;
      }
      next[n] = at + 1;
      if (state[parent] === NEW) {
        state[parent] = OPEN;
        stack.push(parent);
      }
    }
  }
  const descendants = new Int32Array(count);
  for (const some of ancestors) for (const n of some) descendants[n]! += 1;
  return { parents, ancestors, descendants, cyclic };
}
