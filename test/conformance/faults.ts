// Issues as lines: where and what.
import type { Issue } from '#fhir-model';

export const isError = ({ severity }: Pick<Issue, 'severity'>): boolean => severity === 'error' || severity === 'fatal';

/** The errors, each with its place. */
export const errorLines = (issues: readonly Issue[]): string[] =>
  issues.filter(isError).map(({ diagnostics, expression = [] }) => {
    const [place = ''] = expression;
    return diagnostics.startsWith(place) ? diagnostics : `${place}: ${diagnostics}`;
  });
