// Regular expressions in routes: they meet whatever a sender writes, so each takes time linear in the text.
// The machine is Pike's (https://swtch.com/~rsc/regexp/regexp2.html): all ways through the program are followed at once.
import { type Node, parsePattern } from './pattern-syntax.ts';

export interface Pattern {
  /** Whether it is found anywhere in the first 65,536 characters. */
  test(text: string): boolean;
  /** Every match replaced: `$1` … `$9` what a group has, `$&` all, `$$` a dollar sign. Text past 65,536 characters stays. */
  replaceAll(text: string, replacement: string): string;
}

/** Characters of a text that are looked at. */
const textLengthMax = 65_536;
/** Steps of the compiled program; a counted repetition is as many copies. */
const stepsMax = 2_000;

// Where a pattern has few ways to match a short text, Node's own engine is faster, and going back over all of them from
// each place is a million steps at most.
const waysMax = 1_000;
const shortText = 1_000;

type Step =
  | { op: 'character'; is(codePoint: number): boolean }
  | { op: 'assertion'; at: '^' | '$' | '\\b' | '\\B' }
  | { op: 'split'; first: number; second: number }
  | { op: 'jump'; to: number }
  | { op: 'save'; slot: number }
  | { op: 'match' };

/** Starts and ends, by group, of a match; -1 where a group has none. */
type Slots = readonly number[];

/** Throws RangeError that tells what is wrong with the pattern. */
export function compilePattern(source: string, ignoreCase = false): Pattern {
  const { node, groups } = parsePattern(source);
  const flags = ignoreCase ? 'iu' : 'u';
  const native = waysOf(node) <= waysMax ? new RegExp(source, flags) : undefined;
  const program = assemble(node, flags);
  const width = 2 * (groups + 1);
  return {
    test: (text) =>
      native !== undefined && text.length <= shortText
        ? native.test(text)
        : run(program, text.slice(0, textLengthMax), 0, 0) !== undefined,
    replaceAll(text, replacement) {
      const head = text.slice(0, textLengthMax);
      let result = '';
      let copied = 0;
      for (let from = 0; from <= head.length; ) {
        const slots = run(program, head, from, width);
        if (slots === undefined) break;
        const [start = 0, end = 0] = slots;
        result += head.slice(copied, start) + filledIn(replacement, head, slots);
        copied = end;
        // An empty match: the next one begins a character later.
        from = end > start ? end : end + ((head.codePointAt(end) ?? 0) > 0xffff ? 2 : 1);
      }
      return result + text.slice(copied);
    },
  };
}

function filledIn(replacement: string, text: string, slots: Slots): string {
  return replacement.replaceAll(/\$([$&1-9])/g, (whole, name: string) => {
    if (name === '$') return '$';
    const group = name === '&' ? 0 : Number(name);
    if (2 * group >= slots.length) return whole;
    const [start = -1, end = -1] = slots.slice(2 * group);
    return start < 0 || end < 0 ? '' : text.slice(start, end);
  });
}

/** How many ways there are, at most, to go through the pattern from one place of a short text. */
function waysOf(node: Node): number {
  switch (node.kind) {
    case 'sequence':
      return node.parts.reduce((ways, part) => ways * waysOf(part), 1);
    case 'choice':
      return node.branches.reduce((ways, branch) => ways + waysOf(branch), 0);
    case 'capture':
      return waysOf(node.node);
    case 'repeat':
      return repeatedWays(waysOf(node.node), node.min, node.max, node.node.kind === 'character');
    default:
      return 1;
  }
}

function repeatedWays(ways: number, min: number, max: number, isCharacter: boolean): number {
  if (max === Number.POSITIVE_INFINITY) return isCharacter ? shortText : Number.POSITIVE_INFINITY;
  return ways === 1 ? max - min + 1 : ways ** max * (max - min + 1);
}

const tooLarge = (): RangeError => new RangeError('the pattern is too large: repeat less often');

function assemble(root: Node, flags: string): Step[] {
  const steps: Step[] = [];
  const put = (step: Step): number => {
    if (steps.length >= stepsMax) throw tooLarge();
    return steps.push(step) - 1;
  };
  const split = (lazy: boolean, enter: () => void, after: () => void): void => {
    const at = put({ op: 'split', first: 0, second: 0 });
    const inside = steps.length;
    enter();
    const outside = steps.length;
    steps[at] = lazy
      ? { op: 'split', first: outside, second: inside }
      : { op: 'split', first: inside, second: outside };
    after();
  };
  const nothing = (): void => {};
  let written = 0;
  const write = (node: Node): void => {
    // Of nothing, too, there can be a million copies.
    if (++written > 10 * stepsMax) throw tooLarge();
    if (node.kind === 'character') put({ op: 'character', is: characterTest(node.source, flags) });
    else if (node.kind === 'assertion') put({ op: 'assertion', at: node.at });
    else if (node.kind === 'sequence') for (const part of node.parts) write(part);
    else if (node.kind === 'choice') writeChoice(node.branches);
    else if (node.kind === 'capture') {
      put({ op: 'save', slot: 2 * node.group });
      write(node.node);
      put({ op: 'save', slot: 2 * node.group + 1 });
    } else if (node.kind === 'repeat') writeRepeat(node);
  };
  const writeChoice = ([branch, ...others]: Node[]): void => {
    if (others.length === 0) {
      write(branch!);
      return;
    }
    const at = put({ op: 'split', first: steps.length + 1, second: 0 });
    write(branch!);
    const jump = put({ op: 'jump', to: 0 });
    steps[at] = { op: 'split', first: at + 1, second: steps.length };
    writeChoice(others);
    steps[jump] = { op: 'jump', to: steps.length };
  };
  const writeRepeat = ({ node, min, max, lazy }: Node & { kind: 'repeat' }): void => {
    if (Math.max(min, max === Number.POSITIVE_INFINITY ? 0 : max) > stepsMax) throw tooLarge();
    for (let count = 0; count < min; count++) write(node);
    if (max === Number.POSITIVE_INFINITY) {
      const start = steps.length;
      split(
        lazy,
        () => {
          write(node);
          put({ op: 'jump', to: start });
        },
        nothing,
      );
    } else writeOptional(node, max - min, lazy);
  };
  /** x{0,n} as (x(x(x)?)?)?. */
  const writeOptional = (node: Node, count: number, lazy: boolean): void => {
    if (count === 0) return;
    split(
      lazy,
      () => {
        write(node);
        writeOptional(node, count - 1, lazy);
      },
      nothing,
    );
  };
  put({ op: 'save', slot: 0 });
  write(root);
  put({ op: 'save', slot: 1 });
  put({ op: 'match' });
  return steps;
}

/** What the native engine says of one character alone; for the first 256 it is asked once. */
function characterTest(source: string, flags: string): (codePoint: number) => boolean {
  const alone = new RegExp(`^(?:${source})$`, flags);
  const small = Array.from({ length: 256 }, (_, codePoint) => alone.test(String.fromCodePoint(codePoint)));
  return (codePoint) => small[codePoint] ?? alone.test(String.fromCodePoint(codePoint));
}

interface Thread {
  at: number;
  slots: Slots;
}

/** The first match that begins at `from` or later; `width`: slots that are wanted, 0 to know only whether there is one. */
function run(program: readonly Step[], text: string, from: number, width: number): Slots | undefined {
  const seen = new Int32Array(program.length).fill(-1);
  const none: Slots = new Array<number>(width).fill(-1);
  let found: Slots | undefined;
  let threads: Thread[] = [];
  for (let position = from; ; ) {
    const codePoint = position < text.length ? text.codePointAt(position)! : -1;
    const all: Thread[] = [];
    for (const thread of threads) follow(program, seen, text, position, thread, all);
    if (found === undefined) follow(program, seen, text, position, { at: 0, slots: none }, all);
    threads = [];
    for (const { at, slots } of all) {
      const step = program[at]!;
      if (step.op === 'match') {
        if (width === 0) return slots;
        found = slots;
        break;
      }
      if (codePoint >= 0 && step.op === 'character' && step.is(codePoint)) threads.push({ at: at + 1, slots });
    }
    if (codePoint < 0 || (found !== undefined && threads.length === 0)) return found;
    position += codePoint > 0xffff ? 2 : 1;
  }
}

/** What is reached from a thread without reading, the preferred way first; a step is reached once at a place. */
function follow(
  program: readonly Step[],
  seen: Int32Array,
  text: string,
  position: number,
  start: Thread,
  into: Thread[],
): void {
  const open: Thread[] = [start];
  for (let thread = open.pop(); thread !== undefined; thread = open.pop()) {
    const { at, slots } = thread;
    if (seen[at] === position) continue;
    seen[at] = position;
    const step = program[at]!;
    if (step.op === 'jump') open.push({ at: step.to, slots });
    else if (step.op === 'split') open.push({ at: step.second, slots }, { at: step.first, slots });
    else if (step.op === 'save')
      open.push({ at: at + 1, slots: step.slot < slots.length ? slots.with(step.slot, position) : slots });
    else if (step.op !== 'assertion') into.push(thread);
    else if (holds(step.at, text, position)) open.push({ at: at + 1, slots });
  }
}

const isWord = (character: string | undefined): boolean => character !== undefined && /^\w$/.test(character);

function holds(at: '^' | '$' | '\\b' | '\\B', text: string, position: number): boolean {
  if (at === '^') return position === 0;
  if (at === '$') return position === text.length;
  return (isWord(text[position - 1]) !== isWord(text[position])) === (at === '\\b');
}
