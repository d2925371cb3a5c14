// A snapshot's flat list as a tree, and back: https://hl7.org/fhir/R4/elementdefinition.html#path, #id
import type { StructureElement } from './types.ts';

/** Never changed once made: trees share nodes. */
export interface Node {
  readonly element: StructureElement;
  /** The last step of its path: `value[x]`. */
  readonly name: string;
  readonly sliceName?: string;
  /** None where the type's own elements are meant. */
  readonly children: readonly Node[];
  /** In order; a reslice `a/b` stands after its slice `a`. */
  readonly slices: readonly Node[];
  /** The structure that a contentReference in it is to be found in. */
  readonly home: Home;
}

/** A StructureDefinition's tree. */
export interface Home {
  url: string;
  root?: Node;
}

interface Growing {
  element: StructureElement;
  name: string;
  sliceName?: string;
  children: Growing[];
  slices: Growing[];
  home: Home;
}

const lastStep = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

const stepsOf = (path: string): number => {
  let steps = 1;
  for (let at = path.indexOf('.'); at >= 0; at = path.indexOf('.', at + 1)) steps++;
  return steps;
};

/** Undefined when the list is no tree: an element without the one that it is within. */
export function treeOf(url: string, elements: readonly StructureElement[]): Node | undefined {
  const home: Home = { url };
  const open: Growing[] = [];
  for (const element of elements) {
    const depth = stepsOf(element.path);
    const node: Growing = { element, name: lastStep(element.path), children: [], slices: [], home };
    if (depth > 1) {
      const parent = open[depth - 2];
      if (!parent) return undefined;
      addTo(parent, node);
    } else if (open.length > 0) return undefined;
    open.length = depth - 1;
    open.push(node);
  }
  home.root = open[0] as Node;
  return home.root;
}

function addTo(parent: Growing, node: Growing): void {
  const { sliceName } = node.element;
  const sliced = sliceName === undefined ? undefined : parent.children.findLast(({ name }) => name === node.name);
  if (sliced && sliceName !== undefined) {
    node.sliceName = sliceName;
    sliced.slices.push(node);
  } else parent.children.push(node);
}

/** The elements in order, each with the path and the id of its place; undefined when there would be more than `most`. */
export function flatten(root: Node, most: number): StructureElement[] | undefined {
  const elements: StructureElement[] = [];
  const add = (node: Node, path: string, id: string): boolean => {
    if (elements.length >= most) return false;
    elements.push(placed(node, path, id));
    return (
      node.children.every((child) => add(child, `${path}.${child.name}`, `${id}.${child.name}`)) &&
      node.slices.every((slice) => add(slice, path, `${id}:${slice.sliceName}`))
    );
  };
  return add(root, root.name, root.name) ? elements : undefined;
}

function placed({ element, sliceName }: Node, path: string, id: string): StructureElement {
  const { id: _id, path: _path, sliceName: _sliceName, ...rest } = element;
  return sliceName === undefined ? { id, path, ...rest } : { id, path, sliceName, ...rest };
}
