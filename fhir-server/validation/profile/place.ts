// The names that R4 has for a place in a resource, as contexts of extensions use them: `Patient.contact.name`, `HumanName`,
// `Element`. https://hl7.org/fhir/R4/defining-extensions.html#context
import type { Definitions, ElementDefinition, Json, JsonObject } from '#fhir-model';
import { choiceName, isObject, textOf } from '../json.ts';

/** A type and what it is derived from. */
function lineage(definitions: Definitions, name: string): string[] {
  const base = definitions.type(name)?.base;
  return base === undefined ? [name] : [name, ...lineage(definitions, base)];
}

export interface At {
  readonly type: string;
  readonly names: ReadonlySet<string>;
  readonly value: Json | undefined;
}

function elementOf(
  definitions: Definitions,
  type: string,
  name: string,
): { element: ElementDefinition; type: string } | undefined {
  for (const element of definitions.type(type)?.elements ?? []) {
    if (!element.choice) {
      if (element.name === name) return { element, type: element.types[0] ?? '' };
      continue;
    }
    const chosen = element.types.find((code) => choiceName(element.name, code) === name);
    if (chosen !== undefined) return { element, type: chosen };
  }
  return undefined;
}

function below(definitions: Definitions, at: At, step: string, value: Json | undefined): At | undefined {
  const found = elementOf(definitions, at.type, step.replace(/^_/, ''));
  if (found === undefined) return undefined;
  const { element } = found;
  const type = found.type === 'Resource' && isObject(value) ? (textOf(value.resourceType) ?? 'Resource') : found.type;
  const labels = element.choice ? [element.name, `${element.name}[x]`, step] : [element.name];
  const names = labels.flatMap((label) => [...at.names].map((name) => `${name}.${label}`));
  return { type, value, names: new Set([...(found.type === 'Resource' ? [] : names), ...lineage(definitions, type)]) };
}

/**
 * The elements around each other that `trail`, of names and indexes from the type of `top` on, leads through, outermost
 * first; undefined where it leads to nothing that R4 has.
 */
export function placesOn(
  definitions: Definitions,
  top: JsonObject,
  trail: readonly (string | number)[],
): At[] | undefined {
  const type = textOf(top.resourceType) ?? '';
  let at: At | undefined = { type, value: top, names: new Set(lineage(definitions, type)) };
  const places: At[] = [at];
  for (let index = 1; index < trail.length && at !== undefined; index++) {
    const step = trail[index];
    const value: Json | undefined = isObject(at.value) ? at.value[step ?? ''] : undefined;
    const next = trail[index + 1];
    const one: Json | undefined = Array.isArray(value) && typeof next === 'number' ? value[next] : value;
    if (typeof next === 'number') index++;
    at = below(definitions, at, String(step), one);
    if (at !== undefined) places.push(at);
  }
  return at && places;
}
