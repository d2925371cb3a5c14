// A CodeSystem resource as its concepts and what subsumes what, in memory: https://hl7.org/fhir/R4/codesystem.html
import { decimalText, isNumber, type JsonObject, type Resource } from '#fhir-model';
import {
  type About,
  aboutOf,
  asArray,
  asObject,
  asText,
  type Coding,
  type Concept,
  type Designation,
  defined,
  type Property,
  standardsStatus,
} from './code-system.ts';
import { flagsOf, readProperty, roleOf } from './concept-properties.ts';
import { createEdges, type Lineage, lineageOf } from './lineage.ts';
import { foldCode } from './system-codes.ts';

/** Of a concept and one above it; 10,000 concepts ten levels deep have 100,000. Two million take 20 MB. */
const PAIRS_MAX = 2_000_000;

export interface MemoryConcept extends Concept {
  designations: readonly Designation[];
  properties: readonly Property[];
  /** The element of the resource: its extensions. */
  element: JsonObject;
  /** Number of the concept that it is nested in, whatever that means; undefined at the top. */
  within?: number;
}

export interface MemoryIndex {
  about: About;
  /** In the order of the resource, each before what is nested in it. */
  concepts: readonly MemoryConcept[];
  find(code: string): MemoryConcept | undefined;
  /** By number; of is-a only. Cycles are broken. */
  lineage: Lineage;
  /** By number, the direct children: is-a only. */
  children: readonly (readonly number[])[];
}

function codingOf(value: unknown): Coding | undefined {
  const coding = asObject(value);
  if (coding === undefined) return undefined;
  const { system, version, code, display } = coding;
  return defined<Coding>({
    ...{ system: asText(system), version: asText(version) },
    ...{ code: asText(code), display: asText(display) },
  });
}

function designationsOf(element: JsonObject): Designation[] {
  return asArray(element.designation).flatMap((each) => {
    const value = asText(each.value);
    if (value === undefined) return [];
    const parts = { language: asText(each.language), use: codingOf(each.use), value, status: standardsStatus(each) };
    return [defined<Designation>(parts)];
  });
}

const CONCEPT_ORDER = 'http://hl7.org/fhir/StructureDefinition/codesystem-conceptOrder';

/** The place that the concept asks for among its siblings. */
export function conceptOrder(element: JsonObject): number | undefined {
  const value = asArray(element.extension).find(({ url }) => url === CONCEPT_ORDER)?.valueInteger;
  return isNumber(value) ? Number(decimalText(value)) : undefined;
}

/** The elements of CodeSystem.concept, each before those within it; without recursion, since they nest as deep as JSON may. */
export function* walkConcepts(
  resource: Resource,
): Generator<{ element: JsonObject; within: number | undefined; n: number }> {
  const work: { element: JsonObject; within: number | undefined }[] = [];
  const push = (elements: JsonObject[], within: number | undefined): void => {
    for (let i = elements.length - 1; i >= 0; i--) work.push({ element: elements[i]!, within });
  };
  push(asArray(resource.concept), undefined);
  let n = 0;
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    yield { ...next, n };
    push(asArray(next.element.concept), n);
    n++;
  }
}

/** One CodeSystem.concept. */
export function readConcept(about: About, element: JsonObject, n: number): MemoryConcept {
  const properties = asArray(element.property).flatMap((each) => readProperty(each) ?? []);
  return defined<MemoryConcept>({
    ...{ status: standardsStatus(element), ...flagsOf(about, properties) },
    ...{
      n,
      code: asText(element.code) ?? '',
      display: asText(element.display),
      definition: asText(element.definition),
    },
    ...{ designations: designationsOf(element), properties, element },
  });
}

/** Of a CodeSystem; codes that come twice count once, elements without a code not at all. */
export function indexCodeSystem(resource: Resource): MemoryIndex {
  const about = aboutOf(resource);
  const concepts: MemoryConcept[] = [];
  const exact = new Map<string, MemoryConcept>();
  const numbers: number[] = [];
  for (const { element, within } of walkConcepts(resource)) {
    const concept = readConcept(about, element, concepts.length);
    const above = within === undefined ? undefined : numbers[within];
    if (concept.code === '' || exact.has(concept.code)) {
      numbers.push(exact.get(concept.code)?.n ?? above ?? -1);
      continue;
    }
    if (above !== undefined && above >= 0) concept.within = above;
    numbers.push(concept.n);
    concepts.push(concept);
    exact.set(concept.code, concept);
  }
  const find = finder(about, concepts, exact);
  const lineage = lineageOf(concepts.length, edgesOf(about, concepts, find), PAIRS_MAX);
  return { about, concepts, find, lineage, children: childrenOf(lineage) };
}

function finder(about: About, concepts: readonly MemoryConcept[], exact: ReadonlyMap<string, MemoryConcept>) {
  if (about.caseSensitive) return (code: string) => exact.get(code);
  const folded = new Map<string, MemoryConcept>();
  for (const concept of concepts) {
    const fold = foldCode(concept.code);
    if (!folded.has(fold)) folded.set(fold, concept);
  }
  return (code: string) => exact.get(code) ?? folded.get(foldCode(code));
}

function edgesOf(about: About, concepts: readonly MemoryConcept[], find: MemoryIndex['find']) {
  const edges = createEdges();
  for (const { n, within, properties } of concepts) {
    if (within !== undefined && about.isA) edges.add(n, within);
    for (const { code, value } of properties) {
      const role = roleOf(about, code);
      if (role !== 'parent' && role !== 'child') continue;
      const other = find(value)?.n;
      if (other === undefined) continue;
      if (role === 'parent') edges.add(n, other);
      else edges.add(other, n);
    }
  }
  return edges;
}

function childrenOf({ parents }: Lineage): number[][] {
  const children: number[][] = parents.map(() => []);
  parents.forEach((some, n) => {
    for (const parent of some) children[parent]!.push(n);
  });
  return children;
}
