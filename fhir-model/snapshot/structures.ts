// The structures that a snapshot is made of: bases, types, profiles of elements and their trees
// https://hl7.org/fhir/R4/structuredefinition.html
import type { Resource } from '../types.ts';
import { baseElement } from './base-element.ts';
import { type Node, treeOf } from './tree.ts';
import { nameCharactersMax, type StructureDefinition, type StructureElement, sliceNameCharactersMax } from './types.ts';

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const areTexts = (value: unknown): boolean => Array.isArray(value) && value.every((one) => typeof one === 'string');
const optional = (value: unknown, fits: (value: unknown) => boolean): boolean => value === undefined || fits(value);
const isText = (value: unknown): boolean => typeof value === 'string';
const isName = (value: unknown): boolean => typeof value === 'string' && value.length <= nameCharactersMax;

const isType = (value: unknown): boolean =>
  isObject(value) && isText(value.code) && optional(value.profile, areTexts) && optional(value.targetProfile, areTexts);

const listOf =
  (fits: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(fits);

/** What must hold of an element for it to be worked with: what comes from a package was checked by nobody. */
const ELEMENT: Record<string, (value: unknown) => boolean> = {
  id: isName,
  sliceName: (value) => typeof value === 'string' && value.length <= sliceNameCharactersMax,
  max: isText,
  min: (value) => Number.isInteger(value) && (value as number) >= 0,
  contentReference: isName,
  slicing: isObject,
  binding: isObject,
  base: isObject,
  type: listOf(isType),
  constraint: listOf((one) => isObject(one) && isText(one.key)),
  extension: listOf(isObject),
};

function isElement(value: unknown): value is StructureElement {
  if (!isObject(value) || !isName(value.path) || !/^[^.\s]+(?:\.[^.\s]+)*$/.test(value.path as string)) return false;
  return Object.entries(ELEMENT).every(([name, fits]) => optional(value[name], fits));
}

/** The place of the first element that can't be worked with; -1 when there is none. */
export function malformedElement(part: unknown): number {
  const list = isObject(part) ? part.element : undefined;
  return Array.isArray(list) ? list.findIndex((one) => !isElement(one)) : 0;
}

export const isStructureDefinition = (resource: Resource): resource is StructureDefinition =>
  isObject(resource) &&
  resource.resourceType === 'StructureDefinition' &&
  isText(resource.url) &&
  isText(resource.type);

const trees = new WeakMap<StructureDefinition, Node>();

/** The tree of its snapshot, as a base; undefined if it has none, or none that can be read. */
export function snapshotTree(definition: StructureDefinition): Node | undefined {
  const known = trees.get(definition);
  if (known) return known;
  const { url, snapshot } = definition;
  if (!snapshot || malformedElement(snapshot) >= 0 || snapshot.element.length === 0) return undefined;
  const tree = treeOf(
    url,
    snapshot.element.map((element) => baseElement(element, url)),
  );
  if (tree) trees.set(definition, tree);
  return tree;
}
