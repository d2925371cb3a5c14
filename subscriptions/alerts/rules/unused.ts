// Elements of a PlanDefinition that say when, for whom or what else, and that nobody here carries out: passed over, a rule would be in
// force when its author thinks that it is not. https://hl7.org/fhir/R4/plandefinition-definitions.html
import type { JsonObject } from '#fhir-model';

/** Of the PlanDefinition. */
export const unusedOfPlan: readonly string[] = ['effectivePeriod', 'library', 'goal'];

/** Of an action, of rules and of chains alike; what ends in [x] has a type behind it. */
export const unusedOfAction: readonly string[] = [
  ...['action', 'relatedAction', 'participant', 'input', 'output', 'goalId'],
  ...['definition[x]', 'transform', 'dynamicValue'],
];

/** The first of these elements that is there. */
export const unusedIn = (element: JsonObject, names: readonly string[]): string | undefined =>
  Object.keys(element).find((key) =>
    names.some((name) => {
      const base = name.endsWith('[x]') ? name.slice(0, -3) : undefined;
      return base === undefined ? key === name : key.length > base.length && key.startsWith(base);
    }),
  );
