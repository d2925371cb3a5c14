// A code system in memory: https://hl7.org/fhir/R4/codesystem.html
import type { CodeSystem, Concept, ConceptDetails, ConceptName, Relation } from './code-system.ts';
import type { MemoryIndex } from './memory-index.ts';
import { tooManyCodes } from './refusals.ts';

export function memorySystem(index: MemoryIndex): CodeSystem {
  const { concepts, lineage, children, find } = index;
  const nameOf = (n: number): ConceptName => {
    const { code, display } = concepts[n]!;
    return { code, ...(display !== undefined && { display }) };
  };
  const detailsOf = (n: number): ConceptDetails => ({
    designations: concepts[n]!.designations,
    properties: concepts[n]!.properties,
    parents: lineage.parents[n]!.map(nameOf),
    children: children[n]!.map(nameOf),
  });
  const relation = (a: Concept, b: Concept): Relation => {
    if (a.n === b.n) return 'equivalent';
    if (lineage.ancestors[b.n]!.includes(a.n)) return 'subsumes';
    return lineage.ancestors[a.n]!.includes(b.n) ? 'subsumed-by' : 'not-subsumed';
  };
  const below = (start: number, codesMax: number): Set<number> => {
    const found = new Set([start]);
    for (const n of found) {
      for (const child of children[n]!) found.add(child);
      if (found.size > codesMax) throw tooManyCodes(codesMax);
    }
    return found;
  };
  return {
    about: index.about,
    memory: index,
    concept: async (code) => find(code),
    async described(code) {
      const concept = find(code);
      return concept && { concept, details: detailsOf(concept.n) };
    },
    details: async ({ n }) => detailsOf(n),
    designations: async ({ n }) => concepts[n]!.designations,
    relation: async (a, b) => relation(a, b),
    async relatives({ n }, direction, codesMax) {
      const numbers = direction === 'below' ? below(n, codesMax) : new Set([n, ...lineage.ancestors[n]!]);
      if (numbers.size > codesMax) throw tooManyCodes(codesMax);
      return new Set([...numbers].map((each) => concepts[each]!.code));
    },
  };
}
