// Rules of single resource types that neither their structure nor R4's invariants tell; each is a pure function of rules/.
import type { JsonObject } from '#fhir-model';
import { isObject, objectsOf, textOf } from './json.ts';
import { bundleFaults } from './rules/bundle.ts';
import { codeSystemFaults } from './rules/code-system.ts';
import type { Fault } from './rules/fault.ts';
import { checkNarrative } from './rules/narrative.ts';
import { parametersFaults } from './rules/parameters.ts';
import type { RuleParts } from './rules/place.ts';
import { questionnaireFaults } from './rules/questionnaire.ts';
import { valueSetFaults } from './rules/value-set.ts';

/** `at` is the path of the resource: `Bundle`, or `Bundle.entry[0].resource`. */
type Rule = (resource: JsonObject, at: string, parts: PlacedParts) => Fault[];

interface PlacedParts extends RuleParts {
  /** What it is contained in, or itself: where `#id` is looked for. */
  container: JsonObject;
}

const rules: Readonly<Record<string, Rule>> = {
  Bundle: bundleFaults,
  CodeSystem: codeSystemFaults,
  Parameters: parametersFaults,
  Questionnaire: (resource, at, { container }) => questionnaireFaults(resource, at, container),
  ValueSet: valueSetFaults,
};

/** https://hl7.org/fhir/R4/narrative.html */
function narrativeFaults(resource: JsonObject, at: string, container: JsonObject): Fault[] {
  const div = isObject(resource.text) ? textOf(resource.text.div) : undefined;
  if (div === undefined) return [];
  const contained = new Set(objectsOf(container.contained).flatMap(({ id }) => textOf(id) ?? []));
  return checkNarrative(div, `${at}.text.div`, contained).faults;
}

/** What is wrong with a resource, those within it aside; `container` is what it is contained in, or itself. */
export function resourceFaults(resource: JsonObject, at: string, container: JsonObject, parts: RuleParts): Fault[] {
  const rule = rules[textOf(resource.resourceType) ?? ''];
  const narrative = narrativeFaults(resource, at, container);
  return rule === undefined ? narrative : [...narrative, ...rule(resource, at, { ...parts, container })];
}
