// Functions of text and conversions: https://hl7.org/fhirpath/#string-manipulation, https://hl7.org/fhirpath/#conversion
import { decimalText, isNumber } from '#fhir-model';
import { ownValue } from '#platform';
import { isObject } from '../../json.ts';
import { type Compiled, type Frame, fromTruth, fromValue } from './compiled.ts';
import { bare, CANNOT, type Item, type Items, singleton, TOO_COSTLY, textOf } from './items.ts';
import { type Pattern, patternOf } from './pattern.ts';
import { Unsupported } from './tokens.ts';

/** What a replacement may make at most. */
const TEXT_CHARACTERS_MAX = 10_000_000;

type Make = (of: Compiled, args: readonly Compiled[]) => Compiled;

function first(args: readonly Compiled[]): Compiled {
  const [arg] = args;
  if (arg === undefined) throw new Unsupported('an argument is missing');
  return arg;
}

/** A test of two texts; nothing when one of them is missing. */
const test =
  (holds: (text: string, other: string) => boolean): Make =>
  (of, args) => {
    const arg = first(args);
    return fromTruth((self, frame) => {
      const text = textOf(of.run(self, frame));
      if (text === undefined) return undefined;
      const other = textOf(arg.run(self, frame));
      return other === undefined ? undefined : holds(text, other);
    });
  };

const mapped =
  (type: string, map: (text: string) => Item): Make =>
  (of) =>
    fromValue(type, (self, frame) => {
      const text = textOf(of.run(self, frame));
      return text === undefined ? undefined : map(text);
    });

function wholeNumber(arg: Compiled | undefined, self: Item, frame: Frame): number | undefined {
  const value = arg === undefined ? undefined : bare(singleton(arg.run(self, frame)));
  if (value === undefined || typeof value === 'number') return value;
  throw CANNOT;
}

const substring: Make = (of, [start, length]) =>
  fromValue('string', (self, frame) => {
    const text = textOf(of.run(self, frame));
    const from = wholeNumber(start, self, frame);
    if (text === undefined || from === undefined || from < 0 || from >= text.length) return undefined;
    const count = wholeNumber(length, self, frame);
    return count === undefined ? text.slice(from) : text.slice(from, from + Math.max(count, 0));
  });

const replace: Make = (of, [what, by]) =>
  fromValue('string', (self, frame) => {
    const [text, pattern, substitution] = [of, what, by].map((one) => one && textOf(one.run(self, frame)));
    if (text === undefined || pattern === undefined || substitution === undefined) return undefined;
    if (text.length * (substitution.length + 1) > TEXT_CHARACTERS_MAX) throw TOO_COSTLY;
    return text.replaceAll(pattern, () => substitution);
  });

/** Compiled once when the pattern is a literal, as it nearly always is. */
function patterns(arg: Compiled): (self: Item, frame: Frame) => Pattern | undefined {
  if (arg.literal !== undefined) {
    const pattern = patternOf(arg.literal);
    return () => pattern;
  }
  return (self, frame) => {
    const text = textOf(arg.run(self, frame));
    return text === undefined ? undefined : patternOf(text);
  };
}

const matches: Make = (of, args) => {
  const patternAt = patterns(first(args));
  return fromTruth((self, frame) => {
    const text = textOf(of.run(self, frame));
    const pattern = patternAt(self, frame);
    return text === undefined || pattern === undefined ? undefined : pattern.test(text);
  });
};

const replaceMatches: Make = (of, args) => {
  const patternAt = patterns(first(args));
  const by = args[1];
  return fromValue('string', (self, frame) => {
    const text = textOf(of.run(self, frame));
    const substitution = by && textOf(by.run(self, frame));
    const pattern = patternAt(self, frame);
    if (text === undefined || substitution === undefined || pattern === undefined) return undefined;
    if (text.length * (substitution.length + 1) > TEXT_CHARACTERS_MAX) throw TOO_COSTLY;
    return pattern.source === '' ? text : pattern.replace(text, substitution);
  });
};

/** The text of a primitive; undefined for anything else. */
function primitiveText(items: Items): string | undefined {
  const value = bare(singleton(items));
  if (value === undefined || value === null || isObject(value)) return undefined;
  return isNumber(value) ? decimalText(value) : String(value);
}

const converted =
  (type: string, convert: (text: string) => Item): Make =>
  (of) =>
    fromValue(type, (self, frame) => {
      const text = primitiveText(of.run(self, frame));
      return text === undefined ? undefined : convert(text);
    });

const BOOLEANS: Record<string, number> = { true: 1, false: 0 };

function toInteger(text: string): number | undefined {
  return /^[+-]?\d{1,10}$/.test(text) ? Number(text) : ownValue(BOOLEANS, text);
}

function toDecimal(text: string): number | undefined {
  return /^[+-]?\d{1,30}(?:\.\d{1,30})?(?:e[+-]?\d{1,3})?$/.test(text) ? Number(text) : ownValue(BOOLEANS, text);
}

function toBoolean(text: string): boolean | undefined {
  if (/^(?:true|t|yes|y|1|1\.0)$/i.test(text)) return true;
  return /^(?:false|f|no|n|0|0\.0)$/i.test(text) ? false : undefined;
}

/** Whether a conversion yields something. */
const convertible =
  (convert: (text: string) => Item): Make =>
  (of) =>
    fromTruth((self, frame) => {
      const items = of.run(self, frame);
      if (items.length === 0) return undefined;
      const text = primitiveText(items);
      return text !== undefined && convert(text) !== undefined;
    });

export const textFunctions: Record<string, Make> = {
  startsWith: test((text, start) => text.startsWith(start)),
  endsWith: test((text, end) => text.endsWith(end)),
  contains: test((text, part) => text.includes(part)),
  length: mapped('integer', (text) => text.length),
  upper: mapped('string', (text) => text.toUpperCase()),
  lower: mapped('string', (text) => text.toLowerCase()),
  trim: mapped('string', (text) => text.trim()),
  indexOf: (of, args) => {
    const part = first(args);
    return fromValue('integer', (self, frame) => {
      const text = textOf(of.run(self, frame));
      const wanted = textOf(part.run(self, frame));
      return text === undefined || wanted === undefined ? undefined : text.indexOf(wanted);
    });
  },
  substring,
  replace,
  matches,
  replaceMatches,
  toString: converted('string', (text) => text),
  toInteger: converted('integer', toInteger),
  toDecimal: converted('decimal', toDecimal),
  toBoolean: converted('boolean', toBoolean),
  convertsToInteger: convertible(toInteger),
  convertsToDecimal: convertible(toDecimal),
  convertsToBoolean: convertible(toBoolean),
};
