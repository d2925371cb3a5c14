// JSON Patch: https://www.rfc-editor.org/rfc/rfc6902, with pointers as in https://www.rfc-editor.org/rfc/rfc6901.
// Our own, since decimals must keep their digits: a library would copy and compare numbers as JavaScript has them.
import { isObject, type Json, type JsonObject } from '#fhir-model';
import { CerebraError } from '#platform';
import type { AssertStep } from './halves.ts';
import { COPIES_MAX, type CopyBudget, copyTree, defineMember, isEqual, memberOf } from './tree.ts';

export const OPERATIONS_MAX = 1000;

const OPS = ['add', 'remove', 'replace', 'move', 'copy', 'test'] as const;

export interface JsonPatchOperation {
  op: (typeof OPS)[number];
  path: string[];
  /** Of move and copy. */
  from: string[];
  /** Of add, replace and test. */
  value: Json;
}

const at = (index: number, member = ''): string => `patch[${index}]${member}`;

const malformed = (index: number, member: string, text: string): CerebraError =>
  new CerebraError('invalid', text, { expression: [at(index, member)] });

function pointerOf(value: unknown, index: number, member: string): string[] {
  if (typeof value !== 'string')
    throw malformed(index, `.${member}`, `'${member}' must be a JSON pointer, such as /name/0`);
  if (value === '') return [];
  if (!value.startsWith('/') || /~(?![01])/.test(value)) {
    const text = `'${value.slice(0, 100)}' is no JSON pointer: each part begins with /, and ~ is written ~0, / is ~1`;
    throw malformed(index, `.${member}`, text);
  }
  return value
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function operationOf(value: Json, index: number): JsonPatchOperation {
  if (!isObject(value)) throw malformed(index, '', 'An operation of a JSON Patch must be an object');
  const op = OPS.find((name) => name === value.op);
  if (!op) throw malformed(index, '.op', `'op' must be one of ${OPS.join(', ')}`);
  const path = pointerOf(value.path, index, 'path');
  const from = op === 'move' || op === 'copy' ? pointerOf(value.from, index, 'from') : [];
  const given = memberOf(value, 'value');
  if (given === undefined && (op === 'add' || op === 'replace' || op === 'test')) {
    throw malformed(index, '.value', `'${op}' needs a value`);
  }
  if (op === 'move' && path.length > from.length && from.every((part, i) => part === path[i])) {
    throw malformed(index, '.path', 'A value cannot be moved into itself');
  }
  return { op, path, from, value: given ?? null };
}

/** Throws `invalid` with the place in the patch for what is no JSON Patch, `too-costly` beyond 1,000 operations. */
export function parseJsonPatch(document: Json): JsonPatchOperation[] {
  if (!Array.isArray(document)) {
    throw new CerebraError('invalid', 'A JSON Patch is an array of operations', { expression: ['patch'] });
  }
  if (document.length > OPERATIONS_MAX) {
    throw new CerebraError('too-costly', `A patch may have ${OPERATIONS_MAX} operations: split it`);
  }
  return document.map(operationOf);
}

const text = (path: readonly string[]): string =>
  path
    .map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
    .slice(0, 200);

function indexOf(part: string, length: number, path: readonly string[]): number {
  if (!/^(?:0|[1-9]\d{0,8})$/.test(part)) throw missing(path);
  const index = Number(part);
  if (index > length) throw missing(path);
  return index;
}

const missing = (path: readonly string[]): CerebraError =>
  new CerebraError('patch-failed', `There is nothing at '${text(path)}' in the resource`);

function child(parent: Json | undefined, part: string, path: readonly string[]): Json {
  const found = Array.isArray(parent)
    ? parent[indexOf(part, parent.length, path)]
    : isObject(parent)
      ? memberOf(parent, part)
      : undefined;
  if (found === undefined) throw missing(path);
  return found;
}

const valueAt = (root: Json, path: readonly string[]): Json =>
  path.reduce<Json>((value, part, i) => child(value, part, path.slice(0, i + 1)), root);

function add(root: Json, path: readonly string[], value: Json): Json {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = valueAt(root, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : indexOf(last, parent.length, path), 0, value);
  else if (isObject(parent)) defineMember(parent, last, value);
  else throw missing(path);
  return root;
}

function remove(root: Json, path: readonly string[]): Json {
  const last = path.at(-1);
  if (last === undefined) throw new CerebraError('patch-failed', 'The whole resource cannot be removed: delete it');
  const parent = valueAt(root, path.slice(0, -1));
  child(parent, last, path);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete (parent as JsonObject)[last];
  return root;
}

function replace(root: Json, path: readonly string[], value: Json): Json {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = valueAt(root, path.slice(0, -1));
  child(parent, last, path);
  if (Array.isArray(parent)) parent[Number(last)] = value;
  else defineMember(parent as JsonObject, last, value);
  return root;
}

function test(root: Json, path: readonly string[], value: Json): Json {
  if (isEqual(valueAt(root, path), value)) return root;
  throw new CerebraError('patch-failed', `The test of '${text(path)}' failed: another value is there`);
}

function move(root: Json, from: readonly string[], path: readonly string[]): Json {
  const value = valueAt(root, from);
  return from.length === path.length && from.every((part, i) => part === path[i])
    ? root
    : add(remove(root, from), path, value);
}

function applyOne(root: Json, { op, path, from, value }: JsonPatchOperation, budget: CopyBudget): Json {
  switch (op) {
    case 'add':
      return add(root, path, copyTree(value, budget));
    case 'replace':
      return replace(root, path, copyTree(value, budget));
    case 'remove':
      return remove(root, path);
    case 'test':
      return test(root, path, value);
    case 'copy':
      return add(root, path, copyTree(valueAt(root, from), budget));
    case 'move':
      return move(root, from, path);
  }
}

/**
 * The document with the operations done, in order. `root` may be changed and is of no use afterwards. Throws
 * `patch-failed` with the operation's place when one can't be done, or `assertStep` does not let it.
 */
export function applyJsonPatch(root: Json, operations: readonly JsonPatchOperation[], assertStep?: AssertStep): Json {
  const budget: CopyBudget = { left: COPIES_MAX };
  return operations.reduce((value, operation, index) => {
    try {
      assertStep?.(value, operation);
      return applyOne(value, operation, budget);
    } catch (error) {
      if (error instanceof CerebraError) for (const issue of error.issues) issue.expression = [at(index)];
      throw error;
    }
  }, root);
}
