// Regular expressions that others write: they meet whatever somebody sends, so each takes time linear in the text.
import { run, type Slots, type Work } from './machine.ts';
import { assemble } from './program.ts';
import { type Node, parsePattern, unicodeSource } from './syntax.ts';

export interface Pattern {
  /** Whether it is found anywhere in the text, as far as that is looked at. Throws RangeError beyond `workMax`. */
  test(text: string): boolean;
  /**
   * Every match replaced: `$1` … `$9` and `${name}` what a group has, `$&` all, `$$` a dollar sign. Text that is not looked at
   * stays. Throws RangeError beyond `workMax`.
   */
  replaceAll(text: string, replacement: string): string;
}

export interface PatternOptions {
  ignoreCase?: boolean | undefined;
  /** `.` is a line end too. */
  dotAll?: boolean;
  /** Any punctuation may be escaped, as in XML Schema and Java. */
  anyEscapes?: boolean;
  /** Characters of a pattern. */
  patternLengthMax?: number;
  /** Steps of the compiled program; a counted repetition is as many copies. */
  stepsMax?: number;
  /** Characters of a text that are looked at; default 65,536. */
  textLengthMax?: number;
  /** Steps taken in one call: some 10 ns each. The default is never reached by one match, only by many that each look far ahead. */
  workMax?: number;
}

/** Of a pattern, unless told otherwise. */
export const patternLengthMax = 500;

const limits = { patternLengthMax, stepsMax: 2_000, textLengthMax: 65_536, workMax: 150_000_000 };

// Where a pattern has few ways to match a short text, Node's own engine is faster, and going back over all of them from
// each place is a million steps at most.
const waysMax = 1_000;
const shortText = 1_000;

/** Throws RangeError that tells what is wrong with the pattern. */
export function compilePattern(written: string, options: PatternOptions = {}): Pattern {
  const { stepsMax, textLengthMax, workMax, ...others } = { ...limits, ...options };
  if (written.length > others.patternLengthMax)
    throw new RangeError(`a pattern has at most ${others.patternLengthMax} characters`);
  const source = options.anyEscapes ? unicodeSource(written) : written;
  const { node, groups, names } = parsePattern(source);
  const flags = `${options.ignoreCase ? 'i' : ''}${options.dotAll ? 's' : ''}u`;
  const native = waysOf(node) <= waysMax ? new RegExp(source, flags) : undefined;
  const program = assemble(node, flags, stepsMax);
  const width = 2 * (groups + 1);
  const newWork = (): Work => ({ left: workMax });
  return {
    test: (text) =>
      native !== undefined && text.length <= shortText
        ? native.test(text)
        : run(program, text.slice(0, textLengthMax), 0, 0, newWork()) !== undefined,
    replaceAll(text, replacement) {
      const head = text.slice(0, textLengthMax);
      const work = newWork();
      let result = '';
      let copied = 0;
      for (let from = 0; from <= head.length; ) {
        const slots = run(program, head, from, width, work);
        if (slots === undefined) break;
        const [start = 0, end = 0] = slots;
        result += head.slice(copied, start) + filledIn(replacement, head, slots, names);
        copied = end;
        // An empty match: the next one begins a character later.
        from = end > start ? end : end + ((head.codePointAt(end) ?? 0) > 0xffff ? 2 : 1);
      }
      return result + text.slice(copied);
    },
  };
}

function filledIn(replacement: string, text: string, slots: Slots, names: ReadonlyMap<string, number>): string {
  return replacement.replaceAll(/\$(?:([$&1-9])|\{(\w+)\})/g, (whole, sign: string | undefined, name: string) => {
    if (sign === '$') return '$';
    const group = sign === '&' ? 0 : sign === undefined ? names.get(name) : Number(sign);
    if (group === undefined || 2 * group >= slots.length) return whole;
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
