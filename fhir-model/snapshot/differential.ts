// A differential as a tree, sparse or full, with or without ids: https://hl7.org/fhir/R4/profiling.html#snapshot
import type { StructureElement } from './types.ts';

export interface DiffNode {
  name: string;
  sliceName?: string;
  /** What the differential says of it; absent where it only speaks of what is within. */
  element?: StructureElement;
  /** Its place in the differential, or that of the first within it. */
  index: number;
  /** By name, in the order of the differential. */
  children: Map<string, DiffNode>;
  /** By name. */
  slices: Map<string, DiffNode>;
  /** The slice, or itself, that elements without an id are within. */
  current?: DiffNode;
}

export const diffNode = (name: string, index: number, sliceName?: string): DiffNode => ({
  name,
  index,
  children: new Map(),
  slices: new Map(),
  ...(sliceName === undefined ? {} : { sliceName }),
});

const stem = (step: string): string => (step.endsWith('[x]') ? step.slice(0, -3) : step);

/** `extension:race` of an id → `race`; undefined where the id's step isn't that of the path; empty without a slice. */
function sliceOf(idStep: string, pathStep: string): string | undefined {
  const colon = idStep.indexOf(':');
  const name = colon < 0 ? idStep : idStep.slice(0, colon);
  if (name !== pathStep && !pathStep.startsWith(stem(name))) return undefined;
  const slice = colon < 0 ? '' : idStep.slice(colon + 1);
  return slice.includes(':') ? undefined : slice;
}

/** The slices that the steps of an element's path are in, by its id; undefined where the id doesn't fit the path. */
function slicesById({ id, sliceName }: StructureElement, path: readonly string[]): string[] | undefined {
  const steps = id?.split('.') ?? [];
  if (steps.length !== path.length) return undefined;
  const slices: string[] = [];
  for (const [at, step] of steps.entries()) {
    const slice = at === 0 ? '' : sliceOf(step, path[at]!);
    if (slice === undefined) return undefined;
    slices.push(slice);
  }
  return sliceName === undefined || slices.at(-1) === sliceName ? slices : undefined;
}

function childOf({ children }: DiffNode, name: string, index: number): DiffNode {
  const known = children.get(name);
  if (known) return known;
  const made = diffNode(name, index);
  children.set(name, made);
  return made;
}

export function sliceIn({ name, slices }: DiffNode, sliceName: string, index: number): DiffNode {
  const known = slices.get(sliceName);
  if (known) return known;
  const made = diffNode(name, index, sliceName);
  slices.set(sliceName, made);
  return made;
}

/** Where `element` belongs; makes what is on the way. */
function placeOf(root: DiffNode, element: StructureElement, index: number): DiffNode {
  const path = element.path.split('.');
  const slices = slicesById(element, path);
  let node = root;
  for (let at = 1; at < path.length; at++) {
    const whole = childOf(node, path[at]!, index);
    const last = at === path.length - 1;
    const sliceName = slices ? slices[at]! : last ? (element.sliceName ?? '') : undefined;
    if (sliceName === undefined) node = whole.current ?? whole;
    else node = sliceName === '' ? whole : sliceIn(whole, sliceName, index);
    whole.current = node;
  }
  return node;
}

/** `twice`: places in the differential of elements that were there before. */
export function differentialTree(elements: readonly StructureElement[]): { root: DiffNode; twice: number[] } {
  const root = diffNode(elements[0]?.path.split('.', 1)[0] ?? '', 0);
  const twice: number[] = [];
  for (const [index, element] of elements.entries()) {
    const node = placeOf(root, element, index);
    if (node.element) twice.push(index);
    else Object.assign(node, { element, index });
  }
  return { root, twice };
}
