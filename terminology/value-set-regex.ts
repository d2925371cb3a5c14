// Regular expressions of value set filters. PostgreSQL evaluates them: its automaton needs time in proportion to the text
// where JavaScript's backtracking needs exponential time, `(a+)+$` for one.
// https://www.postgresql.org/docs/current/functions-matching.html#FUNCTIONS-POSIX-REGEXP
import { AsyncLocalStorage } from 'node:async_hooks';
import { CerebraError, type Db, type Queryable, type Statement, sqlState } from '#platform';
import { refuse } from './tx-issues.ts';

const PATTERN_CHARACTERS_MAX = 500;
/** `x{9999}` is a state of the automaton for each. */
const REPEATS_MAX = 255;

const unsupported = (pattern: string, why: string): CerebraError =>
  new CerebraError('unsupported', `The regular expression '${pattern.slice(0, 100)}' is not supported: ${why}`);

/**
 * The pattern as PostgreSQL takes it: it is to match the whole text. Throws `unsupported` for what takes more than an
 * automaton (back references, look-around), or too large a one.
 */
export function wholePattern(pattern: string): string {
  if (pattern.length > PATTERN_CHARACTERS_MAX)
    throw unsupported(pattern, `it has over ${PATTERN_CHARACTERS_MAX} characters`);
  const plain = pattern.replace(/\\[^0-9A-Za-z]/g, '');
  if (/\\[1-9]/.test(plain)) throw unsupported(pattern, 'back references take exponential time');
  if (/\(\?[^:]/.test(plain)) throw unsupported(pattern, 'of (?…) only (?:…) is known');
  if (/\*\*\*/.test(plain.slice(0, 3))) throw unsupported(pattern, 'it begins with ***');
  const nested = plain.match(/\{\d+(?:,\d*)?\}/g) ?? [];
  const states = nested.reduce(
    (product, repeat) => product * Math.max(...(repeat.match(/\d+/g) ?? []).map(Number), 1),
    1,
  );
  if (states > REPEATS_MAX) throw unsupported(pattern, `its counted repeats multiply to more than ${REPEATS_MAX}`);
  return `^(?:${pattern})$`;
}

/** Of one request. A pattern over 400,000 displays takes some 0.5 s; one that is made to, minutes. */
const EVALUATION_MS_MAX = 4_000;

interface Budget {
  max: number;
  spent: number;
  /** How many are evaluated now, and since when some have been. */
  running: number;
  sinceMs: number;
}

const budgets = new AsyncLocalStorage<Budget>();
const newBudget = (max: number): Budget => ({ max, spent: 0, running: 0, sinceMs: 0 });

/** All that is evaluated within has the time of one; what is within another has the outer one's. */
export const withRegexBudget = <T>(run: () => Promise<T>, evaluationMsMax = EVALUATION_MS_MAX): Promise<T> =>
  budgets.getStore() ? run() : budgets.run(newBudget(evaluationMsMax), run);

const tooCostly = ({ max }: Budget): CerebraError =>
  refuse('too-costly', {
    ...{ code: 'too-costly', type: 'too-costly', messageId: 'VALUESET_TOO_COSTLY' },
    text: `The regular expressions of the value set take more than the ${max} ms that a request has for them: make them simpler, or fewer`,
  });

/** Of what the filters of a request take at once, time counts once. */
async function timed<T>(budget: Budget, run: () => Promise<T>): Promise<T> {
  if (budget.running++ === 0) budget.sinceMs = performance.now();
  try {
    return await run();
  } finally {
    if (--budget.running === 0) budget.spent += performance.now() - budget.sinceMs;
  }
}

function leftMs({ max, spent, running, sinceMs }: Budget): number {
  return max - spent - (running === 0 ? 0 : performance.now() - sinceMs);
}

/** A transaction can't be called off statement by statement: there only the next one is refused. */
const canStop = (db: Queryable): db is Db => 'until' in db;

async function withinBudget<T>(db: Queryable, run: (db: Queryable) => Promise<T>): Promise<T> {
  const budget = budgets.getStore() ?? newBudget(EVALUATION_MS_MAX);
  const left = leftMs(budget);
  if (left <= 0) throw tooCostly(budget);
  if (!canStop(db)) return timed(budget, () => run(db));
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(tooCostly(budget)), left);
  try {
    return await timed(budget, () => run(db.until(stop.signal)));
  } finally {
    clearTimeout(timer);
  }
}

const MATCH: Statement = { name: 'regex_values', text: 'select v from unnest($1::text[]) v where v ~ $2' };

/**
 * A pattern that is none is PostgreSQL's to tell: 2201B. Throws `too-costly` when the request's time for regular expressions
 * is over.
 */
export async function checked<T>(pattern: string, db: Queryable, run: (db: Queryable) => Promise<T>): Promise<T> {
  if (pattern === '') return run(db);
  try {
    return await withinBudget(db, run);
  } catch (error) {
    if (sqlState(error) !== '2201B') throw error;
    throw new CerebraError('invalid-parameter', `'${pattern.slice(0, 100)}' is no regular expression`, {
      cause: error,
    });
  }
}

/** Which of the values the pattern matches as a whole. */
export async function matching(db: Queryable, pattern: string, values: readonly string[]): Promise<Set<string>> {
  const whole = wholePattern(pattern);
  const rows = await checked(pattern, db, (own) => own.query<{ v: string }>(MATCH, [[...values], whole]));
  return new Set(rows.map(({ v }) => v));
}
