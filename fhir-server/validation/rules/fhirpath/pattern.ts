// Regular expressions of others, in bounded time: https://hl7.org/fhirpath/#matchesregex-string-boolean
import { type Cannot, TOO_COSTLY, UNREADABLE } from './items.ts';
import { linearTest } from './pattern-nfa.ts';
import { parsePattern } from './pattern-parse.ts';

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

const unusable = (why: Cannot): Pattern => ({
  source: '(?!)',
  test() {
    throw why;
  },
  replace() {
    throw why;
  },
});

/** R4's own patterns escape what Unicode mode doesn't let them, such as `\@`. */
function nativeOf(source: string, flags: string[]): RegExp | undefined {
  const [first, ...others] = flags;
  try {
    return first === undefined ? undefined : new RegExp(source, first);
  } catch {
    return nativeOf(source, others);
  }
}

/** Repetitions that may each take a different share of a text; one more is a power more of steps. */
function loosePlaces(source: string): number {
  const plain = source.replace(/\\./gs, 'x').replace(/\[(?:[^\]])*\]/g, 'x');
  if (/[()|]/.test(plain) && /\)(?:[*+?]|\{)/.test(plain)) return 9;
  return plain.match(/[*+]|\{\d+,\d*\}/g)?.length ?? 0;
}

function create(source: string): Pattern {
  if (source.length > PATTERN_CHARACTERS_MAX) return unusable(TOO_COSTLY);
  const native = nativeOf(source, ['su', 's']);
  if (native === undefined) return unusable(UNREADABLE);
  const simple = loosePlaces(source) <= 1;
  const all = simple ? nativeOf(source, ['gsu', 'gs']) : undefined;
  const parsed = parsePattern(source);
  return {
    source,
    test(text) {
      if (simple && text.length <= BACKTRACKED_CHARACTERS_MAX) return native.test(text);
      if (parsed === undefined || text.length > LINEAR_CHARACTERS_MAX) throw TOO_COSTLY;
      return linearTest(parsed, text);
    },
    replace(text, substitution) {
      if (all === undefined || text.length > BACKTRACKED_CHARACTERS_MAX) throw TOO_COSTLY;
      return text.replace(all, substitution);
    },
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
