// Regular expressions of value set filters. PostgreSQL evaluates them: its automaton needs time in proportion to the text
// where JavaScript's backtracking needs exponential time, `(a+)+$` for one.
// https://www.postgresql.org/docs/current/functions-matching.html#FUNCTIONS-POSIX-REGEXP
import { CerebraError, type Queryable, type Statement, sqlState } from '#platform';

const PATTERN_CHARACTERS_MAX = 500;
/** `x{9999}` is a state of the automaton for each. */
const REPEATS_MAX = 255;

const refuse = (pattern: string, why: string): CerebraError =>
  new CerebraError('unsupported', `The regular expression '${pattern.slice(0, 100)}' is not supported: ${why}`);

/**
 * The pattern as PostgreSQL takes it: it is to match the whole text. Throws `unsupported` for what takes more than an
 * automaton (back references, look-around), or too large a one.
 */
export function wholePattern(pattern: string): string {
  if (pattern.length > PATTERN_CHARACTERS_MAX)
    throw refuse(pattern, `it has over ${PATTERN_CHARACTERS_MAX} characters`);
  const plain = pattern.replace(/\\[^0-9A-Za-z]/g, '');
  if (/\\[1-9]/.test(plain)) throw refuse(pattern, 'back references take exponential time');
  if (/\(\?[^:]/.test(plain)) throw refuse(pattern, 'of (?…) only (?:…) is known');
  if (/\*\*\*/.test(plain.slice(0, 3))) throw refuse(pattern, 'it begins with ***');
  const nested = plain.match(/\{\d+(?:,\d*)?\}/g) ?? [];
  const states = nested.reduce(
    (product, repeat) => product * Math.max(...(repeat.match(/\d+/g) ?? []).map(Number), 1),
    1,
  );
  if (states > REPEATS_MAX) throw refuse(pattern, `its counted repeats multiply to more than ${REPEATS_MAX}`);
  return `^(?:${pattern})$`;
}

const MATCH: Statement = { name: 'regex_values', text: 'select v from unnest($1::text[]) v where v ~ $2' };

/** A pattern that is none is PostgreSQL's to tell: 2201B. */
export async function checked<T>(pattern: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
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
  const rows = await checked(pattern, () => db.query<{ v: string }>(MATCH, [[...values], whole]));
  return new Set(rows.map(({ v }) => v));
}
