// FHIRPath that clients write is anybody's, and fhirpath.js has no bound of time: where() in where() in where() takes a second for
// a resource of 40 components and hours for one of 1,000, aggregate() may double what it has at each step, in memory too. All else
// stands still meanwhile. What may take so long runs under a watch, which stops it.
import { type Context, createContext, Script } from 'node:vm';
import { CerebraError } from '#platform';

/** Times that something in brackets is looked at: so many go unwatched. At 30 µs each it is a second. */
const looksMax = 30_000;
const timeMs = 1_000;
/** A machine that stood still for that long has not evaluated anything: the second time it is the expression. */
const turnsMax = 2;
const refusedMs = 60_000;

/** Runs what evaluates an expression on `given`. Throws CerebraError `too-costly` where that takes too long. */
export type InTime = <T>(run: () => T, given: readonly unknown[]) => T;

/**
 * The watch costs 100 to 250 µs: small resources, and expressions that go through them once, do without. What took too long
 * is not tried for a minute on anything as large: a feed of such resources would stand still for seconds at each.
 */
export function inTime(expression: string): InTime {
  const levels = levelsOf(expression);
  const doubles = /\baggregate\b/.test(expression);
  let tooMany = { objects: Number.POSITIVE_INFINITY, untilMs: 0 };
  return (run, given) => {
    const objects = objectsIn(given);
    if (objects >= tooMany.objects && performance.now() < tooMany.untilMs) throw tooCostly(expression);
    if (!doubles && objects ** levels <= looksMax) return run();
    try {
      return watched(run);
    } catch (error) {
      if (!isStopped(error)) throw error;
      tooMany = { objects, untilMs: performance.now() + refusedMs };
      throw tooCostly(expression);
    }
  };
}

const tooCostly = (expression: string): CerebraError => {
  const text = `'${expression.slice(0, 200)}' takes longer than ${timeMs} ms on a resource: say it with fewer functions in each other`;
  return new CerebraError('too-costly', text);
};

const pairwise = /\||\b(union|distinct|isDistinct|subsetOf|supersetOf|intersect|exclude)\b/;

/** Before a bracket these are no function's name. */
const operators = new Set(['and', 'or', 'xor', 'implies', 'in', 'contains', 'is', 'as', 'div', 'mod']);
const texts = /'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/.*/g;

/** How many times over the elements of a resource may be looked at: for each, for each of them and so on. */
function levelsOf(expression: string): number {
  const open: boolean[] = [];
  let deepest = pairwise.test(expression) ? 2 : 0;
  const plain = expression.replaceAll(texts, "''");
  for (const [bracket, dot, name] of plain.matchAll(/(\.\s*)?([A-Za-z]*)\s*\((?!\s*\))|\(\s*\)|\)/g)) {
    if (bracket === ')') open.pop();
    else if (name !== undefined) open.push(name !== '' && (dot !== undefined || !operators.has(name)));
    deepest = Math.max(deepest, open.filter(Boolean).length);
  }
  return deepest;
}

function objectsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 1;
  for (const each of Object.values(value)) count += objectsIn(each);
  return count;
}

const box = { run: (): unknown => undefined };
const script = new Script('run()');
let context: Context | undefined;

const isStopped = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';

function watched<T>(run: () => T): T {
  context ??= createContext(box);
  for (let turn = 1; ; turn++) {
    box.run = run;
    try {
      return script.runInContext(context, { timeout: timeMs }) as T;
    } catch (error) {
      if (!isStopped(error) || turn === turnsMax) throw error;
    }
  }
}
