// Compartments: https://hl7.org/fhir/R4/compartmentdefinition.html, searched as https://hl7.org/fhir/R4/http.html#vsearch says
import { CerebraError } from '#platform';
import type { Definitions } from '../definitions.ts';
import { joinParam } from './parse-chain.ts';
import type { SearchParameters } from './registry.ts';
import type { Criterion, SearchParam } from './types.ts';

export interface CompartmentParts {
  definitions: Pick<Definitions, 'compartment'>;
  parameters: SearchParameters;
}

const KINDS = ['Patient', 'Encounter', 'RelatedPerson', 'Practitioner', 'Device'];

function definitionOf({ definitions }: CompartmentParts, compartment: string) {
  const found = definitions.compartment(compartment);
  if (found) return found;
  throw new CerebraError('not-found', `${compartment.slice(0, 64)} has no compartment: ${KINDS.join(', ')} have`);
}

/** The types with resources in that compartment, its own included. Throws `not-found` when there is no such compartment. */
export function compartmentTypes(parts: CompartmentParts, compartment: string): string[] {
  const { resource } = definitionOf(parts, compartment);
  return [...new Set([...Object.keys(resource), compartment])].sort();
}

/** `{def}`, the resource that the compartment is of, is no parameter. */
export function compartmentParams(parts: CompartmentParts, type: string, compartment: string): SearchParam[] {
  const codes = definitionOf(parts, compartment).resource[type] ?? [];
  return codes.flatMap((code) => parts.parameters.get(type, code) ?? []);
}

/**
 * The criterion that a resource of the type is in the compartment of `compartment/id`: that it refers to it by one of the
 * parameters of the CompartmentDefinition, or is that resource itself. Throws `not-found` when there is no such
 * compartment, and `unsupported` when no resource of the type can be in it.
 */
export function compartmentCriterion(
  parts: CompartmentParts,
  type: string,
  compartment: string,
  id: string,
): Criterion {
  const params = compartmentParams(parts, type, compartment);
  const self = type === compartment;
  if (params.length === 0 && !self) {
    throw new CerebraError('unsupported', `${type} is in no compartment of a ${compartment}`);
  }
  return {
    ...{ name: `${compartment}/${id}`, param: joinParam(type, '_compartment'), values: [] },
    compartment: { type: compartment, id, params, self },
  };
}
