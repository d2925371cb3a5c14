// What a differential says of an element, over what its base says: https://hl7.org/fhir/R4/profiling.html#snapshot,
// https://hl7.org/fhir/R4/elementdefinition.html#interpretation
import { stringify } from '../json.ts';
import type { Json, JsonObject } from '../types.ts';
import type { MergeContext } from './faults.ts';
import { checkNarrower } from './narrower.ts';
import type { ElementConstraint, StructureElement } from './types.ts';

/** Lists that grow: what the base says stays. */
const ACCUMULATING = ['alias', 'condition', 'mapping', 'example', 'code'] as const;

/** Texts that may carry on the base's: they then begin with three dots. */
const CONTINUED = ['definition', 'comment', 'requirements', 'meaningWhenMissing'] as const;

/** Keys that are about the place of an element in its own list. */
const PLACE = new Set(['id', 'path', 'sliceName', 'extension', 'base', 'contentReference']);

function union<T extends Json>(base: readonly T[], more: readonly T[]): T[] {
  const known = new Set(base.map((one) => stringify(one)));
  return [...base, ...more.filter((one) => !known.has(stringify(one)))];
}

/** By key: a constraint that is said again is replaced where it stands. */
export function mergeConstraints(
  base: readonly ElementConstraint[] | undefined,
  more: readonly ElementConstraint[] | undefined,
  source: string,
): ElementConstraint[] {
  const byKey = new Map((base ?? []).map((one) => [one.key, one]));
  for (const one of more ?? []) byKey.set(one.key, one.source === undefined ? { ...one, source } : one);
  return [...byKey.values()];
}

function continued(base: Json | undefined, text: Json): Json {
  if (typeof text !== 'string' || !text.startsWith('...')) return text;
  return typeof base === 'string' ? `${base}\n${text.slice(3)}` : text.slice(3);
}

const urlOf = (extension: Json): Json | undefined => (extension as JsonObject).url;

/** Extensions of the base, unless they are told anew. */
function mergeExtensions(base: Json | undefined, more: Json | undefined): Json[] {
  const own = Array.isArray(more) ? more : [];
  const told = new Set(own.map(urlOf));
  return [...(Array.isArray(base) ? base : []).filter((one) => !told.has(urlOf(one))), ...own];
}

/** `diff` over `base`; what widens the base is told and the base's own left as it is where it must be. */
export function mergeElement(base: StructureElement, diff: StructureElement, context: MergeContext): StructureElement {
  const narrowed = checkNarrower(base, diff, context);
  const merged: StructureElement = { ...base };
  for (const [key, value] of Object.entries(narrowed)) {
    if (value === undefined || PLACE.has(key)) continue;
    merged[key] = CONTINUED.includes(key as 'comment') ? continued(base[key], value) : value;
  }
  for (const key of ACCUMULATING) {
    if (Array.isArray(base[key]) && Array.isArray(diff[key])) merged[key] = union(base[key], diff[key]);
  }
  if (diff.constraint) merged.constraint = mergeConstraints(base.constraint, diff.constraint, context.url);
  if (base.binding && diff.binding) merged.binding = { ...base.binding, ...diff.binding };
  if (diff.extension) merged.extension = mergeExtensions(base.extension, diff.extension);
  return merged;
}
