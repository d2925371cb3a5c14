// What is checked of every resource before it is stored: its structure, of a SearchParameter that it can be had, and what other
// rooms make of theirs.
import type { Definitions, Validator } from '#fhir-model';
import { type Beside, readDefinition } from '../parameters/definition.ts';
import { createStructureValidator } from './structure.ts';

/** By resource type: what it means to whom it is for. Asked of what has the right structure. */
export type MeaningChecks = Readonly<Record<string, Validator>>;

/** `beside` yields what SearchParameters stand beside at the moment; of types that are `off` nothing is checked. */
export function createValidator(
  definitions: Definitions,
  beside: () => Beside,
  off: ReadonlySet<string> = new Set(),
  meanings: MeaningChecks = {},
): Validator {
  const structure = createStructureValidator(definitions);
  return {
    validate(resource) {
      if (off.size > 0 && off.has(resource.resourceType)) return [];
      const issues = structure.validate(resource);
      if (issues.length > 0) return issues;
      if (resource.resourceType === 'SearchParameter') return readDefinition(resource, beside()).issues;
      const { resourceType: type } = resource;
      return Object.hasOwn(meanings, type) ? meanings[type]!.validate(resource) : issues;
    },
  };
}
