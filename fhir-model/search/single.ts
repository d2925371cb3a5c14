// Which parameters have one value a resource at most: https://hl7.org/fhir/R4/elementdefinition.html#ElementDefinition.max
import type { Definitions, ElementDefinition } from '../definitions.ts';
import { parseExpression } from './expression.ts';

/**
 * Whether the expression is one path of elements that don't repeat: `Observation.effective` is, `Patient.name.family` is
 * not. False where the path says more than names.
 */
export function isSingle(definitions: Definitions, resourceType: string, expression: string): boolean {
  const parsed = parseExpression(expression);
  if (parsed?.kind !== 'paths' || parsed.paths.length !== 1) return false;
  let at: string | undefined = resourceType;
  for (const step of parsed.paths[0]!) {
    if (step.kind !== 'child' || at === undefined) return false;
    const element: ElementDefinition | undefined = definitions
      .type(at)
      ?.elements.find(({ name }) => name === step.name);
    if (element === undefined || element.array) return false;
    at = element.choice ? undefined : element.types[0];
  }
  return true;
}
