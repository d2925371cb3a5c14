// A differential's tree over its base's: https://hl7.org/fhir/R4/profiling.html#snapshot
import { byBaseName } from './choices.ts';
import type { DiffNode } from './differential.ts';
import { expand, onlyProfile, profileTree, type Run } from './expand.ts';
import { shown } from './faults.ts';
import { mergeElement } from './merge.ts';
import { newElement } from './new-element.ts';
import { profileOver } from './profile-over.ts';
import { checkOpen, checkTotal, inOrder, slicedElement, sliceTemplate } from './slices.ts';
import { checkTargets } from './targets.ts';
import type { Node } from './tree.ts';
import type { StructureElement } from './types.ts';

async function elementOf(run: Run, base: Node, diff: DiffNode): Promise<StructureElement> {
  if (!diff.element) return base.element;
  await checkTargets(run, base.element, diff.element, diff.index);
  // One that the base names already has said what it says.
  const changed = onlyProfile(diff.element.type) !== onlyProfile(base.element.type);
  const root = changed ? await profileTree(run, diff.element, diff.index) : undefined;
  const under = root ? profileOver(base.element, root.element) : base.element;
  return mergeElement(under, diff.element, { faults: run.faults, url: run.url, index: diff.index });
}

/** `inSlice`: it is a slice, or within one in the same structure. */
export async function applyNode(run: Run, base: Node, diff: DiffNode, inSlice: boolean): Promise<Node> {
  if (run.left-- <= 0) return base;
  let element = await elementOf(run, base, diff);
  let children = base.children;
  if (diff.children.size > 0) {
    const listed = children.length > 0;
    if (!listed) ({ element, children } = await expand(run, base, element, diff.index));
    children = await applyChildren(run, { ...base, element, children }, diff, listed && inSlice);
  }
  const node: Node = { ...base, element, children };
  return diff.slices.size > 0 ? applySlices(run, base, node, diff) : node;
}

async function applyChildren(run: Run, parent: Node, within: DiffNode, inSlice: boolean): Promise<Node[]> {
  const children = [...parent.children];
  const places = new Map(children.map(({ name }, at) => [name, at]));
  for (const diff of byBaseName(within.children.values(), children, inSlice)) {
    const at = places.get(diff.name);
    if (at !== undefined) children[at] = await applyNode(run, children[at]!, diff, inSlice);
    else if (run.specialization && diff.element) children.push(await newNode(run, parent, diff, diff.element));
    else tellUnknown(run, parent, diff);
  }
  return children;
}

/** An element that its base hasn't: only a new type has any. */
export async function newNode(run: Run, parent: Node, diff: DiffNode, said: StructureElement): Promise<Node> {
  const element = await newElement(run, said, diff.index);
  const base: Node = { element, name: diff.name, children: [], slices: [], home: parent.home };
  return applyNode(run, base, { ...diff, element: { path: element.path } }, false);
}

function tellUnknown({ faults }: Run, { element }: Node, diff: DiffNode): void {
  const codes = new Set(element.type?.map(({ code }) => code));
  const said = diff.element && `${shown(diff.element.id ?? diff.element.path)}: `;
  const where = `${said ?? ''}${shown(element.path)}`;
  if (codes.size > 1) {
    const text = `${where} is one of ${[...codes].join(', ')}: narrow it to one type, or slice it`;
    faults.add('snapshot-several-types', text, diff.index);
  } else faults.add('snapshot-element-unknown', `${where} has no element ${shown(diff.name)}`, diff.index);
}

async function applySlices(run: Run, base: Node, node: Node, diff: DiffNode): Promise<Node> {
  const inherited = new Map(node.slices.map((slice) => [slice.sliceName!, slice]));
  const slices = new Map(inherited);
  for (const [name, slice] of diff.slices) {
    const known = slices.get(name);
    if (!known) checkOpen(base, inherited, slice, run.faults);
    slices.set(name, await applyNode(run, known ?? sliceTemplate(base, name, slices), slice, true));
  }
  const ordered = inOrder(slices);
  const element = slicedElement(node.element, diff, ordered, run.faults);
  checkTotal(element, ordered, diff, run.faults);
  return { ...node, element, slices: ordered };
}
