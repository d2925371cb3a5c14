// The tree of a pattern as steps of a machine: https://swtch.com/~rsc/regexp/regexp2.html
import type { Node } from './syntax.ts';

type Step =
  | { op: 'character'; is(codePoint: number): boolean }
  | { op: 'assertion'; at: '^' | '$' | '\\b' | '\\B' }
  | { op: 'split'; first: number; second: number }
  | { op: 'jump'; to: number }
  | { op: 'save'; slot: number }
  | { op: 'match' };

type CharacterTest = (codePoint: number) => boolean;

/** What a step does. */
export const op = { character: 0, assertion: 1, split: 2, jump: 3, save: 4, match: 5 } as const;
export const assertions = ['^', '$', '\\b', '\\B'] as const;

/** The steps in columns: a third of the time that objects of six shapes take. */
export interface Program {
  readonly length: number;
  readonly ops: Uint8Array;
  /** Of a split the preferred way, of a jump where to, of `save` the slot, of an assertion which. */
  readonly first: Int32Array;
  /** Of a split the other way. */
  readonly second: Int32Array;
  /** Of steps that read a character. */
  readonly tests: readonly CharacterTest[];
}

function inColumns(steps: readonly Step[]): Program {
  const firstOf = (step: Step): number => {
    if (step.op === 'split') return step.first;
    if (step.op === 'jump') return step.to;
    if (step.op === 'save') return step.slot;
    return step.op === 'assertion' ? assertions.indexOf(step.at) : 0;
  };
  return {
    length: steps.length,
    ops: Uint8Array.from(steps, (step) => op[step.op]),
    first: Int32Array.from(steps, firstOf),
    second: Int32Array.from(steps, (step) => (step.op === 'split' ? step.second : 0)),
    tests: steps.map((step) => (step.op === 'character' ? step.is : () => false)),
  };
}

const tooLarge = (): RangeError => new RangeError('the pattern is too large: repeat less often');

/** `flags`: of the native expressions that say what one character matches. Throws RangeError beyond `stepsMax` steps. */
export function assemble(root: Node, flags: string, stepsMax: number): Program {
  const steps: Step[] = [];
  const testOf = characterTests(flags);
  const put = (step: Step): number => {
    if (steps.length >= stepsMax) throw tooLarge();
    return steps.push(step) - 1;
  };
  let written = 0;
  const write = (node: Node): void => {
    // Of nothing, too, there can be a million copies.
    if (++written > 10 * stepsMax) throw tooLarge();
    if (node.kind === 'character') put({ op: 'character', is: testOf(node.source) });
    else if (node.kind === 'assertion') put({ op: 'assertion', at: node.at });
    else if (node.kind === 'sequence') for (const part of node.parts) write(part);
    else if (node.kind === 'choice') writeChoice(node.branches);
    else if (node.kind === 'capture') {
      put({ op: 'save', slot: 2 * node.group });
      write(node.node);
      put({ op: 'save', slot: 2 * node.group + 1 });
    } else if (node.kind === 'repeat') writeRepeat(node);
  };
  /** A way into what `inside` writes and a way past it. */
  const split = (lazy: boolean, inside: () => void): void => {
    const at = put({ op: 'split', first: 0, second: 0 });
    inside();
    const [into, past] = [at + 1, steps.length];
    steps[at] = lazy ? { op: 'split', first: past, second: into } : { op: 'split', first: into, second: past };
  };
  const writeChoice = (branches: readonly Node[]): void => {
    const jumps: { to: number }[] = [];
    for (const branch of branches.slice(0, -1)) {
      split(false, () => {
        write(branch);
        const jump = { op: 'jump' as const, to: 0 };
        put(jump);
        jumps.push(jump);
      });
    }
    write(branches.at(-1)!);
    for (const jump of jumps) jump.to = steps.length;
  };
  const writeRepeat = ({ node, min, max, lazy }: Node & { kind: 'repeat' }): void => {
    if (Math.max(min, max === Number.POSITIVE_INFINITY ? 0 : max) > stepsMax) throw tooLarge();
    for (let count = 0; count < min; count++) write(node);
    if (max === Number.POSITIVE_INFINITY) writeLoop(node, lazy);
    else writeOptional(node, max - min, lazy);
  };
  const writeLoop = (node: Node, lazy: boolean): void => {
    const start = steps.length;
    split(lazy, () => {
      write(node);
      put({ op: 'jump', to: start });
    });
  };
  /** x{0,n} as (x(x(x)?)?)?: all go past the last. */
  const writeOptional = (node: Node, count: number, lazy: boolean): void => {
    const splits: { first: number; second: number }[] = [];
    for (let index = 0; index < count; index++) {
      const at = steps.length + 1;
      const one = { op: 'split' as const, first: at, second: at };
      put(one);
      splits.push(one);
      write(node);
    }
    for (const one of splits) one[lazy ? 'first' : 'second'] = steps.length;
  };
  put({ op: 'save', slot: 0 });
  write(root);
  put({ op: 'save', slot: 1 });
  put({ op: 'match' });
  return inColumns(steps);
}

/** What the native engine says of one character alone; for the first 256 it is asked once, however often the character stands there. */
function characterTests(flags: string): (source: string) => CharacterTest {
  const known = new Map<string, CharacterTest>();
  return (source) => {
    const found = known.get(source);
    if (found !== undefined) return found;
    const alone = new RegExp(`^(?:${source})$`, flags);
    const small = Array.from({ length: 256 }, (_, codePoint) => alone.test(String.fromCodePoint(codePoint)));
    const test: CharacterTest = (codePoint) => small[codePoint] ?? alone.test(String.fromCodePoint(codePoint));
    known.set(source, test);
    return test;
  };
}
