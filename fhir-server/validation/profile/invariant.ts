// Invariants of an element: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint
import type { Json } from '#fhir-model';
import { isObject } from '../json.ts';
import type { PlanInvariant } from './plan.ts';
import { type Run, report } from './run.ts';

/** `type` is that of the value, `source` names the profile; none for R4's own. What can't be evaluated from the resource alone is no fault. */
export function checkInvariants(
  run: Run,
  invariants: readonly PlanInvariant[],
  value: Json,
  companion: Json | undefined,
  type?: string,
  source?: string,
): void {
  const { resource, root } = run.frame;
  for (const { key, severity, human, test: plain, testOf, advice } of invariants) {
    const told = advice ? run.settings.bestPractice : severity;
    if (told === undefined || (run.probe && told !== 'error')) continue;
    const test = testOf === undefined ? plain : testOf(type);
    if (test(value, resource, root, isObject(companion) ? companion : undefined) !== false) continue;
    report(run, told, 'invariant', key, `${key}: ${human}${source === undefined ? '' : ` (${source})`}`);
  }
}
