// What is different between two versions of a route, as a JSON Patch (RFC 6902) that tells also what was there before.
import { isDeepStrictEqual } from 'node:util';

export interface Difference {
  op: 'add' | 'remove' | 'replace';
  /** JSON Pointer, RFC 6901. */
  path: string;
  value?: unknown;
  /** What stood there. */
  was?: unknown;
}

/** Applied in their order they make `after` of `before`. */
export function differences(before: unknown, after: unknown, path = ''): Difference[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listDifferences(before, after, path);
  if (isObject(before) && isObject(after)) return objectDifferences(before, after, path);
  return [{ op: 'replace', path, value: after, was: before }];
}

type Members = Record<string, unknown>;

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const pointer = (path: string, key: string | number): string =>
  `${path}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;

function objectDifferences(before: Members, after: Members, path: string): Difference[] {
  const found: Difference[] = [];
  for (const [key, was] of Object.entries(before)) {
    if (!Object.hasOwn(after, key)) found.push({ op: 'remove', path: pointer(path, key), was });
    else found.push(...differences(was, after[key], pointer(path, key)));
  }
  for (const [key, value] of Object.entries(after)) {
    if (!Object.hasOwn(before, key)) found.push({ op: 'add', path: pointer(path, key), value });
  }
  return found;
}

/** What both begin and end with is left out, so that an item put in the middle is one difference. */
function listDifferences(before: readonly unknown[], after: readonly unknown[], path: string): Difference[] {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && isDeepStrictEqual(before[head], after[head])) head++;
  let tail = 0;
  while (tail < shorter - head && isDeepStrictEqual(before.at(-1 - tail), after.at(-1 - tail))) tail++;
  const [old, fresh] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)];
  const both = Math.min(old.length, fresh.length);
  const found: Difference[] = [];
  for (let index = 0; index < both; index++) {
    found.push(...differences(old[index], fresh[index], pointer(path, head + index)));
  }
  for (const was of old.slice(both)) found.push({ op: 'remove', path: pointer(path, head + both), was });
  for (const [index, value] of fresh.slice(both).entries()) {
    found.push({ op: 'add', path: pointer(path, head + both + index), value });
  }
  return found;
}
