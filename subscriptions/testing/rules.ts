// What registrations of tests are read with.
import { createSearchParameters, loadDefinitions } from '#fhir-model';
import { createEgress } from '#platform';
import type { RegistrationRules } from '../registration.ts';

let rules: Promise<RegistrationRules> | undefined;

/** The R4 search parameters, with loopback open. */
export function testRules(): Promise<RegistrationRules> {
  rules ??= loadDefinitions().then((definitions) => ({
    parameters: createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions),
    resourceTypes: definitions.resourceTypes,
    egress: createEgress(['loopback']),
    email: false,
  }));
  return rules;
}
