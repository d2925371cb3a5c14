// Extensions of R4 that its own definitions use where their published context doesn't allow it; the HL7 validator takes these
// uses too. https://hl7.org/fhir/R4/extensibility-registry.html
import type { ExtensionContext } from './plan.ts';

const SD = 'http://hl7.org/fhir/StructureDefinition';

/** Extension → further elements that it is for. */
const wider: Readonly<Record<string, readonly string[]>> = {
  // On every `type` of a primitive's or an id's element, while the context is its `code`.
  [`${SD}/structuredefinition-fhir-type`]: ['ElementDefinition.type'],
  [`${SD}/regex`]: ['ElementDefinition.type'],
  // On normative code systems, value sets, operations and elements.
  [`${SD}/structuredefinition-normative-version`]: [
    ...['CodeSystem', 'ValueSet', 'OperationDefinition', 'SearchParameter', 'ElementDefinition'],
  ],
  [`${SD}/valueset-concept-comments`]: ['CodeSystem.concept', 'ValueSet.expansion.contains'],
};

/** The contexts of the extension, with those that its use in R4 shows. */
export function contextsOf(url: string, contexts: readonly ExtensionContext[]): readonly ExtensionContext[] {
  const more = wider[url.split('|')[0]!];
  if (more === undefined) return contexts;
  return [...contexts, ...more.map((expression): ExtensionContext => ({ type: 'element', expression }))];
}
