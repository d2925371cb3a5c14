// The value set that an element is bound to: `context` of ValueSet/$expand.
// https://hl7.org/fhir/R4/valueset-operation-expand.html
import type { Canonicals, JsonObject, Resource } from '#fhir-model';
import { asArray, asObject, asText } from './code-system.ts';

const CORE = 'http://hl7.org/fhir/StructureDefinition/';

/** `http://…/StructureDefinition/x#Patient.gender`, or of R4's own types just `Patient.gender`. */
function placeOf(context: string): { structure: string; element: string } | undefined {
  const hash = context.indexOf('#');
  if (hash !== -1) return { structure: context.slice(0, hash), element: context.slice(hash + 1) };
  const type = /^([A-Za-z]+)\./.exec(context)?.[1];
  return type === undefined ? undefined : { structure: CORE + type, element: context };
}

const elementsOf = (structure: Resource): JsonObject[] =>
  ['snapshot', 'differential'].flatMap((part) => asArray(asObject(structure[part])?.element));

/** By id, which tells slices apart, else by path. */
export async function bindingOf(canonicals: Canonicals, context: string): Promise<string | undefined> {
  const place = placeOf(context);
  const structure = place && (await canonicals.find('StructureDefinition', place.structure));
  if (structure === undefined) return undefined;
  const elements = elementsOf(structure);
  const bound = (name: 'id' | 'path'): string | undefined =>
    elements
      .filter((each) => each[name] === place!.element)
      .map((each) => asText(asObject(each.binding)?.valueSet))
      .find((url) => url !== undefined);
  return bound('id') ?? bound('path');
}
