// A snapshot's elements as a tree: https://hl7.org/fhir/R4/elementdefinition.html#interpretation
import type { Json, JsonObject, Resource } from '#fhir-model';
import { isObject, objectsOf, stringsOf, textOf } from '../json.ts';

export interface Node {
  /** The ElementDefinition. */
  readonly element: JsonObject;
  readonly path: string;
  /** As in JSON: `value` of `value[x]`. */
  readonly name: string;
  readonly choice: boolean;
  readonly children: Node[];
  /** Of an element that is sliced, in the order of the profile; a slice's own are its reslices. */
  readonly slices: Node[];
}

export interface TypeRef {
  readonly code: string;
  readonly profiles: readonly string[];
  readonly targets: readonly string[];
  readonly aggregation: readonly string[];
}

const fhirType = 'http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type';

/** `http://hl7.org/fhirpath/System.String` stands for the type that an extension names. */
function typeCode(type: JsonObject): string {
  const code = textOf(type.code) ?? '';
  if (!code.startsWith('http://hl7.org/fhirpath/')) return code;
  const named = objectsOf(type.extension).find(({ url }) => url === fhirType);
  return textOf(named?.valueUrl) ?? textOf(named?.valueUri) ?? 'string';
}

export function typesOf({ element }: Node): TypeRef[] {
  return objectsOf(element.type).map((type) => ({
    code: typeCode(type),
    profiles: stringsOf(type.profile),
    targets: stringsOf(type.targetProfile),
    aggregation: stringsOf(type.aggregation),
  }));
}

/** The value of `fixed[x]` or `pattern[x]`. */
export function givenOf({ element }: Node, stem: 'fixed' | 'pattern' | 'minValue' | 'maxValue'): Json | undefined {
  for (const name in element) {
    const after = name.charCodeAt(stem.length);
    if (name.startsWith(stem) && after >= 65 && after <= 90) return element[name];
  }
  return undefined;
}

/** Infinity stands for `*`. */
export const maxOf = ({ element }: Node): number =>
  element.max === undefined || element.max === '*' ? Number.POSITIVE_INFINITY : Number(element.max);

export const minOf = ({ element }: Node): number => (typeof element.min === 'number' ? element.min : 0);

export const sliceNameOf = ({ element }: Node): string => textOf(element.sliceName) ?? '';

/** `Patient.extension:race`, or the path where the element has no id. */
export const labelOf = ({ element, path }: Node): string => textOf(element.id) ?? path;

function nodeOf(element: JsonObject, path: string): Node {
  const last = path.slice(path.lastIndexOf('.') + 1);
  const choice = last.endsWith('[x]');
  return { element, path, name: choice ? last.slice(0, -3) : last, choice, children: [], slices: [] };
}

/** The element that a slice is one of: with its path, or `value[x]` for a slice that stands as `valueQuantity`. */
function slicedIn(parent: Node, node: Node): Node | undefined {
  return (
    parent.children.find(({ path }) => path === node.path) ??
    parent.children.find(({ choice, name }) => choice && node.name.startsWith(name) && node.name !== name)
  );
}

/** Extensions are sliced by url without anybody saying so: https://hl7.org/fhir/R4/profiling.html#slicing */
function implied(node: Node): JsonObject {
  const discriminator: JsonObject[] = /(?:^|\.)(?:extension|modifierExtension)$/.test(node.path)
    ? [{ type: 'value', path: 'url' }]
    : [{ type: 'type', path: '$this' }];
  return { path: node.path, min: 0, max: '*', slicing: { discriminator, rules: 'open' } };
}

function addSlice(parent: Node, node: Node): void {
  let owner = slicedIn(parent, node);
  if (owner === undefined) {
    owner = nodeOf(implied(node), node.path);
    parent.children.push(owner);
  }
  const steps = sliceNameOf(node).split('/');
  for (let length = steps.length - 1; length > 0; length--) {
    const outer = findSlice(owner, steps.slice(0, length).join('/'));
    if (outer === undefined) continue;
    outer.slices.push(node);
    return;
  }
  owner.slices.push(node);
}

function findSlice(node: Node, name: string): Node | undefined {
  for (const slice of node.slices) {
    const found = sliceNameOf(slice) === name ? slice : findSlice(slice, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** FHIR's largest snapshot has some 1,100 elements, its deepest path 12 steps. */
const elementsMax = 10_000;
const pathStepsMax = 60;

/** The tree of a StructureDefinition's snapshot; undefined where it has none that can be read, or one beyond all measure. */
export function treeOf(definition: Resource): Node | undefined {
  const snapshot = definition.snapshot;
  const elements = isObject(snapshot) ? objectsOf(snapshot.element) : [];
  if (elements.length > elementsMax) return undefined;
  const latest = new Map<string, Node>();
  let root: Node | undefined;
  for (const element of elements) {
    const path = textOf(element.path) ?? '';
    if (path.split('.', pathStepsMax + 1).length > pathStepsMax) return undefined;
    const node = nodeOf(element, path);
    const parent = latest.get(path.slice(0, Math.max(0, path.lastIndexOf('.'))));
    latest.set(path, node);
    if (root === undefined) root = node;
    else if (parent === undefined) continue;
    else if (sliceNameOf(node) === '') parent.children.push(node);
    else addSlice(parent, node);
  }
  return root;
}
