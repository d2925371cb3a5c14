// resolve(), as far as the resource and the Bundle around it go: https://hl7.org/fhir/R4/fhirpath.html#functions
import type { JsonObject } from '#fhir-model';
import { isObject, objectsOf } from '../../json.ts';
import type { Frame } from './compiled.ts';
import { bare, CANNOT, type Item } from './items.ts';

function referenceOf(item: Item): string | undefined {
  const value = bare(item);
  const text = isObject(value) ? value.reference : value;
  return typeof text === 'string' ? text : undefined;
}

/** A resource that is contained; throws Cannot for any other. */
export function resolved(item: Item, { rootResource }: Frame): JsonObject {
  const reference = referenceOf(item);
  if (reference === '#') return rootResource;
  if (reference?.startsWith('#') !== true) throw CANNOT;
  const found = objectsOf(rootResource.contained).find(({ id }) => id === reference.slice(1));
  if (found === undefined) throw CANNOT;
  return found;
}
