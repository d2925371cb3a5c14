// Invariants of an element: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint
import type { Json } from '#fhir-model';
import { isObject } from '../json.ts';
import type { PlanInvariant } from './plan.ts';
import { type Run, report } from './run.ts';

const reasons = {
  unreadable: 'its expression is no FHIRPath that is known here',
  'too-costly': 'its evaluation would take too long',
} as const;

/** Nobody is to take it for kept. Told once, where it stands first. */
function untold(run: Run, key: string, reason: keyof typeof reasons, source = 'R4'): void {
  const name = `${source} ${key}`;
  if (run.probe || run.untold.has(name)) return;
  run.untold.add(name);
  const code = reason === 'unreadable' ? 'not-supported' : 'too-costly';
  report(
    run,
    'warning',
    code,
    'invariant-untold',
    `whether ${key} is kept can't be told: ${reasons[reason]} (${source})`,
  );
}

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
    const outcome = test(value, resource, root, isObject(companion) ? companion : undefined);
    if (outcome === 'unreadable' || outcome === 'too-costly') untold(run, key, outcome, source);
    if (outcome !== false) continue;
    report(run, told, 'invariant', key, `${key}: ${human}${source === undefined ? '' : ` (${source})`}`);
  }
}
