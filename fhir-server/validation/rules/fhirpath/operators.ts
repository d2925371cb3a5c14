// The operators of FHIRPath: https://hl7.org/fhirpath/#operations
import { decimalText, isNumber } from '#fhir-model';
import { among, compare, distinct, equal, keyOf } from './compare.ts';
import { type Compiled, fromItems, fromTruth, fromValue, spend } from './compiled.ts';
import { bare, CANNOT, type Items, singleton, TOO_COSTLY, textOf } from './items.ts';
import { Unsupported } from './tokens.ts';

type Operator = (left: Compiled, right: Compiled) => Compiled;

/** A comparison with a text, by far the most frequent. */
function equalsLiteral(left: Compiled, literal: string): Compiled {
  return fromTruth((self, frame) => {
    const items = left.run(self, frame);
    if (items.length === 0) return undefined;
    return items.length === 1 && bare(items[0]) === literal;
  });
}

function equals(left: Compiled, right: Compiled): Compiled {
  if (right.literal !== undefined && left.type !== 'boolean') return equalsLiteral(left, right.literal);
  return fromTruth((self, frame) => equal(left.run(self, frame), right.run(self, frame), left.type, right.type));
}

function differs(left: Compiled, right: Compiled): Compiled {
  const same = equals(left, right);
  return fromTruth((self, frame) => {
    const found = same.truth(self, frame);
    return found === undefined ? undefined : !found;
  });
}

function ordered(holds: (difference: number) => boolean): Operator {
  return (left, right) =>
    fromTruth((self, frame) => {
      const a = singleton(left.run(self, frame));
      const b = singleton(right.run(self, frame));
      if (a === undefined || b === undefined) return undefined;
      const difference = compare(a, b, left.type, right.type);
      return difference === undefined ? undefined : holds(difference);
    });
}

/** Whether all of `items` are in `list`; nothing when there are none. */
function included(items: Items, list: Items): boolean | undefined {
  if (items.length === 0) return undefined;
  if (items.length > 1) throw CANNOT;
  const key = keyOf(items[0]);
  return list.some((item) => keyOf(item) === key);
}

const and: Operator = (left, right) =>
  fromTruth((self, frame) => {
    const a = left.truth(self, frame);
    if (a === false) return false;
    const b = right.truth(self, frame);
    return b === false ? false : a === undefined || b === undefined ? undefined : true;
  });

const or: Operator = (left, right) =>
  fromTruth((self, frame) => {
    const a = left.truth(self, frame);
    if (a === true) return true;
    const b = right.truth(self, frame);
    return b === true ? true : a === undefined || b === undefined ? undefined : false;
  });

const xor: Operator = (left, right) =>
  fromTruth((self, frame) => {
    const a = left.truth(self, frame);
    const b = right.truth(self, frame);
    return a === undefined || b === undefined ? undefined : a !== b;
  });

const implies: Operator = (left, right) =>
  fromTruth((self, frame) => {
    const a = left.truth(self, frame);
    if (a === false) return true;
    const b = right.truth(self, frame);
    return b === true ? true : a === undefined || b === undefined ? undefined : false;
  });

function numberOf(items: Items): number | undefined {
  const value = bare(singleton(items));
  if (value === undefined || value === null) return undefined;
  if (!isNumber(value)) throw CANNOT;
  return Number(decimalText(value));
}

/** Digits of a decimal that a double keeps: 1.8 - 1.2 is 0.6 again. */
const DIGITS = 15;

/** Doubles do: what invariants add up are counts and digits. */
function arithmetic(combine: (a: number, b: number) => number | undefined): Operator {
  return (left, right) =>
    fromValue('decimal', (self, frame) => {
      const a = numberOf(left.run(self, frame));
      const b = numberOf(right.run(self, frame));
      if (a === undefined || b === undefined) return undefined;
      const found = combine(a, b);
      return found === undefined ? undefined : Number(found.toPrecision(DIGITS));
    });
}

const add = arithmetic((a, b) => a + b);

const isText = ({ type }: Compiled): boolean => type === 'string' || type === 'code' || type === 'uri';

/** A text joined with itself in each of forty selects would fill any memory. */
const TEXT_CHARACTERS_MAX = 1_000_000;

function joined(a: string, b: string): string {
  if (a.length + b.length > TEXT_CHARACTERS_MAX) throw TOO_COSTLY;
  return a + b;
}

function plus(left: Compiled, right: Compiled): Compiled {
  if (!isText(left) && !isText(right)) return add(left, right);
  return fromValue('string', (self, frame) => {
    const a = textOf(left.run(self, frame));
    const b = textOf(right.run(self, frame));
    return a === undefined || b === undefined ? undefined : joined(a, b);
  });
}

const union: Operator = (left, right) =>
  fromItems(
    left.type === right.type ? left.type : undefined,
    (self, frame) => {
      const items = [...left.run(self, frame), ...right.run(self, frame)];
      spend(frame, items.length);
      return distinct(items);
    },
    (self, frame) => left.has(self, frame) || right.has(self, frame),
  );

const whole = (combine: (a: number, b: number) => number): Operator =>
  arithmetic((a, b) => (b === 0 ? undefined : combine(a, b)));

const operators: Record<string, Operator> = {
  '=': equals,
  '!=': differs,
  '<': ordered((difference) => difference < 0),
  '>': ordered((difference) => difference > 0),
  '<=': ordered((difference) => difference <= 0),
  '>=': ordered((difference) => difference >= 0),
  in: (left, right) => fromTruth((self, frame) => included(left.run(self, frame), right.run(self, frame))),
  contains: (left, right) => fromTruth((self, frame) => included(right.run(self, frame), left.run(self, frame))),
  and,
  or,
  xor,
  implies,
  '|': union,
  '+': plus,
  '-': arithmetic((a, b) => a - b),
  '*': arithmetic((a, b) => a * b),
  '/': whole((a, b) => a / b),
  div: whole((a, b) => Math.trunc(a / b)),
  mod: whole((a, b) => a % b),
  '&': (left, right) =>
    fromValue('string', (self, frame) =>
      joined(textOf(left.run(self, frame)) ?? '', textOf(right.run(self, frame)) ?? ''),
    ),
};

/** Throws Unsupported for `~` and `!~`. */
export function compileOperator(op: string, left: Compiled, right: Compiled): Compiled {
  const operator = Object.hasOwn(operators, op) ? operators[op] : undefined;
  if (operator === undefined) throw new Unsupported(op);
  return operator(left, right);
}

export const negated = (of: Compiled): Compiled =>
  fromValue(of.type ?? 'decimal', (self, frame) => {
    const value = numberOf(of.run(self, frame));
    return value === undefined ? undefined : -value;
  });

/** Functions of two collections. */
export const setFunctions: Record<string, (a: Items, b: Items) => Items> = {
  combine: (a, b) => [...a, ...b],
  union: (a, b) => distinct([...a, ...b]),
  intersect: (a, b) => among(a, b, true),
  exclude: (a, b) => among(a, b, false),
};
