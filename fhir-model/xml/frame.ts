// Open elements of a document, and how what stands in them becomes the tree that the JSON form has: arrays, the two arrays
// of a repeating primitive, `_name`. https://hl7.org/fhir/R4/json.html#primitive
import type { Json, JsonObject } from '../types.ts';
import type { XmlElement, XmlType } from './model.ts';

/** One open element. */
export interface Frame {
  /** What may stand inside; undefined inside an element that holds a resource. */
  readonly type: XmlType | undefined;
  /** Its element in the parent's type; undefined for a resource's own tag. */
  readonly element: XmlElement | undefined;
  readonly parent: Frame | undefined;
  /** How many of its name came before it. */
  readonly index: number;
  /** Levels of JSON down to here. */
  readonly depth: number;
  /** Where children go; of a primitive what becomes `_name`, made when it is needed; none of an element that holds a resource. */
  object: JsonObject | undefined;
  /** Of a primitive. */
  value: Json | undefined;
  /** Something stands inside. */
  filled: boolean;
  /** Names of arrays that hold null, to be looked at when the element ends. */
  sparse: string[] | undefined;
}

/** `name[2]`; the type for the root, nothing for a resource inside another. */
function stepOf({ element, parent, type, index }: Frame): string {
  if (element !== undefined) return element.array ? `${element.name}[${index}]` : element.name;
  return parent === undefined ? (type?.name ?? '') : '';
}

/** The path of an element: `Patient.contact[0].name`. */
export function pathOf(frame: Frame | undefined): string {
  const steps: string[] = [];
  for (let at = frame; at !== undefined; at = at.parent) steps.unshift(stepOf(at));
  return steps.filter((step) => step !== '').join('.');
}

export const isPrimitive = ({ kind }: XmlElement): boolean =>
  kind === 'string' || kind === 'number' || kind === 'boolean';

/** Puts an object where the element says: into the array of its name, or at its name. */
export function place({ element, parent }: Frame, object: JsonObject): void {
  if (element === undefined || parent?.object === undefined) return;
  if (!element.array) {
    parent.object[element.name] = object;
    return;
  }
  const list = parent.object[element.name];
  if (Array.isArray(list)) list.push(object);
  else parent.object[element.name] = [object];
}

/** How many of this name have been read. */
export function countOf(object: JsonObject | undefined, element: XmlElement): number {
  const values = object?.[element.name];
  if (Array.isArray(values)) return values.length;
  return values === undefined && object?.[`_${element.name}`] === undefined ? 0 : 1;
}

/** A primitive goes into its place when its tag ends: only then it is known whether it has extensions. */
export function settle(frame: Frame, parent: JsonObject, { name, array }: XmlElement): void {
  const companion = `_${name}`;
  if (!array) {
    if (frame.value !== undefined) parent[name] = frame.value;
    if (frame.object !== undefined) parent[companion] = frame.object;
    return;
  }
  parent[name] ??= [];
  const values = parent[name] as Json[];
  values.push(frame.value ?? null);
  if (frame.value === undefined) noteSparse(frame.parent, name);
  const companions = parent[companion] as Json[] | undefined;
  if (companions !== undefined) companions.push(frame.object ?? null);
  else if (frame.object !== undefined) {
    parent[companion] = [...new Array<Json>(values.length - 1).fill(null), frame.object];
  }
}

function noteSparse(owner: Frame | undefined, name: string): void {
  if (owner === undefined || owner.sparse?.includes(name)) return;
  owner.sparse = [...(owner.sparse ?? []), name];
}

/** Of a repeating primitive without any value only the `_name` stays. */
export function dropEmptyArrays(frame: Frame): void {
  for (const name of frame.sparse ?? []) {
    const values = frame.object?.[name];
    if (Array.isArray(values) && values.every((value) => value === null)) delete frame.object?.[name];
  }
}

/** Levels of JSON that this element takes up so far: a primitive none of its own unless it has a `_name`. */
export function levelOf({ element, object, parent, depth }: Frame): number {
  if (element === undefined || object !== undefined || !isPrimitive(element)) return depth;
  return (parent?.depth ?? 0) + (element.array ? 1 : 0);
}
