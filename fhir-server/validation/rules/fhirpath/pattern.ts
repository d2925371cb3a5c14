// Regular expressions of others, in bounded time: https://hl7.org/fhirpath/#matchesregex-string-boolean
import { compilePattern, type Pattern as LinearPattern, unicodeSource } from '#platform';
import { type Cannot, TOO_COSTLY, UNREADABLE } from './items.ts';

export interface Pattern {
  readonly source: string;
  /** Whether the text has a match anywhere. Throws Cannot where that might take too long. */
  test(text: string): boolean;
  replace(text: string, substitution: string): string;
}

/** What the backtracking engine of JavaScript may get: with one unbounded repetition at most it takes n² steps. */
const BACKTRACKED_CHARACTERS_MAX = 2000;
const LINEAR_CHARACTERS_MAX = 200_000;
const PATTERN_CHARACTERS_MAX = 2000;
/** Of 5,000 steps each, if somebody wants it so. */
const PATTERNS_MAX = 200;

const linear = {
  dotAll: true,
  anyEscapes: true,
  patternLengthMax: PATTERN_CHARACTERS_MAX,
  stepsMax: 5000,
  textLengthMax: LINEAR_CHARACTERS_MAX,
  /** Some 0.5 s. */
  workMax: 50_000_000,
};

const unusable = (source: string, why: Cannot): Pattern => ({
  source,
  test() {
    throw why;
  },
  replace() {
    throw why;
  },
});

/** What `read` yields, undefined where it throws. */
function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Whether it is a regular expression: any punctuation may be escaped. */
export const isPattern = (source: string): boolean =>
  ifReadable(() => new RegExp(unicodeSource(source), 'u')) !== undefined;

/** Repetitions that may each take a different share of a text; one more is a power more of steps. */
function loosePlaces(source: string): number {
  const plain = source.replace(/\\./gs, 'x').replace(/\[(?:[^\]])*\]/g, 'x');
  if (/[()|]/.test(plain) && /\)(?:[*+?]|\{)/.test(plain)) return 9;
  return plain.match(/[*+]|\{\d+,\d*\}/g)?.length ?? 0;
}

function create(source: string): Pattern {
  if (source.length > PATTERN_CHARACTERS_MAX) return unusable(source, TOO_COSTLY);
  const pattern = ifReadable(() => compilePattern(source, linear));
  if (pattern !== undefined) return inLinearTime(source, pattern);
  const native = ['su', 's'].map((flags) => ifReadable(() => new RegExp(source, `g${flags}`))).find(Boolean);
  if (native === undefined) return unusable(source, UNREADABLE);
  return loosePlaces(source) > 1 ? unusable(source, TOO_COSTLY) : onShortText(source, native);
}

function inLinearTime(source: string, pattern: LinearPattern): Pattern {
  const tried = <T>(text: string, work: () => T): T => {
    if (text.length > LINEAR_CHARACTERS_MAX) throw TOO_COSTLY;
    try {
      return work();
    } catch {
      throw TOO_COSTLY;
    }
  };
  return {
    source,
    test: (text) => tried(text, () => pattern.test(text)),
    replace: (text, substitution) => tried(text, () => pattern.replaceAll(text, substitution)),
  };
}

/** Look-around, and what only ECMAScript without `u` reads. */
function onShortText(source: string, native: RegExp): Pattern {
  const short = (text: string): string => {
    if (text.length > BACKTRACKED_CHARACTERS_MAX) throw TOO_COSTLY;
    return text;
  };
  return {
    source,
    test: (text) => short(text).search(native) >= 0,
    replace: (text, substitution) => short(text).replace(native, substitution),
  };
}

const known = new Map<string, Pattern>();

/** Compiled once; a pattern that is none yields Cannot at each test. */
export function patternOf(source: string): Pattern {
  const found = known.get(source) ?? create(source);
  if (known.size >= PATTERNS_MAX) known.clear();
  known.set(source, found);
  return found;
}
