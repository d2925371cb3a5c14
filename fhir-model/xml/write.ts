// Resources as XML: https://hl7.org/fhir/R4/xml.html. A walk over the object's own keys, each looked up in its type's plan:
// most types have far more elements than any instance uses.
import { CerebraError } from '#platform';
import { isObject, isRawJson } from '../json.ts';
import type { Json, JsonObject, Resource } from '../types.ts';
import { divText } from './div.ts';
import { escapeAttribute } from './escape.ts';
import { type ContentKind, fhirNamespace, type XmlElement, type XmlModel, type XmlType } from './model.ts';

/** Writes one element. `pad` stands before each tag: nothing, or a line break and the indentation. */
type WriteOne = (value: Json, companion: Json | undefined, pad: string) => string;

interface Property {
  readonly element: XmlElement;
  readonly write: WriteOne;
}

interface Plan {
  readonly type: XmlType;
  /** By JSON name; `_birthDate` stands beside `birthDate`. */
  readonly properties: ReadonlyMap<string, Property>;
}

interface Writer {
  readonly model: XmlModel;
  readonly plans: Map<string, Plan>;
}

/** What is stored without a check (VALIDATION of its type is off) may be anything: JSON has it as it is. */
function unwritable(type: string, name: string, expected: string): CerebraError {
  const text = `This resource is not valid and can't be written as XML, ask for JSON: ${type}.${name}: ${expected}`;
  return new CerebraError('not-acceptable', text);
}

const deeper = (pad: string): string => (pad === '' ? '' : `${pad}  `);

function valueText(value: Json, kind: ContentKind): string | undefined {
  if (typeof value === kind) return kind === 'string' ? escapeAttribute(value as string) : String(value);
  return kind === 'number' && isRawJson(value) ? value.rawJSON : undefined;
}

function primitiveWriter(writer: Writer, { name, kind }: XmlElement): WriteOne {
  return (value, companion, pad) => {
    const text = value === null ? '' : valueText(value, kind);
    if (text === undefined) throw unwritable('Element', name, `its value must be a ${kind}`);
    const attribute = value === null ? '' : ` value="${text}"`;
    if (!isObject(companion)) return `${pad}<${name}${attribute}/>`;
    return writeTag(planOf(writer, 'Element'), companion, { name, pad, attribute });
  };
}

function complexWriter(writer: Writer, { name, type }: XmlElement): WriteOne {
  let plan: Plan | undefined;
  return (value, _companion, pad) => {
    plan ??= planOf(writer, type);
    if (!isObject(value)) throw unwritable('Element', name, 'it must be an object');
    return writeTag(plan, value, { name, pad, attribute: '' });
  };
}

function resourceWriter(writer: Writer, { name }: XmlElement): WriteOne {
  return (value, _companion, pad) => {
    if (!isObject(value)) throw unwritable('Element', name, 'it must be a resource');
    return `${pad}<${name}>${writeResource(writer, value, '', deeper(pad))}${pad}</${name}>`;
  };
}

function xhtmlWriter(_writer: Writer, { name }: XmlElement): WriteOne {
  return (value, _companion, pad) => {
    if (typeof value !== 'string') throw unwritable('Narrative', name, 'it must be a string');
    return pad + divText(value);
  };
}

const writers: Record<ContentKind, (writer: Writer, element: XmlElement) => WriteOne> = {
  string: primitiveWriter,
  number: primitiveWriter,
  boolean: primitiveWriter,
  complex: complexWriter,
  resource: resourceWriter,
  xhtml: xhtmlWriter,
};

function planOf(writer: Writer, name: string): Plan {
  const known = writer.plans.get(name);
  if (known !== undefined) return known;
  const type = writer.model.type(name);
  const properties = new Map<string, Property>();
  for (const element of type.elements.values()) {
    const property = { element, write: writers[element.kind](writer, element) };
    properties.set(element.name, property);
    if (element.kind === 'string' || element.kind === 'number' || element.kind === 'boolean')
      properties.set(`_${element.name}`, property);
  }
  const plan = { type, properties };
  writer.plans.set(name, plan);
  return plan;
}

interface Tag {
  name: string;
  pad: string;
  /** ` value="…"` of a primitive; of others nothing. */
  attribute: string;
}

/** `<name id="…" …>children</name>`. The order id, value or url is that of the specification's examples. */
function writeTag(plan: Plan, object: JsonObject, { name, pad, attribute }: Tag): string {
  let open = `${pad}<${name}`;
  for (const own of plan.type.attributes) {
    const value = object[own];
    if (typeof value === 'string') open += ` ${own}="${escapeAttribute(value)}"`;
  }
  const children = writeChildren(plan, object, deeper(pad));
  return children === '' ? `${open}${attribute}/>` : `${open}${attribute}>${children}${pad}</${name}>`;
}

/** What stands in JSON beside the elements. */
function isOther(plan: Plan, name: string): boolean {
  return plan.type.resource ? name === 'resourceType' : plan.type.attributes.includes(name);
}

function propertyOf(plan: Plan, name: string): Property {
  const property = plan.properties.get(name);
  if (property === undefined) throw unwritable(plan.type.name, name.slice(0, 64), 'R4 has no such element');
  return property;
}

/**
 * Children in the order of the definition. Keys mostly come in it already, without `_name` among them; as soon as one
 * does not, this starts anew with sorted ones.
 */
function writeChildren(plan: Plan, object: JsonObject, pad: string): string {
  let text = '';
  let last = -1;
  for (const name in object) {
    const value = object[name];
    if (value === undefined || isOther(plan, name)) continue;
    const property = propertyOf(plan, name);
    const { order } = property.element;
    if (order < last || name.charCodeAt(0) === 0x5f) return writeSorted(plan, object, pad);
    last = order;
    text += writeProperty(property, value, undefined, pad);
  }
  return text;
}

function writeSorted(plan: Plan, object: JsonObject, pad: string): string {
  const present = new Set<Property>();
  for (const name in object) {
    if (object[name] !== undefined && !isOther(plan, name)) present.add(propertyOf(plan, name));
  }
  const sorted = [...present].sort((a, b) => a.element.order - b.element.order);
  let text = '';
  for (const property of sorted) {
    const { name } = property.element;
    text += writeProperty(property, object[name] ?? null, object[`_${name}`], pad);
  }
  return text;
}

const itemOf = (list: Json | undefined, index: number): Json => (Array.isArray(list) ? (list[index] ?? null) : null);

/** All values of one name; of a repeating primitive the two arrays go side by side. */
function writeProperty({ element, write }: Property, value: Json, companion: Json | undefined, pad: string): string {
  if (!element.array) return write(value, companion, pad);
  if (value !== null && !Array.isArray(value)) throw unwritable('Element', element.name, 'it must be an array');
  const length = Math.max(value?.length ?? 0, Array.isArray(companion) ? companion.length : 0);
  let text = '';
  for (let index = 0; index < length; index++) text += write(itemOf(value, index), itemOf(companion, index), pad);
  return text;
}

function writeResource(writer: Writer, resource: JsonObject, attribute: string, pad: string): string {
  const { resourceType } = resource;
  if (typeof resourceType !== 'string' || !writer.model.isResourceType(resourceType)) {
    throw unwritable('Resource', 'resourceType', 'it must be a resource type of R4');
  }
  return writeTag(planOf(writer, resourceType), resource, { name: resourceType, pad, attribute });
}

/** `pretty` puts each element on a line of its own; the narrative stays as it is. */
export type XmlWriter = (resource: Resource, pretty: boolean) => string;

/** A writer of whole documents; a resource's tree is one of `parseJson`, `exact` for digits to stay. */
export function createXmlWriter(model: XmlModel): XmlWriter {
  const writer: Writer = { model, plans: new Map() };
  const declaration = '<?xml version="1.0" encoding="UTF-8"?>';
  return (resource, pretty) => {
    const root = writeResource(writer, resource, ` xmlns="${fhirNamespace}"`, pretty ? '\n' : '');
    return declaration + root;
  };
}
