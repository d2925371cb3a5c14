// resolve(), as far as the resource and the Bundle around it go: https://hl7.org/fhir/R4/fhirpath.html#functions
import { parseReference } from '#fhir-model';
import { isObject, objectsOf } from '../../json.ts';
import type { Frame } from './compiled.ts';
import { Box, bare, CANNOT, ELSEWHERE, type Item } from './items.ts';
import type { Types } from './types.ts';

function referenceOf(item: Item): string | undefined {
  const value = bare(item);
  const text = isObject(value) ? value.reference : value;
  return typeof text === 'string' ? text : undefined;
}

/** What the text of the reference says of a resource that is not here. */
function elsewhere(types: Types, reference: string): Box {
  const parsed = parseReference(reference);
  const type = parsed.kind === 'local' || parsed.kind === 'absolute' ? parsed.type : undefined;
  if (type === undefined || !types.isType(type)) throw CANNOT;
  return new Box(ELSEWHERE, undefined, type);
}

/**
 * A resource that is contained, or the container; of another its type, as far as the reference tells it: asking more of it
 * throws Cannot.
 */
export function resolved(types: Types, item: Item, { rootResource }: Frame): Item {
  const reference = referenceOf(item);
  if (reference === undefined) throw CANNOT;
  if (reference === '#') return rootResource;
  if (!reference.startsWith('#')) return elsewhere(types, reference);
  const found = objectsOf(rootResource.contained).find(({ id }) => id === reference.slice(1));
  if (found === undefined) throw CANNOT;
  return found;
}
