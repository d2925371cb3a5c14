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
  const added = ({ code }: Concept): Added => {
    const all: Added = { designations: [], properties: [] };
    for (const { about, memory } of supplements) {
      const concept = memory?.find(code);
      if (concept === undefined) continue;
      const source = systemName(about.url, about.version);
      all.designations.push(...concept.designations.map((each) => ({ ...each, source })));
      all.properties.push(...concept.properties.map((each) => ({ ...each, source })));
    }
    return all;
  };
  const extended = (concept: Concept, own: ConceptDetails): ConceptDetails => {
    const { designations, properties } = added(concept);
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
      return found && { concept: found.concept, details: extended(found.concept, found.details) };
    },
    details: async (concept) => extended(concept, await system.details(concept)),
    designations: async (concept) => [...(await system.designations(concept)), ...added(concept).designations],
  };
}
