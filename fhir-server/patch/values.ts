// The value of a FHIRPath Patch operation: https://hl7.org/fhir/R4/fhirpatch.html#anonymous
import {
  choiceName,
  type Definitions,
  type ElementDefinition,
  isObject,
  type Json,
  type JsonObject,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { elementOf, isPrimitive, type Slot, writeList } from './elements.ts';

/** What stands in a part: one of a data type, a resource, or the parts of an element whose type has no name. */
export type PatchValue =
  | { kind: 'typed'; type: string; slot: Slot }
  | { kind: 'resource'; resource: JsonObject }
  | { kind: 'parts'; parts: JsonObject[] };

/** Of a parameter or part that is valid; undefined when it has none. */
export function valueIn(definitions: Definitions, part: JsonObject): PatchValue | undefined {
  if (Array.isArray(part.part)) return { kind: 'parts', parts: part.part as JsonObject[] };
  if (isObject(part.resource)) return { kind: 'resource', resource: part.resource };
  const { element } = elementOf(definitions, 'Parameters.parameter', 'value')!;
  for (const type of element.types) {
    const name = choiceName(element.name, type);
    const value = part[name] ?? null;
    const extra = part[`_${name}`] ?? null;
    if (value !== null || extra !== null) return { kind: 'typed', type, slot: { value, extra } };
  }
  return undefined;
}

/** Types that are written alike. Which text is right for which of them is checked with the whole resource. */
const FAMILIES = [
  ['string', 'code', 'id', 'markdown', 'xhtml'],
  ['uri', 'url', 'canonical', 'uuid', 'oid'],
  ['date', 'dateTime', 'instant'],
  ['integer', 'positiveInt', 'unsignedInt'],
];

const isAlike = (a: string, b: string): boolean => FAMILIES.some((family) => family.includes(a) && family.includes(b));

/** Whether `type` is `wanted` or derived from it: an Age is a Quantity. */
function isA(definitions: Definitions, type: string | undefined, wanted: string): boolean {
  return type !== undefined && (type === wanted || isA(definitions, definitions.type(type)?.base, wanted));
}

/** value[x] of a parameter is of any type that a choice may have in R4: an Extension is not among them. */
function howToGive(definitions: Definitions, wanted: string): string {
  if (wanted === 'Resource') return 'as resource';
  const elements = definitions.type('Parameters.parameter')?.elements ?? [];
  return elements.some(({ choice, types }) => choice && types.includes(wanted))
    ? `as ${choiceName('value', wanted)}`
    : 'in parts';
}

function typeOf(definitions: Definitions, element: ElementDefinition, given: string): string {
  if (element.types.includes(given)) return given;
  if (!element.choice) {
    const wanted = element.types[0]!;
    if (isA(definitions, given, wanted) || isAlike(given, wanted)) return wanted;
    const how = howToGive(definitions, wanted);
    throw new CerebraError('patch-failed', `${element.name} is of type ${wanted}, not ${given}: give it ${how}`);
  }
  throw new CerebraError(
    'patch-failed',
    `${element.name} can't be of type ${given}; it can be ${element.types.join(', ')}`,
  );
}

/** A value as it stands in the resource. */
export interface Placed {
  /** The property: of a choice with its type. */
  name: string;
  slot: Slot;
}

/** The one type that parts can make up: a choice doesn't tell which of its types is meant, unless its name does. */
function partsType(definitions: Definitions, element: ElementDefinition, choice: string | undefined): string {
  const type = choice ?? element.types[0]!;
  if (element.choice && choice === undefined) {
    throw new CerebraError('patch-failed', `${element.name} has several types: give its value as one of a type`);
  }
  if (!isPrimitive(definitions, type) && type !== 'Resource') return type;
  throw new CerebraError('patch-failed', `${element.name} is of type ${type}, which has no parts`);
}

/** Puts the value in the form of the element. `choice` is the type that its name told. */
export function place(
  definitions: Definitions,
  element: ElementDefinition,
  choice: string | undefined,
  value: PatchValue,
): Placed {
  const nameFor = (type: string) => (element.choice ? choiceName(element.name, type) : element.name);
  if (value.kind === 'resource') {
    if (element.types[0] === 'Resource') return { name: element.name, slot: { value: value.resource, extra: null } };
    throw new CerebraError('patch-failed', `${element.name} can't hold a resource`);
  }
  if (value.kind === 'parts') {
    const type = partsType(definitions, element, choice);
    return { name: nameFor(type), slot: { value: objectOf(definitions, type, value.parts), extra: null } };
  }
  return { name: nameFor(typeOf(definitions, element, value.type)), slot: value.slot };
}

/** An element made of parts, each of which is named for one of its children. */
function objectOf(definitions: Definitions, type: string, parts: readonly JsonObject[]): JsonObject {
  const object: JsonObject = {};
  const lists = new Map<string, Slot[]>();
  for (const part of parts) {
    const name = String(part.name);
    const found = elementOf(definitions, type, name);
    if (!found) throw new CerebraError('patch-failed', `${type} has no element '${name.slice(0, 80)}'`);
    const value = valueIn(definitions, part);
    if (!value) throw new CerebraError('patch-failed', `The part '${name.slice(0, 80)}' has no value`);
    const placed = place(definitions, found.element, found.choice, value);
    const list = lists.get(placed.name) ?? [];
    if (list.length > 0 && !found.element.array) {
      throw new CerebraError(
        'patch-failed',
        `${type}.${found.element.name} doesn't repeat, but two parts have its name`,
      );
    }
    list.push(placed.slot);
    lists.set(placed.name, list);
    if (found.element.array) writeList(object, placed.name, list);
    else setSlot(object, placed);
  }
  return object;
}

/** Sets an element that doesn't repeat. */
export function setSlot(object: JsonObject, { name, slot }: Placed): void {
  const both: [string, Json | null][] = [
    [name, slot.value],
    [`_${name}`, slot.extra],
  ];
  for (const [property, value] of both) {
    if (value === null) delete object[property];
    else object[property] = value;
  }
}
