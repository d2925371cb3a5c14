// What is checked of every resource before it is stored: its structure, and of a SearchParameter that it can be had.
import type { Definitions, Validator } from '#fhir-model';
import { type Beside, readDefinition } from '../parameters/definition.ts';
import { createStructureValidator } from './structure.ts';

/** `beside` yields what SearchParameters stand beside at the moment; of types that are `off` nothing is checked. */
export function createValidator(
  definitions: Definitions,
  beside: () => Beside,
  off: ReadonlySet<string> = new Set(),
): Validator {
  const structure = createStructureValidator(definitions);
  return {
    validate(resource) {
      if (off.size > 0 && off.has(resource.resourceType)) return [];
      const issues = structure.validate(resource);
      if (issues.length > 0 || resource.resourceType !== 'SearchParameter') return issues;
      return readDefinition(resource, beside()).issues;
    },
  };
}
