// JSON trees as patches see them: a number that keeps its digits (RawJson) is a leaf.
import {
  compareDecimals,
  decimalText,
  depthMax,
  isNumber,
  isObject,
  isRawJson,
  type Json,
  type JsonObject,
} from '#fhir-model';
import { CerebraError } from '#platform';

/** Values that one patch may copy in all: each `copy` of a tree into itself doubles it. */
export const COPIES_MAX = 1_000_000;

/** Values left to copy. */
export interface CopyBudget {
  left: number;
}

/**
 * A copy that shares nothing that can change. Throws `too-costly` beyond the budget, `patch-failed` beyond `depth` levels: a
 * value that is copied to its own innermost place is twice as deep each time, and no stack is.
 */
export function copyTree(value: Json, budget: CopyBudget, depth = depthMax): Json {
  if (--budget.left < 0) throw new CerebraError('too-costly', `A patch may copy ${COPIES_MAX} values at most`);
  if (!Array.isArray(value) && !isObject(value)) return value;
  if (depth === 0) throw new CerebraError('patch-failed', 'What is to be copied is nested too deeply');
  if (Array.isArray(value)) return value.map((item) => copyTree(item, budget, depth - 1));
  const copy: JsonObject = {};
  for (const name of Object.keys(value)) defineMember(copy, name, copyTree(value[name] as Json, budget, depth - 1));
  return copy;
}

/** Sets a member; `__proto__` too is a name like any other. */
export function defineMember(object: JsonObject, name: string, value: Json): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[name] = value;
  }
}

export const memberOf = (object: JsonObject, name: string): Json | undefined =>
  Object.hasOwn(object, name) ? (object[name] as Json) : undefined;

/** 1.0 and 1.00 are the same number. What is out of the bounds of decimals is compared as it is written. */
function sameNumber(a: string, b: string): boolean {
  if (a === b) return true;
  try {
    return compareDecimals(a, b) === 0;
  } catch {
    return false;
  }
}

const sameDigits = (a: string, b: string): boolean => a === b;

function sameMembers(a: JsonObject, b: JsonObject, same: (a: string, b: string) => boolean): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && compare(a[name] as Json, b[name] as Json, same));
}

function compare(a: Json, b: Json, same: (a: string, b: string) => boolean): boolean {
  if (isNumber(a) && isNumber(b)) return same(decimalText(a), decimalText(b));
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => compare(item, b[i] as Json, same));
  }
  if (isObject(a) && isObject(b)) return sameMembers(a, b, same);
  return a === b;
}

/** Equal as https://www.rfc-editor.org/rfc/rfc6902#section-4.6 has it: numbers by value, members in any order. */
export const isEqual = (a: Json, b: Json): boolean => compare(a, b, sameNumber);

/** Equal down to the digits of decimals. */
export const isIdentical = (a: Json, b: Json): boolean => compare(a, b, sameDigits);

/** Whether anything is nested deeper than `left` levels, without going deeper itself. */
export function isDeeper(value: Json, left = depthMax): boolean {
  if (typeof value !== 'object' || value === null || isRawJson(value)) return false;
  if (left === 0) return true;
  return Object.values(value).some((item) => isDeeper(item as Json, left - 1));
}
