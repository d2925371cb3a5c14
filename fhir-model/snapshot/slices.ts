// Slices: https://hl7.org/fhir/R4/profiling.html#slicing, reslicing: #reslicing
import { isChoice, sliceByType, typeNamed } from './choices.ts';
import type { DiffNode } from './differential.ts';
import { type Faults, shown } from './faults.ts';
import type { Node } from './tree.ts';
import { maxNumber, type Slicing, type StructureElement } from './types.ts';

const BY_URL: Slicing = { discriminator: [{ type: 'value', path: 'url' }], ordered: false, rules: 'open' };

const isExtension = (name: string): boolean => name === 'extension' || name === 'modifierExtension';

/** `a` of `a/b`; the nearest that is there of `a/b` and `a` for `a/b/c`. */
function reslicedOf(name: string, slices: ReadonlyMap<string, Node>): Node | undefined {
  for (let at = name.lastIndexOf('/'); at > 0; at = name.lastIndexOf('/', at - 1)) {
    const parent = slices.get(name.slice(0, at));
    if (parent) return parent;
  }
  return undefined;
}

/**
 * What a new slice starts from: its element, or for `a/b` the slice `a`, without what slices that one; of a choice only the
 * type that its name means. It may be absent where its element may not: another slice can stand for that.
 */
export function sliceTemplate(whole: Node, name: string, slices: ReadonlyMap<string, Node>): Node {
  const from = reslicedOf(name, slices) ?? whole;
  const { slicing: _, ...element } = from.element;
  const type = typeNamed(from, name);
  return {
    ...from,
    element: { ...(element as StructureElement), min: 0, ...(type ? { type: [type] } : {}) },
    ...{ sliceName: name, slices: [] },
  };
}

/** In order, `a/b` right after `a` and those of `a` that stand there already. */
export function inOrder(slices: ReadonlyMap<string, Node>): Node[] {
  const under = new Map<string | undefined, Node[]>();
  for (const [name, slice] of slices) {
    const parent = reslicedOf(name, slices)?.sliceName;
    const siblings = under.get(parent);
    if (siblings) siblings.push(slice);
    else under.set(parent, [slice]);
  }
  const withReslices = (slice: Node): Node[] => [slice, ...(under.get(slice.sliceName) ?? []).flatMap(withReslices)];
  return (under.get(undefined) ?? []).flatMap(withReslices);
}

/** The element above its slices: with its slicing, told or implied. */
export function slicedElement(
  element: StructureElement,
  diff: DiffNode,
  slices: readonly Node[],
  faults: Faults,
): StructureElement {
  if (isChoice(diff.name)) return sliceByType(element, slices);
  if (element.slicing) return element;
  if (isExtension(diff.name)) return { ...element, slicing: BY_URL };
  const names = [...diff.slices.keys()].slice(0, 5).map(shown).join(', ');
  const text = `${shown(element.path)}: slices ${names} without slicing: nothing says how they are told apart`;
  faults.add('snapshot-slicing', text, diff.index, 'warning');
  return element;
}

/** No slice may be added to what its base has closed; a reslice may, within its slice. */
export function checkOpen(base: Node, slices: ReadonlyMap<string, Node>, slice: DiffNode, faults: Faults): void {
  const name = slice.sliceName!;
  const { slicing } = (reslicedOf(name, slices) ?? base).element;
  if (slicing?.rules !== 'closed') return;
  const text = `${shown(base.element.path)}: the base's slicing is closed, slice ${shown(name)} can't be added`;
  faults.add('snapshot-slicing', text, slice.index);
}

/** The slices that must be there must fit in the whole. */
export function checkTotal(element: StructureElement, slices: readonly Node[], diff: DiffNode, faults: Faults): void {
  const told = slices.filter(({ sliceName }) => !sliceName?.includes('/'));
  const least = told.reduce((sum, slice) => sum + (slice.element.min ?? 0), 0);
  if (least <= maxNumber(element.max)) return;
  const text = `${shown(element.path)}: its slices need ${least} in all, more than max ${element.max}`;
  faults.add('snapshot-cardinality', text, diff.index, 'warning');
}
