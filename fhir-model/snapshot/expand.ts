// The elements within an element that its structure doesn't list: those of its type, its profile, or what it refers to
// https://hl7.org/fhir/R4/profiling.html#snapshot
import { type Faults, shown } from './faults.ts';
import type { Node } from './tree.ts';
import type { ElementType, StructureElement } from './types.ts';

export interface Run {
  /** Canonical URL of the structure that gets its snapshot. */
  url: string;
  /** A new type may have elements that its base hasn't. */
  specialization: boolean;
  /** R4's resources and primitives say nothing of how extensions are sliced; its data types and all profiles do. */
  unsliced: boolean;
  faults: Faults;
  /** Elements that may still be changed or added: each is one of the snapshot's. */
  left: number;
  /** Undefined for one that isn't known, is no structure, or can't be made (the last is told). */
  tree(canonical: string, at: number): Promise<Node | undefined>;
  /** The type that a structure constrains, of which R4 or the profile's package may know nothing. */
  typeOf(canonical: string): Promise<string | undefined>;
}

/** Types of R4 are known by name, others by URL. */
export const typeUrl = (code: string): string =>
  code.includes(':') ? code : `http://hl7.org/fhir/StructureDefinition/${code}`;

export interface Within {
  element: StructureElement;
  children: readonly Node[];
}

function nodeAt(root: Node | undefined, path: string): Node | undefined {
  const [first, ...steps] = path.split('.');
  let node = root?.name === first ? root : undefined;
  for (const step of steps) node = node?.children.find((child) => child.name === step);
  return node;
}

/** `#Observation.referenceRange`; later versions have the structure's URL before it. */
async function referred(run: Run, base: Node, element: StructureElement, at: number): Promise<Within> {
  const reference = element.contentReference!;
  const [url = '', path = ''] = reference.split('#', 2);
  const root = url === '' ? base.home.root : await run.tree(url, at);
  const target = nodeAt(root, path);
  if (!target) {
    run.faults.add('snapshot-content-reference', `${shown(element.path)}: ${shown(reference)} is not known`, at);
    return { element, children: [] };
  }
  const { contentReference: _, ...rest } = element;
  const { type } = target.element;
  return { element: { ...(rest as StructureElement), ...(type ? { type } : {}) }, children: target.children };
}

/** The one profile that all of its values have, if there is one. */
export function onlyProfile(types: readonly ElementType[] | undefined): string | undefined {
  const [type, another] = types ?? [];
  return type?.profile?.length === 1 && !another ? type.profile[0] : undefined;
}

/** A profile may be of the type itself or of what that stands for, as a Patient is a Resource. */
const fits = (root: Node, code: string): boolean =>
  code.includes(':') || root.name === code || code === 'Resource' || code === 'DomainResource' || code === 'Element';

/** The tree of the only profile of `element`; tells of one that is of another type or that isn't known. */
export async function profileTree(run: Run, element: StructureElement, at: number): Promise<Node | undefined> {
  const profile = onlyProfile(element.type);
  if (profile === undefined) return undefined;
  const told = run.faults.issues.length;
  const tree = await run.tree(profile, at);
  const { code } = element.type![0]!;
  if (tree && fits(tree, code)) return tree;
  const what = `${shown(element.path)}: profile ${shown(profile)}`;
  if (tree) run.faults.add('snapshot-type', `${what} is of type ${shown(tree.name)}, not ${shown(code)}`, at);
  else if (run.faults.issues.length === told) {
    run.faults.add(
      'snapshot-profile-unknown',
      `${what} is not known here: type ${shown(code)} alone counts`,
      at,
      'warning',
    );
  }
  return undefined;
}

/** What several types have in common is what every Element has. */
const commonType = (types: readonly ElementType[]): string =>
  new Set(types.map(({ code }) => code)).size > 1 ? 'Element' : types[0]!.code;

export function withoutSlicing(node: Node): Node {
  if (!node.element.slicing || node.slices.length > 0) return node;
  const { slicing: _, ...element } = node.element;
  return { ...node, element: element as StructureElement };
}

/** `element`, of the node `base` or derived from it, with its children. */
export async function expand(run: Run, base: Node, element: StructureElement, at: number): Promise<Within> {
  if (element.contentReference !== undefined) return referred(run, base, element, at);
  const { type = [] } = element;
  if (type.length === 0) return { element, children: [] };
  const tree = (await profileTree(run, element, at)) ?? (await run.tree(typeUrl(commonType(type)), at));
  const children = tree?.children ?? [];
  return { element, children: run.unsliced ? children.map(withoutSlicing) : children };
}
