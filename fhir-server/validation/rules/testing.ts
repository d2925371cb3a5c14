// What the tests of invariants share: every place of a resource where an invariant of R4 applies.
import {
  type ConstraintDefinition,
  type Definitions,
  type ElementDefinition,
  isRawJson,
  type Json,
  type JsonObject,
} from '#fhir-model';
import { isObject, textOf } from '../json.ts';
import type { Fault } from './fault.ts';

export interface Site {
  constraint: ConstraintDefinition;
  type: string;
  node: Json;
  companion: JsonObject | undefined;
  resource: JsonObject;
  rootResource: JsonObject;
}

interface Place {
  resource: JsonObject;
  rootResource: JsonObject;
}

function constraintsOf(definitions: Definitions, type: string): ConstraintDefinition[] {
  const found: ConstraintDefinition[] = [];
  for (let at = definitions.type(type); at !== undefined; at = definitions.type(at.base ?? ''))
    found.push(...(at.constraints ?? []));
  return found;
}

function jsonNames({ name, choice, types }: ElementDefinition): [string, string][] {
  if (!choice) return [[name, types[0] ?? '']];
  return types.map((type) => [`${name}${type.charAt(0).toUpperCase()}${type.slice(1)}`, type]);
}

/** The object's own sites, then those of all below. */
function* inside(definitions: Definitions, node: JsonObject, type: string, place: Place): Generator<Site> {
  for (const element of definitions.type(type)?.elements ?? []) {
    for (const [name, elementType] of jsonNames(element)) {
      const [value, beside] = [node[name], node[`_${name}`]];
      if (value === undefined && beside === undefined) continue;
      const values = Array.isArray(value) || Array.isArray(beside) ? ((value ?? []) as Json[]) : [value ?? null];
      const companions = Array.isArray(beside) ? beside : [beside];
      for (let at = 0; at < Math.max(values.length, companions.length); at++) {
        const companion = isObject(companions[at]) ? (companions[at] as JsonObject) : undefined;
        yield* here(definitions, element, elementType, values[at] ?? null, companion, place);
      }
    }
  }
}

function* here(
  definitions: Definitions,
  element: ElementDefinition,
  elementType: string,
  node: Json,
  companion: JsonObject | undefined,
  place: Place,
): Generator<Site> {
  if (node === null && companion === undefined) return;
  if (elementType === 'Resource') {
    if (isObject(node)) yield* sites(definitions, node, element.name === 'contained' ? place.rootResource : undefined);
    return;
  }
  for (const constraint of [...(element.constraints ?? []), ...constraintsOf(definitions, elementType)])
    yield { constraint, type: elementType, node, companion, ...place };
  if (isObject(node)) yield* inside(definitions, node, elementType, place);
}

/** A resource's own sites and those of all in it. */
export function* sites(definitions: Definitions, resource: JsonObject, container?: JsonObject): Generator<Site> {
  const type = textOf(resource.resourceType) ?? '';
  const place = { resource, rootResource: container ?? resource };
  for (const constraint of constraintsOf(definitions, type))
    yield { constraint, type, node: resource, companion: undefined, ...place };
  yield* inside(definitions, resource, type, place);
}

/** `error bundle-empty Bundle.entry` of each fault. */
export const told = (faults: readonly Fault[]): string[] =>
  faults.map(({ severity, id, expression }) => `${severity} ${id} ${expression}`);

export type Container = Record<string, Json>;

/** The value's objects and arrays, itself included. */
export function containers(value: unknown, found: Container[] = []): Container[] {
  if (typeof value !== 'object' || value === null || isRawJson(value)) return found;
  found.push(value as Container);
  for (const child of Object.values(value)) containers(child, found);
  return found;
}
