// What the structure check asks of each type, prepared from the definitions on first use.
// https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/elementdefinition.html
import {
  type Definitions,
  type ElementDefinition,
  jsonNames,
  type TypeDefinition,
  type ValueSetCodes,
} from '#fhir-model';
import { type PrimitiveRule, primitiveRules } from './primitives.ts';

/** One name that an object of the type may have. */
export interface Property {
  /** The element's JSON name without `_`. */
  readonly base: string;
  /** `_birthDate` for `birthDate` and the other way round; undefined where there is no such pair. */
  readonly sibling: string | undefined;
  /** This is the `_name`, an Element with the id and extensions of a primitive. */
  readonly companion: boolean;
  readonly array: boolean;
  readonly rule: PrimitiveRule | undefined;
  /** The codes of a required binding of a `code`. */
  readonly codes: ReadonlySet<string> | undefined;
  /** The codings of a required binding of a CodeableConcept: by system. */
  readonly codings: ReadonlyMap<string, ReadonlySet<string>> | undefined;
  readonly valueSet: string | undefined;
  /** The type of the object; `Resource` for any resource; undefined when this is a primitive's value. */
  readonly type: string | undefined;
  /** Filled on first use. */
  plan: Plan | undefined;
  /** A bit of its own for each required element; 0 when optional. */
  readonly requiredBit: number;
  /** The bit of its choice; 0 when it isn't of one. */
  readonly choiceBit: number;
}

/** Names of which one is wanted (a required element) or only one allowed (a choice). */
export interface Group {
  readonly bit: number;
  /** `status`, `value[x]` */
  readonly label: string;
  readonly names: readonly string[];
}

/** Bits of a 32-bit integer that shifts leave positive; R4's types have at most 9 required elements and 5 choices. */
const groupsMax = 30;

export interface Plan {
  readonly name: string;
  readonly resource: boolean;
  readonly properties: ReadonlyMap<string, Property>;
  /** All bits of `required`. */
  readonly requiredMask: number;
  readonly required: readonly Group[];
  readonly choices: readonly Group[];
}

export interface Plans {
  /** Any type but primitives; undefined for a name R4 doesn't know. */
  plan(type: string): Plan | undefined;
  isResourceType(name: string): boolean;
}

interface Source {
  definitions: Definitions;
  rules: ReadonlyMap<string, PrimitiveRule>;
}

/** An element's id, Extension.url and xhtml have no id or extensions of their own, hence no `_name`. */
function isAttribute(owner: TypeDefinition, name: string, type: string): boolean {
  return (
    type === 'xhtml' || (owner.kind !== 'resource' && name === 'id') || (owner.name === 'Extension' && name === 'url')
  );
}

function codesBySystem(valueSet: ValueSetCodes): Map<string, Set<string>> {
  const systems = new Map<string, Set<string>>();
  for (const { system, codes } of valueSet) systems.set(system, new Set([...(systems.get(system) ?? []), ...codes]));
  return systems;
}

interface Bits {
  requiredBit: number;
  choiceBit: number;
}

/** The property of one name, and of its `_name` when it is a primitive that can have one. */
function compileName(
  { definitions, rules }: Source,
  owner: TypeDefinition,
  element: ElementDefinition,
  [base, type]: [string, string],
  bits: Bits,
): [string, Property][] {
  const rule = rules.get(type);
  const { array, valueSet } = element;
  const bound = valueSet === undefined ? undefined : definitions.valueSet(valueSet);
  const sibling = rule === undefined || isAttribute(owner, base, type) ? undefined : `_${base}`;
  const bare = {
    base,
    companion: false,
    array,
    valueSet,
    plan: undefined,
    codes: undefined,
    codings: undefined,
    ...bits,
  };
  const property: Property = {
    ...bare,
    sibling,
    rule,
    codes: bound !== undefined && type === 'code' ? new Set(bound.flatMap(({ codes }) => codes)) : undefined,
    codings: bound !== undefined && type === 'CodeableConcept' ? codesBySystem(bound) : undefined,
    type: rule === undefined ? type : undefined,
  };
  if (sibling === undefined) return [[base, property]];
  const companion: Property = { ...bare, companion: true, sibling: base, rule: undefined, type: 'Element' };
  return [
    [base, property],
    [sibling, companion],
  ];
}

function compilePlan(source: Source, type: TypeDefinition): Plan {
  const properties = new Map<string, Property>();
  const required: Group[] = [];
  const choices: Group[] = [];
  const join = (groups: Group[], label: string, names: string[]): number => {
    if (groups.length === groupsMax) throw new Error(`${type.name} has more required elements or choices than bits`);
    const bit = 1 << groups.length;
    groups.push({ bit, label, names });
    return bit;
  };
  for (const element of type.elements) {
    const names = jsonNames(element);
    const plain = names.map(([name]) => name);
    const label = element.choice ? `${element.name}[x]` : element.name;
    const requiredBit = element.min > 0 ? join(required, label, plain) : 0;
    const choiceBit = element.choice ? join(choices, label, plain) : 0;
    for (const name of names) {
      for (const entry of compileName(source, type, element, name, { requiredBit, choiceBit }))
        properties.set(...entry);
    }
  }
  const requiredMask = (1 << required.length) - 1;
  return { name: type.name, resource: type.kind === 'resource', properties, requiredMask, required, choices };
}

/** Compiles a type when it is first asked for, in well under a millisecond; data types are shared by all that use them. */
export function createPlans(definitions: Definitions, narratives = true): Plans {
  const rules = primitiveRules(definitions, narratives);
  const plans = new Map<string, Plan>();
  return {
    isResourceType: definitions.isResourceType,
    plan(name) {
      const known = plans.get(name);
      if (known !== undefined) return known;
      const type = definitions.type(name);
      if (type === undefined || type.kind === 'primitive') return undefined;
      const compiled = compilePlan({ definitions, rules }, type);
      plans.set(name, compiled);
      return compiled;
    },
  };
}
