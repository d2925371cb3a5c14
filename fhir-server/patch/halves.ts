// A repeating primitive is two lists in JSON, `given` and `_given`, which belong together by position:
// https://hl7.org/fhir/R4/json.html#primitive. JSON Patch knows nothing of it: what removes a name from one of them makes
// the other's extensions those of other names. A patch that moves one list alone is refused; one that changes both is done
// as it stands.
import { isObject, type Json, type JsonObject } from '#fhir-model';
import { CerebraError } from '#platform';
import type { JsonPatchOperation } from './json-patch.ts';
import { isIdentical, memberOf } from './tree.ts';

const isExtensions = (name: string): boolean => name.startsWith('_');

const otherOf = (name: string): string => (isExtensions(name) ? name.slice(1) : `_${name}`);

const pointer = (path: readonly string[]): string =>
  path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** Undefined where there is nothing: that is told when the operation is done. */
function valueAt(root: Json, path: readonly string[]): Json | undefined {
  let value: Json | undefined = root;
  for (const part of path) {
    if (Array.isArray(value)) value = /^\d+$/.test(part) ? value[Number(part)] : undefined;
    else value = isObject(value) ? memberOf(value, part) : undefined;
  }
  return value;
}

/** The last index with an extension or id; -1 where there is none. */
function lastExtended(root: Json, owner: readonly string[], name: string): number {
  const list = valueAt(root, [...owner, isExtensions(name) ? name : otherOf(name)]);
  return Array.isArray(list) ? list.findLastIndex((one) => one !== null) : -1;
}

const changes = ({ op }: JsonPatchOperation): boolean => op !== 'test';

/** The lists that operations of the document change, or change something of. */
function changedLists(operations: readonly JsonPatchOperation[]): Set<string> {
  const changed = new Set<string>();
  for (const { op, path, from } of operations.filter(changes)) {
    // What is copied stays as it is where it comes from.
    for (const one of op === 'move' ? [path, from] : [path]) {
      for (const list of [one, one.slice(0, -1)]) changed.add(pointer(list));
    }
  }
  return changed;
}

function refuse(list: readonly string[]): never {
  const other = pointer([...list.slice(0, -1), otherOf(list.at(-1)!)]).slice(0, 200);
  const text = `'${pointer(list).slice(0, 200)}' and '${other}' belong together by position, and this would part them: patch '${other}' as well`;
  throw new CerebraError('patch-failed', text);
}

/**
 * Whether values get others, all at once, where extensions stay. At the same places they keep theirs, as a single value
 * does.
 */
function parts(owner: Json | undefined, name: string, value: Json): boolean {
  if (!isObject(owner) || isExtensions(name)) return false;
  const [items, extended] = [memberOf(owner, name), memberOf(owner, otherOf(name))];
  if (!Array.isArray(items) || !Array.isArray(extended)) return false;
  const given: Json[] = Array.isArray(value) ? value : [];
  return extended.some((one, i) => one !== null && !isIdentical(items[i] ?? null, given[i] ?? null));
}

/** Throws `patch-failed` for a member of a JSON Merge Patch that replaces the values and leaves their extensions. */
export function assertMerged(target: Json | undefined, patch: JsonObject, name: string): void {
  const value = memberOf(patch, name)!;
  if (Object.hasOwn(patch, otherOf(name)) || !Array.isArray(value)) return;
  if (parts(target, name, value)) refuse([name]);
}

export type AssertStep = (root: Json, operation: JsonPatchOperation) => void;

/** Throws `patch-failed` for an operation that moves the items of one of the two lists while the document leaves the other alone. */
export function stepAsserter(operations: readonly JsonPatchOperation[]): AssertStep {
  const changed = changedLists(operations);
  const isAlone = (list: readonly string[]): boolean =>
    list.length > 0 && !changed.has(pointer([...list.slice(0, -1), otherOf(list.at(-1)!)]));

  /** Something comes to that index, or goes from it, and what is after it moves. */
  const assertShift = (root: Json, path: readonly string[], isRemoved: boolean): void => {
    const list = path.slice(0, -1);
    const items = valueAt(root, list);
    if (!Array.isArray(items) || !isAlone(list)) return;
    const name = list.at(-1)!;
    const last = path.at(-1)!;
    const index = last === '-' ? items.length : Number(last);
    const stays = isRemoved && isExtensions(name) ? index : index - 1;
    if (lastExtended(root, list.slice(0, -1), name) > stays) refuse(list);
  };

  const assertReplaced = (root: Json, path: readonly string[], value: Json): void => {
    const name = path.at(-1);
    if (name !== undefined && isAlone(path) && parts(valueAt(root, path.slice(0, -1)), name, value)) refuse(path);
  };

  return (root, { op, path, from, value }) => {
    if (op === 'test') return;
    if (op === 'remove') assertShift(root, path, true);
    if (op === 'move') assertShift(root, from, true);
    const put = op === 'move' || op === 'copy' ? valueAt(root, from) : value;
    if (op !== 'remove' && put !== undefined) assertReplaced(root, path, put);
    if (op !== 'replace' && op !== 'remove') assertShift(root, path, false);
  };
}
