// A resource as an argument: an object of the query, a variable, or both. https://hl7.org/fhir/R4/graphql.html#mutations,
// https://spec.graphql.org/October2021/#sec-Input-Values
import type { ObjectValueNode, ValueNode } from 'graphql';
import {
  type Definitions,
  decimalText,
  isNumber,
  isObject,
  type Json,
  type JsonObject,
  type Resource,
  rawJson,
} from '#fhir-model';
import { fault } from './graphql-faults.ts';
import { fieldsOf } from './graphql-types.ts';

/** Values of variables as they were sent; undefined for one without a value. */
export type Sent = ReadonlyMap<string, Json | undefined>;

/** With the digits that it is written with. */
const numberOf = (digits: string): Json =>
  String(Number(digits)) === digits ? Number(digits) : (rawJson(digits) as unknown as Json);

function objectOf({ fields }: ObjectValueNode, sent: Sent): JsonObject {
  const names = new Set<string>();
  const members = fields.map((field): [string, Json | undefined] => {
    const name = field.name.value;
    if (names.has(name)) throw fault('invalid', `'${name.slice(0, 80)}' is given twice`, field, name);
    names.add(name);
    return [name, jsonOf(field.value, sent)];
  });
  return Object.fromEntries(members);
}

/** The value as JSON, names of enums as text; undefined for a variable without a value. */
export function jsonOf(node: ValueNode, sent: Sent): Json | undefined {
  switch (node.kind) {
    case 'Variable':
      if (sent.has(node.name.value)) return sent.get(node.name.value);
      throw fault('invalid', `The variable '$${node.name.value}' is not defined by the operation`, node);
    case 'NullValue':
      return null;
    case 'ListValue':
      return node.values.map((item) => jsonOf(item, sent) ?? null);
    case 'ObjectValue':
      return objectOf(node, sent);
    case 'IntValue':
    case 'FloatValue':
      return numberOf(node.value);
    default:
      return node.value;
  }
}

const DECIMAL = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** A decimal may be given as text, which keeps its digits in any client; an ID as a number, as GraphQL has it. */
function primitiveOf(type: string, json: Json): Json {
  if (type === 'decimal' && typeof json === 'string' && DECIMAL.test(json)) return numberOf(json);
  if (type === 'id' && isNumber(json)) return decimalText(json);
  return json;
}

function elementOf(definitions: Definitions, type: string, primitive: boolean, json: Json): Json {
  if (primitive) return primitiveOf(type, json);
  return isObject(json) ? elementsOf(definitions, type, json) : json;
}

/** One value is a list of one, and what is null is not there, as GraphQL has it. What doesn't fit stays for the validation. */
function elementsOf(definitions: Definitions, given: string, json: JsonObject): JsonObject {
  const type = given === 'Resource' && typeof json.resourceType === 'string' ? json.resourceType : given;
  const fields = fieldsOf(definitions, type);
  const members = Object.entries(json).flatMap(([name, value]): [string, Json][] => {
    if (value === null || value === undefined) return [];
    const field = fields.get(name);
    if (!field) return [[name, value]];
    const one = (item: Json): Json => elementOf(definitions, field.type, field.primitive, item);
    if (Array.isArray(value)) return [[name, value.map(one)]];
    return [[name, field.list ? [one(value)] : one(value)]];
  });
  return Object.fromEntries(members);
}

/** The resource of that type, which may leave its resourceType out. */
export const resourceOf = (definitions: Definitions, type: string, json: JsonObject): Resource => ({
  resourceType: type,
  ...elementsOf(definitions, type, { resourceType: type, ...json }),
});
