// A FHIRPath expression as closures; each operator and function makes one of these.
import type { JsonObject } from '#fhir-model';
import { bare, CANNOT, type Item, type Items, ofBoolean, TOO_COSTLY } from './items.ts';
import type { Types } from './types.ts';

/** What an evaluation knows besides the item at hand. `index` is `$index`, `work` what has been done so far. */
export interface Frame {
  readonly resource: JsonObject;
  readonly rootResource: JsonObject;
  readonly context: Item;
  index: number;
  work: number;
}

/** Items visited or made by one evaluation, some 0.1 s: each `select` in another multiplies them. */
const WORK_MAX = 1_000_000;

/** Throws TOO_COSTLY beyond a million items. */
export function spend(frame: Frame, items: number): void {
  frame.work += items;
  if (frame.work > WORK_MAX) throw TOO_COSTLY;
}

export interface Compiled {
  /** The type of its items; undefined where each tells its own. */
  readonly type: string | undefined;
  run(self: Item, frame: Frame): Items;
  /** Whether there are items. */
  has(self: Item, frame: Frame): boolean;
  /** https://hl7.org/fhirpath/#singleton-evaluation-of-collections: undefined for nothing. */
  truth(self: Item, frame: Frame): boolean | undefined;
  /** Only the items of that type or derived from it, where that is known before the run. */
  narrow?(type: string): Compiled | undefined;
  /** Its text, for a literal. */
  readonly literal?: string;
}

/** What is known where an expression stands. */
export interface Scope {
  readonly types: Types;
  /** The type of `$this`; undefined where each item tells its own. */
  readonly self: string | undefined;
  /** The type of `%context`. */
  readonly context: string | undefined;
}

function truthOf(items: Items): boolean | undefined {
  if (items.length === 0) return undefined;
  if (items.length > 1) throw CANNOT;
  const value = bare(items[0]);
  return typeof value === 'boolean' ? value : true;
}

export function fromItems(type: string | undefined, run: Compiled['run'], has?: Compiled['has']): Compiled {
  return {
    type,
    run,
    has: has ?? ((self, frame) => run(self, frame).length > 0),
    truth: (self, frame) => truthOf(run(self, frame)),
  };
}

export function fromTruth(truth: Compiled['truth']): Compiled {
  return {
    type: 'boolean',
    run: (self, frame) => ofBoolean(truth(self, frame)),
    has: (self, frame) => truth(self, frame) !== undefined,
    truth,
  };
}

/** A single value, undefined for none. */
export function fromValue(type: string | undefined, value: (self: Item, frame: Frame) => Item): Compiled {
  return fromItems(type, (self, frame) => {
    const found = value(self, frame);
    return found === undefined ? [] : [found];
  });
}
