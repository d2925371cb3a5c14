// The terminology cases are written for R5; what differs goes to R4 and back as HL7's cross-version extensions:
// https://hl7.org/fhir/versions.html#extensions
import type { JsonObject } from '#fhir-model';

const R5 = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-';
const FILTER_OP = `${R5}ValueSet.compose.include.filter.op`;
const R4_OPERATORS = ['=', 'is-a', 'descendent-of', 'is-not-a', 'regex', 'in', 'not-in', 'generalizes', 'exists'];

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function filterToR4(filter: JsonObject): JsonObject {
  const { op, ...rest } = filter;
  if (typeof op !== 'string' || R4_OPERATORS.includes(op)) return filter;
  return { ...rest, _op: { extension: [{ url: FILTER_OP, valueCode: op }] } };
}

/** Leaves out what R4 has no place for: version algorithms, and the `title:en` that is a note of the cases' authors. */
export function toR4(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toR4);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([name]) => !name.includes(':') && !name.startsWith('versionAlgorithm'));
  const made = Object.fromEntries(kept.map(([name, each]) => [name, toR4(each)])) as JsonObject;
  return typeof made.property === 'string' && 'op' in made ? filterToR4(made) : made;
}

/** An extension with parts as an object of them: `{code, value[x]}`. */
function partsOf(extension: JsonObject, choice: boolean): JsonObject {
  const parts: JsonObject = {};
  for (const part of (extension.extension ?? []) as JsonObject[]) {
    const name = Object.keys(part).find((key) => key.startsWith('value')) ?? '';
    const plain = part.url === 'value' && choice ? name : String(part.url);
    parts[plain] = part[name];
  }
  return parts;
}

function liftProperties(holder: JsonObject, url: string, choice: boolean): void {
  const extensions = (holder.extension ?? []) as JsonObject[];
  const lifted = extensions.filter((extension) => extension.url === url);
  if (lifted.length === 0) return;
  holder.property = lifted.map((extension) => partsOf(extension, choice));
  const rest = extensions.filter((extension) => extension.url !== url);
  if (rest.length > 0) holder.extension = rest;
  else delete holder.extension;
}

function containsToR5(contains: unknown): void {
  for (const each of (contains ?? []) as JsonObject[]) {
    liftProperties(each, `${R5}ValueSet.expansion.contains.property`, true);
    containsToR5(each.contains);
  }
}

/** Changes an answer of R4 to the form of R5. */
export function toR5(resource: JsonObject): JsonObject {
  const { expansion } = resource;
  if (!isObject(expansion)) return resource;
  liftProperties(expansion, `${R5}ValueSet.expansion.property`, false);
  containsToR5(expansion.contains);
  return resource;
}
