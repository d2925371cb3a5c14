// The implied system of `code` elements: https://hl7.org/fhir/R4/search.html#token ("the system is defined in the value set")
import type { Definitions, ElementDefinition } from '../definitions.ts';
import { type Path, parseExpression } from './expression.ts';

/** The element that a path of child steps leads to; undefined where the path says more than names. */
function elementAt(definitions: Definitions, type: string, path: Path): ElementDefinition | undefined {
  let element: ElementDefinition | undefined;
  let at = type;
  for (const step of path) {
    if (step.kind !== 'child') return undefined;
    element = definitions.type(at)?.elements.find((each) => each.name === step.name);
    if (element === undefined || element.choice) return undefined;
    at = element.types[0] ?? '';
  }
  return element;
}

function systemOf(definitions: Definitions, element: ElementDefinition | undefined): string | undefined {
  if (element?.types[0] !== 'code' || element.valueSet === undefined) return undefined;
  const systems = definitions.valueSet(element.valueSet);
  return systems?.length === 1 ? systems[0]?.system : undefined;
}

/**
 * The one code system that the codes of a token parameter come from: `http://hl7.org/fhir/administrative-gender` for
 * Patient.gender. Undefined unless each path ends at a `code` bound to a value set of that one system.
 */
export function codeSystemOf(definitions: Definitions, resourceType: string, expression: string): string | undefined {
  const parsed = parseExpression(expression);
  if (parsed?.kind !== 'paths') return undefined;
  const systems = parsed.paths.map((path) => systemOf(definitions, elementAt(definitions, resourceType, path)));
  return systems.every((system) => system === systems[0]) ? systems[0] : undefined;
}
