// Rules of single resource types that neither their structure nor R4's invariants tell; each is a pure function of rules/.
import type { JsonObject } from '#fhir-model';
import { textOf } from './json.ts';
import { bundleFaults } from './rules/bundle.ts';
import { capabilityStatementFaults } from './rules/capability-statement.ts';
import { codeSystemFaults } from './rules/code-system.ts';
import { conceptMapFaults } from './rules/concept-map.ts';
import type { Fault } from './rules/fault.ts';
import { operationDefinitionFaults } from './rules/operation-definition.ts';
import { parametersFaults } from './rules/parameters.ts';
import type { RuleParts } from './rules/place.ts';
import { questionnaireFaults } from './rules/questionnaire.ts';
import { searchParameterFaults } from './rules/search-parameter.ts';
import { structureDefinitionFaults } from './rules/structure-definition.ts';
import { valueSetFaults } from './rules/value-set.ts';

/** `at` is the path of the resource: `Bundle`, or `Bundle.entry[0].resource`. */
type Rule = (resource: JsonObject, at: string, parts: PlacedParts) => Fault[];

interface PlacedParts extends RuleParts {
  /** What it is contained in, or itself: where `#id` is looked for. */
  container: JsonObject;
}

const rules: Readonly<Record<string, Rule>> = {
  Bundle: bundleFaults,
  CapabilityStatement: capabilityStatementFaults,
  CodeSystem: codeSystemFaults,
  ConceptMap: conceptMapFaults,
  OperationDefinition: operationDefinitionFaults,
  Parameters: parametersFaults,
  Questionnaire: (resource, at, { container }) => questionnaireFaults(resource, at, container),
  SearchParameter: searchParameterFaults,
  StructureDefinition: structureDefinitionFaults,
  ValueSet: valueSetFaults,
};

/** What is wrong with a resource, those within it aside; `container` is what it is contained in, or itself. */
export function resourceFaults(resource: JsonObject, at: string, container: JsonObject, parts: RuleParts): Fault[] {
  const type = textOf(resource.resourceType) ?? '';
  const rule = Object.hasOwn(rules, type) ? rules[type] : undefined;
  return rule === undefined ? [] : rule(resource, at, { ...parts, container });
}
