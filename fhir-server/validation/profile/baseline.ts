// What R4 itself says of an element of a profile, and so need not be checked again: https://hl7.org/fhir/R4/profiling.html
import type { ConstraintDefinition, Definitions, ElementDefinition, TypeDefinition } from '#fhir-model';
import { choiceName } from '../json.ts';
import type { JsonName } from './plan.ts';
import { type Node, sliceNameOf, typesOf } from './tree.ts';

export interface Baseline {
  /** As R4 defines it; undefined for a root, and for what R4 doesn't know. */
  readonly element: ElementDefinition | undefined;
  /** Of the values, where there is but one: `HumanName`, `Patient.contact`. */
  readonly type: string | undefined;
  readonly names: readonly JsonName[];
}

const definitionBase = 'http://hl7.org/fhir/StructureDefinition/';

/** `Patient` of `http://hl7.org/fhir/StructureDefinition/Patient`, any other URL as it is. */
export const shortType = (url: string): string =>
  url.startsWith(definitionBase) ? (url.slice(definitionBase.length).split('|')[0] ?? '') : url;

export const rootBaseline = (type: string): Baseline => ({ element: undefined, type, names: [] });

/** The type whose elements the children of a node are: a typed slice of a choice has one type of its own. */
function ownerType(node: Node, baseline: Baseline): string | undefined {
  const codes = typesOf(node).map(({ code }) => code);
  if (baseline.type !== undefined && baseline.type !== 'Resource') return baseline.type;
  return codes.length === 1 ? codes[0] : undefined;
}

function namesOf(element: ElementDefinition): JsonName[] {
  return element.types.map((type) => ({
    json: element.choice ? choiceName(element.name, type) : element.name,
    type,
  }));
}

/** The element of this JSON name; for `valueQuantity` the choice `value[x]`, of which it is one name. */
function elementOf(type: TypeDefinition | undefined, child: Node): Baseline | undefined {
  const element = type?.elements.find(({ name, choice }) => name === child.name && choice === child.choice);
  if (element !== undefined) {
    const names = namesOf(element);
    return { element, names, type: names.length === 1 ? names[0]?.type : undefined };
  }
  for (const candidate of type?.elements ?? []) {
    const name = candidate.choice ? namesOf(candidate).find(({ json }) => json === child.name) : undefined;
    if (name !== undefined) return { element: candidate, names: [name], type: name.type };
  }
  return undefined;
}

export function childBaseline(definitions: Definitions, parent: Node, baseline: Baseline, child: Node): Baseline {
  const owner = ownerType(parent, baseline);
  const known = elementOf(owner === undefined ? undefined : definitions.type(owner), child);
  return known ?? { element: undefined, type: undefined, names: [{ json: child.name, type: '' }] };
}

/** Of a slice that stands as `valueQuantity` in `value[x]`, only that name. */
export function sliceBaseline(owner: Node, baseline: Baseline, slice: Node): Baseline {
  if (slice.name === owner.name || sliceNameOf(slice) === '') {
    const codes = typesOf(slice).map(({ code }) => code);
    const names = baseline.names.filter(({ type }) => codes.length === 0 || codes.includes(type));
    return slice.choice && names.length === 1 ? { ...baseline, names, type: names[0]?.type } : baseline;
  }
  const names = baseline.names.filter(({ json }) => json === slice.name);
  return names.length === 0 ? baseline : { ...baseline, names, type: names[0]?.type };
}

/** The invariants that the base check evaluates on values of a type. */
export function typeConstraints(definitions: Definitions, name: string): ConstraintDefinition[] {
  const type = definitions.type(name);
  if (type === undefined) return [];
  const inherited = type.base === undefined ? [] : typeConstraints(definitions, type.base);
  return [...inherited, ...(type.constraints ?? [])];
}
