// JSON Merge Patch: https://www.rfc-editor.org/rfc/rfc7396
import { isObject, type Json, type JsonObject } from '#fhir-model';
import { assertMerged } from './halves.ts';
import { defineMember, memberOf } from './tree.ts';

/** `target` with `patch` merged in: null removes a member, objects merge, anything else replaces. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: JsonObject = {};
  if (isObject(target)) for (const name of Object.keys(target)) defineMember(merged, name, target[name] as Json);
  for (const name of Object.keys(patch)) {
    const value = patch[name] as Json;
    assertMerged(target, patch, name);
    if (value === null) delete merged[name];
    else defineMember(merged, name, mergePatch(memberOf(merged, name), value));
  }
  return merged;
}
