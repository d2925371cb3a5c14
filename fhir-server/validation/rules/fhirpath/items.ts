// What a FHIRPath collection holds here: plain JSON values, boxed only where the type or the `_name` has to be told.
// https://hl7.org/fhir/R4/fhirpath.html#types
import { decimalText, isNumber, type JsonObject } from '#fhir-model';
import { isObject } from '../../json.ts';

/** A value whose type only a look at the resource tells (a choice), or a primitive with id or extensions. */
export class Box {
  readonly value: unknown;
  readonly companion: JsonObject | undefined;
  readonly type: string;
  constructor(value: unknown, companion: JsonObject | undefined, type: string) {
    this.value = value;
    this.companion = companion;
    this.type = type;
  }
}

/** Stands in a Box for a resource of which only the type is known. */
export const ELSEWHERE = Object.freeze({ elsewhere: true });

/** A JSON value or a Box of one. */
export type Item = unknown;
export type Items = readonly Item[];

export const NONE: Items = [];
const YES: Items = [true];
const NO: Items = [false];
export const ofBoolean = (value: boolean | undefined): Items => (value === undefined ? NONE : value ? YES : NO);

/** Thrown where the resource alone doesn't tell, or FHIRPath has an error: the invariant's outcome is 'cannot'. */
export class Cannot extends Error {}
/** One for all: a stack trace would cost 5 µs. */
export const CANNOT = new Cannot('cannot be told');
/** More work than an invariant may make. */
export const TOO_COSTLY = new Cannot('takes too long');
/** A regular expression that is none, and the like. */
export const UNREADABLE = new Cannot('is no expression');

export const bare = (item: Item): unknown => (item instanceof Box ? item.value : item);

/** A name is not known for raw primitives of no static type. */
export function typeOf(item: Item): string | undefined {
  if (item instanceof Box) return item.type;
  if (typeof item === 'string') return 'string';
  if (typeof item === 'boolean') return 'boolean';
  if (isNumber(item)) return decimalText(item).includes('.') ? 'decimal' : 'integer';
  return isObject(item) && typeof item.resourceType === 'string' ? item.resourceType : undefined;
}

/** The only item, undefined for none; several are an error: https://hl7.org/fhirpath/#singleton-evaluation-of-collections */
export function singleton(items: Items): Item {
  if (items.length > 1) throw CANNOT;
  return items[0];
}

/** The text of the only item; undefined for none and for a primitive without a value. */
export function textOf(items: Items): string | undefined {
  const value = bare(singleton(items));
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw CANNOT;
  return value;
}
