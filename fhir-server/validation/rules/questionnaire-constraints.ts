// Invariants that a Questionnaire sets for its responses: https://hl7.org/fhir/R4/extension-questionnaire-constraint.html
import type { JsonObject } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import { type Fault, fault } from './fault.ts';
import type { CompileInvariant } from './invariants.ts';

const url = 'http://hl7.org/fhir/StructureDefinition/questionnaire-constraint';
/** Of one item or Questionnaire. */
const constraintsMax = 50;

interface Constraint {
  expression: string;
  severity: 'error' | 'warning';
  human: string;
}

function constraintsOf(owner: JsonObject): Constraint[] {
  return objectsOf(owner.extension)
    .filter((extension) => extension.url === url)
    .slice(0, constraintsMax)
    .flatMap(({ extension }) => {
      const part = (name: string): JsonObject | undefined => objectsOf(extension).find((one) => one.url === name);
      const expression = textOf(part('expression')?.valueString);
      if (expression === undefined) return [];
      const severity = part('severity')?.valueCode === 'warning' ? 'warning' : 'error';
      return [{ expression, severity, human: textOf(part('human')?.valueString) ?? expression }];
    });
}

/**
 * What the constraints of an item, or of the Questionnaire itself, say of the part of the response at `at`. One that is no
 * FHIRPath, or can't be told, says nothing.
 */
export function constraintFaults(
  owner: JsonObject,
  part: JsonObject,
  response: JsonObject,
  at: string,
  invariant: CompileInvariant,
): Fault[] {
  const type = part === response ? 'QuestionnaireResponse' : 'QuestionnaireResponse.item';
  return constraintsOf(owner)
    .filter(({ expression }) => invariant(expression, type)(part, response, response) === false)
    .map(({ severity, human }) => fault(severity, 'invariant', 'questionnaire-constraint', at, shown(human)));
}
