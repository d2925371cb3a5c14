// Runs the steps of a pattern over a text, all ways at once: characters × steps at most, whatever the pattern.
// The machine is Pike's: https://swtch.com/~rsc/regexp/regexp2.html
import { assertions, op, type Program } from './program.ts';

/** Starts and ends, by group, of a match; -1 where a group has none. */
export type Slots = readonly number[];

/** Steps that may still be taken, of all runs together. */
export interface Work {
  left: number;
}

/** Where the machine stands, the preferred way first. */
interface Threads {
  readonly at: Int32Array;
  readonly slots: Slots[];
  count: number;
}

const threadsFor = ({ length }: Program): Threads => ({ at: new Int32Array(length), slots: [], count: 0 });

/**
 * The first match that begins at `from` or later; `width`: slots that are wanted, 0 to know only whether there is one. Throws
 * RangeError where more work would be needed than is left.
 */
export function run(program: Program, text: string, from: number, width: number, work: Work): Slots | undefined {
  const { ops, tests } = program;
  const follow = follower(program, text);
  const none: Slots = new Array<number>(width).fill(-1);
  let found: Slots | undefined;
  let now = threadsFor(program);
  let next = threadsFor(program);
  for (let position = from; ; ) {
    if (found === undefined) follow(now, position, 0, none);
    work.left -= now.count + 1;
    if (work.left < 0) throw new RangeError('the text takes this pattern too long');
    const codePoint = position < text.length ? text.codePointAt(position)! : -1;
    const after = position + (codePoint > 0xffff ? 2 : 1);
    next.count = 0;
    for (let index = 0; index < now.count; index++) {
      const at = now.at[index]!;
      if (ops[at] === op.match) {
        found = now.slots[index]!;
        if (width === 0) return found;
        break;
      }
      if (codePoint >= 0 && tests[at]!(codePoint)) follow(next, after, at + 1, now.slots[index]!);
    }
    if (codePoint < 0 || (found !== undefined && next.count === 0)) return found;
    [now, next] = [next, now];
    position = after;
  }
}

type Follow = (into: Threads, position: number, at: number, slots: Slots) => void;

/** Adds what is reached without reading, the preferred way first; a step is reached once at a place. */
function follower({ length, ops, first, second }: Program, text: string): Follow {
  const seen = new Int32Array(length).fill(-1);
  // Each split is taken once at a place.
  const open = new Int32Array(length);
  const openSlots: Slots[] = [];
  return (into, position, start, startSlots) => {
    let slots = startSlots;
    let at = start;
    for (let waiting = 0; ; ) {
      let goesOn = seen[at] !== position;
      seen[at] = position;
      if (goesOn) {
        const what = ops[at]!;
        if (what === op.jump) at = first[at]!;
        else if (what === op.split) {
          openSlots[waiting] = slots;
          open[waiting++] = second[at]!;
          at = first[at]!;
        } else if (what === op.save) {
          if (first[at]! < slots.length) slots = slots.with(first[at]!, position);
          at++;
        } else if (what === op.assertion) {
          goesOn = holds(assertions[first[at]!]!, text, position);
          at++;
        } else {
          into.at[into.count] = at;
          into.slots[into.count++] = slots;
          goesOn = false;
        }
      }
      if (goesOn) continue;
      if (waiting === 0) return;
      at = open[--waiting]!;
      slots = openSlots[waiting]!;
    }
  };
}

const isWord = (character: string | undefined): boolean => character !== undefined && /^\w$/.test(character);

function holds(at: (typeof assertions)[number], text: string, position: number): boolean {
  if (at === '^') return position === 0;
  if (at === '$') return position === text.length;
  return (isWord(text[position - 1]) !== isWord(text[position])) === (at === '\\b');
}
