// Elements of a resource's JSON by the steps of a FHIRPath, and edits of them that keep the two properties of a primitive
// (`given` and `_given`) in step: https://hl7.org/fhir/R4/json.html#primitive
import {
  choiceName,
  type Definitions,
  type ElementDefinition,
  isObject,
  type Json,
  type JsonObject,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { memberOf } from './tree.ts';

/** One name of a path and, where the element repeats, which of them. */
export interface Step {
  /** As FHIRPath or JSON has it: `value` or `valueQuantity` for a choice. */
  name: string;
  index: number | undefined;
}

/** Where an element stands. */
export interface Site {
  holder: JsonObject;
  /** The property in `holder`; of a choice that has no value the stem. */
  name: string;
  /** undefined for an element that doesn't repeat, and for the list as a whole. */
  index: number | undefined;
  element: ElementDefinition;
  /** Of its content. */
  type: string;
}

/** A primitive with its id and extensions; either may be absent. */
export interface Slot {
  value: Json | null;
  extra: Json | null;
}

export const isPrimitive = (definitions: Definitions, type: string): boolean =>
  definitions.type(type)?.kind === 'primitive';

/** The element of `type` with that name, and for a choice named with its type that type. */
export function elementOf(
  definitions: Definitions,
  type: string,
  name: string,
): { element: ElementDefinition; choice?: string } | undefined {
  for (const element of definitions.type(type)?.elements ?? []) {
    if (element.name === name) return { element };
    if (!element.choice || !name.startsWith(element.name)) continue;
    const choice = element.types.find((one) => choiceName(element.name, one) === name);
    if (choice !== undefined) return { element, choice };
  }
  return undefined;
}

/** Of a choice the type that the object has a value of. */
export function choiceIn(holder: JsonObject, element: ElementDefinition): string | undefined {
  return element.types.find((type) => {
    const name = choiceName(element.name, type);
    return Object.hasOwn(holder, name) || Object.hasOwn(holder, `_${name}`);
  });
}

/** The element `step` of `holder`. Throws `patch-failed` for a name that the type doesn't have. */
function siteIn(definitions: Definitions, holder: JsonObject, type: string, { name, index }: Step): Site {
  const found = elementOf(definitions, type, name);
  if (!found) throw new CerebraError('patch-failed', `${type} has no element '${name.slice(0, 80)}'`);
  const { element } = found;
  const choice = element.choice ? (found.choice ?? choiceIn(holder, element)) : undefined;
  const property = choice === undefined ? element.name : choiceName(element.name, choice);
  return { holder, name: property, index, element, type: choice ?? element.types[0]! };
}

/** Types that every resource is of, and that a path may begin with as well. */
const ABSTRACT = new Set(['Resource', 'DomainResource']);

/**
 * Throws `patch-failed` when a resource of `type` can't have elements of these names, whatever it contains. What is below
 * a choice or in another resource is left open.
 */
export function assertNames(definitions: Definitions, type: string, [first = '', ...rest]: string[]): void {
  const isType = /^[A-Z]/.test(first);
  if (isType && first !== type && !ABSTRACT.has(first)) {
    throw new CerebraError('patch-failed', `The path is one of a ${first.slice(0, 80)}, the resource is a ${type}`);
  }
  let at = type;
  for (const name of isType ? rest : [first, ...rest]) {
    const found = elementOf(definitions, at, name);
    if (!found) throw new CerebraError('patch-failed', `${at} has no element '${name.slice(0, 80)}'`);
    const next = found.choice ?? (found.element.types.length === 1 ? found.element.types[0] : undefined);
    if (next === undefined || next === 'Resource') return;
    at = next;
  }
}

function slotAt({ holder, name, index }: Site): Slot {
  const value = memberOf(holder, name);
  const extra = memberOf(holder, `_${name}`);
  if (index === undefined) return { value: value ?? null, extra: extra ?? null };
  return {
    value: (Array.isArray(value) ? value[index] : undefined) ?? null,
    extra: (Array.isArray(extra) ? extra[index] : undefined) ?? null,
  };
}

/** The object with the children of the element: of a primitive that with its extensions, made when there is none. */
export function contentOf(definitions: Definitions, site: Site): { holder: JsonObject; type: string } {
  const { value, extra } = slotAt(site);
  if (!isPrimitive(definitions, site.type)) {
    if (!isObject(value)) throw new CerebraError('patch-failed', `There is no content in ${site.element.name}`);
    return { holder: value, type: site.type === 'Resource' ? String(value.resourceType) : site.type };
  }
  if (isObject(extra)) return { holder: extra, type: site.type };
  const made: JsonObject = {};
  writeSlot(site, { value, extra: made });
  return { holder: made, type: site.type };
}

/** The sites from the resource's own elements down to the last step. */
export function sitesOf(definitions: Definitions, root: JsonObject, steps: readonly Step[]): Site[] {
  const sites: Site[] = [];
  let at = { holder: root, type: String(root.resourceType) };
  for (const step of steps) {
    const before = sites.at(-1);
    if (before) at = contentOf(definitions, before);
    sites.push(siteIn(definitions, at.holder, at.type, step));
  }
  return sites;
}

/** All of a repeating element. */
export function readList(holder: JsonObject, name: string): Slot[] {
  const values = memberOf(holder, name);
  const extras = memberOf(holder, `_${name}`);
  const lists = [values, extras].map((list) => (Array.isArray(list) ? list : []));
  const length = Math.max(lists[0]!.length, lists[1]!.length);
  return Array.from({ length }, (_, i) => ({ value: lists[0]![i] ?? null, extra: lists[1]![i] ?? null }));
}

function setOrDelete(holder: JsonObject, name: string, value: Json | null): void {
  if (value === null) delete holder[name];
  else holder[name] = value;
}

const column = (values: (Json | null)[]): Json | null => (values.every((value) => value === null) ? null : values);

export function writeList(holder: JsonObject, name: string, slots: readonly Slot[]): void {
  setOrDelete(holder, name, column(slots.map((slot) => slot.value)));
  setOrDelete(holder, `_${name}`, column(slots.map((slot) => slot.extra)));
}

/** Puts the slot where `site` is, in place of what is there. */
export function writeSlot({ holder, name, index }: Site, slot: Slot): void {
  if (index === undefined) {
    setOrDelete(holder, name, slot.value);
    setOrDelete(holder, `_${name}`, slot.extra);
  } else {
    const slots = readList(holder, name);
    slots[index] = slot;
    writeList(holder, name, slots);
  }
}

function removeSlot({ holder, name, index }: Site): void {
  if (index === undefined) {
    delete holder[name];
    delete holder[`_${name}`];
  } else {
    const slots = readList(holder, name);
    slots.splice(index, 1);
    writeList(holder, name, slots);
  }
}

/** Removes the last of `sites`, and every element above it that is left without content: FHIR has no empty ones. */
export function removeElement(sites: readonly Site[]): void {
  for (let depth = sites.length - 1; depth >= 0; depth--) {
    const site = sites[depth]!;
    const below = sites[depth + 1];
    if (below) {
      if (Object.keys(below.holder).length > 0) return;
      const { value, extra } = slotAt(site);
      // What became empty is the primitive's object of extensions: its value stays.
      if (extra === below.holder && value !== null) {
        writeSlot(site, { value, extra: null });
        return;
      }
    }
    removeSlot(site);
  }
}
