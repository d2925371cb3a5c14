// Runs a pattern's program over a text, all ways at once: characters × steps at most, whatever the pattern.
// https://swtch.com/~rsc/regexp/regexp2.html (Pike's machine)
import { TOO_COSTLY } from './items.ts';
import type { Step } from './pattern-parse.ts';

/** Some 0.3 s. */
const WORK_MAX = 50_000_000;

interface Threads {
  readonly steps: Int32Array;
  /** Step → the round in which it was added. */
  readonly seen: Int32Array;
  count: number;
}

/** Follows all that consumes nothing; whether the end of the program is among it. */
function addThread(program: readonly Step[], threads: Threads, from: number, round: number, atEnd: boolean): boolean {
  const stack = [from];
  let matched = false;
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (threads.seen[at] === round) continue;
    threads.seen[at] = round;
    const step = program[at];
    if (step?.kind === 'character') threads.steps[threads.count++] = at;
    else if (step?.kind === 'jump') stack.push(step.to);
    else if (step?.kind === 'split') stack.push(step.b, step.a);
    else if (step?.kind === 'start' && round === 1) stack.push(at + 1);
    else if (step?.kind === 'end' && atEnd) stack.push(at + 1);
    else if (step?.kind === 'match') matched = true;
  }
  return matched;
}

const threadsFor = (size: number): Threads => ({ steps: new Int32Array(size), seen: new Int32Array(size), count: 0 });

/** Whether there is a match anywhere in the text. Throws Cannot beyond some 50 million steps. */
export function linearTest(program: readonly Step[], text: string): boolean {
  let current = threadsFor(program.length);
  let next = threadsFor(program.length);
  let work = 0;
  let round = 1;
  for (let at = 0; ; round++) {
    if (addThread(program, current, 0, round, at >= text.length)) return true;
    if (at >= text.length) return false;
    const code = text.codePointAt(at) ?? 0;
    at += code > 0xffff ? 2 : 1;
    work += current.count + 1;
    if (work > WORK_MAX) throw TOO_COSTLY;
    next.count = 0;
    for (let index = 0; index < current.count; index++) {
      const step = current.steps[index] ?? 0;
      const { test } = program[step] as Step & { kind: 'character' };
      if (test(code) && addThread(program, next, step + 1, round + 1, at >= text.length)) return true;
    }
    [current, next] = [next, current];
  }
}
