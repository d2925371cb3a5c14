// What supplements add to the concepts of a code system: https://hl7.org/fhir/R4/codesystem.html#supplements
import type { CodeSystem, Concept, ConceptDetails, Designation, Property } from './code-system.ts';
import { systemName } from './refusals.ts';

interface Added {
  designations: Designation[];
  properties: Property[];
}

/** The system as it was with what the supplements say of its concepts; they are named as the source of it. */
export function withSupplements(system: CodeSystem, supplements: readonly CodeSystem[]): CodeSystem {
  if (supplements.length === 0) return system;
  const added = async ({ code }: Concept): Promise<Added> => {
    const all: Added = { designations: [], properties: [] };
    const found = await Promise.all(supplements.map((supplement) => supplement.described(code)));
    for (const [i, { about }] of supplements.entries()) {
      const { designations = [], properties = [] } = found[i]?.details ?? {};
      const source = systemName(about.url, about.version);
      all.designations.push(...designations.map((each) => ({ ...each, source })));
      all.properties.push(...properties.map((each) => ({ ...each, source })));
    }
    return all;
  };
  const extended = async (concept: Concept, own: ConceptDetails): Promise<ConceptDetails> => {
    const { designations, properties } = await added(concept);
    return {
      ...own,
      designations: [...own.designations, ...designations],
      properties: [...own.properties, ...properties],
    };
  };
  return {
    ...system,
    async described(code) {
      const found = await system.described(code);
      return found && { concept: found.concept, details: await extended(found.concept, found.details) };
    },
    details: async (concept) => extended(concept, await system.details(concept)),
    designations: async (concept) => [...(await system.designations(concept)), ...(await added(concept)).designations],
  };
}
