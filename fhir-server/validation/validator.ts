// What is checked of every resource before it is stored: its structure, and of a SearchParameter that it can be had.
import type { Definitions, Validator } from '#fhir-model';
import { type Beside, readDefinition } from '../parameters/definition.ts';
import { createStructureValidator } from './structure.ts';

/** `beside` yields what SearchParameters stand beside at the moment. */
export function createValidator(definitions: Definitions, beside: () => Beside): Validator {
  const structure = createStructureValidator(definitions);
  return {
    validate(resource) {
      const issues = structure.validate(resource);
      if (issues.length > 0 || resource.resourceType !== 'SearchParameter') return issues;
      return readDefinition(resource, beside()).issues;
    },
  };
}
