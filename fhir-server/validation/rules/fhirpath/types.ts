// What R4's types have as members, as FHIRPath asks for them: https://hl7.org/fhir/R4/fhirpath.html#polymorphism
import { type Definitions, type ElementDefinition, type JsonObject, jsonNames } from '#fhir-model';
import { ownValue } from '#platform';
import { isObject } from '../../json.ts';
import { Box, bare, CANNOT, ELSEWHERE, type Item, type Items, NONE, typeOf } from './items.ts';

/** How to get at a member of objects of one type. */
export interface Member {
  /** The type of its items; undefined where each item tells its own (a choice, a resource). */
  readonly type: string | undefined;
  /** Of a choice: the type behind each JSON name. */
  readonly choices: ReadonlyMap<string, string> | undefined;
  items(owner: JsonObject): Items;
  has(owner: JsonObject): boolean;
}

export interface Types {
  /** Undefined when the type has no such member. */
  member(type: string, name: string): Member | undefined;
  isType(name: string): boolean;
  isPrimitive(type: string): boolean;
  /** Whether `type` is `other` or derives from it; letter case aside, as `Boolean` is written for `boolean`. */
  isSubtype(type: string, other: string): boolean;
  /** What ofType() and `as` let through: as isSubtype, but a code is no string to them, as HL7's own suite has it. */
  isOfType(type: string, other: string): boolean;
  /** The choice as a member of that type alone: `value` as a Quantity is `valueQuantity`; undefined where several fit. */
  narrow(choice: Member, type: string): Member | undefined;
  /** The names of all members, without value. */
  names(type: string): readonly string[];
}

export const absent: Member = { type: undefined, choices: undefined, items: () => NONE, has: () => false };
/** Choices of more types are looked up by the names that the object has. */
const FEW_CHOICES = 4;

function complexMember(name: string, type: string | undefined): Member {
  return {
    type,
    choices: undefined,
    items(owner) {
      const value = owner[name];
      if (value === undefined || value === null) return NONE;
      return Array.isArray(value) ? value : [value];
    },
    has: (owner) => owner[name] !== undefined && owner[name] !== null,
  };
}

const companionOf = (value: unknown): JsonObject | undefined => (isObject(value) ? value : undefined);

/** Values with their `_name`; an empty place where neither is there is none. */
function boxed(value: unknown, companion: unknown, type: string): Items {
  if (!Array.isArray(value) && !Array.isArray(companion))
    return [new Box(value ?? undefined, companionOf(companion), type)];
  const values = Array.isArray(value) ? value : [];
  const companions = Array.isArray(companion) ? companion : [];
  const items: Item[] = [];
  for (let at = 0; at < Math.max(values.length, companions.length); at++) {
    const [one, other] = [values[at] ?? undefined, companionOf(companions[at])];
    if (other !== undefined) items.push(new Box(one, other, type));
    else if (one !== undefined) items.push(one);
  }
  return items;
}

function primitiveMember(name: string, type: string): Member {
  const beside = `_${name}`;
  return {
    type,
    choices: undefined,
    items(owner) {
      const value = owner[name];
      const companion = owner[beside];
      if (companion !== undefined) return boxed(value, companion, type);
      if (value === undefined || value === null) return NONE;
      return Array.isArray(value) ? value : [value];
    },
    has: (owner) => owner[name] !== undefined || owner[beside] !== undefined,
  };
}

/** The JSON name of the choice that the object has. */
function chosen(owner: JsonObject, choices: ReadonlyMap<string, string>): string | undefined {
  if (choices.size <= FEW_CHOICES) {
    for (const name of choices.keys()) if (owner[name] !== undefined || owner[`_${name}`] !== undefined) return name;
    return undefined;
  }
  for (const name in owner) {
    const bare = name.charCodeAt(0) === 0x5f ? name.slice(1) : name;
    if (choices.has(bare)) return bare;
  }
  return undefined;
}

function choiceMember(element: ElementDefinition): Member {
  const choices = new Map(jsonNames(element));
  return {
    type: undefined,
    choices,
    items(owner) {
      const found = chosen(owner, choices);
      if (found === undefined) return NONE;
      return [new Box(owner[found], companionOf(owner[`_${found}`]), choices.get(found) ?? '')];
    },
    has: (owner) => chosen(owner, choices) !== undefined,
  };
}

/** A primitive's id and extensions are those of its `_name`; `owner` is that. */
const attributes: Record<string, Member> = {
  id: complexMember('id', 'string'),
  extension: complexMember('extension', 'Extension'),
};

const isAny = (type: string | undefined): boolean => type === 'Resource' || type === 'DomainResource';

export function createTypes(definitions: Definitions): Types {
  const members = new Map<string, Map<string, Member | undefined>>();
  const lower = new Map<string, string>();
  const isPrimitive = (type: string): boolean => definitions.type(type)?.kind === 'primitive';
  const make = (type: string, name: string): Member | undefined => {
    if (isPrimitive(type)) return ownValue(attributes, name);
    const element = definitions.type(type)?.elements.find((candidate) => candidate.name === name);
    if (element === undefined) return undefined;
    if (element.choice) return choiceMember(element);
    const [only = ''] = element.types;
    return isPrimitive(only) ? primitiveMember(name, only) : complexMember(name, isAny(only) ? undefined : only);
  };
  const supertypes = (type: string): Set<string> => {
    const found = new Set<string>();
    for (let at: string | undefined = type; at !== undefined && !found.has(at); at = definitions.type(at)?.base)
      found.add(at.toLowerCase());
    return found;
  };
  const supertypesOf = new Map<string, Set<string>>();
  return {
    isPrimitive,
    isType: (name) => definitions.type(name) !== undefined,
    member(type, name) {
      const known = members.get(type) ?? new Map<string, Member | undefined>();
      members.set(type, known);
      if (!known.has(name)) known.set(name, make(type, name));
      return known.get(name);
    },
    isSubtype(type, other) {
      const known = supertypesOf.get(type) ?? supertypes(type);
      supertypesOf.set(type, known);
      const wanted = lower.get(other) ?? other.toLowerCase();
      lower.set(other, wanted);
      return known.has(wanted);
    },
    isOfType(type, other) {
      return isPrimitive(type) ? type.toLowerCase() === other.toLowerCase() : this.isSubtype(type, other);
    },
    narrow(choice, type) {
      const fitting = [...(choice.choices ?? [])].filter(([, one]) => this.isOfType(one, type));
      if (fitting.length > 1) return undefined;
      const [only] = fitting;
      if (only === undefined) return absent;
      return isPrimitive(only[1]) ? primitiveMember(...only) : complexMember(...only);
    },
    names: (type) =>
      isPrimitive(type) ? Object.keys(attributes) : (definitions.type(type)?.elements ?? []).map(({ name }) => name),
  };
}

/** The member of an item whose type is known only now; its items carry theirs. */
export function memberOfItem(types: Types, item: Item, name: string): Items {
  const type = typeOf(item);
  const member = type === undefined ? undefined : types.member(type, name);
  if (member === undefined || type === undefined) return NONE;
  const items = membersOf(member, item, types.isPrimitive(type));
  return items.length === 0 ? NONE : items.map((one) => withType(one, member.type));
}

/** A member of one item: of a primitive, of its `_name`. */
export function membersOf(member: Member, item: Item, primitive: boolean): Items {
  const owner = primitive ? (item instanceof Box ? item.companion : undefined) : bare(item);
  if (owner === ELSEWHERE) throw CANNOT;
  return isObject(owner) ? member.items(owner) : NONE;
}

/** All members, with their types. */
export function childrenOf(types: Types, item: Item, type = typeOf(item)): Item[] {
  if (type === undefined) return [];
  const primitive = types.isPrimitive(type);
  const found: Item[] = [];
  for (const name of types.names(type)) {
    const member = types.member(type, name);
    if (member === undefined) continue;
    for (const child of membersOf(member, item, primitive)) found.push(withType(child, member.type));
  }
  return found;
}

const withType = (item: Item, type: string | undefined): Item =>
  item instanceof Box || type === undefined ? item : new Box(item, undefined, type);
